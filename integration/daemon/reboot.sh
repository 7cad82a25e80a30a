#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# How a guest goes on whose QEMU died: it boots anew where its policy says so, stays down where a
# person decides, and where it is continued it gets all its pages, whoever is killed meanwhile: its
# restore, the daemon, or both.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/libvirt.sh
. "$(dirname "$0")/../lib/libvirt.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

need_userfaultfd
need_libvirt
store=dir:$STORY/store

# What the daemon starts: a restore takes its time, and each leaves a line.
cat >"$STORY/vmguard" <<WRAPPER
#!/bin/bash
echo "\$*" >>"$STORY/starts"
sleep "\$(<"$STORY/wait")"
exec "$VMGUARD" "\$1" --max-rate "\$(<"$STORY/rate")" "\${@:2}"
WRAPPER
chmod +x "$STORY/vmguard"
echo 0 >"$STORY/wait"
echo 100M >"$STORY/rate"

daemon_starts() {
	VMGUARD=$STORY/vmguard daemon_start
}

# set NAME SETTING VALUE
set_policy() {
	ask PATCH "/v1/guests/$1/policy" "{\"settings\": {\"$2\": \"$3\"}}" >"$STORY/answer"
}

# dies NAME: what it prints from now on is its next QEMU's
dies() {
	rm -f "$STORY/$1.serial"
	process_kill "$1"
}

# comes_back NAME: in another QEMU
comes_back() {
	wait_until 90 "${KIND}_prints" "$1"
	domain_adopt libvirt "$1"
}

counter_prints() {
	[ "$(counter_first "$1")" ]
}

linux_prints() {
	[ "$(linux_first "$1")" ]
}

told() {
	ask GET "/v1/events" | grep -q "\"kind\": *\"$1\""
}

# is_captured NAME: from here on
is_captured() {
	wait_until 90 is_beyond "$1" "$(newest "$1")"
}

# feeder: the process that brings the guest its pages; fails where there is none
feeder() {
	local note pid
	for note in "$STORY"/run/restore-*[0-9]; do
		pid=$(awk 'NF == 8 { print $3 }' "$note" 2>/dev/null) && [ "$pid" ] &&
			kill -0 "$pid" 2>/dev/null && echo "$pid" && return
	done
	return 1
}

# feeder_is_not PID: there is another one
feeder_is_not() {
	local pid
	pid=$(feeder) && [ "$pid" != "$1" ]
}

complete() {
	! compgen -G "$STORY/run/restore-*" >/dev/null
}

restores() {
	wc -l <"$STORY/starts"
}

step "guests"
daemon_configure "$store"
libvirt_up
KIND=counter
domain_start libvirt boots counter
domain_start libvirt web linux
daemon_starts

step "one that boots anew, as its last checkpoint has it"
protect boots "connect=$(host_uri libvirt)" interval=2s on-failure=reboot restarts=10 >"$STORY/answer"
is_captured boots
wait_until 60 counter_reached boots 20
dies boots
comes_back boots
first=$(counter_first boots)
((first < 10)) || fail "it went on with pass $first"
is_captured boots
told guest-continued || fail "nobody was told"

step "and as libvirt has it defined"
host_virsh libvirt dumpxml boots >"$STORY/boots.xml"
host_virsh libvirt define "$STORY/boots.xml"
wait_until 60 counter_reached boots 20
dies boots
comes_back boots
first=$(counter_first boots)
((first < 10)) || fail "it went on with pass $first"
is_captured boots

step "one that a person raises"
set_policy boots on-failure manual
is_captured boots
before=$(counter_last boots)
is_captured boots
is_captured boots
after=$(counter_last boots)
process_kill daemon
dies boots
daemon_starts
wait_until 60 is_state boots down
process_kill daemon
daemon_starts
wait_until 60 is_state boots down
ask POST /v1/guests/boots/restores >"$STORY/answer"
comes_back boots
counter_continues boots "$before" $((after + 2))
is_captured boots
ask DELETE /v1/guests/boots/policy
KIND=linux

step "the daemon is killed before the guest has a QEMU: its restore is not begun twice"
protect web "connect=$(host_uri libvirt)" interval=2s restarts=10 >"$STORY/answer"
is_captured web
echo 5 >"$STORY/wait"
echo 1M >"$STORY/rate"
count=$(restores)
dies web
wait_until 30 is_state web continuing
process_kill daemon
daemon_starts
wait_until 30 is_state web continuing
comes_back web
(($(restores) == count + 1)) || fail "more than one: $(<"$STORY/starts")"
echo 0 >"$STORY/wait"

step "its restore is killed, and gone on with"
wait_until 30 feeder >"$STORY/feeder"
pid=$(feeder)
kill -KILL "$pid"
wait_until 60 feeder_is_not "$pid"
progressed web 3
told restore-interrupted || fail "nobody was told"
is_state web continuing || fail "it is $(of web 'g["state"]')"

step "both are killed"
pid=$(feeder)
process_kill daemon
kill -KILL "$pid"
daemon_starts
wait_until 60 feeder_is_not "$pid"
progressed web 3

step "the daemon is killed, and learns how it ends"
pid=$(feeder)
process_kill daemon
daemon_starts
wait_until 30 is_state web continuing
[ "$(feeder)" = "$pid" ] || fail "another process feeds it"
wait_until 300 complete
is_captured web # which it is not while it continues
linux_verifies web 1
"$VMGUARD" verify --store "$store" web
step "done"
