#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Lazy restores that are disturbed: vmguard is killed while the guest already runs, again and again,
# or interrupted; QEMU dies or hangs before the guest runs; the guest is to stay paused; somebody
# wants snapshots too early; two guests go on from one checkpoint; QEMU may not use userfaultfd.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
need_kernel
need_qemu10
KIND=linux
store=dir:$STORY/store

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
	restore_slowly "$name" "$name-again" "$store" "$@"
	for i in 1 2 3; do
		process_kill "feeder-$name-again"
		lacks_pages "$name-again"
		((i == 3)) || resume_slowly "$name-again"
	done
	refused 3 "$VMGUARD" snapshot --qmp "$STORY/$name-again.qmp" --store "$store" --name "$name" \
		2>"$STORY/said"
	grep -q "held for that: .*vmguard restore --resume" "$STORY/said" || fail "not told what to do"
	resume "$name-again"
	[ "$(json mode <"$STORY/$name-again.json")" = lazy ] || fail "not lazy"
	goes_on "$name-again" "$name" "$TAKEN"
	# nothing is left of it: the next snapshot works
	"$VMGUARD" snapshot --qmp "$STORY/$name-again.qmp" --store "$store" --name "$name"
	refused 3 "$VMGUARD" restore --resume --qmp "$STORY/$name-again.qmp"
	guest_kill "$name-again"
}

# has_said FILE WORDS
has_said() {
	grep -q "$2" "$STORY/$1.log"
}

# The story's QEMU, the first $DOOMED times sent signal $DOOM when it listens for the stream.
doomed_qemu() {
	cat >"$STORY/doomed" <<'DOOMED'
#!/bin/bash
echo "$$" >>"$STORY/started"
if (($(wc -l <"$STORY/started") <= DOOMED)); then
	(
		until compgen -G "$STORY/run/in-*" >/dev/null; do :; done
		kill "-$DOOM" "$$"
	) &
fi
exec "$@"
DOOMED
	chmod +x "$STORY/doomed"
}

# dies_early DOOM DOOMED EXPECTED: vmguard's exit status. The signal comes within a few
# milliseconds; one that comes when the guest runs already proves nothing here.
dies_early() {
	local i status
	export STORY DOOM=$1 DOOMED=$2
	for ((i = 0; i < 20; i++)); do
		rm -f "$STORY/started" "$STORY/early.serial"
		status=0
		guest_command early "${machine[@]}"
		"$VMGUARD" restore --store "$store" g1@1 --mode lazy --json -- \
			"$STORY/doomed" "${GUEST_COMMAND[@]}" >"$STORY/early.json" 2>"$STORY/said" ||
			status=$?
		grep -q "stands still" "$STORY/said" || break
		kill -9 "$(tail -n 1 "$STORY/started")" 2>/dev/null || true
	done
	((status == $3)) || fail "exit status $status: $(cat "$STORY/said")"
}

# gone_but N: none of the QEMUs that were started is left, except for the last N
gone_but() {
	local pid
	for pid in $(head -n "-$1" "$STORY/started"); do
		[ -z "$(process_stat "$pid" 0)" ] || fail "QEMU $pid was left behind"
	done
}

ROUND=0
linux_args 64 threads=2
machine=(-M pc-i440fx-7.2 -m 224 -smp 2 "${LINUX_ARGS[@]}")
killed_and_resumed "killed three times, QEMU 7.2" "$QEMU72" "${machine[@]}"
killed_and_resumed "killed three times, QEMU 10.0" "$QEMU10" "${machine[@]}"

# shellcheck disable=SC2034 # guest_command reads it
QEMU=$QEMU72
step "interrupted (Ctrl-C): the guest stands still, and is gone on with"
restore_slowly g1@1 stopped "$store" "${machine[@]}"
process_signal INT feeder-stopped
has_said feeder-stopped "stands still until vmguard restore --resume --qmp $STORY/stopped.qmp" ||
	fail "not told how to go on"
lacks_pages stopped
resume stopped
goes_on stopped g1 1
guest_kill stopped

step "a guest that is to stay paused gets its memory, and goes on later"
RATE=16M restore_slowly g1@1 paused "$store" "${machine[@]}" -S
guest_is paused paused
process_kill feeder-paused
lacks_pages paused
RATE=16M resume_slowly paused
guest_is paused paused
fed paused
guest_is paused paused
[ ! -s "$STORY/paused.serial" ] || fail "it ran"
qmp "$STORY/paused.look" '{"execute":"cont"}' >/dev/null
goes_on paused g1 1
guest_kill paused

step "killed when all was sent and before it tidied up: the next one does that"
restore_slowly g1@1 whole "$store" "${machine[@]}"
note=$(compgen -G "$STORY/run/restore-$(process_pid whole)-*[0-9]")
cp "$note" "$STORY/note"
fed whole
[ ! -e "$note" ] || fail "the note was left behind"
cp "$STORY/note" "$note"
"$VMGUARD" restore --resume --qmp "$STORY/whole.qmp" >"$STORY/said"
cat "$STORY/said"
grep -q "has had all its memory already" "$STORY/said" || fail "not told what it was"
[ ! -e "$note" ] || fail "the note was left behind"
"$VMGUARD" snapshot --qmp "$STORY/whole.qmp" --store "$store" --name whole
guest_kill whole

step "two guests from one checkpoint at the same time"
restore_slowly g1@1 one "$store" "${machine[@]}"
restore_slowly g1@1 two "$store" "${machine[@]}"
migration_is one postcopy-active || fail "one was over too early to prove anything"
fed one
fed two
goes_on one g1 1
goes_on two g1 1
guest_kill one
guest_kill two

step "a snapshot while pages are still missing; a series begins when all are there"
restore_slowly g1@1 early "$store" "${machine[@]}"
refused 3 "$VMGUARD" snapshot --qmp "$STORY/early.look" --store "$store" --name early \
	2>"$STORY/said"
cat "$STORY/said"
grep -q "still being restored" "$STORY/said" || fail "not told why"
process_start series "$VMGUARD" snapshot --qmp "$STORY/early.look" --store "$store" --name series \
	--every 2s --count 2
wait_until 60 has_said series "still being restored"
process_alive feeder-early || fail "it was over too early to prove anything"
fed early
wait_until 60 process_gone series
tail -n 3 "$STORY/series.log"
has_said series "2 checkpoints taken, 0 failed" || fail "the series did not begin"
goes_on early g1 1
guest_kill early

doomed_qemu
step "QEMU is killed before the guest runs: another one is started"
dies_early KILL 1 0
guest_adopt early "$(json pid <"$STORY/early.json")"
gone_but 1
goes_on early g1 1
guest_kill early
step "and given up in the end"
dies_early KILL 9 1
cat "$STORY/said"
(($(wc -l <"$STORY/started") == 3)) || fail "not tried three times"
gone_but 0
step "QEMU hangs before the guest runs"
dies_early STOP 1 0
guest_adopt early "$(json pid <"$STORY/early.json")"
gone_but 1
goes_on early g1 1
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
