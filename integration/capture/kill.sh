#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vmguard is killed (kill -9) at eleven points of a snapshot, from its first look at the guest to
# the last step of the commit. After each: the rescue sets the guest free, it goes on with its
# memory right, the last checkpoint can be restored and the next one can be taken.
#
# strace does the killing, at a thread's n-th call of a system call. The stream takes at least 100
# reads, of 1 MiB at most.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
need strace
store=dir:$STORY/store
counter_args
machine=(-M pc -m 128 "${COUNTER_ARGS[@]}")

# killed_at CALL WHEN: a snapshot that dies there; false where it came through
killed_at() {
	local status=0
	{ strace -f -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" \
		"$VMGUARD" snapshot --qmp "$STORY/web.qmp" --store "$store" --name web \
		>"$STORY/killed.json" 2>&1; } 2>/dev/null || status=$?
	((status == 137))
}

# point TITLE CALL WHEN
point() {
	step "killed $1"
	killed_at "$2" "$3" || fail "it was not killed at $2 number $3"
	"$VMGUARD" rescue --qmp "$STORY/web.qmp"
	progressed web 2
	restore "web@$TAKEN" last "$store" "${machine[@]}"
	goes_on last web "$TAKEN"
	guest_kill last
	snapshot web "$store"
}

guest_start web "${machine[@]}"
wait_until 60 counter_reached web 2
snapshot web "$store"

point "before QEMU has the descriptor" mknodat 1
point "when the capability was not yet set" sendmsg 7
point "when QEMU was not yet told to start" sendmsg 8
point "at the first reads of the stream" read 10
point "early in the stream" read 30
point "later in the stream" read 90
point "when it has taken the lock on the image" pwrite64 1
point "at a segment's write" pwrite64 3
point "when QEMU is done and the capability still set" sendmsg 9
point "when the checkpoint is made durable" fsync 2
point "when the commit appears" linkat 1
step "done"
