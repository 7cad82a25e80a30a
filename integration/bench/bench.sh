# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the benches share; read after story.sh.
#
#	bench_memory               a folder on tmpfs as $MEMORY, so that not a disk is measured
#	bench NAME ARGUMENT…       runs NAME.py with what it needs to know of this machine
#	bench_help NAME ARGUMENT…  prints the help where it is asked for, and ends
#	bench_ceph OSDS            a cluster that frees removed snapshots at once, as one on flash does
#
# A bench measures only what a build without sanitizers does, on a machine that does nothing else.

export VMGUARD_RUN_DIR=$STORY/run
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

bench_memory() {
	MEMORY=$(mktemp -d /dev/shm/vg-bench.XXXXXX)
	cleanup rm -rf "$MEMORY"
}

bench() {
	local name=$1
	shift
	python3 "$HERE/$name.py" --qemu "$QEMU" --vmguard "$VMGUARD" --folder "$STORY" \
		--kernel "$KERNEL" --initrd "$GUESTS/initramfs" "$@"
}

# Clusters on disks wait 5 s between two objects that they trim, which on loopback would be the
# size of the store at some moment, not what it needs.
bench_ceph() {
	local i
	ceph_up "$1"
	for ((i = 0; i < $1; i++)); do
		ceph --admin-daemon "$CEPH_DIR/osd.$i.asok" config set osd_snap_trim_sleep_hdd 0
		ceph --admin-daemon "$CEPH_DIR/osd.$i.asok" config set osd_snap_trim_sleep 0
	done >"$STORY/ceph.trim.log"
}

# bench_help NAME ARGUMENT…: where they ask for help, and before anything is started
bench_help() {
	local argument
	for argument in "${@:2}"; do
		[ "$argument" != --help ] || { python3 "$HERE/$1.py" --help && exit 0; }
	done
}
