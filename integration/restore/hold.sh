#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A checkpoint that a guest is being restored from stays, in a directory and in a Ceph pool: while
# it is fed, while it stands still because its vmguard was killed, until it has all its memory, or
# until its QEMU is dead; and for as long as nobody knows.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
need_kernel
KIND=linux
RATE=1M
linux_args 64 threads=2
machine=(-M pc -m 224 -smp 2 "${LINUX_ARGS[@]}")

# held N: the process id of who holds checkpoint N; nothing where nobody does
held() {
	"$VMGUARD" info --store "$store" "web@$1" --json >"$STORY/info"
	[ "$(json held_by <"$STORY/info")" = "[]" ] || json held_by.0.pid <"$STORY/info"
}

# stays N COMMAND…: is refused, and says who restores what
stays() {
	local n=$1
	shift
	refused 3 "$@" 2>"$STORY/said"
	cat "$STORY/said"
	grep -q "checkpoint $n of web is being restored by process [0-9]* on host .* since 20" \
		"$STORY/said" || fail "not told who"
}

# pruned N WHY: what prune says of checkpoint N, the oldest
pruned() {
	"$VMGUARD" prune --store "$store" web --keep-last 3 | tee "$STORY/pruned"
	grep -q "^web@$1 .* stays  *$2$" "$STORY/pruned" || fail "checkpoint $1: not $2"
}

fed_and_resumed() {
	step "$1: held while it is fed"
	restore_slowly web@1 again "$store" "${machine[@]}"
	[ "$(held 1)" = "$(process_pid again)" ] || fail "held by $(held 1)"
	"$VMGUARD" snapshots --store "$store" web
	pruned 1 "being restored"
	stays 1 "$VMGUARD" delete --store "$store" web@1
	stays 1 "$VMGUARD" delete --store "$store" web
	stays 1 "$VMGUARD" snapshots --store "$store" --release web@1
	migration_is again postcopy-active || fail "it was over too early to prove anything"

	step "$1: vmguard is killed, the guest stands still: held"
	process_kill feeder-again
	lacks_pages again
	pruned 1 "being restored"
	stays 1 "$VMGUARD" delete --store "$store" web@1

	step "$1: resumed, the guest has all: deleted"
	"$VMGUARD" restore --resume --qmp "$STORY/again.qmp"
	goes_on again web 1
	[ -z "$(held 1)" ] || fail "still held by $(held 1)"
	"$VMGUARD" delete --store "$store" web@1
	guest_kill again
}

killed() {
	step "$1: QEMU is killed: not held any more"
	restore_slowly web@2 killed "$store" "${machine[@]}"
	guest_kill killed
	wait_until 60 process_gone feeder-killed
	[ -z "$(held 2)" ] || fail "held by the dead $(held 2)"
	"$VMGUARD" delete --store "$store" web@2
}

# As far as anybody here can see: a host of another name, whose processes have other numbers.
on_another_host() {
	step "$1: a host that is gone for good"
	guest_command far "${machine[@]}"
	process_start far unshare --uts --pid --mount-proc --fork --kill-child bash -c \
		'hostname far; exec "$@"' far "$VMGUARD" restore --store "$store" web@3 \
		--mode lazy --max-rate 1M -- "${GUEST_COMMAND[@]}"
	wait_until 60 grep -q "runs after" "$STORY/far.log"
	process_kill far
	stays 3 "$VMGUARD" delete --store "$store" web@3
	grep -q "on host far since" "$STORY/said" || fail "not told which host"
	"$VMGUARD" snapshots --store "$store" --release web@3
	[ -z "$(held 3)" ] || fail "still held by $(held 3)"
	"$VMGUARD" delete --store "$store" web@3
}

# everything TITLE STORE
everything() {
	store=$2
	guest_start web "${machine[@]}"
	wait_until 120 linux_reached web 2
	for _ in 1 2 3 4; do
		snapshot web "$store" >/dev/null
		progressed web 1
	done
	guest_kill web
	fed_and_resumed "$1"
	killed "$1"
	# needs root
	! unshare --uts --pid --mount-proc --fork true 2>/dev/null || on_another_host "$1"
	(($(checkpoints "$store" web) == 1)) || fail "not just the last one is left"
	"$VMGUARD" delete --store "$store" web
	rm -f "$STORY"/*.serial "$STORY"/*.log
}

everything directory "dir:$STORY/store"
ceph_up 1
everything Ceph "$(ceph_uri)"
step "done"
