#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# restore.sh [--quick] [--json] […; --help]: how soon does a restored guest run? See README.md.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=bench.sh
. "$(dirname "$0")/bench.sh"

bench_help restore "$@"
need_userfaultfd
need_kernel
bench_memory
bench_ceph 1
bench restore --program "$BUILD/integration/bench/reads" --store "dir=dir:$MEMORY/store" \
	--store "rbd=$(ceph_uri)" "$@"
