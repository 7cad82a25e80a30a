#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Lazy restores that are disturbed: vmguard is killed while the guest already runs, again and again;
# somebody wants a snapshot too early; QEMU may not use userfaultfd.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
need_kernel
need_qemu10
KIND=linux
store=dir:$STORY/store

# migration_is NAME STATUS
migration_is() {
	[ "$(qmp "$STORY/$1.look" '{"execute":"query-migrate"}' | json status 2>/dev/null)" = "$2" ]
}

# restore_slowly TARGET AS ARGUMENT…: in the background; returns when the guest runs
restore_slowly() {
	local target=$1 as=$2
	shift 2
	guest_start "$as" "$@" -incoming defer
	process_start "feeder-$as" "$VMGUARD" restore --store "$store" "$target" --mode lazy \
		--max-rate 4M --qmp "$STORY/$as.qmp"
	wait_until 60 grep -q "runs after" "$STORY/feeder-$as.log"
}

# killed_and_resumed TITLE QEMU ARGUMENT…
killed_and_resumed() {
	local name="g$((++ROUND))" i
	step "$1"
	QEMU=$2
	shift 2
	guest_start "$name" "$@"
	wait_until 120 linux_reached "$name" 2
	snapshot "$name" "$store"
	guest_kill "$name"
	restore_slowly "$name" "$name-again" "$@"
	for i in 1 2 3; do
		process_kill "feeder-$name-again"
		wait_until 60 migration_is "$name-again" postcopy-paused
		((i == 3)) && break
		process_start "feeder-$name-again" "$VMGUARD" restore --resume --max-rate 4M \
			--qmp "$STORY/$name-again.qmp"
		wait_until 60 migration_is "$name-again" postcopy-active
	done
	refused 3 "$VMGUARD" snapshot --qmp "$STORY/$name-again.qmp" --store "$store" --name "$name"
	"$VMGUARD" restore --resume --qmp "$STORY/$name-again.qmp" --json >"$STORY/resumed.json"
	[ "$(json mode <"$STORY/resumed.json")" = lazy ] || fail "not lazy"
	goes_on "$name-again" "$name" "$TAKEN"
	# nothing is left of it: the next snapshot works
	"$VMGUARD" snapshot --qmp "$STORY/$name-again.qmp" --store "$store" --name "$name"
	refused 3 "$VMGUARD" restore --resume --qmp "$STORY/$name-again.qmp"
	guest_kill "$name-again"
}

ROUND=0
linux_args 64 threads=2
machine=(-M pc-i440fx-7.2 -m 224 -smp 2 "${LINUX_ARGS[@]}")
killed_and_resumed "killed three times, QEMU 7.2" "$QEMU72" "${machine[@]}"
killed_and_resumed "killed three times, QEMU 10.0" "$QEMU10" "${machine[@]}"

QEMU=$QEMU72
step "a snapshot while pages are still missing"
restore_slowly g1@1 early "${machine[@]}"
refused 3 "$VMGUARD" snapshot --qmp "$STORY/early.look" --store "$store" --name early \
	2>"$STORY/said"
cat "$STORY/said"
grep -q "still being restored" "$STORY/said" || fail "not told why"
guest_kill early

step "QEMU may not use userfaultfd: all memory goes first"
if [ "$(</proc/sys/vm/unprivileged_userfaultfd)" = 0 ]; then
	guest_command plain "${machine[@]}"
	"$VMGUARD" restore --store "$store" g1@1 --json -- \
		setpriv --bounding-set=-sys_ptrace "${GUEST_COMMAND[@]}" \
		>"$STORY/plain.json" 2>"$STORY/said"
	cat "$STORY/said"
	grep -q "lazy restore is not possible" "$STORY/said" || fail "not told why"
	guest_adopt plain "$(json pid <"$STORY/plain.json")"
	[ "$(json mode <"$STORY/plain.json")" = full ] || fail "not full"
	goes_on plain g1 1
	guest_kill plain
	refused 1 "$VMGUARD" restore --store "$store" g1@1 --mode lazy -- \
		setpriv --bounding-set=-sys_ptrace "${GUEST_COMMAND[@]}"
fi
step "done"
