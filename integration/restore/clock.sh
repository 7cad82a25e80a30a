#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A restored guest has slept: its guest agent sets its clock, and the network is told where it is
# now. Where there is no agent, or it hangs, the guest is restored all the same, and that is said.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need socat
need_userfaultfd
need_agent
store=dir:$STORY/store
OUTAGE=10   # seconds
QEMU_SAYS=5 # rounds of its own after each migration (announce-rounds)

# machine NAME: its arguments as the array MACHINE. The guest has no driver for its network card.
machine() {
	# shellcheck disable=SC2054 # the commas are QEMU's
	MACHINE=(-M pc-i440fx-7.2 -m 256 "${GUEST_ARGS[@]}" -serial "file:$STORY/$1.clock"
		-device virtio-serial
		-chardev "socket,id=agent,path=$STORY/$1.agent,server=on,wait=off"
		-device "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"
		-netdev user,id=lan,restrict=on -device e1000,netdev=lan,romfile=
		-object "filter-dump,id=frames,netdev=lan,file=$STORY/$1.frames")
}

# clock_lag NAME: by how many seconds the guest's clock was behind when the guest printed it
clock_lag() {
	local printed
	printed=$(tail -n 1 "$STORY/$1.clock" 2>/dev/null | tr -d '\r')
	echo $(($(date +%s) - ${printed:-0}))
}

# The guest prints its clock once a second, so it is a little late.
clock_is_right() {
	local lag
	lag=$(clock_lag "$1")
	((lag >= -2 && lag <= 2))
}

clock_was_printed() {
	[ -s "$STORY/$1.clock" ]
}

# announcements NAME: how many RARP frames left the machine
announcements() {
	python3 - "$STORY/$1.frames" <<'COUNT'
import struct, sys
data = open(sys.argv[1], "rb").read()
at, count = 24, 0
while at + 16 <= len(data):
    length = struct.unpack_from("<I", data, at + 8)[0]
    count += data[at + 28:at + 30] == b"\x80\x35"
    at += 16 + length
print(count)
COUNT
}

announced_more_than() {
	(($(announcements "$1") > $2))
}

# said AS FIELD VALUE: in what the restore of AS printed
said() {
	local value
	value=$(json "$2" <"$STORY/$1.json")
	[ "$value" = "$3" ] || fail "$2 is \"$value\" and not \"$3\": $(<"$STORY/$1.json")"
}

explained() {
	json clock_error <"$STORY/$1.json" | grep -q "$2" || fail "not told why: $(<"$STORY/$1.json")"
}

outage_is_over() {
	((SECONDS >= TAKEN_AT + OUTAGE))
}

take() {
	wait_until 120 linux_reached "$1" 2
	wait_until 30 clock_is_right "$1"
	snapshot "$1" "$store"
	TAKEN_AT=$SECONDS
	guest_kill "$1"
}

# continued AS MODE [ARGUMENT…]
continued() {
	local as=$1
	MODE=$2
	shift 2
	machine "$as"
	restore web "$as" "$store" "${MACHINE[@]}" "$@"
	said "$as" mode "$MODE"
}

step "a guest with an agent"
KIND=linux
"$INTEGRATION/guest/agent.sh" "$STORY/initramfs" "$GUESTS/initramfs" \
	"$AGENT_DIR/qemu-ga" "$KERNEL_MODULES"
linux_args 64 threads=1
GUEST_ARGS=("${LINUX_ARGS[@]/"$GUESTS/initramfs"/"$STORY/initramfs"}")
machine web
guest_start web "${MACHINE[@]}"
take web
wait_until 60 outage_is_over

for mode in lazy full; do
	step "$mode: the clock is set, the network announced"
	continued "$mode" "$mode"
	said "$mode" clock set
	said "$mode" network announced
	wait_until 30 clock_is_right "$mode"
	wait_until 30 announced_more_than "$mode" $QEMU_SAYS
	goes_on "$mode" web 1
	echo "clock behind by $(clock_lag "$mode") s, $(announcements "$mode") announcements"
	guest_kill "$mode"
done

step "--keep-clock: the guest's clock lags"
machine kept
guest_start kept "${MACHINE[@]}" -incoming defer
"$VMGUARD" restore --store "$store" web@1 --keep-clock --qmp "$STORY/kept.qmp" --json \
	>"$STORY/kept.json"
said kept clock kept
wait_until 60 clock_was_printed kept
lag=$(clock_lag kept)
((lag > OUTAGE - 3)) || fail "the clock lags by $lag s only"
guest_kill kept

step "a guest that stays paused"
continued paused full -S
said paused clock paused
said paused network paused
guest_kill paused

step "somebody else has the agent"
machine busy
guest_start busy "${MACHINE[@]}" -incoming defer
process_start other socat -u "UNIX-CONNECT:$STORY/busy.agent" -
wait_until 30 test -e "$STORY/other.pid"
"$VMGUARD" restore --store "$store" web@1 --qmp "$STORY/busy.qmp" --json >"$STORY/busy.json"
said busy clock failed
explained busy "somebody else"
goes_on busy web 1
guest_kill busy

step "an agent that hangs"
GUEST_ARGS=("${GUEST_ARGS[@]/quiet/quiet AGENT=hangs}")
machine hung
guest_start hung "${MACHINE[@]}"
take hung
machine hung-again
before=$SECONDS
restore hung hung-again "$store" "${MACHINE[@]}"
said hung-again clock failed
explained hung-again "did not answer"
echo "restored all the same within $((SECONDS - before)) s"
goes_on hung-again hung 1
guest_kill hung-again

step "no agent: a channel that nobody opened; neither channel nor network"
KIND=counter
counter_args
GUEST_ARGS=("${COUNTER_ARGS[@]}")
machine bare
for arguments in "${#MACHINE[@]}" $((4 + ${#COUNTER_ARGS[@]})); do
	wanted=("${MACHINE[@]:0:arguments}")
	guest_start bare "${wanted[@]}"
	wait_until 60 counter_reached bare 1
	snapshot bare "$store" --whole
	guest_kill bare
	restore bare bare-again "$store" "${wanted[@]//bare/bare-again}"
	said bare-again clock "no agent"
	json clock_error <"$STORY/bare-again.json"
	goes_on bare-again bare "$TAKEN"
	guest_kill bare-again
	rm "$STORY"/bare*.serial
done
said bare-again network "no network"
explained bare-again "has no channel"
step "done"
