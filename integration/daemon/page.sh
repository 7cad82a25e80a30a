#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The status page in a real browser: it shows what the daemon says, as it happens, on large screens
# and on small ones; a guest that died, and a daemon that does not answer. STORY_KEEP=1 keeps the
# screenshots.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

need_userfaultfd
need chromium socat curl
counter_args
daemon_configure "dir:$STORY/store"

# forward: the daemon's socket where a browser can reach it; sets url
forward() {
	process_start forward socat -d -d TCP-LISTEN:0,bind=127.0.0.1,fork "UNIX-CONNECT:$SOCKET"
	wait_until 10 grep -q listening "$STORY/forward.log"
	url=http://127.0.0.1:$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$STORY/forward.log")/
}

# page STEP: of page.py
page() {
	python3 "$(dirname "$0")/page.py" "$1" "$url" "$STORY"
}

step "three guests, and a daemon"
daemon_start
forward
for guest in db web1 web2; do
	guest_start $guest -M pc -m 128 "${COUNTER_ARGS[@]}"
	protect $guest "qmp=$STORY/$guest.qmp" interval=2s on-failure=manual >/dev/null
done
for guest in db web1 web2; do
	wait_until 60 is_beyond $guest 3
done

step "the files, as they are sent"
curl -sS --fail --unix-socket "$SOCKET" -D "$STORY/headers" -o "$STORY/index" http://vmguard/
cmp "$STORY/index" "$INTEGRATION/../cmd/vmguardd/page/index.html"
grep -qi "^content-security-policy: default-src 'none'; script-src 'self'" "$STORY/headers"
refused 22 curl -sS --fail --unix-socket "$SOCKET" http://vmguard/page/nothing.js

step "what it shows"
page shows
step "on screens of all kinds"
page fits
step "names are text, and a thousand are no burden"
page names

step "a guest that died"
process_kill db
wait_until 60 is_state db down
page trouble

step "the daemon is gone, and back"
page lost &
lost=$!
wait_until 60 test -e "$STORY/open"
process_kill daemon
wait_until 60 test -e "$STORY/lost"
daemon_start
wait $lost
step "done"
