#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A real Ceph cluster as the store: the contract of store.h, policies, then a Linux guest that
# writes at full rate, captured several times and continued from the newest and from an older
# checkpoint; the death of vmguard, of QEMU, of an OSD and of the whole cluster in the middle.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
need_kernel
KIND=linux

step "the contract"
ceph_up 1
VMGUARD_TEST_STORE=$(ceph_uri) "$BUILD/src/store-contract"
VMGUARD_TEST_STORE=$(ceph_uri) "$BUILD/src/test-policy-saved"
for image in $(rbd ls); do
	"$VMGUARD" delete --store "$(ceph_uri)" "$image"
done

step "captured while it writes at full rate"
store="$(ceph_uri)&timeout=5"
linux_args 128 threads=2
machine=(-M q35 -m 320 -smp 2 -vga std "${LINUX_ARGS[@]}")
guest_start web "${machine[@]}"
wait_until 120 linux_reached web 2
for _ in 1 2 3; do
	snapshot web "$store"
	progressed web 1
done
"$VMGUARD" snapshots --store "$store"
rbd info vmguard-none 2>/dev/null && fail "an image that nobody made"
rbd snap ls web

# The next writer takes the dead one's lock over (takeover.sh).
for delay in 0.1 0.4 0.8; do
	step "vmguard is killed after $delay s"
	"$VMGUARD" snapshot --qmp "$STORY/web.qmp" --store "$store" --name web >/dev/null 2>&1 &
	pid=$!
	wait_until 60 test -p "$STORY/run/web.vmguard-fifo"
	sleep "$delay"
	kill -9 "$pid" || true
	wait "$pid" 2>/dev/null || true
	"$VMGUARD" rescue --qmp "$STORY/web.qmp"
	progressed web 2
	restore "web@$TAKEN" last "$store" "${machine[@]}"
	goes_on last web "$TAKEN"
	guest_kill last
	snapshot web "$store"
done

step "an OSD dies: an error in time, the guest goes on"
"$VMGUARD" snapshot --qmp "$STORY/web.qmp" --store "$store" --name web 2>"$STORY/osd" &
pid=$!
wait_until 10 test -p "$STORY/run/web.vmguard-fifo"
sleep 0.2
ceph_kill osd.0
status=0
wait "$pid" || status=$?
((status == 1)) || fail "status $status instead of 1"
cat "$STORY/osd"
progressed web 2
step "the whole cluster is away"
ceph_kill mon.a
refused 1 "$VMGUARD" snapshots --store "$store"
refused 1 "$VMGUARD" snapshot --qmp "$STORY/web.qmp" --store "$store" --name web
progressed web 1
ceph_resume

step "it is back: the last checkpoint is there, the next one is taken"
last=$TAKEN
wait_until 60 "$VMGUARD" snapshots --store "$store" web
snapshot web "$store"
guest_kill web

step "continued from the newest, and from the one before the failure"
restore web newest "$store" "${machine[@]}"
goes_on newest web "$TAKEN"
guest_kill newest
restore "web@$last" older "$store" "${machine[@]}"
goes_on older web "$last"
guest_kill older

step "deleted"
"$VMGUARD" delete --store "$store" web@1
refused 1 "$VMGUARD" restore --store "$store" web@1 -- true
"$VMGUARD" delete --store "$store" web
[ -z "$(rbd ls)" ] || fail "an image was left: $(rbd ls)"
step "done"
