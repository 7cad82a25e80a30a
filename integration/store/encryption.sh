#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Encrypted images: what the pool holds of them shows nothing of what was written, and their
# key is nowhere but in memory; killed while they are made, they are made anew.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

contract=$BUILD/src/store-contract
pattern="vmguard test"
key="a key that can be found"

with_key() {
	VMGUARD_TEST_KEY=$key "$@"
}

# device_has TEXT: whether it stands anywhere on the device of the only OSD
device_has() {
	python3 - "$CEPH_DIR/osd.0/block" "$1" <<'PYTHON'
import os, sys
text, size = sys.argv[2].encode(), 16 << 20
device = os.open(sys.argv[1], os.O_RDONLY)
end = at = 0
while True:
    try:
        at = max(end, os.lseek(device, end, os.SEEK_DATA))
    except OSError:
        sys.exit(1)
    end = os.lseek(device, at, os.SEEK_HOLE)
    while at < end:
        if text in os.pread(device, size, at):
            sys.exit(0)
        at += size - len(text)
PYTHON
}

# killed_after SECONDS COMMAND…
killed_after() {
	local delay=$1 pid
	shift
	"$@" &
	pid=$!
	sleep "$delay"
	kill -9 "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
}

ceph_up 1
VMGUARD_TEST_STORE=$(ceph_uri)
export VMGUARD_TEST_STORE

step "encrypted: nothing of it is on the device"
with_key "$contract" measure speed >"$STORY/speed" || fail "$(cat "$STORY/speed")"
grep "^write\|^open to" "$STORY/speed"
with_key process_start secret "$contract" write secret
wait_until 120 grep -q "^remove  *0 " "$STORY/secret.log"
process_kill secret
device_has "$pattern" && fail "the device holds it in clear"
device_has "$key" && fail "the device holds the key"
rbd export secret - 2>/dev/null | grep -qa "$pattern" && fail "the image holds it in clear"

step "not encrypted: all of it is"
"$contract" measure plain >"$STORY/plain" || fail "$(cat "$STORY/plain")"
grep "^write\|^open to" "$STORY/plain"
device_has "$pattern" || fail "the test finds nothing where something is"

step "and it can be read with its key alone"
refused 1 "$contract" open secret
VMGUARD_TEST_KEY=wrong refused 1 "$contract" open secret
with_key "$contract" check secret
refused 1 with_key "$contract" open plain

step "killed while it is made: never taken for a plain one"
for delay in 0.05 0.1 0.5 1 2; do
	with_key killed_after "$delay" "$contract" open made >"$STORY/made"
	rbd image-meta get made vmguard 2>/dev/null || true
done
with_key "$contract" open made
refused 1 "$contract" open made
[ "$(rbd image-meta get made vmguard)" = "1 luks2" ] || fail "it is not marked as encrypted"

if "$VMGUARD" snapshot --help | grep -q -- --encrypt; then
	step "a guest, through the commands"
	need_userfaultfd
	counter_args
	machine=(-M pc -m 128 "${COUNTER_ARGS[@]}")
	(umask 077 && echo "$key" >"$STORY/key" && echo wrong >"$STORY/wrong")
	store=$(ceph_uri)
	guest_start web "${machine[@]}"
	wait_until 60 counter_reached web 2
	refused 1 "$VMGUARD" snapshot --qmp "$STORY/web.qmp" --store "$store" --name web \
		--key-file "$STORY/key"
	snapshot web "$store" --key-file "$STORY/key" --encrypt
	snapshot web "$store" --key-file "$STORY/key"
	guest_kill web
	guest_command again "${machine[@]}"
	refused 1 "$VMGUARD" restore --store "$store" web --key-file "$STORY/wrong" \
		-- "${GUEST_COMMAND[@]}"
	refused 1 "$VMGUARD" restore --store "$store" web -- "${GUEST_COMMAND[@]}"
	"$VMGUARD" restore --store "$store" web --json --key-file "$STORY/key" \
		-- "${GUEST_COMMAND[@]}" >"$STORY/again.json"
	guest_adopt again "$(json pid <"$STORY/again.json")"
	goes_on again web "$TAKEN"
	guest_kill again
	device_has "$key" && fail "the device holds the key"
fi

step "lost keys do not keep an image from being deleted"
"$contract" remove made
"$contract" remove secret
step "done"
