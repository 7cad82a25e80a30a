#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# guests.sh [SECONDS]: what does the daemon itself need for 100 and for 1,000 guests? See README.md.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"

for guests in 100 1000; do
	mkdir "$STORY/$guests"
	"$BUILD/integration/bench/guests" "$STORY/$guests" "$guests" "${1:-120}" 2>"$STORY/log" ||
		fail "$(tail -n 3 "$STORY/log")"
done
