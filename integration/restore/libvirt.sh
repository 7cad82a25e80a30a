#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A domain of libvirt whose host lost its power goes on elsewhere, lazily and fully: the guest finds
# its memory right, libvirt makes nothing else of it than it was, and works with it afterwards.
# What fails leaves no domain; what is killed can be gone on with.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/libvirt.sh
. "$(dirname "$0")/../lib/libvirt.sh"

need_userfaultfd
need_libvirt
need_agent
KIND=linux
store=dir:$STORY/store
export DOMAIN_MIB=224 DOMAIN_CPUS=2 DOMAIN_WORDS="mib=64 threads=2" DOMAIN_DEVICES="
<serial type='file'><source path='$STORY/web.clock' append='on'/></serial>
<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<interface type='user'><mac address='52:54:00:12:34:56'/><model type='e1000'/></interface>"

# What the definition names as the emulator: without userfaultfd where the story says so.
emulator() {
	cat >"$STORY/emulator" <<EMULATOR
#!/bin/bash
[ ! -e "$STORY/without" ] || exec setpriv --bounding-set=-sys_ptrace "$QEMU" "\$@"
exec "$QEMU" "\$@"
EMULATOR
	chmod +x "$STORY/emulator"
	QEMU=$STORY/emulator
}

now_ms() {
	echo $(($(date +%s%N) / 1000000))
}

# first_print NAME: when it was, on standard output
first_print() {
	until [ -s "$STORY/$1.serial" ]; do
		sleep 0.01
	done
	now_ms
}

# to_host HOST COMMAND…: web is a domain there from now on, begun by this command
to_host() {
	local host=$1
	shift
	rm -f "$STORY/web.serial"
	HERE=$host
	"$@"
}

# try [OPTION…]: restores web@1 on host $HERE, which may fail
try() {
	"$VMGUARD" restore --connect "$(host_uri "$HERE")" --store "$store" web@1 "$@"
}

# restored MODE [OPTION…]: and it goes on where it was
restored() {
	local mode=$1 begin
	shift
	begin=$(now_ms)
	first_print web >"$STORY/first" &
	try --mode "$mode" --json "$@" >"$STORY/web.json" || fail "web was not restored"
	wait $!
	[ "$(json mode <"$STORY/web.json")" = "$mode" ] || fail "not $mode"
	domain_adopt "$HERE" web
	[ "$(json pid <"$STORY/web.json")" = "$(process_pid web)" ] || fail "another process"
	echo "$mode: the first line after $(($(<"$STORY/first") - begin)) ms," \
		"it ran after $(json run_ms <"$STORY/web.json") ms"
	goes_on web web 1
}

migration_of_web_is() {
	[ "$(domain_monitor "$HERE" web query-migrate | json return.status 2>/dev/null)" = "$1" ]
}

# definition HOST: of the running domain, without its number
definition() {
	host_virsh "$1" dumpxml web | sed -e "1s/ id='[0-9]*'//" -e 's/domain-[0-9]*-web/domain-N-web/'
}

# looks_as_before [LEFT]: its live definition; LEFT=1: but for the arguments of a lazy restore
looks_as_before() {
	definition "$HERE" >"$STORY/now"
	((!${1:-0})) || python3 - "$STORY/now" <<'CLEAN'
import sys
text = open(sys.argv[1]).read()
left = """  <qemu:commandline>
    <qemu:arg value='-incoming'/>
    <qemu:arg value='defer'/>
  </qemu:commandline>
"""
name = " xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
assert text.count(left) == text.count(name) == 1, text
open(sys.argv[1], "w").write(text.replace(left, "").replace(name, ""))
CLEAN
	# libvirt sorts devices when it reads a definition again
	diff <(sort "$STORY/before") <(sort "$STORY/now") || fail "it is another domain"
}

# gone: no domain is left on host $HERE, nor a QEMU
gone() {
	[ -z "$(host_virsh "$HERE" list --name | xargs)" ] || fail "a domain was left behind"
	! host_run "$HERE" pgrep -f -- "-name guest=web," || fail "a QEMU was left behind"
}

end() {
	host_virsh "$HERE" destroy web
	gone
}

# fails MODE STATUS WORDS: no domain is left, and that is said
fails() {
	refused "$2" try --mode "$1" --store-wait 1s 2>"$STORY/said"
	cat "$STORY/said"
	grep -qE "$3" "$STORY/said" || fail "that does not say: $3"
	gone
}

# begin [OPTION…]: a slow lazy one, whose guest runs when this returns
begin() {
	rm -f "$STORY/feeder.log"
	process_start feeder "$VMGUARD" restore --connect "$(host_uri "$HERE")" --store "$store" \
		web@1 --mode lazy --max-rate "${RATE:-4M}" "$@"
	wait_until 60 grep -q "runs after" "$STORY/feeder.log"
	domain_adopt "$HERE" web
}

# ended: the feeder has come to a good end
ended() {
	wait_until 300 process_gone feeder
	grep -q "has all its memory" "$STORY/feeder.log" || fail "not fed: $(<"$STORY/feeder.log")"
	goes_on web web 1
	domain_settings_are_off "$HERE" web
}

emulator
host_up a
host_up b
step "a guest on host a"
mkdir "$STORY/guests"
"$INTEGRATION/guest/agent.sh" "$STORY/guests/initramfs" "$GUESTS/initramfs" \
	"$AGENT_DIR/qemu-ga" "$KERNEL_MODULES"
