#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# After 50 checkpoints of a domain with two disks libvirt finds it as it was, to the byte, and does
# with it all that it does with any domain, each right after one more; and so does QEMU.
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
COUNT=${COUNT:-50}
store=dir:$STORY/store
disks=(rbd:rbd/far "$STORY/near.qcow2")

# look WHEN: at all that libvirt and QEMU say of it
look() {
	host_virsh a dumpxml --security-info web >"$STORY/live.$1"
	host_virsh a dumpxml --security-info --inactive web >"$STORY/inactive.$1"
	domain_monitor a web query-migrate-capabilities | json return >"$STORY/capabilities.$1"
	domain_monitor a web query-migrate-parameters | json return >"$STORY/parameters.$1"
}

step "Ceph, and two libvirt hosts"
ceph_up 1
host_up a
host_up b
for disk in "${disks[@]}"; do
	disk_make "$disk" 32
done
DOMAIN_WORDS="disks=2 mib=4 rate=100 verify=2" domain_xml web disk "${disks[@]}" >"$STORY/web.xml"
host_virsh a define "$STORY/web.xml"
host_virsh a start web
domain_adopt a web
disk_verifies web 1
look before

step "$COUNT checkpoints"
named web
"$VMGUARD" snapshot "${NAMED[@]}" --store "$store" --every 100ms --count "$COUNT" --keep-last 2 \
	>"$STORY/series" || fail "$(tail -n 3 "$STORY/series")"
tail -n 1 "$STORY/series"
grep -q "$COUNT checkpoints taken, 0 failed" "$STORY/series" || fail "not all of them"
look after
for what in live inactive capabilities parameters; do
	cmp "$STORY/$what.before" "$STORY/$what.after" || fail "its $what changed"
done
no_orphans web "$store" "${disks[@]}"
disk_verifies web 1

step "suspend, save, managedsave and migrate"
domain_works web a b snapshot web "$store"
domain_settings_are_off a web
step "done"
