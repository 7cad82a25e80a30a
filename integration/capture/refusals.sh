#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What is refused leaves the guest as it was; what fails in the middle leaves it running, the
# capability off, the last checkpoint readable and the next one possible.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
store=dir:$STORY/store
counter_args
machine=(-M pc -m 128 "${COUNTER_ARGS[@]}")

look() {
	qmp "$STORY/web.look" "{\"execute\":\"$1\"}"
}

# attempt STATUS [OPTION…]: a snapshot that ends so
attempt() {
	local status=$1
	shift
	refused "$status" "$VMGUARD" snapshot --qmp "$STORY/web.qmp" --store "$store" \
		--name web "$@"
}

capability_is_off() {
	look query-migrate-capabilities | python3 -c '
import json, sys
on = [c["capability"] for c in json.load(sys.stdin) if c["state"]]
sys.exit("background-snapshot" in on)' || fail "the capability was left on"
}

migration_is_over() {
	[ "$(look query-migrate | json status)" = cancelled ]
}

# unharmed: the guest runs on with its memory right, and the next checkpoint succeeds
unharmed() {
	capability_is_off
	progressed web 2
	snapshot web "$store"
}

guest_start web "${machine[@]}"
wait_until 60 counter_reached web 2
snapshot web "$store"

step "a paused guest"
look stop >/dev/null
attempt 3
guest_is web paused
attempt 0 --allow-resume
guest_is web running
unharmed

step "the wrong words"
attempt 2 --spool many
attempt 2 --name ../web
attempt 2 --no-such-option
refused 2 "$VMGUARD" snapshot --qmp "$STORY/web.qmp" --store nfs:/x --name web
refused 2 "$VMGUARD" restore --store "$store" web
refused 2 "$VMGUARD" wake
refused 1 "$VMGUARD" snapshot --qmp "$STORY/none.qmp" --store "$store" --name web
unharmed

step "a full store"
# In a mount namespace of its own: nothing is left mounted, whatever happens.
small=$STORY/small
small_snapshot() {
	"$VMGUARD" snapshot --qmp "$STORY/web.qmp" --store "dir:$small" --name web
}
passes() {
	grep -acE '[0-9a-f]{8}' "$STORY/web.serial" || true
}
too_small() {
	mount -t tmpfs -o size=40m tmpfs "$small"
	refused 1 small_snapshot
	((20 > $(du -sm "$small" | cut -f1))) || fail "the dropped checkpoint takes room"
	umount "$small"
}
# There is room when it begins, but not for all that the guest has changed.
fills_up() {
	mount -t tmpfs -o size=240m tmpfs "$small"
	small_snapshot
	fallocate -l 100M "$small/other"
	local used seen
	used=$(du -sm "$small" | cut -f1)
	seen=$(passes)
	until ((seen + 2 <= $(passes))); do sleep 0.1; done
	refused 1 small_snapshot 2>"$STORY/full"
	cat "$STORY/full"
	grep -qE 'needs [0-9.]+ MiB, [0-9.]+ MiB were written: make at least [0-9.]+ MiB free' \
		"$STORY/full" || fail "it does not say how much is missing"
	((used + 8 > $(du -sm "$small" | cut -f1))) || fail "the dropped checkpoint takes room"
	"$VMGUARD" snapshots --store "dir:$small" web --json >"$STORY/small.json"
	rm "$small/other"
	small_snapshot
}
full_store() {
	mkdir -p "$small"
	too_small
	fills_up
}
export -f small_snapshot passes too_small fills_up full_store refused fail
export STORY VMGUARD small
propagation=private
unshare --mount true 2>/dev/null || propagation=unchanged # in a chroot
unshare --mount --propagation "$propagation" bash -euc full_store
python3 -c 'import json, sys; sys.exit(len(json.load(sys.stdin)) != 1)' <"$STORY/small.json" ||
	fail "the first checkpoint is not the only one"
unharmed

step "somebody else's migration"
mkfifo "$STORY/slow"
exec 5<>"$STORY/slow"
qmp "$STORY/web.look" '{"execute":"migrate",
	"arguments":{"uri":"exec:cat >'"$STORY"'/slow"}}' >/dev/null
attempt 3
look migrate_cancel >/dev/null
exec 5<&-
wait_until 30 migration_is_over
unharmed

step "^C in the middle: QEMU finishes, the checkpoint is dropped"
had=$(checkpoints "$store" web)
"$VMGUARD" snapshot --qmp "$STORY/web.qmp" --store "$store" --name web 2>"$STORY/stopped" &
pid=$!
wait_until 10 test -p "$STORY/run/web.vmguard-fifo"
kill -INT "$pid"
status=0
wait "$pid" || status=$?
((status == 1)) || echo "it was over before the signal came (status $status)"
(($(checkpoints "$store" web) == had + (status == 0))) || fail "a checkpoint too many"
unharmed

step "QEMU is killed in the middle"
had=$(checkpoints "$store" web)
"$VMGUARD" snapshot --qmp "$STORY/web.qmp" --store "$store" --name web 2>"$STORY/killed" &
pid=$!
wait_until 10 test -p "$STORY/run/web.vmguard-fifo"
guest_kill web
status=0
wait "$pid" || status=$?
((status == 1)) || fail "status $status instead of 1"
cat "$STORY/killed"
(($(checkpoints "$store" web) == had)) || fail "a checkpoint of a dead guest"
restore web again "$store" "${machine[@]}"
goes_on again web "$TAKEN"
step "done"
