#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A series of checkpoints and what it leaves: ticks, retention, protection; what happens to it when
# the guest is paused, the store fails, a signal comes, the guest dies.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
need prlimit
store=dir:$STORY/store
counter_make "$STORY/counter.bin" 24
counter_args "$STORY/counter.bin"
machine=(-M pc -m 32 "${COUNTER_ARGS[@]}")
guest_start web "${machine[@]}"
wait_until 60 counter_reached web 2

SNAPSHOT=("$VMGUARD" snapshot --qmp "$STORY/web.qmp" --store "$store" --name web --json)

# series_start NAME OPTION…: in the background, as a process of the story; until it has taken one
series_start() {
	local name=$1
	shift
	: >"$STORY/$name.series"
	"${SNAPSHOT[@]}" "$@" >"$STORY/$name.series" 2>"$STORY/$name.said" &
	SERIES=$!
	process_adopt "$name" "$SERIES"
	wait_until 60 took "$name" 1
}

# took NAME COUNT: so many are taken by now
took() {
	(($(grep -c '"checkpoint"' "$STORY/$1.series") >= $2))
}

# series_ends NAME STATUS [SIGNAL]
series_ends() {
	local status=0
	[ -z "${3:-}" ] || kill "-$3" "$SERIES"
	wait "$SERIES" || status=$?
	((status == $2)) || fail "the series ended with $status: $(cat "$STORY/$1.said")"
}

# told_paused NAME: stops the guest, again where a snapshot that was beginning let it run on
told_paused() {
	qmp "$STORY/web.look" '{"execute":"stop"}' >/dev/null
	grep -q 'is paused' "$STORY/$1.said"
}

# summary NAME FIELD
summary() {
	tail -n 1 "$STORY/$1.series" | json "$2"
}

# field TARGET FIELD: of vmguard info
field() {
	"$VMGUARD" info --store "$store" "$1" --json | json "$2"
}

# numbers: of the checkpoints there are, in one line
numbers() {
	"$VMGUARD" snapshots --store "$store" web --json | python3 -c '
import json, sys
print(*[c["checkpoint"] for c in json.load(sys.stdin)])'
}

step "--count and --keep-last"
before=$(counter_last web)
"${SNAPSHOT[@]}" --every 1s --count 4 --keep-last 2 >"$STORY/counted.series"
after=$(counter_last web)
cat "$STORY/counted.series"
took counted 4 || fail "not four"
[ "$(summary counted taken) $(summary counted failed) $(summary counted pruned)" = "4 0 2" ] ||
	fail "the summary says otherwise"
[ "$(numbers)" = "3 4" ] || fail "left: $(numbers)"

step "the newest can be continued"
restore web again "$store" "${machine[@]}"
counter_continues again "$before" "$after"
guest_kill again

step "ticks that come during a checkpoint are missed, not queued"
"${SNAPSHOT[@]}" --every 20ms --count 3 >"$STORY/missed.series"
cat "$STORY/missed.series"
[ "$(summary missed taken)" = 3 ] || fail "not three"
(($(summary missed missed) >= 2)) || fail "none was missed"

step "a second vmguard is told who holds the image"
series_start held --every 1s
for verb in "snapshot --qmp $STORY/web.look --name web" "prune --keep-last 1 web" "delete web@3"; do
	# shellcheck disable=SC2086 # words
	refused 3 "$VMGUARD" $verb --store "$store" 2>"$STORY/said"
	cat "$STORY/said"
	grep -q "process $SERIES on host $(hostname)" "$STORY/said" || fail "$verb: by whom?"
	grep -q 'since' "$STORY/said" || fail "$verb: since when?"
done
"$VMGUARD" snapshots --store "$store" --protect web@3

step "a paused guest is told once, its ticks are missed"
wait_until 60 told_paused held
sleep 3
qmp "$STORY/web.look" '{"execute":"cont"}' >/dev/null
taken=$(grep -c '"checkpoint"' "$STORY/held.series")
wait_until 60 took held $((taken + 1))
(($(grep -c 'is paused' "$STORY/held.said") == 1)) || fail "told more than once"

