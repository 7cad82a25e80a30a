#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Two hosts on one machine are hosts: guests with disks on shared storage migrate between them, a
# power failure of one takes its guests and nobody else's, a restart of libvirtd none; and nothing of
# them is left on the machine, even when the story's shell is killed.

# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/libvirt.sh
. "$INTEGRATION/lib/libvirt.sh"

need_modules
need_libvirt
need_qemu10
need qemu-img mkfs.ext4 e2fsck rbd

# A machine without libvirt has none of these; one with it has its own, which stay as they are.
libvirt_traces() {
	ls -ld --time-style=full-iso /etc/libvirt /run/libvirt /var/{lib,cache,log}/libvirt \
		/etc/passwd 2>/dev/null || true
}

domains_of() {
	host_virsh "$1" list --name | sort | xargs
}

runs_on() {
	[ "$(domains_of "$1")" = "$2" ] || fail "host $1 has the guests \"$(domains_of "$1")\""
}

# story_of_its_own: in a shell of its own, which is the process "inner" of this one
story_of_its_own() {
	. "$INTEGRATION/lib/story.sh"
	. "$INTEGRATION/lib/libvirt.sh"
	host_up c
	QEMU=$QEMU10 DOMAIN_WORDS="disks=1 mib=4 verify=1" domain_start c inner disk rbd:rbd/inner
	disk_verifies inner 1
	echo "qemu $(process_pid inner) folder $STORY"
	exec sleep 600
}

inner_qemu() {
	sed -nE 's/^qemu ([0-9]+) .*/\1/p' "$STORY/inner.log"
}

inner_runs() {
	process_alive inner || fail "the story in the story ended"
	[ "$(inner_qemu)" ]
}

traces=$(libvirt_traces)
step "two hosts and a Ceph cluster"
ceph_up 1
host_up a
host_up b
step "both are up"
[ "$(host_run a hostname)$(host_run b hostname)" = ab ] || fail "the hosts have no names"

step "a guest with two disks in files, the second with a file system, and one with its disk on RBD"
disk_make "$STORY/files.qcow2" 64
disk_make "$STORY/files.raw" 64 ext4
disk_make rbd:rbd/pool 64
DOMAIN_WORDS="disks=2 mib=4 rate=200 ext4=1 verify=2" \
	domain_start a files disk "$STORY/files.qcow2" "$STORY/files.raw"
DOMAIN_WORDS="disks=1 mib=4 rate=200 verify=2" domain_start a pool disk rbd:rbd/pool
disk_verifies files 2
disk_verifies pool 2
step "they run"

for guest in files pool; do
	domain_moves "$guest" a b
	step "$guest migrated"
	disk_verifies "$guest" 2
done
runs_on a ""
runs_on b "files pool"
step "they run on"

domain_moves pool b a
libvirtd_restart b
runs_on b files
disk_verifies files 2
step "libvirtd restarted, its guest runs"

host_power_off b
process_gone files || fail "guest files outlived its host"
runs_on a pool
disk_verifies pool 2
disk_fsck "$STORY/files.raw"
step "b lost its power, only its guest is gone, and the file system is in order"

host_up b
runs_on b ""
domain_moves pool a b
disk_verifies pool 2
step "b is back, and takes a guest"

host_power_off a
host_power_off b
process_gone pool || fail "guest pool outlived its host"

disk_make rbd:rbd/inner 16
export -f story_of_its_own
export INTEGRATION QEMU10_DIR=${QEMU10%/*}
process_start inner bash -c story_of_its_own
wait_until 180 inner_runs
process_adopt inner-qemu "$(inner_qemu)"
process_kill inner
wait_until 30 process_gone inner-qemu
step "the shell of a story was killed: its host, with QEMU 10.0, is gone"
[ "$(libvirt_traces)" = "$traces" ] || fail "the machine has changed: $(libvirt_traces)"
