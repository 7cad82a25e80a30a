#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# How much room a pool has: unknown without ceph-mgr, known with it; and a real quota, which
# ends the writing with an error and leaves the last checkpoint readable. vmguard check says of each
# what it means for a guest.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

contract=$BUILD/src/store-contract
quota=$((512 << 20))

# free_bytes: what the store says
free_bytes() {
	"$contract" free | grep -x '[0-9]*'
}

knows_room() {
	free_bytes >"$STORY/free"
}

has_less_than() {
	(($(free_bytes) < $1))
}

goes_on_writing() {
	"$contract" measure guest >"$STORY/measure"
}

# check_finds SEVERITY REGEX: of the store, for a guest of 128 MiB
check_finds() {
	"$VMGUARD" check --qmp "$STORY/web.qmp" --store "$(ceph_uri)" --name web --json \
		>"$STORY/said" || (($? == 3)) || fail "no check"
	finds "$1" store "$2"
}

step "no ceph-mgr: nobody knows"
ceph_up 1
counter_args
guest_start web -M pc -m 128 "${COUNTER_ARGS[@]}"
check_finds risk "how much room it has is not known"
VMGUARD_TEST_STORE="$(ceph_uri)&timeout=5"
export VMGUARD_TEST_STORE
refused 1 "$contract" free | tee "$STORY/unknown"
grep -q "see whether a ceph-mgr runs" "$STORY/unknown" || fail "the cause is not named"

step "with ceph-mgr it is what ceph df says"
ceph_mgr_up
wait_until 60 knows_room
room=$(free_bytes)
step "$((room >> 20)) MiB"
((room > 1 << 30 && room < 16 << 30)) || fail "not the room of a device of 16 GiB"
check_finds ok "^it has [0-9]{4,5} MiB free"

step "a quota of $((quota >> 20)) MiB"
ceph osd pool set-quota rbd max_bytes $quota 2>>"$STORY/ceph.log" >&2
wait_until 60 has_less_than $((quota + 1))
"$contract" open guest

step "written until it is reached"
refused 1 timeout 300 "$contract" write guest | tee "$STORY/write" | tail -n 4
grep -q "pool rbd is full or has reached its quota\|Disk quota exceeded\|No space left" \
	"$STORY/write" || fail "the cause is not named"
wait_until 60 has_less_than $((quota / 4))
check_finds blocker "the first checkpoint may take as much as the guest's RAM"

step "the checkpoints before it are what they were"
"$contract" check guest | tee "$STORY/check"
grep -q "^[1-9][0-9]* commits" "$STORY/check" || fail "no commit is left"

step "more quota: it goes on"
ceph osd pool set-quota rbd max_bytes $((quota * 8)) 2>>"$STORY/ceph.log" >&2
wait_until 60 goes_on_writing
step "done"
