# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Guests on the hosts of libvirt.sh, which reads this. A domain NAME prints into $STORY/NAME.serial,
# like every guest (guest.sh); its QEMU is the process NAME of the story.
#
#	disk_make DISK MIB [ext4]            an empty disk, or one with a file system
#	domain_xml NAME KIND [DISK…]         its definition; KIND: counter, linux or disk
#	domain_start HOST NAME KIND [DISK…]  runs it there, transient
#	domain_adopt HOST NAME               it runs there now: its QEMU becomes the process NAME
#	domain_migrate NAME FROM TO [OPTION…]  live
#	domain_moves NAME FROM TO            while it stands still; then it checks itself
#	domain_monitor HOST NAME COMMAND     what its QEMU answers
#	domain_is HOST NAME STATE            libvirt and QEMU agree on that
#	domain_settings_are_off HOST NAME    nothing is left on in QEMU that is vmguard's
#	domain_works NAME HOST OTHER [COMMAND…]  libvirt does with it what it does with any domain
#	disk_fsck DISK                       the file system of a disk that nobody has open is in order
#	disk_snapshots DISK                  vmguard's snapshots on it, their names in order
#
# A DISK is FILE.qcow2, FILE.raw or rbd:POOL/IMAGE. Read by domain_xml: DOMAIN_MIB (192),
# DOMAIN_CPUS (1), DOMAIN_WORDS (for the program in the guest, for example "disks=2 mib=8"),
# DOMAIN_DEVICES (more XML) and QEMU (the emulator; $QEMU10 is another).

disk_make() {
	local raw=$STORY/disk_make.raw
	truncate -s "$2M" "$raw"
	[ "${3:-}" != ext4 ] || mkfs.ext4 -q -F "$raw"
	qemu-img convert -f raw -O "$(disk_format "$1")" "$raw" "$1" || fail "no disk $1"
	rm "$raw"
}

disk_format() {
	case $1 in
	*.qcow2) echo qcow2 ;;
	*.raw | rbd:*) echo raw ;;
	*) fail "$1 is no disk: FILE.qcow2, FILE.raw or rbd:POOL/IMAGE" ;;
	esac
}

# After a power failure there is a journal to be replayed, which is no error; nothing else may be
# left to do then.
disk_fsck() {
	local raw=$STORY/disk_fsck.raw status=0
	qemu-img convert -f "$(disk_format "$1")" -O raw "$1" "$raw" || fail "$1 cannot be read"
	e2fsck -fp "$raw" >"$STORY/fsck.log" 2>&1 || status=$?
	((status > 1)) || e2fsck -fn "$raw" >>"$STORY/fsck.log" 2>&1 || status=$?
	((status <= 1)) ||
		fail "the file system of $1 is damaged: $(tail -n 5 "$STORY/fsck.log")"
	rm "$raw"
}

disk_snapshots() {
	{ case $1 in
	*.qcow2) qemu-img snapshot -U -l "$1" ;;
	*.raw) ls -d "$1".* 2>/dev/null ;;
	rbd:*) rbd snap ls "${1#rbd:}" ;;
	esac || true; } | grep -oE 'vmguard-[^ ]+' | sort || true
}

# A machine type without a version would mean another machine on a host with another QEMU.
domain_machine() {
	"$QEMU" -machine help | sed -nE 's/.*\(alias of (pc-i440fx-[0-9.]+)\).*/\1/p'
}

domain_boot() {
	case $1 in
	counter) echo "<boot dev='fd'/>" ;;
	linux) domain_kernel "$GUESTS/initramfs" ;;
	disk) domain_kernel "$STORY/disk.initramfs" ;;
	esac
}

domain_kernel() {
	echo "<kernel>$(realpath "$KERNEL")</kernel><initrd>$(realpath "$1")</initrd>"
	echo "<cmdline>$KERNEL_WORDS -- ${DOMAIN_WORDS:-}</cmdline>"
}

domain_disk() {
	local target=$2 source kind=file
	source="<source file='$1'/>"
	if [[ $1 = rbd:* ]]; then
		kind=network
		source="<source protocol='rbd' name='${1#rbd:}'><config file='$CEPH_CONF'/></source>"
	fi
	echo "<disk type='$kind' device='disk'><driver name='qemu' type='$(disk_format "$1")'/>"
	echo "$source<target dev='$target' bus='virtio'/></disk>"
}

