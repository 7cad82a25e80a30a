#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# capture.sh [--ram MIB] [--rounds N] [--no-slow-store]: what a capture costs, against the limit (QEMU's own
# background snapshot, drained to nowhere) and the usual alternative (stop and copy). All ways are taken
# in turn on the same running guest, and compared round by round. See README.md beside it.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"

need_userfaultfd
ram=1024
rounds=5
slow=(--slow-store "rbd at 50 MB/s=rbd:rbd/slow-?conf=$STORY/slow.conf")
while (($#)); do
	case $1 in
	--ram) ram=$2 && shift ;;
	--rounds) rounds=$2 && shift ;;
	--no-slow-store) slow=() ;;
	*) fail "usage: capture.sh [--ram MIB] [--rounds N] [--no-slow-store]" ;;
	esac
	shift
done

# The directory is on tmpfs, so that not a disk is measured.
memory=$(mktemp -d /dev/shm/vg-bench.XXXXXX)
cleanup rm -rf "$memory"
export VMGUARD_RUN_DIR=$STORY/run

ceph_up 1
# the same cluster through a client that may write 50 MB/s
sed 's/^\[client\]/&\nrbd_qos_write_bps_limit = 50000000/' "$CEPH_CONF" >"$STORY/slow.conf"

# A dot every 2 MiB of memory: about one a millisecond. The machine has no RAM between 3 and
# 4 GiB, and the guest does not see beyond: what a larger one has more stays zero.
written=$((ram > 3000 ? 3000 : ram - 8))
counter_make "$STORY/counter.bin" "$written" 512
python3 "$(dirname "$0")/capture.py" --qemu "$QEMU" --vmguard "$VMGUARD" \
	--guest "$STORY/counter.bin" --folder "$STORY" --ram "$ram" --written "$written" --rounds "$rounds" \
	--store "dir, tmpfs=dir:$memory/store" \
	--store "rbd=$(ceph_uri)" "${slow[@]}"
