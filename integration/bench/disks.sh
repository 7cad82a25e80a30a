#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# disks.sh [--quick] [--json] […; --help]: what do disks on RBD add to the pause of a domain of libvirt?
# See README.md.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=bench.sh
. "$(dirname "$0")/bench.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/libvirt.sh
. "$INTEGRATION/lib/libvirt.sh"

bench_help disks "$@"
need_userfaultfd
need_modules
need_libvirt
need rbd qemu-img
bench_ceph 1
libvirt_up
for disks in "one rbd:rbd/a" "two rbd:rbd/b rbd:rbd/c"; do
	read -ra words <<<"$disks"
	for disk in "${words[@]:1}"; do
		disk_make "$disk" 64
	done
	DOMAIN_WORDS="disks=$((${#words[@]} - 1)) mib=16 rate=100" \
		domain_start libvirt "${words[0]}" disk "${words[@]:1}"
	disk_verifies "${words[0]}" 1
done
mkdir "$STORY/store"
bench disks --connect "$(host_uri libvirt)" --store "dir=dir:$STORY/store" "$@"
disk_verifies one 1
disk_verifies two 1