domain_floppy() {
	echo "<disk type='file' device='floppy'><driver name='qemu' type='raw'/>"
	echo "<source file='$(realpath "$GUESTS/counter.bin")'/><target dev='fda'/><readonly/></disk>"
}

domain_xml() {
	local name=$1 kind=$2 disk letters=abcdefgh
	shift 2
	case $kind in
	linux) need_kernel ;;
	disk) disk_initramfs ;;
	esac
	cat <<XML
<domain type='qemu'>
<name>$name</name><memory unit='MiB'>${DOMAIN_MIB:-192}</memory><vcpu>${DOMAIN_CPUS:-1}</vcpu>
<os><type arch='x86_64' machine='$(domain_machine)'>hvm</type>$(domain_boot "$kind")</os>
<features><acpi/></features>
<devices><emulator>$(realpath "$QEMU")</emulator>
XML
	[ "$kind" != counter ] || domain_floppy
	for disk in "$@"; do
		domain_disk "$disk" "vd${letters:0:1}"
		letters=${letters:1}
	done
	cat <<XML
<serial type='file'><source path='$STORY/$name.serial' append='on'/></serial>
<memballoon model='none'/>${DOMAIN_DEVICES:-}</devices>
</domain>
XML
}

domain_start() {
	domain_xml "${@:2}" >"$STORY/$2.xml"
	host_virsh "$1" create "$STORY/$2.xml" || fail "no domain $2 on host $1"
	domain_adopt "$1" "$2"
}

# It has another number in the process namespace of its host. For vmguard it is there from now on.
domain_adopt() {
	local pid space
	host_uri "$1" >"$STORY/$2.connect"
	space=$(readlink "/proc/$(host_first "$1")/ns/pid")
	for pid in $(pgrep -f -- "-name guest=$2,"); do
		[ "$(readlink "/proc/$pid/ns/pid")" != "$space" ] || break
		pid=
	done
	[ "${pid:-}" ] || fail "no domain $2 on host $1"
	process_adopt "$2" "$pid"
}

# On one machine both sides see the same page cache, so every cache mode is safe.
domain_migrate() {
	local name=$1 from=$2 to=$3
	shift 3
	host_virsh "$from" migrate --live --unsafe "$@" "$name" "$(host_uri "$to")" \
		--migrateuri tcp://127.0.0.1 || fail "$name cannot be migrated from $from to $to"
	domain_adopt "$to" "$name"
}

domain_monitor() {
	host_virsh "$1" qemu-monitor-command "$2" "{\"execute\":\"$3\"}"
}

domain_is() {
	[ "$(host_virsh "$1" domstate "$2")" = "$3" ] &&
		[ "$(domain_monitor "$1" "$2" query-status | json return.status)" = "$3" ]
}

# The one would spoil the next save, the other forbid the next snapshot.
domain_settings_are_off() {
	domain_monitor "$1" "$2" query-migrate-capabilities | python3 -c '
import json, sys
on = [c["capability"] for c in json.load(sys.stdin)["return"] if c["state"]]
sys.exit(any(c.startswith("postcopy") or c == "background-snapshot" for c in on))' ||
		fail "a capability of $2 was left on"
}

# Each right after the command. In the end it is where it was.
domain_works() {
	local name=$1 host=$2 other=$3
	shift 3
	"$@"
	host_virsh "$host" suspend "$name"
	domain_is "$host" "$name" paused || fail "$name is not paused"
	host_virsh "$host" resume "$name"
	wait_until 30 domain_is "$host" "$name" running
	linux_verifies "$name" 1
	"$@"
	host_virsh "$host" save "$name" "$STORY/saved"
	host_virsh "$host" restore "$STORY/saved"
	domain_adopt "$host" "$name"
	linux_verifies "$name" 1
	"$@"
	host_virsh "$host" managedsave "$name"
	host_virsh "$host" start "$name"
	domain_adopt "$host" "$name"
	linux_verifies "$name" 1
	"$@"
	domain_moves "$name" "$host" "$other"
	"$@"
	domain_moves "$name" "$other" "$host"
}

# Standing still, because QEMU without KVM loses writes of a busy guest during a live migration, also
# of one that vmguard has never seen.
domain_moves() {
	host_virsh "$2" suspend "$1"
	domain_migrate "$1" "$2" "$3"
	host_virsh "$3" resume "$1"
	linux_verifies "$1" 1
}
