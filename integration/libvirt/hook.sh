#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The hook script in a real libvirtd: while vmguard restores a guest on a host libvirt does not start
# it there, however that is tried; and what counts where vmguard cannot say.
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
uuid=6c0ed4e5-0c0a-4f0e-9d1a-2f9f0c1b7a11
counter_args
machine=(-M pc -m 128 -uuid "$uuid" "${COUNTER_ARGS[@]}")

# on_host COMMAND…: without the story's own run directory, as the hook has it
on_host() {
	host_run a env -u VMGUARD_RUN_DIR "$@"
}

# has_vmguard PROGRAM: host a has this as vmguard
has_vmguard() {
	host_run a cp "$1" /usr/local/bin/vmguard
}

definition() {
	domain_xml "$1" counter | sed "s|</name>|</name><uuid>$uuid</uuid>|" >"$STORY/$1.xml"
}

# blocked REGEX COMMAND…: libvirt passes on why, soon
blocked() {
	local words=$1 start=$SECONDS
	shift
	! "$@" >"$STORY/said" 2>&1 || fail "it was not blocked: $*"
	cat "$STORY/said"
	grep -qE "$words" "$STORY/said" || fail "that does not say: $words"
	((SECONDS - start < 15)) || fail "it took $((SECONDS - start)) s"
}

# starts: the domain does, and ends
starts() {
	host_virsh a create "$STORY/web.xml" || fail "web does not start: it should"
	host_virsh a destroy web
}

host_install a
mkdir "$STORY/host.a/etc/hooks/qemu.d"
install -m 755 "$(dirname "$0")/qemu" "$STORY/host.a/etc/hooks/qemu.d/vmguard"
host_up a
host_run a mount -t tmpfs tmpfs /usr/local/bin
has_vmguard "$VMGUARD"
definition web
definition other

step "nothing speaks against it"
starts
on_host ls -d /run/vmguard

step "a save image, and a checkpoint"
host_virsh a create "$STORY/web.xml"
domain_adopt a web
wait_until 60 counter_reached web 2
host_virsh a save web "$STORY/saved"
rm "$STORY/web."{serial,connect} # one that libvirt does not know
guest_start web "${machine[@]}"
wait_until 60 counter_reached web 2
snapshot web "$store"
guest_kill web

step "the same guest runs on another host"
host_up b
host_virsh b create "$STORY/web.xml"
domain_adopt b web

step "vmguard restores it here"
guest_command again "${machine[@]}" -S # so that it asks for no pages: this takes its time
process_start feeder nsenter -t "$(host_first a)" -m -u -p -n env -u VMGUARD_RUN_DIR "$VMGUARD" \
	restore --store "$store" web --mode lazy --max-rate 1M -- "${GUEST_COMMAND[@]}"
wait_until 60 grep -q "runs after" "$STORY/feeder.log"
process_adopt vmguard "$(pgrep -P "$(process_pid feeder)")"
process_adopt again "$(pgrep -f -- "-name again.*-incoming defer")"
words="guest [a-z]+ is being restored on this host from web@1 of $store, by QEMU process [0-9]+"
blocked "$words" host_virsh a create "$STORY/web.xml"
blocked "guest other is being restored" host_virsh a create "$STORY/other.xml" # the same UUID
blocked "$words" host_virsh a restore "$STORY/saved"
blocked "$words" host_virsh b migrate --live --unsafe web "$(host_uri a)" \
	--migrateuri tcp://127.0.0.1
[ "$(host_virsh b domstate web)" = running ] || fail "the guest does not run where it was"
progressed web 1
domain_xml db counter >"$STORY/db.xml"
host_virsh a create "$STORY/db.xml"
host_virsh a destroy db

step "vmguard is killed: the guest stands still, and is still being restored"
process_kill vmguard
blocked "$words" host_virsh a create "$STORY/web.xml"

step "its QEMU is dead: nothing is in the way any more"
process_kill again
domain_migrate web b a
host_virsh a destroy web
host_virsh a restore "$STORY/saved"
host_virsh a destroy web
starts

step "vmguard cannot tell"
host_run a chmod 777 /run/vmguard
starts
host_run a install -D /dev/null "/var/lib/vmguard/protected/$uuid"
blocked "web is protected .*: the run directory" host_virsh a create "$STORY/web.xml"
host_run a sh -c 'mkdir -p /etc/vmguard && echo "hook-when-down = alow" >/etc/vmguard/vmguard.conf'
blocked "vmguard.conf:1: hook-when-down is refuse or allow" host_virsh a create "$STORY/web.xml"
host_run a sh -c 'echo "hook-when-down = allow # today" >/etc/vmguard/vmguard.conf'
host_run a sed -i 's/#/;/' /etc/vmguard/vmguard.conf
starts
host_run a chmod 755 /run/vmguard

step "vmguard does not answer, and is not there"
host_run a rm /etc/vmguard/vmguard.conf
printf '#!/bin/sh\nsleep 600\n' >"$STORY/mute"
chmod 755 "$STORY/mute"
has_vmguard "$STORY/mute"
blocked "web is protected .*: vmguard does not answer" host_virsh a create "$STORY/web.xml"
host_run a rm /usr/local/bin/vmguard
blocked "web is protected .*: vmguard is not installed" host_virsh a create "$STORY/web.xml"
host_run a sh -c 'echo "hook-when-down = allow" >/etc/vmguard/vmguard.conf'
starts
host_run a rm /etc/vmguard/vmguard.conf
host_run a rm "/var/lib/vmguard/protected/$uuid"
starts
step "done"
