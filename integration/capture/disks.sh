#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A checkpoint with its disks: qcow2, raw on a file system with reflinks, RBD. Each guest holds its
# disks against its memory and finds them in agreement after a restore with the disks at the
# checkpoint, and not without. All disks or none; a vmguard that is killed while the guest stands still
# leaves a guest that runs; what is left on disks is found, and nobody else's snapshot is touched.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/libvirt.sh
. "$(dirname "$0")/../lib/libvirt.sh"

need_userfaultfd
need_modules
need_libvirt
need_qemu10
need qemu-img rbd strace
KIND=disk
store=dir:$STORY/store

# reflinks_here: mounts a file system with reflinks at $STORY/reflinks
reflinks_here() {
	command -v mkfs.xfs >/dev/null || return 1
	mkdir "$STORY/reflinks"
	truncate -s 512M "$STORY/reflinks.image"
	mkfs.xfs -q "$STORY/reflinks.image" &&
		mount -o loop "$STORY/reflinks.image" "$STORY/reflinks" 2>/dev/null || return 1
	cleanup umount --lazy "$STORY/reflinks"
}

# machine NAME DISK…: the arguments of a guest with these disks, as the array MACHINE
machine() {
	local disk count=$(($# - 1))
	disk_args "$count" 8 rate=200
	MACHINE=(-M pc -m 192 "${DISK_ARGS[@]}")
	shift
	for disk in "$@"; do
		[[ $disk != rbd:* ]] || disk=$disk:conf=$CEPH_CONF
		MACHINE+=(-drive "if=virtio,format=$(disk_format "${disk%%:conf=*}"),file=$disk")
	done
}

# have COUNT DISK…: all of them have so many snapshots of vmguard's
have() {
	local disk count
	for disk in "${@:2}"; do
		count=$(disk_snapshots "$disk" | wc -l)
		((count == $1)) || fail "$disk has $count snapshots, not $1"
	done
}

snapshot_of() {
	"$VMGUARD" info --store "$store" "$1" --json | json disks.0.snapshot
}

# guest_quit NAME: with its disks closed; Ceph takes half a minute to believe that a killed one is gone
guest_quit() {
	qmp "$STORY/$1.look" '{"execute":"quit"}' >/dev/null
	wait_until 60 process_gone "$1"
	rm "$STORY/$1.pid"
}

# runs NAME: by itself, without a rescue; its disks and its memory agree
runs() {
	wait_until 60 guest_is "$1" running
	disk_verifies "$1" 1
}

# whole_way NAME DISK…: three checkpoints, the second is gone back to
whole_way() {
	local name=$1
	shift
	machine "$name" "$@"
	guest_start "$name" "${MACHINE[@]}"
	disk_verifies "$name" 1
	snapshot "$name" "$store"
	snapshot "$name" "$store"
	local taken=$TAKEN
	snapshot "$name" "$store"
	json pause_parts_ms <"$STORY/$name.json"
	have 3 "$@"
	runs "$name"
	guest_quit "$name"
	for MODE in full lazy; do
		restore "$name@$taken" "$name-$MODE" "$store" "${MACHINE[@]}"
		guest_is "$name-$MODE" running || fail "$name is left paused"
		goes_on "$name-$MODE" "$name" "$taken"
		guest_quit "$name-$MODE"
	done
	unset MODE
}

# disagrees NAME: its disks are newer than its memory, and it sees that
disagrees() {
	grep -aq BAD "$STORY/$1.serial"
}

step "Ceph, and a libvirt host"
raw=()
! reflinks_here || raw=("$STORY/reflinks/d.raw")
((${#raw[@]})) || echo "no reflinks here: raw files are left out"
ceph_up 1
libvirt_up
for image in one two pool far; do
	disk_make "rbd:rbd/$image" 64
done
disk_make "$STORY/a.qcow2" 64
disk_make "$STORY/b.qcow2" 64
for disk in "${raw[@]}"; do
	disk_make "$disk" 64
done

step "qcow2, raw and RBD, QEMU 7.2"
disks=("$STORY/a.qcow2" rbd:rbd/one "${raw[@]}")
whole_way mixed "${disks[@]}"
step "two RBD images, QEMU 10.0, which leaves the guest paused"
QEMU=$QEMU10 whole_way ten rbd:rbd/two rbd:rbd/pool

step "disks that are not put back are seen"
QEMU=$QEMU10 machine ten rbd:rbd/two rbd:rbd/pool
QEMU=$QEMU10 guest_command later "${MACHINE[@]}"
! "$VMGUARD" restore --store "$store" ten@3 --disks keep --mode full --json -- "${GUEST_COMMAND[@]}" \
	>"$STORY/later.json" || process_adopt later "$(json pid <"$STORY/later.json")"
wait_until 120 disagrees later
wait_until 60 process_gone later

step "deleted with their checkpoints, and nobody else's"
rbd snap create --no-progress rbd/two@mine
"$VMGUARD" prune --store "$store" ten --keep-last 1
have 1 rbd:rbd/two rbd:rbd/pool
"$VMGUARD" delete --store "$store" ten
have 0 rbd:rbd/two rbd:rbd/pool
rbd snap ls rbd/two | grep -q mine || fail "it removed a snapshot that is not its own"
"$VMGUARD" delete --store "$store" mixed@1
have 2 "${disks[@]}"

step "one with a clone stays, and goes when that is gone"
clone=$(snapshot_of mixed@2)
rbd clone --rbd-default-clone-format 2 "rbd/one@$clone" rbd/clone
"$VMGUARD" delete --store "$store" mixed@2 2>"$STORY/said"
grep -q "has clones" "$STORY/said" || fail "it does not say why: $(cat "$STORY/said")"
have 2 rbd:rbd/one
rbd rm --no-progress rbd/clone
"$VMGUARD" prune --store "$store" mixed --keep-last 9
have 1 "${disks[@]}"

step "killed while the guest stands still"
machine mixed "${disks[@]}"
guest_start mixed "${MACHINE[@]}"
disk_verifies mixed 1
strace -f -qq -s 200 -o "$STORY/commands" -e trace=sendmsg \
	"$VMGUARD" snapshot --qmp "$STORY/mixed.qmp" --store "$store" --name mixed
# told REGEX: which of its thread's sendmsg tells QEMU that
told() {
	awk -v told="$1" '{ calls[$1]++ } $0 ~ told { print calls[$1]; found = 1; exit }
		END { exit !found }' "$STORY/commands" || fail "no command to QEMU is like $1"
}
for at in '"transaction' 'fd:vmguard'; do
	{ strace -f -qq -o /dev/null -e trace=sendmsg \
		-e "inject=sendmsg:signal=KILL:when=$(told "$at")" \
		"$VMGUARD" snapshot --qmp "$STORY/mixed.qmp" --store "$store" --name mixed \
		>"$STORY/killed" 2>&1; } 2>/dev/null && fail "it was not killed at $at"
	runs mixed
	# so that the next one tells QEMU the same: the capability is off again
	"$VMGUARD" rescue --qmp "$STORY/mixed.qmp"
done
step "it runs; what was left goes with prune where nobody has the disk, else with the next one"
have 3 "${disks[@]}"
"$VMGUARD" prune --store "$store" mixed --keep-last 9 >"$STORY/said"
cat "$STORY/said"
grep -q "a.qcow2 is open elsewhere" "$STORY/said" || fail "it does not say what stays"
have 2 rbd:rbd/one
have 3 "$STORY/a.qcow2"
snapshot mixed "$store"
have 3 "${disks[@]}"
runs mixed

step "all or none: the second one cannot have another"
rbd snap limit set --limit 3 rbd/one
refused 1 "$VMGUARD" snapshot --qmp "$STORY/mixed.qmp" --store "$store" --name mixed
have 3 "${disks[@]}"
runs mixed
rbd snap limit clear rbd/one
snapshot mixed "$store" --keep-last 1
have 1 "${disks[@]}"
guest_quit mixed

step "what can have no snapshot is refused, and the guest not touched; or left out"
truncate -s 16M "$STORY/plain.raw"
refuses() {
	refused 3 "$VMGUARD" snapshot --qmp "$STORY/bad.qmp" --store "$store" --name bad 2>"$STORY/said"
	cat "$STORY/said"
	grep -qE "$1" "$STORY/said" || fail "that does not say: $1"
	grep -q -- "--without-disks" "$STORY/said" || fail "it names no way out"
	! qmp "$STORY/bad.look" '{"execute":"query-migrate-capabilities"}' |
		grep -q '"state": true, "capability": "background-snapshot"' || fail "it was touched"
}
bad() {
	counter_args
	guest_start bad -M pc -m 128 "${COUNTER_ARGS[@]}" "$@"
	wait_until 60 counter_reached bad 1
}
bad -drive "if=virtio,format=raw,file=$STORY/plain.raw"
[ "$(stat -f -c %T "$STORY")" = xfs ] || [ "$(stat -f -c %T "$STORY")" = btrfs ] ||
	refuses 'disk virtio0 .*plain.raw.*reflinks'
KIND=counter snapshot bad "$store" --without-disks
[ "$("$VMGUARD" info --store "$store" bad --json | json disks)" = "[]" ] || fail "it has disks"
guest_quit bad
bad -drive "if=virtio,format=qcow2,file=$STORY/b.qcow2,snapshot=on"
refuses "disk virtio0 .*-snapshot"
guest_quit bad
bad -drive "if=none,id=d,format=qcow2,file=$STORY/b.qcow2" -device virtio-blk,drive=d,id=both,share-rw=on
refuses "disk both .*other guests"
guest_quit bad

step "a domain of libvirt: its own names for disks, its definition"
DOMAIN_WORDS="disks=2 mib=8 rate=200" domain_start libvirt web disk rbd:rbd/far "$STORY/b.qcow2"
disk_verifies web 1
snapshot web "$store"
snapshot web "$store"
cat "$STORY/web.json"
"$VMGUARD" info --store "$store" web --json >"$STORY/info"
[ "$(json disks.0.target <"$STORY/info") $(json disks.1.target <"$STORY/info")" = "vda vdb" ] ||
	fail "libvirt calls its disks otherwise: $(cat "$STORY/info")"
have 2 rbd:rbd/far "$STORY/b.qcow2"

step "killed while it stands still, and the cluster does not answer"
stands() {
	[ "$(libvirt_virsh domstate web)" = paused ]
}
goes() {
	[ "$(libvirt_virsh domstate web)" = running ]
}
named web
kill -STOP "$(process_pid ceph.osd.0)"
process_start taker "$VMGUARD" snapshot "${NAMED[@]}" --store "$store"
wait_until 60 stands
process_kill taker
kill -CONT "$(process_pid ceph.osd.0)"
wait_until 120 goes
disk_verifies web 1
snapshot web "$store"
have 3 rbd:rbd/far "$STORY/b.qcow2"
disk_verifies web 1
step "done"
