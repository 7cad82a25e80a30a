#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Hosts that lose their power: a guest writes two disks, one of them through ext4, and its memory;
# vmguard takes checkpoints of it, and at a random moment, mostly within one, all of the host is gone.
# The guest goes on on the other host from its newest checkpoint, and so on to and fro, lazily and
# fully; sometimes that host loses its power too before the guest has all its memory. Its own check of
# disks against memory is the judge of each round. First with disks on RBD, then in qcow2 files. In
# the end the file system is in order, and the disks have no snapshots but those of the checkpoints.
#
# ROUNDS=100 is the long form (8, a quarter of them with qcow2); SEED=… repeats the moments.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/libvirt.sh
. "$(dirname "$0")/../lib/libvirt.sh"

need_userfaultfd
need_modules
need_libvirt
need qemu-img mkfs.ext4 e2fsck rbd
KIND=disk
ROUNDS=${ROUNDS:-8}
SEED=${SEED:-$RANDOM}
RANDOM=$SEED
export DOMAIN_WORDS="disks=2 mib=8 rate=300 ext4=1 verify=2"

# on HOST VERB…: vmguard as a program of that host, which dies with it
on() {
	host_run "$1" env -u VMGUARD_RUN_DIR "$VMGUARD" "${@:2}"
}

# pause_of_up_to MS
pause_of_up_to() {
	local ms=$((RANDOM % $1))
	sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
}

# power_fails: on the host that has the guest, which comes back without it; the guest's next host is
# the other one. What the machine has of it is fenced.
power_fails() {
	local failed=$HERE
	guest_sound "$NAME"
	host_power_off "$failed"
	((!${#IMAGES[@]})) || ceph_fence "${IMAGES[@]}"
	host_up "$failed"
	HERE=$THERE
	THERE=$failed
}

newest() {
	"$VMGUARD" snapshots --store "$URI" "$NAME" --json |
		python3 -c 'import json, sys; print(json.load(sys.stdin)[-1]["checkpoint"])'
}

# taken: the last number that the series has told of, or 0
taken() {
	grep -oE '"checkpoint": ?[0-9]+' "$STORY/series.log" | tail -n 1 | grep -oE '[0-9]+' || echo 0
}

# until_power_fails: checkpoints, one after the other; $N is the newest, with the ticks that it lies
# between. What vmguard has told of is not lost.
until_power_fails() {
	local from told before=$N
	from=$(disk_last "$NAME")
	rm -f "$STORY/series.log"
	process_start series on "$HERE" snapshot --connect "$(host_uri "$HERE")" --domain "$NAME" \
		--store "$URI" --every 500ms --keep-last 3 --json
	pause_of_up_to 4000
	process_alive series || fail "the series has ended: $(tail -n 3 "$STORY/series.log")"
	! grep "^vmguard:" "$STORY/series.log" || fail "a checkpoint failed"
	power_fails
	told=$(taken)
	N=$(newest)
	((N >= told)) || fail "checkpoint $told is lost, $N is the newest"
	TAKEN_IN_ALL=$((TAKEN_IN_ALL + N - before))
	LAST=$(disk_last "$NAME")
	((N == before)) || echo "$from $LAST" >"$STORY/$NAME.at.$N"
}

restore_here() {
	rm -f "$STORY/$NAME.serial"
	on "$HERE" restore --connect "$(host_uri "$HERE")" --store "$URI" "$NAME@$N" \
		--disks rollback --yes "$@"
}

# is_interrupted: its host loses the power while the guest runs and has not all its memory
is_interrupted() {
	process_start feeder restore_here --mode lazy --max-rate 2M
	wait_until 60 grep -q "runs after" "$STORY/feeder.log"
	domain_adopt "$HERE" "$NAME"
	pause_of_up_to 2000
	process_alive feeder || fail "it was over too early: $(cat "$STORY/feeder.log")"
	power_fails
	rm "$STORY/feeder.log"
	# Nothing is restored from it any more; whether that host is gone for good only a person knows.
	"$VMGUARD" snapshots --store "$URI" --release "$NAME@$N"
	INTERRUPTED=$((INTERRUPTED + 1))
}

one_round() {
	local modes=(lazy lazy full full)
	local mode=${modes[DONE % 4]} first
	DONE=$((DONE + 1))
	until_power_fails
	((RANDOM % 4)) || is_interrupted
	restore_here --mode "$mode" --json >"$STORY/$NAME.json" || fail "$NAME@$N was not restored"
	[ "$(json mode <"$STORY/$NAME.json")" = "$mode" ] || fail "it was not restored $mode"
	domain_adopt "$HERE" "$NAME"
	goes_on "$NAME" "$NAME" "$N"
	AGREED=$((AGREED + 1))
	first=$(disk_first "$NAME")
	step "round $DONE: $mode on host $HERE from checkpoint $N, $((LAST - first + 1)) s are lost;" \
		"it ran after $(json run_ms <"$STORY/$NAME.json") ms"
}

# campaign NAME ROUNDS STORE DISK DISK: IMAGES are those of RBD that it opens
campaign() {
	local i
	NAME=$1 URI=$3 DISKS=("${@:4}") HERE=a THERE=b N=0
	disk_make "${DISKS[0]}" 64
	disk_make "${DISKS[1]}" 64 ext4
	domain_start a "$NAME" disk "${DISKS[@]}"
	disk_verifies "$NAME" 1
	snapshot "$NAME" "$URI"
	N=$TAKEN
	for ((i = 0; i < $2; i++)); do
		one_round
	done
	power_fails
	disk_fsck "${DISKS[1]}"
	"$VMGUARD" prune --store "$URI" "$NAME" --keep-last 2
	no_orphans "$NAME" "$URI" "${DISKS[@]}"
	"$VMGUARD" delete --store "$URI" "$NAME"
	[ -z "$(for disk in "${DISKS[@]}"; do disk_snapshots "$disk"; done)" ] || fail "some are left"
}

step "$ROUNDS rounds, SEED=$SEED"
ceph_up 1
host_up a
host_up b
DONE=0 AGREED=0 INTERRUPTED=0 TAKEN_IN_ALL=0
step "disks on RBD"
IMAGES=(web web-0 web-1)
campaign web $((ROUNDS - ROUNDS / 4)) "$(ceph_uri)" rbd:rbd/web-0 rbd:rbd/web-1
step "disks in qcow2 files"
IMAGES=()
campaign file $((ROUNDS / 4)) "dir:$STORY/store" "$STORY/0.qcow2" "$STORY/1.qcow2"
step "$DONE rounds, in $AGREED of them disks and memory agree; $TAKEN_IN_ALL checkpoints," \
	"$INTERRUPTED times the next host lost its power too"
((AGREED == ROUNDS)) || fail "$AGREED agreements in $ROUNDS rounds"
