#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Who may write an image: a live writer is named to the second one; one that died is taken over,
# at once where it is seen to be dead, else when Ceph gives its lock up; what it sends late
# does no harm, and a hundred deaths in a row leave every commit as it was.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"

contract=$BUILD/src/store-contract

# opened_ms FILE: how long it took to open the image for writing
opened_ms() {
	sed -n 's/^open to write *0 *\([0-9]*\)\..* ms$/\1/p' "$1"
}

commits() {
	(($(grep -c "^commit  *0 " "$STORY/$1.log") >= $2))
}

# The header object's attributes: librbd's lock and vmguard's records
records() {
	local id
	id=$(rbd info "$1" --format json | json id)
	rados -p rbd listxattr "rbd_header.$id" | grep -c "^vmguard.writer" || true
}

watched() {
	rbd status "rbd/$1" | grep -q "watcher="
}

export CEPH_AUTH=cephx
ceph_up 1
VMGUARD_TEST_STORE=$(ceph_uri)
export VMGUARD_TEST_STORE

step "a live writer is named"
process_start writer "$contract" write web
wait_until 60 commits writer 2
refused 1 "$contract" open web | tee "$STORY/second"
grep -q "is being written by process $(process_pid writer) on host $(hostname) since 20" \
	"$STORY/second" || fail "it does not say who"
[ "$(records web)" = 1 ] || fail "a refused one left his record"

step "a commit is protected while it writes"
now=$(grep -c "^commit  *0 " "$STORY/writer.log")
"$contract" protect web
wait_until 60 commits writer $((now + 5))
process_alive writer || fail "the writer has ended"
[ "$(rbd snap ls web --format json | grep -o '"protected":"true"' | wc -l)" = 1 ] ||
	fail "$(rbd snap ls web)"

step "it is killed: the next one need not wait"
process_kill writer
"$contract" open web >"$STORY/next"
ms=$(opened_ms "$STORY/next")
step "taken over in $ms ms"
((ms < 15000)) || fail "a dead writer was waited for"
[ "$(records web)" = 0 ] || fail "the dead one's record is still there"
"$contract" check web
refused 1 "$contract" remove web | tee "$STORY/remove"
grep -q "snapshots --unprotect web@" "$STORY/remove" || fail "it does not say what to do"

step "a hundred are killed in a row"
slowest=0 opened=0
for ((i = 0; i < 100; i++)); do
	"$contract" write web >"$STORY/row" 2>&1 &
	pid=$!
	sleep "0.$(printf %03d $((RANDOM % 600)))"
	kill -9 "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	ms=$(opened_ms "$STORY/row")
	if [ "$ms" ]; then
		opened=$((opened + 1))
		slowest=$((ms > slowest ? ms : slowest))
	fi
	! grep -q "^open to write *-" "$STORY/row" || fail "$(cat "$STORY/row")"
done
step "$opened of them got the image, the slowest after $slowest ms"
((opened > 0 && slowest < 15000)) || fail "a dead writer was waited for"
"$contract" check web | tee "$STORY/check"
grep -q "^[1-9][0-9]* commits" "$STORY/check" || fail "no commit is left"

step "without the right to blocklist: said, not waited for"
ceph auth get-or-create client.weak mon 'allow r' osd 'allow rwx pool=rbd' \
	>"$STORY/weak.keyring" 2>>"$STORY/ceph.log"
sed "s|^keyring = $CEPH_DIR/keyring|keyring = $STORY/weak.keyring|" "$CEPH_CONF" >"$STORY/weak.conf"
process_start writer "$contract" write web
sleep 2
process_kill writer
VMGUARD_TEST_STORE="rbd:rbd?conf=$STORY/weak.conf&id=weak" refused 1 "$contract" open web |
	tee "$STORY/weak"
grep -q "which is dead, but client.weak may not blocklist it" "$STORY/weak" ||
	fail "it does not say why"
"$contract" open web

step "a reader needs no right to write"
ceph auth get-or-create client.reader mon 'profile rbd-read-only' osd 'profile rbd-read-only' \
	>"$STORY/reader.keyring" 2>>"$STORY/ceph.log"
sed "s|^keyring = $CEPH_DIR/keyring|keyring = $STORY/reader.keyring|" "$CEPH_CONF" \
	>"$STORY/reader.conf"
VMGUARD_TEST_STORE="rbd:rbd?conf=$STORY/reader.conf&id=reader" "$contract" check web

step "the caps that are asked for are enough"
ceph auth get-or-create client.guard mon 'profile rbd' osd 'profile rbd pool=rbd' \
	>"$STORY/guard.keyring" 2>>"$STORY/ceph.log"
sed "s|^keyring = $CEPH_DIR/keyring|keyring = $STORY/guard.keyring|" "$CEPH_CONF" \
	>"$STORY/guard.conf"
VMGUARD_TEST_STORE="rbd:rbd?conf=$STORY/guard.conf&id=guard"
process_start writer "$contract" write web
sleep 2
process_kill writer
"$contract" open web

step "one that cannot be seen to be dead is waited for"
if unshare --pid --fork true 2>/dev/null; then
	unshare --pid --fork --kill-child "$contract" write web >"$STORY/far" 2>&1 &
	pid=$!
	sleep 3
	kill -9 "$pid"
	wait "$pid" 2>/dev/null || true
	"$contract" open web >"$STORY/next"
	step "taken over after $(opened_ms "$STORY/next") ms"
	(($(opened_ms "$STORY/next") > 5000)) || fail "it was not waited for"
else
	step "(not tried: no right to make a PID namespace)"
fi
"$contract" check web
"$contract" unprotect web || true

step "removing waits for the watch of a client that died"
"$contract" measure gone
mkfifo "$STORY/silence"
process_start watcher bash -c "exec rbd watch rbd/gone <>$STORY/silence"
wait_until 30 watched gone
process_kill watcher
"$contract" remove gone
step "done"
