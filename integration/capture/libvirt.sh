#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Snapshots of a domain of libvirt: libvirt finds everything as it was, also where it is started
# anew or frozen, works on the domain itself, or where QEMU is frozen or dies in the middle.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/libvirt.sh
. "$(dirname "$0")/../lib/libvirt.sh"

need_userfaultfd
need_libvirt
export DOMAIN_MIB=128
store=dir:$STORY/store
counter_args
# What libvirt makes of the definition.
# shellcheck disable=SC2054 # the commas are QEMU's
machine=(-no-user-config -nodefaults -M "$(domain_machine),usb=off" -cpu qemu64 -m 128
	-device piix3-usb-uhci,id=usb,bus=pci.0,addr=0x1.0x2 "${COUNTER_ARGS[@]}")
slow=(--max-rate 16M --spool 32M) # some seconds in the middle

# attempt [OPTION…]: a snapshot, its words in $STORY/said
attempt() {
	"$VMGUARD" snapshot "${NAMED[@]}" --store "$store" "$@" >"$STORY/said" 2>&1
}

# says STATUS REGEX [OPTION…]: one that ends so, within the time limit of a call, and says that
says() {
	local start=$SECONDS
	refused "$1" attempt "${@:3}"
	cat "$STORY/said"
	grep -qE "$2" "$STORY/said" || fail "that does not say: $2"
	((SECONDS - start < 60)) || fail "it took $((SECONDS - start)) s"
}

# begin: a slow one in the background, which is in its middle when this returns
begin() {
	attempt_begin "${slow[@]}"
	wait_until 30 test -p "$STORY/run/web.vmguard-fifo"
	sleep 0.5
	[ -p "$STORY/run/web.vmguard-fifo" ] || fail "the snapshot is over already"
}

# leave_settings: as a vmguard that is killed
leave_settings() {
	libvirt_virsh qemu-monitor-command web '{"execute": "migrate-set-capabilities", "arguments":
		{"capabilities": [{"capability": "background-snapshot", "state": true}]}}'
	libvirt_virsh qemu-monitor-command web '{"execute": "migrate-set-parameters", "arguments":
		{"tls-creds": "vmguard takes a snapshot, or was killed (vmguard rescue)"}}'
}

# is_not_saved: with the words in save.log
is_not_saved() {
	if libvirt_virsh save web "$STORY/saved" 2>"$STORY/save.log"; then
		fail "it was saved"
	fi
	cat "$STORY/save.log"
}

state_is() {
	domain_is libvirt web "$1"
}

capability_is_off() {
	domain_settings_are_off libvirt web
}

# unharmed: it runs on with its memory right, and can be captured; a restart finds no trace
unharmed() {
	wait_until 30 state_is running
	capability_is_off
	progressed web 2
	libvirt_virsh dumpxml --inactive web | cmp - "$STORY/inactive" ||
		fail "the definition changed"
	snapshot web "$store"
}

# goes_on_elsewhere: the last checkpoint, in a QEMU without libvirt
goes_on_elsewhere() {
	restore web last "$store" "${machine[@]}"
	goes_on last web "$TAKEN"
	guest_kill last
}

# signal_libvirtd SIGNAL: STOP, CONT
signal_libvirtd() {
	host_run libvirt kill "-$1" "$(<"$STORY/host.libvirt/run/libvirtd.pid")"
}

migrate_away() {
	host_virsh libvirt migrate --live --unsafe web "$(host_uri other)" \
		--migrateuri tcp://127.0.0.1
}

other_has_none() {
	[ -z "$(host_virsh other list --all --name)" ]
}

libvirt_up
domain_xml web counter >"$STORY/web.xml"
libvirt_virsh define "$STORY/web.xml"
libvirt_virsh start web
domain_adopt libvirt web
named web
wait_until 60 counter_reached web 2
libvirt_virsh dumpxml --inactive web >"$STORY/inactive"
libvirt_virsh dumpxml web >"$STORY/live"

step "increments, by name and by UUID, and one that goes on"
for _ in 1 2 3; do
	snapshot web "$store"
	goes_on_elsewhere
done
NAMED[3]=$(libvirt_virsh domuuid web)
attempt_begin
attempt_ends 0
grep -q "^web@4:" "$STORY/said" || fail "it has another name: $(cat "$STORY/said")"
named web
libvirt_virsh dumpxml web | cmp - "$STORY/live" || fail "the domain changed"
unharmed

step "who is not there"
NAMED[3]=nobody
says 1 "has no such domain"
NAMED=(--connect "qemu+unix:///system?socket=$STORY/nobody" --domain web)
says 1 "libvirt says: .*$STORY/nobody"
named web

