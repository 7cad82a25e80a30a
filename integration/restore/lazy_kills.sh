#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Lazy restores of snapshots that were taken while the guest wrote as fast as it can: machines of
# several kinds, QEMU 7.2, 10.0 and from 7.2 to 10.0, from a directory and from Ceph. During each
# vmguard is killed (kill -9) up to three times: before the guest runs, then the restore begins again;
# at random moments and near the end, then it is gone on with. After each the guest's own check says
# that every page is right, and it goes on where the snapshot was taken.
#
# RESTORES=100 is the long form (8); SEED=… repeats the moments, STORES=rbd takes one of dir and rbd.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
need_kernel
need_qemu10
KIND=linux
RESTORES=${RESTORES:-8}
SEED=${SEED:-$RANDOM}
RANDOM=$SEED
PER_GUEST=2

# shellcheck disable=SC2054 # the commas are QEMU's
devices=(-vga std -netdev user,id=net,restrict=on -device virtio-net-pci,netdev=net
	-device virtio-rng-pci -device virtio-balloon-pci
	-blockdev driver=null-co,node-name=disk,size=1048576,read-only=on -device virtio-blk-pci,drive=disk)

# machine NUMBER: the guest's as the array MACHINE, and the QEMUs FROM and TO
# shellcheck disable=SC2054 # the commas are QEMU's
machine() {
	linux_args 64 threads=2 verify=2
	case $(($1 % 5)) in
	0)
		TITLE="pc, 1 vCPU, 7.2" FROM=$QEMU72 TO=$QEMU72
		MACHINE=(-M pc)
		;;
	1)
		TITLE="q35, memfd, 2 vCPUs, 10.0" FROM=$QEMU10 TO=$QEMU10
		MACHINE=(-M q35,memory-backend=ram -smp 2
			-object memory-backend-memfd,id=ram,size=224M,share=on)
		;;
	2)
		TITLE="pc, VGA and virtio, 2 vCPUs, 7.2 to 10.0" FROM=$QEMU72 TO=$QEMU10
		MACHINE=(-M pc-i440fx-7.2 -smp 2 "${devices[@]}")
		;;
	3)
		TITLE="q35, memory in a file, 7.2" FROM=$QEMU72 TO=$QEMU72
		MACHINE=(-M q35,memory-backend=ram -object
			memory-backend-file,id=ram,size=224M,mem-path=/dev/shm,share=on)
		;;
	4)
		TITLE="q35, two NUMA nodes, virtio, 2 vCPUs, 7.2 to 10.0" FROM=$QEMU72 TO=$QEMU10
		linux_args 64 threads=2 verify=2 nodes=2
		MACHINE=(-M pc-q35-7.2 -smp 2 "${devices[@]}"
			-object memory-backend-ram,id=m0,size=112M -numa node,memdev=m0,cpus=0
			-object memory-backend-ram,id=m1,size=112M -numa node,memdev=m1,cpus=1)
		;;
	esac
	MACHINE+=(-m 224 "${LINUX_ARGS[@]}")
}

# feeder ARGUMENT…: in the background
feeder() {
	process_start feeder "$VMGUARD" restore "$@" --qmp "$STORY/$AS.qmp" \
		--max-rate "$((4 + RANDOM % 28))M"
}

# A QEMU older than 8.2 dies of a vmguard that is killed in the second in which it begins to go on (a
# restore that recovers does not go back to paused), so there it is killed only afterwards.
goes_on_being_fed() {
	local before
	before=$(grep -c "runs after" "$STORY/feeder.log") || true
	feeder --resume
	[ "$TO" = "$QEMU72" ] || return 0
	within 60 is_fed "$before" || fail "$AS is not gone on with"
	sleep 1
}

is_fed() {
	! process_alive feeder || (($(grep -c "runs after" "$STORY/feeder.log") > $1))
}

# A QEMU that waits, and who feeds it
begin() {
	rm -f "$STORY/$AS.serial" "$STORY/feeder.log"
	RUNS=0
	QEMU=$TO guest_start "$AS" "${MACHINE[@]}" -incoming defer
	feeder --store "$URI" "$NAME@$N" --mode lazy
}

# resident PERCENT: so much of the guest is there, by vmguard's note; or nobody feeds it any more
resident() {
	local percent
	process_alive feeder || return 0
	percent=$(sed -n 4p "$STORY/run/restore-$(process_pid "$AS")"-*[0-9] 2>/dev/null) || return 1
	((${percent:-0} >= $1))
}

