#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# series.sh [--quick] [--json] […; --help]: does a long series stay as it began? See README.md.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=bench.sh
. "$(dirname "$0")/bench.sh"

bench_help series "$@"
need_userfaultfd
need_kernel
bench_memory
bench_ceph 1
bench series --store "dir, tmpfs=dir:$MEMORY/store" --store "rbd=$(ceph_uri)" "$@"
