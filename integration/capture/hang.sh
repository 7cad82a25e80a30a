#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A guest that hangs for good, because a snapshot (not vmguard's own) lost its reader, runs again
# after the rescue, also when its monitor does not answer.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
store=dir:$STORY/store
counter_args

stands_still() {
	local pass
	pass=$(counter_last web)
	! within 3 counter_reached web $((pass + 2))
}

guest_start web -M pc -m 128 "${COUNTER_ARGS[@]}"
wait_until 60 counter_reached web 2

step "a reader that leaves in the middle"
qmp "$STORY/web.look" '{"execute":"migrate-set-capabilities","arguments":{"capabilities":
	[{"capability":"background-snapshot","state":true}]}}' >/dev/null
qmp "$STORY/web.look" '{"execute":"migrate",
	"arguments":{"uri":"exec:head -c 1000000 >/dev/null"}}' >/dev/null
stands_still || fail "the guest does not hang: there is nothing to rescue"

step "the rescue"
"$VMGUARD" rescue --qmp "$STORY/web.qmp" | tee "$STORY/rescue.out"
grep -q 'released [1-9]' "$STORY/rescue.out"
progressed web 3
"$VMGUARD" rescue --qmp "$STORY/web.qmp" # does no harm
progressed web 2

step "and it can be captured"
snapshot web "$store"
guest_kill web
restore web again "$store" -M pc -m 128 "${COUNTER_ARGS[@]}"
goes_on again web 1
step "done"
