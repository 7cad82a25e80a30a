#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vmguard is killed (kill -9) at eleven points of a snapshot, from its first look at the guest to
# the last step of the commit. After each: the rescue sets the guest free, it goes on with its
# memory right, the last checkpoint can be restored and the next one can be taken.
#
# strace does the killing, at a thread's n-th call of a system call: before it is carried out. Which
# call sends what to QEMU is seen in a snapshot that nothing disturbs. The stream takes at least 100
# reads, of 1 MiB at most; others than those of the FIFO do not count.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
need strace
store=dir:$STORY/store
counter_args
machine=(-M pc -m 128 "${COUNTER_ARGS[@]}")

# watch_commands: a snapshot, and what it tells QEMU into $STORY/commands
watch_commands() {
	strace -f -qq -s 200 -o "$STORY/commands" -e trace=sendmsg \
		"$VMGUARD" snapshot --qmp "$STORY/web.qmp" --store "$store" --name web
}

# command_at REGEX: which of its thread's sendmsg tells QEMU that
command_at() {
	awk -v told="$1" '{ calls[$1]++ } $0 ~ told { print calls[$1]; found = 1; exit }
		END { exit !found }' "$STORY/commands" || fail "no command to QEMU is like $1"
}

# killed_at CALL WHEN [OPTION…]: a snapshot that dies there; false where it came through
killed_at() {
	local status=0
	{ strace -f -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" "${@:3}" \
		"$VMGUARD" snapshot --qmp "$STORY/web.qmp" --store "$store" --name web \
		>"$STORY/killed.json" 2>&1; } 2>/dev/null || status=$?
	((status == 137))
}

# point TITLE CALL WHEN [OPTION…]
point() {
	step "killed $1"
	killed_at "${@:2}" || fail "it was not killed at $2 number $3"
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
watch_commands
fifo=(-P "$STORY/run/web.vmguard-fifo")
set_at=$(command_at 'background-snapshot.*true')
start_at=$(command_at 'fd:vmguard')
reset_at=$(command_at 'background-snapshot.*false')
echo "commands $set_at, $start_at and $reset_at set the capability, start and reset it"
snapshot web "$store"

point "before QEMU has the descriptor" mknodat 1
point "when the capability was not yet set" sendmsg "$set_at"
point "when QEMU was not yet told to start" sendmsg "$start_at"
point "at the first reads of the stream" read 5 "${fifo[@]}"
point "early in the stream" read 30 "${fifo[@]}"
point "later in the stream" read 90 "${fifo[@]}"
point "when it has taken the lock on the image" pwrite64 1
point "at a segment's write" pwrite64 3
point "when QEMU is done and the capability still set" sendmsg "$reset_at"
point "when the checkpoint is made durable" fsync 2
point "when the commit appears" linkat 1
step "done"
