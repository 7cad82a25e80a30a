#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# first.sh [--osds N] [--quick] [--json] […; --help]: a first checkpoint into RBD against "rbd bench". See
# README.md.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=bench.sh
. "$(dirname "$0")/bench.sh"

bench_help first "$@"
osds=1
if [ "${1:-}" = --osds ]; then
	osds=${2:?how many}
	shift 2
fi
need_userfaultfd
need_kernel
bench_ceph "$osds"
bench first --program "$BUILD/integration/bench/scatter" --osds "$osds" \
	--store "rbd=$(ceph_uri)" "$@"