step "SIGTERM"
series_ends held 0 TERM
(($(summary held failed) == 0 && $(summary held missed) >= 1)) || fail "$(tail -1 "$STORY/held.series")"

step "SIGTERM in the middle of a checkpoint: QEMU finishes it, it is dropped or taken"
had=$(checkpoints "$store" web)
series_start ended --every 1s
wait_until 30 test -p "$STORY/run/web.vmguard-fifo"
series_ends ended 0 TERM
(($(checkpoints "$store" web) == had + $(summary ended taken))) || fail "another number is there"
progressed web 2

step "a store that fails for a while"
series_start failing --every 500ms
prlimit --pid "$SERIES" --nofile=3:
wait_until 60 grep -q 'Too many open files' "$STORY/failing.said"
sleep 1
prlimit --pid "$SERIES" --nofile=1024:
taken=$(grep -c '"checkpoint"' "$STORY/failing.series")
wait_until 60 took failing $((taken + 2))
series_ends failing 1 INT
(($(summary failing failed) >= 1)) || fail "no failure was counted"
progressed web 2

step "prune does what --dry-run says, and leaves what is protected"
prune=("$VMGUARD" prune --store "$store" --keep-last 2 --keep-hourly 1 --json)
"${prune[@]}" --dry-run >"$STORY/would"
had=$(numbers)
"${prune[@]}" web >"$STORY/did"
cmp "$STORY/would" "$STORY/did"
python3 -c '
import json, sys
rows = json.load(sys.stdin)
assert [r["checkpoint"] for r in rows] == [int(n) for n in sys.argv[1].split()], "listed"
kept = [r for r in rows if r["kept"]]
assert kept[0]["checkpoint"] == 3 and kept[0]["reason"] == "protected", kept
assert [int(n) for n in sys.argv[2].split()] == [r["checkpoint"] for r in kept], "left"
assert 3 <= len(kept) <= 4, kept' "$had" "$(numbers)" <"$STORY/did"

step "a protected one is not deleted, by nobody"
refused 3 "$VMGUARD" delete --store "$store" web@3
refused 3 "$VMGUARD" delete --store "$store" web
snapshot web "$store" --keep-last 1
[ "$(numbers)" = "3 $TAKEN" ] || fail "left: $(numbers)"
[ "$(field web@3 protected)" = True ] || fail "info does not know that it is protected"
"$VMGUARD" snapshots --store "$store" --unprotect web@3
"$VMGUARD" delete --store "$store" web@3

step "info, diff, verify"
last=$TAKEN
progressed web 2
snapshot web "$store"
[ "$(field web base)" = "$last" ] || fail "compared with another one"
"$VMGUARD" diff --store "$store" "web@$last" "web@$TAKEN" --json >"$STORY/diff"
changed=$(json pages_changed <"$STORY/diff")
((changed > 5000)) || fail "the counter writes all its pages, and $changed changed"
[ "$(field web pages_changed)" = "$changed" ] || fail "info and diff do not agree"
[ "$(json bytes_changed <"$STORY/diff")" = $((changed * 4096)) ] || fail "bytes"
[ "$(json pages <"$STORY/diff")" = "$(field web pages_total)" ] || fail "pages"
"$VMGUARD" info --store "$store" web
"$VMGUARD" diff --store "$store" "web@$TAKEN" "web@$last"
"$VMGUARD" verify --store "$store" web
"$VMGUARD" verify --store "$store" web --json | python3 -c '
import json, sys
rows = json.load(sys.stdin)
assert len(rows) == 2 and not any(r["damaged"] or r["damage"] for r in rows), rows
assert all(r["pages"] > 5000 for r in rows), rows'
refused 2 "$VMGUARD" diff --store "$store" "web@$last" other@1
refused 2 "$VMGUARD" prune --store "$store"

step "a guest that dies ends its series"
series_start orphaned --every 1s
guest_kill web
series_ends orphaned 1
grep 'its guest is gone' "$STORY/orphaned.said"
restore "web@$TAKEN" again "$store" "${machine[@]}"
goes_on again web "$TAKEN"
step "done"
