#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# scatter.sh [--osds "1 3"] [--quick] [--json] […; --help]: scattered dirty pages, packed against
# written in place; on a cluster of one OSD and on one of three with three copies. See README.md.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=bench.sh
. "$(dirname "$0")/bench.sh"

bench_help scatter "$@"
clusters="1 3"
if [ "${1:-}" = --osds ]; then
	clusters=${2:?how many}
	shift 2
fi
bench_memory
for osds in $clusters; do
	bench_ceph "$osds"
	stores=(--store "rbd=$(ceph_uri)")
	[ "$osds" != 1 ] || stores+=(--store "dir, tmpfs=dir:$MEMORY/store")
	bench scatter --program "$BUILD/integration/bench/scatter" --osds "$osds" "${stores[@]}" "$@"
	ceph_down
done