GUESTS=$STORY/guests domain_start a web linux
wait_until 120 linux_reached web 2
definition a >"$STORY/before"
snapshot web "$store"
cp -r "$STORY/store" "$STORY/sound"
HERE=a
# A counter that prints all the time, for the figure.
counter_make "$STORY/guests/counter.bin" 100 100
DOMAIN_DEVICES='' DOMAIN_MIB=128 GUESTS=$STORY/guests domain_start a pulse counter
KIND=counter
wait_until 60 counter_reached pulse 1
snapshot pulse "$store"
KIND=linux
fails_where_it_runs() {
	refused 3 try 2>"$STORY/said"
	cat "$STORY/said"
	grep -q "it runs there already" "$STORY/said" || fail "not told why"
	progressed web 2
}
fails_where_it_runs
step "host a loses its power: fully on host b"
host_power_off a
to_host b restored full
looks_as_before
[ "$(json clock <"$STORY/web.json")" = set ] || fail "its clock was not set: $(<"$STORY/web.json")"
[ "$(json network <"$STORY/web.json")" = announced ] || fail "not announced"
[ "$(host_virsh b domstate web)" = running ] || fail "it does not run"
end

step "lazily"
to_host b restored lazy
looks_as_before 1
domain_settings_are_off b web
domain_is b web running || fail "libvirt does not know that it runs"
[ "$(json clock <"$STORY/web.json")" = set ] || fail "its clock was not set: $(<"$STORY/web.json")"
[ "$(json network <"$STORY/web.json")" = announced ] || fail "not announced"
snapshot web "$store"
end

step "how long it takes until the guest prints"
for mode in lazy full; do
	for _ in 1 2 3; do
		rm -f "$STORY/pulse.serial"
		begin=$(now_ms)
		first_print pulse >"$STORY/first" &
		"$VMGUARD" restore --connect "$(host_uri b)" --store "$store" pulse@1 --mode $mode \
			--json >"$STORY/pulse.json"
		wait $!
		echo "$mode: $(($(<"$STORY/first") - begin)) ms"
		host_virsh b destroy pulse
	done
done

step "lazily, and defined: libvirt works with it"
host_up a
to_host b restored lazy --define
host_virsh b dumpxml --inactive web >"$STORY/inactive"
! grep -q qemu:arg "$STORY/inactive" || fail "the definition has the arguments"
domain_works web b a
host_virsh b dumpxml web | grep -A 3 qemu:commandline || true
end
host_virsh b dumpxml --inactive web | cmp - "$STORY/inactive" || fail "another definition"
for mode in lazy full; do
	to_host b restored $mode --define
	end
	host_virsh b dumpxml --inactive web | cmp - "$STORY/inactive" || fail "another definition"
done
host_virsh b undefine web

step "vmguard is killed three times"
to_host b begin
refused 3 "$VMGUARD" delete --store "$store" web@1 # it is held for QEMU
for i in 1 2 3; do
	process_kill feeder
	wait_until 60 migration_of_web_is postcopy-paused
	((i < 3)) || break
	process_start feeder "$VMGUARD" restore --resume --max-rate 4M --connect "$(host_uri b)" \
		--domain web
	wait_until 60 migration_of_web_is postcopy-active
done
named web
refused 3 "$VMGUARD" snapshot "${NAMED[@]}" --store "$store"
process_start feeder "$VMGUARD" restore --resume --connect "$(host_uri b)" --domain web
ended
looks_as_before 1
snapshot web "$store"
end

step "libvirtd is restarted in the middle, and away at the end"
RATE=16M to_host b begin
libvirtd_restart b
process_alive feeder || fail "it was over too early to prove anything"
libvirtd_stop b
sleep 10
libvirtd_start b
ended
end

step "nothing is left of what fails: a damaged page, a device state that is missing"
page=$(find "$STORY/store/web" -name 'seg-*' -size +4000k | sort | sed -n 3p)
byte_flip "$page" 123456
fails full 1 'page .*\+0x.* in segment .* is damaged'
rm -r "$STORY/store"
cp -r "$STORY/sound" "$STORY/store"
rm "$(find "$STORY/store/web" -name 'seg-*' | sort -V | tail -n 2 | head -n 1)" # the manifest is last
fails lazy 1 'segment'
fails full 1 'segment'
rm -r "$STORY/store"
cp -r "$STORY/sound" "$STORY/store"

step "what libvirt does not accept: its own words"
mv "$STORY/guests/initramfs" "$STORY/guests/away"
fails lazy 1 'libvirt says'
fails full 1 'libvirt says'
mv "$STORY/guests/away" "$STORY/guests/initramfs"

step "QEMU may not use userfaultfd: all memory goes first"
touch "$STORY/without"
if [ "$(</proc/sys/vm/unprivileged_userfaultfd)" = 0 ]; then
	fails lazy 1 postcopy
	to_host b try --json >"$STORY/web.json" 2>"$STORY/said"
	cat "$STORY/said"
	grep -q "a lazy restore is not possible" "$STORY/said" || fail "not told why"
	[ "$(json mode <"$STORY/web.json")" = full ] || fail "not full"
	domain_adopt b web
	looks_as_before
	goes_on web web 1
	end
fi
step "done"