# Right away, mostly before the guest runs; a little later; or near the end
wait_for_a_moment() {
	case $((RANDOM % 4)) in
	0 | 1) sleep "$(printf '0.%03d' $((RANDOM % 200)))" ;;
	2) sleep "$((RANDOM % 3)).$(printf '%03d' $((RANDOM % 1000)))" ;;
	3) within 120 resident $((95 + RANDOM % 5)) || true ;;
	esac
}

# True when it is certain what the feeder's death has left: $LEFT is then paused, whole or dead
is_settled() {
	local status
	LEFT=dead
	process_alive "$AS" || return 0
	status=$(qmp "$STORY/$AS.look" '{"execute":"query-migrate"}' --seconds 3 2>/dev/null |
		json status 2>/dev/null) || true
	case $status in
	postcopy-paused) LEFT=paused ;;
	completed) LEFT=whole ;;
	failed) ;;
	*) return 1 ;;
	esac
}

# A QEMU that lacks the rest of its devices waits for ever, and does not always answer. One whose
# guest has run does not either where a thread waits for a page and holds QEMU's big lock: with that
# one the next vmguard goes on nevertheless.
give_up_waiting() {
	LEFT=dead
	((!RUNS)) || LEFT=paused SILENT=$((SILENT + 1))
}

# The guest, since its QEMU began; it may have before vmguard came to say so.
has_run() {
	grep -q "runs after" "$STORY/feeder.log" || [ -s "$STORY/$AS.serial" ]
}

# The feeder is killed; whatever it has left, somebody feeds the guest again, or it has all. A guest
# that has run has done things, and is not begun again.
one_kill() {
	wait_for_a_moment
	process_alive feeder || return 0
	process_kill feeder
	KILLS=$((KILLS + 1))
	! has_run || RUNS=1
	within 4 is_settled || give_up_waiting
	case $LEFT in
	paused)
		RESUMED=$((RESUMED + 1))
		goes_on_being_fed
		;;
	whole) feeder --resume ;; # to tidy up, if that was not done
	dead)
		((!RUNS)) || fail "restore $DONE of SEED=$SEED: a guest that ran is lost"
		AGAIN=$((AGAIN + 1))
		guest_kill "$AS"
		begin
		;;
	esac
}

# one_restore: of checkpoint N of NAME, as guest AS
one_restore() {
	local i kills=$((RANDOM % 4))
	LEFT=
	begin
	for ((i = 0; i < kills; i++)); do
		one_kill
		[ "$LEFT" != whole ] || break
	done
	wait_until 120 process_gone feeder
	if ! migration_is "$AS" completed; then
		fail "restore $DONE of SEED=$SEED: $(tail -n 1 "$STORY/feeder.log")"
	fi
	goes_on "$AS" "$NAME" "$N"
}

# one_guest: through its death, PER_GUEST times, each from a new checkpoint
one_guest() {
	local i number=$((DONE / PER_GUEST))
	local stores
	read -ra stores <<<"${STORES:-dir rbd}"
	machine $((number + SEED))
	URI=$directory
	[ "${stores[number % ${#stores[@]}]}" = dir ] || URI=$pool
	step "restore $((DONE + 1)): $TITLE, from ${URI%%:*}"
	NAME=g$number AS=$NAME
	QEMU=$FROM guest_start "$NAME" "${MACHINE[@]}"
	wait_until 120 linux_reached "$NAME" 2
	for ((i = 1; i <= PER_GUEST && DONE < RESTORES; i++)); do
		DONE=$((DONE + 1))
		snapshot "$AS" "$URI" --name "$NAME"
		N=$TAKEN
		[ "$AS" = "$NAME" ] || mv "$STORY/$AS.at.$N" "$STORY/$NAME.at.$N"
		guest_kill "$AS"
		AS=$NAME-$i
		one_restore
		FROM=$TO
	done
	guest_kill "$AS"
	"$VMGUARD" delete --store "$URI" "$NAME"
	rm -f "$STORY/$NAME".* "$STORY/$NAME"-*
}

directory=dir:$STORY/store
if [[ ${STORES:-dir rbd} == *rbd* ]]; then
	ceph_up 1
	pool=$(ceph_uri)
fi
DONE=0 KILLS=0 RESUMED=0 AGAIN=0 SILENT=0
step "$RESTORES restores, SEED=$SEED"
while ((DONE < RESTORES)); do
	one_guest
done
step "$DONE restores, every page right; $KILLS kills: $RESUMED times gone on with, of them" \
	"$SILENT where QEMU answered nobody else, $AGAIN times begun again"
((KILLS == 0 || RESUMED + AGAIN > 0)) || fail "no kill has disturbed anything"
step "done"
