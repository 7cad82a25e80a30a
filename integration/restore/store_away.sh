#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The store is away while guests are restored lazily, a directory and a real Ceph pool: for more than
# a minute, which they sleep through; for longer than vmguard waits, after which they are gone on
# with. And a page that is damaged is never sent.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
need_kernel
KIND=linux
RATE=8M
directory=dir:$STORY/store
linux_args 64 threads=2
machine=(-M pc -m 224 -smp 2 "${LINUX_ARGS[@]}")

# The files of the guest's image: whoever has the folder open does not find them either.
directory_away() {
	mkdir "$STORY/away"
	find "$STORY/store/web" -mindepth 1 -exec mv -t "$STORY/away" {} +
}

directory_back() {
	find "$STORY/away" -mindepth 1 -exec mv -t "$STORY/store/web" {} +
	rmdir "$STORY/away"
}

# ceph_signal SIGNAL: to the only OSD
ceph_signal() {
	kill "-$1" "$(process_pid ceph.osd.0)"
}

# gave_up AS: its feeder ended with a sentence that says why and how to go on
gave_up() {
	wait_until 300 process_gone "feeder-$1"
	tail -n 1 "$STORY/feeder-$1.log"
	grep -q "stands still until vmguard restore --resume --qmp $STORY/$1.qmp: .*$2" \
		"$STORY/feeder-$1.log" || fail "not told why, or how to go on"
}

# still_missing AS: it waits. QEMU itself may wait for a page, and is not asked.
still_missing() {
	process_alive "feeder-$1" || fail "not waited for: $(tail -n 1 "$STORY/feeder-$1.log")"
}

step "a guest, captured into both"
guest_start web "${machine[@]}"
wait_until 120 linux_reached web 2
ceph_up 1
pool=$(ceph_uri)
snapshot web "$pool"
cp "$STORY/web.at.$TAKEN" "$STORY/pool.at.$TAKEN"
snapshot web "$directory"
guest_kill web

step "both are away for more than a minute: the guests wait, and go on by themselves"
restore_slowly web@1 here "$directory" "${machine[@]}"
restore_slowly web@1 there "$pool" "${machine[@]}"
directory_away
ceph_signal STOP
sleep 65
still_missing here
still_missing there
directory_back
ceph_signal CONT
step "they are back"
fed here
goes_on here web 1
guest_kill here
fed there
goes_on there pool 1
guest_kill there

step "the OSD is killed, and starts again"
restore_slowly web@1 there "$pool" "${machine[@]}"
ceph_kill osd.0
sleep 5
still_missing there
ceph_start osd.0
fed there
goes_on there pool 1
guest_kill there

step "both are away for longer than vmguard is to wait"
FEEDER_OPTIONS=(--store-wait 3s)
restore_slowly web@1 here "$directory" "${machine[@]}"
restore_slowly web@1 there "$pool&timeout=3" "${machine[@]}"
directory_away
ceph_signal STOP
gave_up here "read .* of segment"
gave_up there "no answer from the Ceph cluster"
step "nor can anybody go on without them"
refused 1 "$VMGUARD" restore --resume --qmp "$STORY/here.qmp"
refused 1 "$VMGUARD" restore --resume --qmp "$STORY/there.qmp"
directory_back
ceph_signal CONT
step "they are back"
resume here
goes_on here web 1
guest_kill here
resume there
goes_on there pool 1
guest_kill there

step "a damaged store: no damaged page is sent"
FEEDER_OPTIONS=()
cp -r "$STORY/store" "$STORY/sound"
restore_slowly web@1 here "$directory" "${machine[@]}"
pages_damage web
damage="page .*+0x[0-9a-f]* in segment .*(web/seg-.*) is damaged"
gave_up here "$damage"
refused 1 "$VMGUARD" restore --resume --qmp "$STORY/here.qmp" 2>"$STORY/said"
cat "$STORY/said"
grep -q "$damage" "$STORY/said" || fail "not told what is damaged"
step "nor to a guest that has not run"
guest_start new "${machine[@]}" -incoming defer
refused 1 "$VMGUARD" restore --store "$directory" web@1 --mode lazy --qmp "$STORY/new.qmp" \
	2>"$STORY/said"
cat "$STORY/said"
grep -q "$damage" "$STORY/said" || fail "not told what is damaged"
process_kill new
step "with a sound copy of it the guest goes on"
rm -r "$STORY/store"
mv "$STORY/sound" "$STORY/store"
resume here
goes_on here web 1
step "done"
