#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What is in the way of protecting a domain is found, with the words of QEMU and libvirt, and the
# domain is not touched by the question.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/libvirt.sh
. "$(dirname "$0")/../lib/libvirt.sh"

need_userfaultfd
need_libvirt
export DOMAIN_MIB=128

# check STATUS NAME [OPTION…]: on the host itself, as JSON in $STORY/said and as text beside it
check() {
	local status=$1 name=$2
	local command=("$VMGUARD" check --connect "$(host_uri libvirt)" --domain "$name" "${@:3}")
	refused "$status" host_run libvirt "${command[@]}" >"$STORY/said.text"
	refused "$status" host_run libvirt "${command[@]}" --json >"$STORY/said"
	cat "$STORY/said.text"
	! grep -qE '.{81}' "$STORY/said.text" || fail "a line has more than 80 columns"
}

# counts BLOCKERS: of the last check
counts() {
	(($(json blockers <"$STORY/said") == $1)) || fail "there should be $1 blockers"
}

monitor() {
	libvirt_virsh qemu-monitor-command "$1" "$2"
}

# untouched: nothing was changed in QEMU or in libvirt, and the guest runs on
untouched() {
	libvirt_virsh dumpxml web | cmp - "$STORY/live" || fail "the domain changed"
	monitor web '{"execute":"query-migrate-capabilities"}' | python3 -c '
import json, sys
sys.exit(any(c["state"] for c in json.load(sys.stdin)["return"]))' ||
		fail "a capability was left on"
	progressed web 1
}

libvirt_up
domain_start libvirt web counter
wait_until 60 counter_reached web 2
# libvirt switches this one on by itself when it starts a guest
monitor web '{"execute":"migrate-set-capabilities","arguments":{"capabilities":[
	{"capability":"events","state":false}]}}' >/dev/null
libvirt_virsh dumpxml web >"$STORY/live"

step "a guest without blockers"
check 0 web --store "dir:$STORY/store"
counts 0
finds ok QEMU '^it is [0-9]+\.[0-9]'
finds ok libvirt '^it is [0-9]+\.[0-9]'
finds ok userfaultfd 'can write-protect'
finds ok 'device state' 'names nothing'
finds ok CPU 'qemu64'
finds ok store 'MiB free'
finds risk 'floppy fda' 'counter.bin is on a file system of this host|cannot be seen'
untouched
snapshot web "dir:$STORY/store"

step "it is paused"
libvirt_virsh suspend web
check 3 web
counts 1
finds blocker guest 'is paused'
libvirt_virsh resume web

step "libvirt dumps it"
mkfifo "$STORY/dump"
exec 5<>"$STORY/dump"
libvirt_virsh dump --live web "$STORY/dump" >"$STORY/dump.log" 2>&1 &
dump=$!
dumps() {
	libvirt_virsh domjobinfo web | grep -q 'Operation: *Dump'
}
wait_until 30 dumps
check 3 web
finds blocker "libvirt's job" 'job: dump'
finds blocker migration 'under way'
libvirt_virsh domjobabort web
cat <&5 >"$STORY/dumped" &
drain=$!
wait "$dump" || true
kill "$drain"
exec 5<&-
check 0 web

step "a device that QEMU does not save"
monitor web '{"execute":"object-add","arguments":{"qom-type":"memory-backend-ram","id":"peer",
	"size":1048576,"share":true}}' >/dev/null
monitor web '{"execute":"device_add","arguments":{"driver":"ivshmem-plain","memdev":"peer",
	"master":"off"}}' >/dev/null
check 3 web
counts 1
finds blocker 'device state' "QEMU says: .*'peer mode' in device 'ivshmem'"
libvirt_virsh destroy web

step "a store without room, and none at all"
domain_start libvirt web counter
wait_until 60 counter_reached web 2
libvirt_virsh dumpxml web >"$STORY/live"
check 3 web --store "dir:/proc/vmguard"
finds blocker store '/proc/vmguard'
small_store() {
	mount -t tmpfs -o size=40m tmpfs "$STORY/small"
	refused 3 "$VMGUARD" check --connect "$1" --domain web --store "dir:$STORY/small" --json
}
export -f small_store refused fail
export STORY VMGUARD
mkdir "$STORY/small"
unshare --mount bash -euc "small_store '$(host_uri libvirt)'" >"$STORY/said"
finds blocker store 'the first checkpoint may take'

step "disks, a CPU and a lock manager"
disk_make "$STORY/own.qcow2" 16
disk_make "$STORY/plain.raw" 16
disk_make "$STORY/shared.raw" 16
truncate -s 1M "$STORY/tools.iso"
echo 'lock_manager = "lockd"' >>"$STORY/host.libvirt/etc/qemu.conf" # libvirtd has read it before
export DOMAIN_DEVICES="<disk type='file' device='cdrom'><source file='$STORY/tools.iso'/>
	<target dev='hdc'/><readonly/></disk>
	<disk type='file' device='disk'><driver name='qemu' type='raw'/>
	<source file='$STORY/shared.raw'/><target dev='vdx' bus='virtio'/><shareable/></disk>"
domain_xml db counter "$STORY/own.qcow2" "$STORY/plain.raw" |
	sed "s|<features>|<cpu mode='maximum'/>&|" >"$STORY/db.xml"
libvirt_virsh create "$STORY/db.xml"
domain_adopt libvirt db
check 3 db
finds blocker 'disk vdx' 'other guests may write to it'
if cp --reflink=always "$STORY/plain.raw" "$STORY/copy.raw" 2>/dev/null; then
	counts 1
else
	counts 2
	finds blocker 'disk vdb' 'raw and cannot be copied'
fi
finds risk 'disk vda' "own.qcow2 is on a file system of this host"
finds risk 'cdrom hdc' 'tools.iso'
finds risk CPU maximum
finds risk 'disk leases' lockd
libvirt_virsh destroy db

step "a QEMU that may not use userfaultfd, without libvirt"
chmod 711 "$STORY"
mkdir -m 777 "$STORY/open"
process_start nobody setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all \
	"$QEMU" -display none -nodefaults -S -m 64 -qmp "unix:$STORY/open/qmp,server=on,wait=off"
wait_until 30 test -S "$STORY/open/qmp"
refused 3 "$VMGUARD" check --qmp "$STORY/open/qmp" --json >"$STORY/said"
finds risk devices 'were not looked at'
if (($(</proc/sys/vm/unprivileged_userfaultfd) == 0)); then
	finds blocker userfaultfd 'user 65534 without CAP_SYS_PTRACE'
	finds risk 'lazy restore' 'user 65534'
else
	finds ok userfaultfd 'can write-protect'
fi
step "done"
