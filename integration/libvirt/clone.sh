#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A checkpoint goes on as another domain beside the one it was taken of, which runs on: both find
# their disks in agreement with their memory, and neither sees what the other one does. The copy is
# on no network before it has MAC addresses of its own. A drill leaves nothing behind, also when it
# is killed.

# Bridges and taps of its own.
if [ "$(id -u)" = 0 ] && [ ! "${CLONE_NETWORK:-}" ]; then
	export CLONE_NETWORK=own
	exec unshare -n -- "$0" "$@"
fi
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/libvirt.sh
. "$(dirname "$0")/../lib/libvirt.sh"

need_userfaultfd
need_agent
need_libvirt
need qemu-img rbd ip bridge
[ -e "$KERNEL_MODULES/net_failover.ko" ] ||
	skip "no net_failover.ko beside the guest kernel: integration/fetch.sh kernel gets it"
store=dir:$STORY/store
MAC=52:54:00:12:34:56
COMMON=(--connect "" --store "$store")

# tty NAME [PORT]: the pty of a serial port of a domain; fails where it has none (yet)
tty() {
	libvirt_virsh dumpxml "$1" 2>/dev/null | python3 -c '
import sys, xml.etree.ElementTree as tree
ports = tree.parse(sys.stdin).findall("devices/serial")
print(ports[int(sys.argv[1])].find("source").get("path"))' "${2:-0}" 2>/dev/null
}

