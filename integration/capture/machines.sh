#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The main job on every kind of machine: a running guest is captured and goes on undisturbed; it
# is killed; it continues from the checkpoint where it was, and finds all its memory right.
# QEMU 7.2, 10.0, and from 7.2 to 10.0.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
need_kernel
need_qemu10

# round TITLE FROM-QEMU TO-QEMU ARGUMENT…: a guest of $KIND through its death
round() {
	local from=$2 to=$3 name="g$((++ROUND))"
	step "$KIND: $1"
	shift 3
	QEMU=$from guest_start "$name" "$@"
	wait_until 120 "${KIND}_reached" "$name" 2
	snapshot "$name" "dir:$STORY/store"
	progressed "$name" 2 # the original is not disturbed
	guest_kill "$name"
	for mode in lazy full; do
		MODE=$mode QEMU=$to restore "$name" "$name-$mode" "dir:$STORY/store" "$@"
		goes_on "$name-$mode" "$name" "$TAKEN"
		guest_kill "$name-$mode"
	done
	"$VMGUARD" delete --store "dir:$STORY/store" "$name"
}

# twice TITLE ARGUMENT…: with both QEMUs
twice() {
	local title=$1
	shift
	round "$title, QEMU 7.2" "$QEMU72" "$QEMU72" "$@"
	round "$title, QEMU 10.0" "$QEMU10" "$QEMU10" "$@"
}

ROUND=0
# shellcheck disable=SC2054 # the commas are QEMU's
devices=(-vga std -netdev user,id=net,restrict=on -device virtio-net-pci,netdev=net
	-device virtio-rng-pci -device virtio-balloon-pci
	-blockdev driver=null-co,node-name=disk,size=1048576,read-only=on -device virtio-blk-pci,drive=disk)

counter_args
twice "machine pc" -M pc -m 128 "${COUNTER_ARGS[@]}"
twice "machine q35" -M q35 -m 128 "${COUNTER_ARGS[@]}"
round "machine pc, QEMU 7.2 to 10.0" "$QEMU72" "$QEMU10" -M pc-i440fx-7.2 -m 128 \
	"${COUNTER_ARGS[@]}"

KIND=linux
linux_args 128 threads=2
twice "pc, devices, 2 vCPUs" -M pc -m 320 -smp 2 "${devices[@]}" "${LINUX_ARGS[@]}"
linux_args 128 threads=1
round "q35, devices, QEMU 7.2 to 10.0" "$QEMU72" "$QEMU10" -M pc-q35-7.2 -m 320 \
	"${devices[@]}" "${LINUX_ARGS[@]}"
linux_args 128 threads=2
twice "q35, shared memory (memfd)" -M q35,memory-backend=ram -m 320 -smp 2 \
	-object memory-backend-memfd,id=ram,size=320M,share=on "${LINUX_ARGS[@]}"
linux_args 128 threads=2 nodes=2
twice "pc, two NUMA nodes" -M pc -m 320 -smp 2 \
	-object memory-backend-ram,id=m0,size=160M -numa node,memdev=m0,cpus=0 \
	-object memory-backend-ram,id=m1,size=160M -numa node,memdev=m1,cpus=1 "${LINUX_ARGS[@]}"
step "done"
