#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A daemon keeps a guest protected: at its interval, through its own death, and where its QEMU dies.
# A guest that its user shuts down stays down.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/libvirt.sh
. "$(dirname "$0")/../lib/libvirt.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

need_userfaultfd
need_libvirt
KIND=linux
store=dir:$STORY/store
daemon_configure "$store"

step "a guest, and a policy"
libvirt_up
DOMAIN_MIB=192 DOMAIN_WORDS="mib=64 threads=1" domain_start libvirt web linux
wait_until 120 linux_reached web 1
host_virsh libvirt dumpxml --inactive web >"$STORY/defined.xml"
host_virsh libvirt define "$STORY/defined.xml" # of others libvirt does not know how they ended
daemon_start
protect web "connect=$(host_uri libvirt)" interval=2s keep-last=20
wait_until 60 is_beyond web 2

step "the daemon is killed, and goes on"
process_kill daemon
before=$(newest web)
daemon_start
wait_until 60 is_beyond web "$((before + 2))"
linux_verifies web 1
"$VMGUARD" verify --store "$store" web

step "its QEMU is killed"
rm -f "$STORY/web.serial"
process_kill web
wait_until 60 host_virsh libvirt domstate web
wait_until 60 grep -qs "ok" "$STORY/web.serial"
domain_adopt libvirt web
linux_verifies web 1
before=$(newest web)
wait_until 60 is_beyond web "$before"

step "its QEMU is killed while nobody looks"
rm -f "$STORY/web.serial"
process_kill daemon
process_kill web
daemon_start
wait_until 60 grep -qs "ok" "$STORY/web.serial"
domain_adopt libvirt web
linux_verifies web 1
before=$(newest web)
wait_until 60 is_beyond web "$before"

step "a guest without libvirt"
KIND=counter
counter_args
guest_start solo -M pc -m 128 "${COUNTER_ARGS[@]}"
protect solo "qmp=$STORY/solo.qmp" interval=1s
wait_until 60 is_beyond solo 2
process_kill solo
wait_until 30 is_state solo down
restore "solo@$(newest solo)" again "$store" -M pc -m 128 "${COUNTER_ARGS[@]}"
ask DELETE /v1/guests/solo/policy
KIND=linux

step "its user ends it"
host_virsh libvirt destroy web
wait_until 30 is_state web stopped
sleep 5
[ "$(host_virsh libvirt domstate web)" = "shut off" ] || fail "it was continued"
is_state web stopped || fail "it is not left alone"
step "done"