# listen NAME: what the domain will print, from its first letter on
listen() {
	rm -f "$STORY/$1.serial" "$STORY/$1.nics"
	export -f tty libvirt_virsh host_virsh host_uri
	export STORY LIBVIRT LIBVIRT_LIBRARIES
	process_start "listen-$1" bash -c "
		for port in 0 1; do
			until t=\$(tty $1 \$port) && [ \"\$t\" ]; do sleep 0.02; done
			[ \$port = 0 ] && out=$STORY/$1.serial || out=$STORY/$1.nics
			cat \"\$t\" >\$out 2>/dev/null &
		done
		wait"
}

# copied NAME [OPTION…]: web goes on as NAME
copied() {
	local name=$1
	shift
	listen "$name"
	"$VMGUARD" clone "${COMMON[@]}" web --as "$name" --json "$@" >"$STORY/$name.json" ||
		fail "no clone $name of web"
	domain_adopt libvirt "$name"
	goes_on "$name" web "$TAKEN"
}

# nics NAME: the MAC addresses that its guest sees now
nics() {
	tail -n 1 "$STORY/$1.nics" | tr -d '\r'
}

nics_are() {
	[ "$(nics "$1")" = "nics $2" ]
}

mac_of() {
	libvirt_virsh dumpxml "$1" | sed -nE "s/.*<mac address='(.*)'.*/\1/p"
}

tap_of() {
	libvirt_virsh dumpxml "$1" | sed -nE "s/.*<target dev='(vnet.*|tap.*)'.*/\1/p"
}

# left: what is there of domains, disks, and notes
left() {
	libvirt_virsh list --all --name | sort | xargs
	rbd ls rbd | sort | xargs
	ls "$STORY"/disks
	find "$STORY/run" -name 'drill-*' -printf 'note %f\n'
}

# leaves_nothing COMMAND…: and does so
leaves_nothing() {
	left >"$STORY/left.before"
	"$@"
	left | diff "$STORY/left.before" - || fail "something else is there than before"
}

# says REGEX: what was said last on standard error
says() {
	cat "$STORY/said"
	grep -qE "$1" "$STORY/said" || fail "that does not say: $1"
}

# domain_end NAME: with its clones
domain_end() {
	libvirt_virsh destroy "$1"
	rbd rm --no-progress "rbd/web-root-$1"
	rm "$STORY/disks/log-$1.qcow2"
}

step "a guest with a disk on RBD, one in a file, and a network"
ip link set lo up
ip link add br0 type bridge
ip link set br0 up
ceph_up 1
libvirt_up
COMMON=(--connect "$(host_uri libvirt)" --store "$store")
mkdir "$STORY/disks"
# One that can be taken away: libvirt fails before QEMU has the disks open, of which Ceph would know
# for half a minute.
printf '#!/bin/bash\nexec %s "$@"\n' "$QEMU" >"$STORY/emulator"
chmod +x "$STORY/emulator"
disk_make rbd:rbd/web-root 32
disk_make "$STORY/disks/log.qcow2" 32
DOMAIN_WORDS="disks=2 mib=8 rate=200 verify=2" DOMAIN_DEVICES="
<serial type='file'><source path='$STORY/web.nics' append='on'/></serial>
<interface type='bridge'><mac address='$MAC'/><source bridge='br0'/><model type='virtio'/></interface>" \
	QEMU=$STORY/emulator domain_start libvirt web disk rbd:rbd/web-root "$STORY/disks/log.qcow2"
host_uri libvirt >"$STORY/web.connect"
KIND=disk
disk_verifies web 1
nics_are web $MAC || fail "its guest sees \"$(nics web)\""
snapshot web "$store"

step "one whose guest gives nothing up: its network interface stays, and leads nowhere"
DOMAIN_MIB=128 DOMAIN_DEVICES="
<interface type='bridge'><mac address='52:54:00:12:34:99'/><source bridge='br0'/><model type='e1000'/></interface>" \
	domain_start libvirt pulse counter
host_uri libvirt >"$STORY/pulse.connect"
KIND=counter
wait_until 60 counter_reached pulse 1
snapshot pulse "$store"
KIND=disk TAKEN=1
process_start stubborn bash -c "'$VMGUARD' clone ${COMMON[*]} pulse --as deaf --network same
	echo \"status \$?\""

step "beside it, without a network"
copied copy
cat "$STORY/copy.json"
disk_verifies copy 2
disk_verifies web 2
nics_are copy $MAC || fail "its guest sees \"$(nics copy)\""
[ "$(tap_of copy)" ] || fail "it has no tap"
! bridge link | grep -q "$(tap_of copy)" || fail "it is on the bridge: $(bridge link)"
[ "$(json disk_clones <"$STORY/copy.json")" = \
	"[\"rbd/web-root-copy\", \"$STORY/disks/log-copy.qcow2\"]" ] || fail "other disks"
[ "$(libvirt_virsh domuuid copy)" != "$(libvirt_virsh domuuid web)" ] || fail "the same UUID"

step "a name that is in use is refused, and nothing is left"
for name in copy web; do
	leaves_nothing refused 3 "$VMGUARD" clone "${COMMON[@]}" web --as $name 2>"$STORY/said"
	says "there is one already"
done
rbd create --size 1 rbd/web-root-new
leaves_nothing refused 3 "$VMGUARD" clone "${COMMON[@]}" web --as new 2>"$STORY/said"
says "there is an RBD image rbd/web-root-new already"
rbd rm --no-progress rbd/web-root-new
leaves_nothing refused 1 "$VMGUARD" clone "${COMMON[@]}" web --as new --network lab 2>"$STORY/said"
says 'network "lab"'
mv "$STORY/emulator" "$STORY/away"
leaves_nothing refused 1 "$VMGUARD" clone "${COMMON[@]}" web --as new 2>"$STORY/said"
says "libvirt says"
mv "$STORY/away" "$STORY/emulator"
domain_end copy

step "on the same network, with an address of its own; defined"
copied pair --network same --define
[ "$(json interfaces_connected <"$STORY/pair.json")" = 1 ] || fail "its interface is not connected"
new=$(mac_of pair)
if [ ! "$new" ] || [ "$new" = $MAC ]; then
	fail "its MAC address is \"$new\""
fi
wait_until 30 nics_are pair "$new"
bridge link | grep -q "$(tap_of pair)" || fail "it is not on the bridge: $(bridge link)"
bridge fdb show br br0 | tee "$STORY/fdb" | grep -v "$(tap_of web)" | grep -i $MAC &&
	fail "the original's address was seen from elsewhere: $(cat "$STORY/fdb")"
libvirt_virsh dumpxml --inactive pair | grep -q "$new" || fail "another one was defined"
disk_verifies pair 1
disk_verifies web 1
domain_end pair
libvirt_virsh undefine pair

step "drills: alive by its console, or not, or nobody can tell"
leaves_nothing "$VMGUARD" drill "${COMMON[@]}" web --expect '^verify [0-9]+ .* ok$' --json \
	>"$STORY/drill.json"
cat "$STORY/drill.json"
[ "$(json proved <"$STORY/drill.json")" = True ] || fail "it did not prove alive"
leaves_nothing refused 4 "$VMGUARD" drill "${COMMON[@]}" web --expect 'no such line' --timeout 3s \
	--mode full 2>"$STORY/said"
says 'the last line is "(tick|verify)'
leaves_nothing refused 2 "$VMGUARD" drill "${COMMON[@]}" web 2>"$STORY/said"
says "no channel for a guest agent"

step "a drill that is killed: the next one removes what it has left"
drills() {
	libvirt_virsh list --name | grep -e -drill-
}
has_all() {
	[ "$(libvirt_virsh qemu-monitor-command "$(drills)" '{"execute":"query-migrate"}' |
		json return.status)" = completed ]
}
# begin NAME [OPTION…]: a drill that takes its time
begin() {
	rm -f "$STORY/drill.log"
	process_start drill "$VMGUARD" drill "${COMMON[@]}" "$@" --expect 'no such line'
	wait_until 60 grep -q "runs after" "$STORY/drill.log"
}
left >"$STORY/left.first"
begin web
wait_until 60 has_all
process_kill drill
drills || fail "a drill that was killed leaves no domain: that proves nothing"
"$VMGUARD" drill "${COMMON[@]}" web --expect '^tick ' 2>"$STORY/said" ||
	fail "a drill after that fails: $(cat "$STORY/said")"
says "was left by a drill that died"
left | diff "$STORY/left.first" - || fail "something is left"
begin web
wait_until 60 has_all
kill -INT "$(process_pid drill)"
wait_until 60 process_gone drill
left | diff "$STORY/left.first" - || fail "something is left: $(cat "$STORY/drill.log")"
disk_verifies web 1

step "the one that gave nothing up runs"
wait_until 120 process_gone stubborn
cat "$STORY/stubborn.log"
grep -q "status 4" "$STORY/stubborn.log" || fail "its exit status does not tell"
grep -q "52:54:00:12:34:99 .* is not connected" "$STORY/stubborn.log" || fail "it is not said"
[ "$(libvirt_virsh domstate deaf)" = running ] || fail "it does not run"
! bridge link | grep -q "$(tap_of deaf)" || fail "it is on the bridge"
libvirt_virsh destroy deaf
libvirt_virsh destroy web

step "and by its guest agent, after one that was killed while the guest lacks memory"
mkdir "$STORY/guests"
"$INTEGRATION/guest/agent.sh" "$STORY/guests/initramfs" "$GUESTS/initramfs" \
	"$AGENT_DIR/qemu-ga" "$KERNEL_MODULES"
KIND=linux
DOMAIN_WORDS="mib=32" DOMAIN_DEVICES="
<serial type='file'><source path='$STORY/soul.clock' append='on'/></serial>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>" \
	GUESTS=$STORY/guests domain_start libvirt soul linux
host_uri libvirt >"$STORY/soul.connect"
wait_until 120 linux_reached soul 2
snapshot soul "$store"
left >"$STORY/left.first"
begin soul --max-rate 1M
process_kill drill
drills
"$VMGUARD" drill "${COMMON[@]}" soul 2>"$STORY/said" || fail "no: $(cat "$STORY/said")"
says "was left by a drill that died"
left | diff "$STORY/left.first" - || fail "something is left"

step "a clone whose vmguard is killed is gone on with"
stands_still() {
	[ "$(libvirt_virsh qemu-monitor-command twin '{"execute":"query-migrate"}' |
		json return.status)" = postcopy-paused ]
}
listen twin
process_start feeder "$VMGUARD" clone "${COMMON[@]}" soul --as twin --max-rate 1M
wait_until 60 grep -q "runs after" "$STORY/feeder.log"
process_kill feeder
domain_adopt libvirt twin
wait_until 60 stands_still
"$VMGUARD" restore --resume --connect "$(host_uri libvirt)" --domain twin
goes_on twin soul "$TAKEN"
step "done"
