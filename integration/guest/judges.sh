#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The guests that all stories trust are no blind judges: one wrong word, put into their RAM
# from outside, is found by both.

# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"

found_bad() {
	grep -aq '^BAD' "$STORY/$1.serial"
}

# spoil NAME MIB: changes a word of a page that is the guest's own
spoil() {
	python3 "$INTEGRATION/guest/spoil.py" "$STORY/$1.look" "$STORY/$1.gdb" "$STORY/ram" "$2"
}

counter_args
guest_start counter -m 128 -gdb "unix:$STORY/counter.gdb,server=on,wait=off" "${COUNTER_ARGS[@]}"
wait_until 60 counter_reached counter 3
guest_sound counter
spoil counter 128
wait_until 60 found_bad counter
step "the counter found it"

linux_args 64
guest_start linux -m 192 -gdb "unix:$STORY/linux.gdb,server=on,wait=off" "${LINUX_ARGS[@]}"
wait_until 120 linux_verified linux 1
spoil linux 192
wait_until 120 found_bad linux
step "the Linux guest found it"
