#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The disks of a guest that is restored. They go back to the checkpoint only where nobody has them
# open and where what is newer was given up; what was interrupted is done again; clones leave them
# as they are. The guest, which holds its disks against its memory, is the judge.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/libvirt.sh
. "$(dirname "$0")/../lib/libvirt.sh"

need_userfaultfd
need_modules
need_libvirt
need qemu-img rbd
KIND=disk
store=dir:$STORY/store
disks=(rbd:rbd/web "$STORY/web.qcow2")

# sums: what is on the disks, while nobody writes them
sums() {
	rbd export --no-progress rbd/web - | sha256sum
	qemu-img convert -f qcow2 -O raw "$STORY/web.qcow2" "$STORY/web.raw"
	sha256sum <"$STORY/web.raw"
}

try() {
	"$VMGUARD" restore --connect "$(host_uri b)" --store "$store" web@1 "$@"
}

# fails STATUS WORDS OPTION…: no domain is left, and the disks are as before
fails() {
	local status=$1 words=$2
	shift 2
	refused "$status" try "$@" 2>"$STORY/said"
	cat "$STORY/said"
	grep -qE -- "$words" "$STORY/said" || fail "that does not say: $words"
	[ -z "$(host_virsh b list --name | xargs)" ] || fail "a domain was left behind"
}

# goes OPTION…: on host b, and its disks agree with its memory
goes() {
	rm -f "$STORY/web.serial"
	try --json "$@" >"$STORY/web.json" || fail "web was not restored"
	cat "$STORY/web.json"
	domain_adopt b web
	goes_on web web 1
	disk_verifies web 1
}

end() {
	host_virsh b destroy web
	wait_until 60 process_gone web
}

step "a guest that writes, on host a"
ceph_up 1
host_up a
host_up b
disk_make rbd:rbd/web 64
disk_make "$STORY/web.qcow2" 64
DOMAIN_WORDS="disks=2 mib=8 rate=200" domain_start a web disk "${disks[@]}"
host_uri a >"$STORY/web.connect"
disk_verifies web 1
snapshot web "$store"
disk_verifies web 1
host_uri b >"$STORY/web.connect"

step "a QEMU that has the disks open already: somebody has to say that they are right"
guest_start waits -M pc -m 192 -incoming defer
refused 3 "$VMGUARD" restore --store "$store" web@1 --qmp "$STORY/waits.qmp" 2>"$STORY/said"
cat "$STORY/said"
grep -q -- "--disks keep" "$STORY/said" || fail "it names no way out"
guest_kill waits

step "host a runs it"
fails 3 'rbd/web is open elsewhere, by' --yes
disk_verifies web 1

step "host a loses its power; what it wrote since is not given up"
host_power_off a
fails 3 'vda, vdb.*--yes'
sums >"$STORY/newer"
fails 3 'vda, vdb.*--yes' --mode full
sums | cmp - "$STORY/newer" || fail "a disk was changed"

step "on clones, which leave the disks as they are"
goes --disks clone --mode full
[ "$(json disk_clones.0 <"$STORY/web.json")" = rbd/web-at-1 ] || fail "no clone"
sums | cmp - "$STORY/newer" || fail "a disk was changed"
host_virsh b dumpxml web | grep -q "name='rbd/web-at-1'" || fail "libvirt knows another disk"
end
step "once more: the clone of another time stays"
fails 1 'rbd/web-at-1 already' --disks clone
rbd rm --no-progress rbd/web-at-1
fails 1 'web-at-1.qcow2 already' --disks clone
! rbd info rbd/web-at-1 2>/dev/null || fail "a clone was left behind"
rm "$STORY/web-at-1.qcow2"
step "clones for a domain that cannot start are not left behind"
mv "$STORY/disk.initramfs" "$STORY/away"
fails 1 'libvirt says' --disks clone
! rbd info rbd/web-at-1 2>/dev/null || fail "a clone was left behind"
[ ! -e "$STORY/web-at-1.qcow2" ] || fail "a clone was left behind"
mv "$STORY/away" "$STORY/disk.initramfs"

step "killed between the first disk and the second, and done again"
mkdir "$STORY/bin"
cat >"$STORY/bin/qemu-img" <<'KILLS'
#!/bin/bash
[ "$1 $2" != "snapshot -a" ] || exec kill -KILL $PPID
exec /usr/bin/qemu-img "$@"
KILLS
chmod +x "$STORY/bin/qemu-img"
{ PATH=$STORY/bin:$PATH try --yes >"$STORY/killed" 2>&1; } 2>/dev/null && fail "it was not killed"
goes --yes --mode lazy
[ "$(json disks <"$STORY/web.json")" = rollback ] || fail "not rolled back"
end
step "once more, as it was left by its destruction"
goes --yes --mode full
end
step "done"
