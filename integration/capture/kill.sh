#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vmguard is killed (kill -9) at ten points of a snapshot, from its first look at the guest to
# the last step of the commit. After each: the rescue sets the guest free, it goes on with its
# memory right, the last checkpoint can be restored and the next one can be taken.
#
# strace does the killing, at the n-th call of a system call of the whole process.
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
	strace -f -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=KILL:when=$2" \
		"$VMGUARD" snapshot --qmp "$STORY/web.qmp" --store "$store" --name web \
		>"$STORY/killed.json" 2>&1 || status=$?
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

point "when the FIFO is there, QEMU not yet asked" mknodat 1
point "when QEMU has the descriptor" flock 2
point "at the first read of the stream" read 12
point "early in the stream" read 40
point "in the stream" read 90
point "at the first segment's write" pwrite64 1
point "at a later segment's write" pwrite64 12
point "when the segments are made durable" fsync 3
point "when the manifest is written" pwrite64 28
point "when the commit appears" linkat,renameat,renameat2,rename,link 1
step "done"
