# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# vmguardd in a story. After lib/story.sh and lib/vmguard.sh:
#
#	daemon_configure STORE [LINE…]  writes $STORY/vmguard.conf; lines are appended
#	daemon_start                    waits until it answers; process daemon, log $STORY/daemon.log
#	ask METHOD PATH [BODY]          answers on standard output; fails where it is refused
#	protect NAME SETTING=VALUE…     through the API
#	newest NAME                     the number of the last checkpoint that it knows of; 0: none
#	is_beyond NAME N, is_state NAME STATE

VMGUARDD=${VMGUARDD:-$(dirname "$VMGUARD")/vmguardd}
export VMGUARD_CONFIG=$STORY/vmguard.conf
SOCKET=$STORY/run/api.sock

daemon_configure() {
	printf '%s\n' '[store]' "uri = $1" '[directories]' "run = $STORY/run" \
		"state = $STORY/state" '[api]' "socket = $SOCKET" "${@:2}" >"$VMGUARD_CONFIG"
}

daemon_answers() {
	ask GET /v1/host >/dev/null 2>&1
}

daemon_start() {
	VMGUARD=$VMGUARD process_start daemon "$VMGUARDD" --config "$VMGUARD_CONFIG"
	wait_until 30 daemon_answers
}

ask() {
	local body=()
	[ $# -lt 3 ] || body=(-H "Content-Type: application/json" -d "$3")
	curl -sS --fail-with-body --max-time 60 --unix-socket "$SOCKET" -X "$1" "${body[@]}" \
		"http://vmguard$2"
}

protect() {
	local name=$1 settings
	shift
	settings=$(printf '%s\n' "$@" | python3 -c '
import json, sys
print(json.dumps({"settings": dict(l.rstrip("\n").split("=", 1) for l in sys.stdin)}))')
	ask PUT "/v1/guests/$name/policy" "$settings"
}

# of NAME PYTHON-EXPRESSION: of the guest g
of() {
	local guest
	guest=$(ask GET "/v1/guests/$1" 2>/dev/null) || return 1
	python3 -c "import json, sys; g = json.load(sys.stdin); print($2)" <<<"$guest"
}

newest() {
	of "$1" 'g.get("checkpoint", {}).get("number", 0)' || echo 0
}

is_beyond() {
	(($(newest "$1") > $2))
}

is_state() {
	[ "$(of "$1" 'g["state"]')" = "$2" ]
}