step "what libvirt does with it afterwards"
libvirt_virsh suspend web
state_is paused || fail "it is not paused"
leave_settings
is_not_saved
grep -q "vmguard rescue" "$STORY/save.log" || fail "the save would be corrupt"
says 3 "paused and QEMU would resume it"
capability_is_off
libvirt_virsh resume web
unharmed
libvirt_virsh save web "$STORY/saved"
libvirt_virsh restore "$STORY/saved"
domain_adopt libvirt web
unharmed
libvirt_virsh managedsave web
says 1 "it does not run .*: start it first"
libvirt_virsh start web
domain_adopt libvirt web
unharmed

step "a job of libvirt"
mkfifo "$STORY/dump"
exec 5<>"$STORY/dump"
libvirt_virsh dump --live web "$STORY/dump" >"$STORY/dump.log" 2>&1 &
dump=$!
dumps() {
	libvirt_virsh domjobinfo web | grep -q 'Operation: *Dump'
}
wait_until 30 dumps
says 3 "job: dump"
libvirt_virsh domjobabort web
cat <&5 >"$STORY/dumped" &
drain=$!
wait "$dump" || true
kill "$drain"
exec 5<&-
unharmed

step "libvirtd is started anew in the middle"
begin
libvirtd_restart libvirt
attempt_ends 0
unharmed
goes_on_elsewhere

step "and between two of a series"
process_start series "$VMGUARD" snapshot "${NAMED[@]}" --store "$store" --every 3s --count 3
wait_until 60 grep -q "guest paused" "$STORY/series.log"
libvirtd_restart libvirt
wait_until 120 process_gone series
grep -q "3 checkpoints taken, 0 failed" "$STORY/series.log" || fail "$(cat "$STORY/series.log")"
unharmed

step "libvirtd is away when it ends"
begin
libvirtd_stop libvirt
sleep 8
libvirtd_start libvirt
attempt_ends 0
unharmed

step "somebody suspends it in the middle"
begin
libvirt_virsh suspend web
attempt_ends 0
state_is paused || fail "it is not paused any more"
capability_is_off
libvirt_virsh resume web
unharmed

step "somebody saves it in the middle"
begin
is_not_saved
attempt_ends 0
unharmed

step "and at any moment, ${ROUNDS:=12} times: the one or the other is refused"
for ((round = 1; round <= ROUNDS; round++)); do
	attempt_begin
	sleep "0.$(printf %03d $((RANDOM % 650)))"
	saved=0 status=0
	libvirt_virsh save web "$STORY/saved" 2>"$STORY/save.log" || saved=1
	wait "$TAKER" || status=$?
	echo "save: status $saved, snapshot: status $status"
	[[ $status = [03] ]] || grep -qE "does not run|has ended" "$STORY/said" ||
		fail "$(cat "$STORY/said")"
	if ((!saved)); then
		libvirt_virsh restore "$STORY/saved"
		domain_adopt libvirt web
	fi
	wait_until 30 state_is running
	capability_is_off
done
unharmed

step "somebody migrates it in the middle, and afterwards"
host_up other
begin
if migrate_away 2>"$STORY/migrate.log"; then
	fail "it was migrated"
fi
cat "$STORY/migrate.log"
attempt_ends 0
wait_until 30 other_has_none
unharmed
process_start moved "$VMGUARD" snapshot "${NAMED[@]}" --store "$store" --every 2s
wait_until 60 grep -q "guest paused" "$STORY/moved.log"
until migrate_away 2>>"$STORY/migrate.log"; do
	sleep 0.1 # a snapshot is under way
done
wait_until 60 process_gone moved
tail -n 2 "$STORY/moved.log"
grep -qE "migrated away|does not run" "$STORY/moved.log" || fail "the series does not say so"
domain_adopt other web
named web
snapshot web "$store"
domain_migrate web other libvirt
named web
unharmed

step "libvirtd is frozen before, and when it ends"
signal_libvirtd STOP
says 1 "no answer within"
signal_libvirtd CONT
unharmed
begin
signal_libvirtd STOP
sleep 12
signal_libvirtd CONT
attempt_ends 0
unharmed

step "QEMU is frozen before, and in the middle"
kill -STOP "$(process_pid web)"
says 1 "no answer within"
kill -CONT "$(process_pid web)"
unharmed
begin
kill -STOP "$(process_pid web)"
sleep 3
kill -CONT "$(process_pid web)"
attempt_ends 0
unharmed

step "vmguard is killed in the middle"
begin
kill -KILL "$TAKER"
wait "$TAKER" 2>/dev/null || true
"$VMGUARD" rescue "${NAMED[@]}"
unharmed
goes_on_elsewhere

step "somebody destroys it in the middle"
begin
libvirt_virsh destroy web
attempt_ends 1
grep -q "it was destroyed" "$STORY/said" || fail "it does not say so"
goes_on_elsewhere
: >"$STORY/web.serial" # it begins to count again
libvirt_virsh start web
domain_adopt libvirt web
unharmed

step "QEMU is killed in the middle"
begin
guest_kill web
attempt_ends 1
grep -q "QEMU ended during the snapshot" "$STORY/said" || fail "it does not say so"
goes_on_elsewhere
step "done"
