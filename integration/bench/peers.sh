#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# peers.sh [--quick] [--json] […; --help]: vmguard and the ways that users have today, on one guest. Needs
# "fetch.sh libvirt" before and root. See README.md.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=bench.sh
. "$(dirname "$0")/bench.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/libvirt.sh
. "$INTEGRATION/lib/libvirt.sh"

bench_help peers "$@"
need_userfaultfd
need_kernel
need qemu-img
need_libvirt
bench_memory
bench_ceph 1
libvirt_up
bench peers --store "dir, tmpfs=dir:$MEMORY/store" --store "rbd=$(ceph_uri)" \
	--memory "$MEMORY" --virsh "$VIRSH_COMMAND" "$@"
