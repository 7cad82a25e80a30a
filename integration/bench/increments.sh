#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# increments.sh [--quick] [--json] […; --help]: what the second and later checkpoints cost. See README.md.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=bench.sh
. "$(dirname "$0")/bench.sh"

bench_help increments "$@"
need_userfaultfd
need_kernel
bench_memory
bench_ceph 1
bench increments --store "dir, tmpfs=dir:$MEMORY/store" --store "rbd=$(ceph_uri)" \
	--exports "$MEMORY/export" "$@"
