#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vmguard is killed (kill -9) at random moments of a series, into a directory and into Ceph, and
# begins again each time. The guest goes on; every checkpoint that is listed verifies; none after
# the first one is a full one; the newest that a killed series left can be restored.
#
# KILLS=300 is the long form (12 for each store); SEED=… repeats the moments, STORES=rbd takes one
# of dir and rbd.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
need_kernel
KIND=linux
KILLS=${KILLS:-12}
SEED=${SEED:-$RANDOM}
RANDOM=$SEED
# The guest writes within 8 of its 64 MiB, so a checkpoint is about a tenth of a full one.
linux_args 64 rate=1500 hot=8
machine=(-M pc -m 192 "${LINUX_ARGS[@]}")

# series STORE OPTION…: in the background, as $SERIES
series() {
	local uri=$1
	shift
	"$VMGUARD" snapshot --qmp "$STORY/web.qmp" --store "$uri" --name web --every 300ms \
		--keep-last 8 --json "$@" >>"$STORY/series.json" 2>>"$STORY/series.log" &
	SERIES=$!
}

# killed_after MS FROM: the series is still there then, and dies. FROM 0: since it began, while
# it opens the image too; 1: since its first snapshot began.
killed_after() {
	(($2 == 0)) || wait_until 120 test -p "$STORY/run/web.vmguard-fifo"
	sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
	kill -9 "$SERIES" 2>/dev/null || fail "the series had ended: $(tail -n 3 "$STORY/series.log")"
	wait "$SERIES" 2>/dev/null || true
}

# listing_sound STORE: prints the newest number; what was left is an increment and none is damaged
listing_sound() {
	"$VMGUARD" snapshots --store "$1" web --json | python3 -c '
import json, sys
listed = json.load(sys.stdin)
for one in listed:
    name = "web@%d" % one["checkpoint"]
    if "damaged" in one:
        sys.exit("%s is damaged: %s" % (name, one["damaged"]))
    if one["checkpoint"] > 1 and one["pages_written"] * 4 > one["pages_total"] - one["pages_zero"]:
        sys.exit("%s was written in full: %d pages" % (name, one["pages_written"]))
print(listed[-1]["checkpoint"])'
}

# one_kill STORE NUMBER
one_kill() {
	local before after newest moment=$((RANDOM % 2500))
	before=$(linux_last web)
	series "$1"
	killed_after "$moment" $(($2 % 2))
	"$VMGUARD" rescue --qmp "$STORY/web.qmp" >"$STORY/rescued" 2>&1 ||
		fail "rescue: $(cat "$STORY/rescued")"
	after=$(linux_last web)
	guest_sound web
	newest=$(listing_sound "$1") || fail "after kill $2, at $moment ms"
	"$VMGUARD" verify --store "$1" web >"$STORY/verified" 2>&1 ||
		fail "after kill $2, at $moment ms: $(cat "$STORY/verified")"
	((newest <= NEWEST)) || echo "$before $after" >"$STORY/web.at.$newest"
	BETWEEN=$((BETWEEN + newest - NEWEST))
	NEWEST=$newest
	(($2 % 10)) || step "kill $2: checkpoint $newest"
}

# campaign STORE
campaign() {
	local i newest
	rm -f "$STORY"/web.at.*
	BETWEEN=0
	guest_start web "${machine[@]}"
	wait_until 120 linux_reached web 2
	snapshot web "$1"
	NEWEST=$TAKEN
	for ((i = 1; i <= KILLS; i++)); do
		one_kill "$1" "$i"
	done
	progressed web 2
	((BETWEEN > 0)) || fail "no series took a checkpoint before it was killed"
	step "$KILLS kills: $BETWEEN checkpoints were taken, the newest is restored"
	restore web last "$1" "${machine[@]}"
	goes_on last web "$NEWEST"
	guest_kill last

	step "the series goes on to its end"
	series "$1" --count 3
	wait "$SERIES" || fail "the series failed: $(tail -n 3 "$STORY/series.log")"
	newest=$(listing_sound "$1")
	((newest >= NEWEST + 3)) || fail "three more were expected after $NEWEST, not $newest"
	"$VMGUARD" verify --store "$1" web >/dev/null
	guest_sound web
	guest_kill web
	"$VMGUARD" delete --store "$1" web
}

if [[ ${STORES:-dir rbd} == *dir* ]]; then
	step "into a directory, SEED=$SEED"
	campaign "dir:$STORY/store"
fi
if [[ ${STORES:-dir rbd} == *rbd* ]]; then
	step "into Ceph, SEED=$SEED"
	ceph_up 1
	campaign "$(ceph_uri)"
fi
step "done"
