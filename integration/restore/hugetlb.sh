#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Guests whose RAM lies in huge pages of the host (hugetlb), restored lazily: memory comes 2 MiB at
# a time, never in parts, also where vmguard is killed in between. And from ordinary RAM into huge
# pages and back.
#
# It takes huge pages from the machine (/proc/sys/vm/nr_hugepages) and gives them back at its end.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
need_kernel
need_qemu10
KIND=linux
store=dir:$STORY/store
HUGE=/proc/sys/vm/nr_hugepages
GUEST_MIB=224

huge_pages_set() {
	echo "$1" >"$HUGE"
}

# huge_pages_get COUNT: more than there are
huge_pages_get() {
	local before
	[ "$(sed -n 's/^Hugepagesize: *//p' /proc/meminfo)" = "2048 kB" ] ||
		skip "the huge pages of this machine are not of 2 MiB"
	[ -w "$HUGE" ] || skip "no right to take huge pages from this machine ($HUGE)"
	before=$(<"$HUGE")
	cleanup huge_pages_set "$before"
	huge_pages_set $((before + $1)) 2>>"$STORY/huge.log" || skip "$HUGE cannot be written"
	(($(<"$HUGE") == before + $1)) ||
		skip "this machine can give $(($(<"$HUGE") - before)) of $1 huge pages"
}

# A killed QEMU gives its memory back a little later.
huge_pages_free() {
	(($(sed -n 's/^HugePages_Free: *//p' /proc/meminfo) >= GUEST_MIB / 2))
}

# through TITLE FROM-ARGUMENT… -- TO-ARGUMENT…: a guest through its death, fed by two vmguards
through() {
	local name="g$((++ROUND))" title=$1 from=()
	shift
	while [ "$1" != -- ]; do
		from+=("$1")
		shift
	done
	shift
	step "$title"
	wait_until 60 huge_pages_free
	guest_start "$name" "${machine[@]}" "${from[@]}"
	wait_until 120 linux_reached "$name" 2
	snapshot "$name" "$store"
	progressed "$name" 2 # the original is not disturbed
	guest_kill "$name"
	wait_until 60 huge_pages_free
	restore_slowly "$name" "$name-again" "$store" "${machine[@]}" "$@"
	process_kill "feeder-$name-again"
	resume_slowly "$name-again"
	migration_is "$name-again" postcopy-active || fail "it was over too early to prove anything"
	fed "$name-again"
	goes_on "$name-again" "$name" "$TAKEN"
	snapshot "$name-again" "$store"
	guest_kill "$name-again"
}

answers() {
	qmp "$STORY/$1.look" '{"execute":"query-status"}' --seconds 3 >/dev/null 2>&1
}

# killed_often COUNT ARGUMENT…: the feeders of a guest with many vCPUs, which begins to run when the
# first one is dead. A vCPU to which an interrupt is delivered holds QEMU's big lock, also while it
# waits for the page of its stack: then no new monitor connection comes about, and it is the keeper's
# that the guest goes on with.
killed_often() {
	local i silent=0
	step "$1 guests, their feeders killed twice, SEED=$SEED"
	for ((i = 0; i < $1; i++)); do
		wait_until 60 huge_pages_free
		RATE=1M restore_slowly busy@1 again "$store" "${@:2}" -S
		process_kill feeder-again
		qmp "$STORY/again.look" '{"execute":"cont"}' --seconds 3 >/dev/null 2>&1 || true
		answers again || silent=$((silent + 1))
		RATE=4M resume_slowly again
		sleep "0.$(printf '%03d' $((RANDOM % 1000)))"
		process_kill feeder-again
		answers again || silent=$((silent + 1))
		resume again
		goes_on again busy 1
		guest_kill again
	done
	step "$((2 * $1)) times gone on with, $silent times QEMU answered nobody else"
}

# in_vain COUNT ARGUMENT…: so often such a guest is gone on with from a damaged store; then from a
# sound one. QEMU keeps eight commands that it does not come to, and then reads no more.
in_vain() {
	local i
	step "a damaged store, $1 times gone on with in vain, and then a sound one"
	wait_until 60 huge_pages_free
	RATE=1M restore_slowly busy@1 again "$store" "${@:2}" -S
	process_kill feeder-again
	qmp "$STORY/again.look" '{"execute":"cont"}' --seconds 3 >/dev/null 2>&1 || true
	sleep 1 # until a vCPU needs a page
	! answers again || step "QEMU answers others too"
	cp -r "$STORY/store" "$STORY/sound"
	pages_damage busy
	for ((i = 0; i < $1; i++)); do
		refused 1 "$VMGUARD" restore --resume --qmp "$STORY/again.qmp" 2>"$STORY/said"
		grep -q "is damaged" "$STORY/said" || fail "not told what is damaged: $(<"$STORY/said")"
	done
	rm -r "$STORY/store"
	mv "$STORY/sound" "$STORY/store"
	resume again
	goes_on again busy 1
	guest_kill again
}

ROUND=0
SEED=${SEED:-$RANDOM}
RANDOM=$SEED
RATE=16M
huge_pages_get $((GUEST_MIB / 2 + 8))
linux_args 64 threads=2
# shellcheck disable=SC2054 # the commas are QEMU's
machine=(-M pc-i440fx-7.2,memory-backend=ram -m "$GUEST_MIB" -smp 2 -device virtio-net-pci
	"${LINUX_ARGS[@]}")
# shellcheck disable=SC2054
ordinary=(-object "memory-backend-ram,id=ram,size=${GUEST_MIB}M")
# shellcheck disable=SC2054
private=(-object "memory-backend-memfd,id=ram,size=${GUEST_MIB}M,hugetlb=on,hugetlbsize=2M,share=off")
# shellcheck disable=SC2054
shared=(-object "memory-backend-memfd,id=ram,size=${GUEST_MIB}M,hugetlb=on,hugetlbsize=2M")

through "huge pages, QEMU 7.2" "${shared[@]}" -- "${shared[@]}"
through "ordinary RAM to huge pages, QEMU 7.2" "${ordinary[@]}" -- "${shared[@]}"
through "huge pages to ordinary RAM, QEMU 7.2" "${shared[@]}" -- "${ordinary[@]}"
# shellcheck disable=SC2034 # guest_command reads it
QEMU=$QEMU10
through "huge pages, QEMU 10.0" "${shared[@]}" -- "${shared[@]}"
through "private huge pages, QEMU 10.0" "${private[@]}" -- "${private[@]}"

machine+=(-smp 8 "${private[@]}")
guest_start busy "${machine[@]}"
wait_until 120 linux_reached busy 2
snapshot busy "$store"
guest_kill busy
killed_often "${KILLS:-3}" "${machine[@]}"
in_vain 10 "${machine[@]}"
step "done"
