#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What can happen to a domain of libvirt while it stands still for its disks: somebody saves,
# migrates or resumes it, libvirtd is started anew, QEMU freezes, with and without vmguard, or dies. Both sides
# say what happened; the guest goes on, and finds its disks and its memory in agreement, also in what
# was saved; and no snapshot of a disk is left without its checkpoint.
#
# That moment lasts as long as Ceph does not answer. ROUNDS=50 saves more often at random (6).
# shellcheck disable=SC2119 # functions with arguments that need none
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/libvirt.sh
. "$(dirname "$0")/../lib/libvirt.sh"

need_userfaultfd
need_modules
need_libvirt
need qemu-img rbd
KIND=disk
ROUNDS=${ROUNDS:-6}
store=dir:$STORY/store
disks=(rbd:rbd/far "$STORY/near.qcow2")
export DOMAIN_WORDS="disks=2 mib=8 rate=200 verify=2"

ceph_answers() {
	kill -CONT "$(process_pid ceph.osd.0)"
}

# begin: a snapshot in the background, and the guest stands still for it
begin() {
	kill -STOP "$(process_pid ceph.osd.0)"
	attempt_begin
	wait_until 60 stands_still
}

stands_still() {
	[ "$(libvirt_virsh domstate web)" = paused ]
}

# says REGEX FILE
says() {
	grep -qE "$1" "$2" || fail "that does not say \"$1\": $(<"$2")"
}

# unharmed: it runs, can be captured, and its disks have what they should
unharmed() {
	wait_until 60 domain_is libvirt web running
	domain_settings_are_off libvirt web
	disk_verifies web 1
	snapshot web "$store" --keep-last 2
	no_orphans web "$store" "${disks[@]}"
}

# meanwhile COMMAND…: begun in that moment; its words in $STORY/others, its exit status is this one's
meanwhile() {
	local command status=0
	begin
	"$@" >"$STORY/others" 2>&1 &
	command=$!
	sleep 2
	ceph_answers
	wait "$command" || status=$?
	cat "$STORY/others"
	return "$status"
}

step "Ceph, and two libvirt hosts"
ceph_up 1
libvirt_up
host_up other
for disk in "${disks[@]}"; do
	disk_make "$disk" 64
done
domain_start libvirt web disk "${disks[@]}"
named web
disk_verifies web 1
snapshot web "$store"

step "somebody saves it: they are refused, and the checkpoint is taken"
refused 1 meanwhile libvirt_virsh save web "$STORY/saved"
says "vmguard takes a snapshot" "$STORY/others"
attempt_ends 0
unharmed

step "somebody migrates it: both are refused"
refused 1 meanwhile libvirt_virsh migrate --live --unsafe web "$(host_uri other)" --migrateuri tcp://127.0.0.1
says "[Bb]ackground-snapshot" "$STORY/others"
attempt_ends 3
says "job: migration away" "$STORY/said"
[ -z "$(host_virsh other list --all --name)" ] || fail "the other host has it too"
unharmed

step "somebody resumes it: its disks would not match its memory, the checkpoint is dropped"
meanwhile libvirt_virsh resume web
attempt_ends 3
says "somebody let the guest go on" "$STORY/said"
unharmed

step "somebody saves it at any moment, $ROUNDS times: the one or the other is refused"
for ((round = 1; round <= ROUNDS; round++)); do
	attempt_begin
	sleep "0.$(printf %03d $((RANDOM % 700)))"
	saved=0 status=0
	libvirt_virsh save web "$STORY/saved" 2>"$STORY/others" || saved=$?
	wait "$TAKER" || status=$?
	echo "save: status $saved, snapshot: status $status"
	[[ $status = [03] ]] || says "does not run|has ended" "$STORY/said"
	if ((!saved)); then
		libvirt_virsh restore "$STORY/saved"
		domain_adopt libvirt web
	fi
	unharmed
done

step "libvirtd is started anew"
begin
libvirtd_restart libvirt &
restart=$!
sleep 3
ceph_answers
wait "$restart"
wait "$TAKER" || true # as it stood when libvirtd went
cat "$STORY/said"
unharmed

step "QEMU freezes, for longer than vmguard waits"
begin
kill -STOP "$(process_pid web)"
ceph_answers
start=$SECONDS
attempt_ends 1
((SECONDS - start < 120)) || fail "it took $((SECONDS - start)) s"
says "no answer within 10 s: QEMU or libvirtd is frozen" "$STORY/said"
says "the guest stands still; process [0-9]+ lets it go on" "$STORY/said"
kill -CONT "$(process_pid web)"
unharmed

step "and vmguard is killed meanwhile"
begin
kill -STOP "$(process_pid web)"
ceph_answers
kill -KILL "$TAKER"
wait "$TAKER" 2>/dev/null || true
sleep 15
kill -CONT "$(process_pid web)"
unharmed

step "QEMU is killed"
begin
guest_kill web
ceph_answers
attempt_ends 1
says "libvirt says|has ended" "$STORY/said"
ceph_fence far
"$VMGUARD" prune --store "$store" web --keep-last 2
no_orphans web "$store" "${disks[@]}"
step "done"
