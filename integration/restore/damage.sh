#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A restore that cannot be right is refused, and says what is wrong with what. All memory goes first:
# what a lazy one does with damage is told by store_away.sh.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
store=dir:$STORY/store
counter_args
machine=(-M pc -m 128 "${COUNTER_ARGS[@]}")
guest_start web "${machine[@]}"
wait_until 60 counter_reached web 2
snapshot web "$store"
cp -r "$STORY/store" "$STORY/sound"

# says WORDS COMMAND…: it fails with status 1 and these words
says() {
	local words=$1
	shift
	refused 1 "$@" 2>"$STORY/said"
	grep -q "$words" "$STORY/said" || fail "not \"$words\": $(cat "$STORY/said")"
	cat "$STORY/said"
}

# restore_fails WORDS [TARGET]: and leaves no QEMU behind
restore_fails() {
	guest_command gone "${machine[@]}"
	says "$1" "$VMGUARD" restore --store "$store" "${2:-web}" --mode full -- \
		"${GUEST_COMMAND[@]}"
	[ ! -e "$STORY/gone.look" ] || ! qmp "$STORY/gone.look" '{"execute":"query-status"}' ||
		fail "a QEMU was left behind"
}

largest() {
	find "$STORY/store/web" -name 'seg-*' -size +4000k | sort | sed -n "${1}p"
}

step "a flipped byte in a page"
byte_flip "$(largest 3)" 123456
restore_fails 'page .*+0x.* in segment .* is damaged'

step "a segment that is missing"
rm "$(largest 2)"
restore_fails 'segment'

step "no such guest, no such checkpoint"
restore_fails 'web has no checkpoint 7' web@7
restore_fails 'other' other

step "another machine: QEMU's own words"
rm -rf "$STORY/store"
mv "$STORY/sound" "$STORY/store"
machine=(-M q35 -m 128 "${COUNTER_ARGS[@]}")
restore_fails "QEMU's last words"

step "a QEMU that waits for nothing"
refused 3 "$VMGUARD" restore --store "$store" web --qmp "$STORY/web.qmp"
counter_reached web 2
guest_sound web

step "the checkpoint is still good"
machine=(-M pc -m 128 "${COUNTER_ARGS[@]}")
guest_kill web
restore web again "$store" "${machine[@]}"
goes_on again web 1
step "done"
