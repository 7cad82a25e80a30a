#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the daemon answers is what integration/api/openapi.yaml says, all of it, also where it
# refuses; streams tell what happens; the figures are what Prometheus reads.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

need_userfaultfd
api=$(dirname "$0")/../api
counter_args

# answers STATUS METHOD PATH [BODY]: as described; the answer is in $STORY/answer
answers() {
	"$api/check.py" "$SOCKET" "$@" >"$STORY/answer" || fail "not as described: $*"
	echo "$2 $3" >>"$STORY/asked"
}

# says REGEX: the answer does
says() {
	grep -qE -- "$1" "$STORY/answer" || fail "that does not say $1: $(<"$STORY/answer")"
}

# follow PATH: a stream, into $STORY/stream
follow() {
	process_start follower curl -sSN --unix-socket "$SOCKET" -H "Accept: text/event-stream" \
		"http://vmguard$1"
}

followed() {
	grep -qE -- "$1" "$STORY/follower.log"
}

# operation: the id of the one that was answered
operation() {
	json id <"$STORY/answer"
}

operation_is() {
	answers 200 GET "/v1/operations/$1"
	[ "$(json state <"$STORY/answer")" = "$2" ]
}

guest_start web -M pc -m 128 "${COUNTER_ARGS[@]}"
daemon_configure "dir:$STORY/store" "[limits]" "captures-per-host = 3"
daemon_start

step "a host without guests"
answers 200 GET /v1/host
says '"limit": 3'
answers 200 GET /v1/guests
answers 404 GET /v1/guests/web
says "vmguard protect web"
answers 404 GET /v1/guests/web/policy
answers 404 DELETE /v1/guests/web/policy
answers 404 PATCH /v1/guests/web/policy '{"settings": {"interval": "5s"}}'

step "a policy"
follow /v1/guests
# so slowly that the store is still written to when QEMU has long ended its part
answers 201 PUT /v1/guests/web/policy \
	"{\"settings\": {\"qmp\": \"$STORY/web.qmp\", \"interval\": \"1h\", \"max-rate\": \"64M\"}}"
answers 409 PUT /v1/guests/web/policy "{\"settings\": {\"qmp\": \"$STORY/web.qmp\"}}"
says "is protected already"
answers 200 PATCH /v1/guests/web/policy '{"settings": {"keep-last": "5", "interval": "2h"}}'
generation=$(json generation <"$STORY/answer")
answers 200 GET /v1/guests/web/policy
says '"keep-last": "5"'
answers 409 PATCH /v1/guests/web/policy '{"generation": 1, "settings": {"keep-last": "6"}}'
answers 200 PATCH /v1/guests/web/policy "{\"generation\": $generation, \"settings\": {\"keep-last\": 6}}"
answers 400 PATCH /v1/guests/web/policy '{"settings": {"intervall": "1s"}}'
says "intervall"
answers 400 PATCH /v1/guests/web/policy '{"settings": {"interval": "soon"}}'
says "interval.*soon"
answers 400 PATCH /v1/guests/web/policy '{"settings": {"qmp": "/other"}}'
says "which guest"
answers 400 PATCH /v1/guests/web/policy '{"setting": {}}'
answers 400 PATCH /v1/guests/web/policy '{"settings": {}'
answers 400 PUT /v1/guests/web/policy
wait_until 30 is_state web watching
wait_until 30 followed '"name":"web"'
process_kill follower

step "a checkpoint that is asked for"
answers 202 POST /v1/guests/web/captures
id=$(operation)
follow "/v1/operations/$id"
wait_until 60 operation_is "$id" "done"
says '"checkpoint": '
wait_until 30 process_gone follower # the stream ends with the operation
followed '"state":"done"' || fail "the stream does not tell its end: $(<"$STORY/follower.log")"
answers 409 DELETE "/v1/operations/$id"
says "has ended: done"
answers 200 GET /v1/operations
answers 200 GET /v1/guests/web
says '"pause_ms": '
answers 200 GET /v1/guests/web/history
says '"duration_ms": '
answers 404 GET /v1/operations/1
answers 404 DELETE /v1/operations/1

step "one that is cancelled"
answers 200 PATCH /v1/guests/web/policy '{"settings": {"max-rate": "1M"}}'
before=$(newest web)
answers 202 POST /v1/guests/web/captures
id=$(operation)
wait_until 30 is_state web capturing
answers 202 DELETE "/v1/operations/$id"
wait_until 60 operation_is "$id" cancelled || cat "$STORY/answer"
[ "$(newest web)" = "$before" ] || fail "there is a checkpoint of it"
answers 200 PATCH /v1/guests/web/policy '{"settings": {"max-rate": "none"}}'
"$VMGUARD" verify --store "dir:$STORY/store" web

step "its QEMU dies"
follow "/v1/events?guest=web"
answers 409 POST /v1/guests/web/restores
says "is (watching|refused|waiting|capturing)"
process_kill web
wait_until 30 is_state web down
answers 409 POST /v1/guests/web/captures
says "is down"
answers 202 POST /v1/guests/web/restores
wait_until 30 operation_is "$(operation)" failed
wait_until 30 followed "event: guest-died"
process_kill follower

step "events"
answers 200 GET /v1/events
answers 200 GET "/v1/events?after=0&limit=2"
[ "$(python3 -c 'import json, sys; print(len(json.load(sys.stdin)["events"]))' <"$STORY/answer")" = 2 ] ||
	fail "not two events"
answers 400 GET "/v1/events?limit=many"
answers 400 GET "/v1/events?size=3"

step "what cannot be"
answers 404 GET /v1/nothing
answers 405 POST /v1/guests '{}'
answers 413 PUT /v1/guests/web/policy "{\"settings\": {\"domain\": \"$(head -c 100000 /dev/zero | tr '\0' x)\"}}"
for method in GET PUT; do
	status=$(curl -sS -o /dev/null -w '%{http_code}' --unix-socket "$SOCKET" -X "$method" \
		-H "Accept: image/png" -H "Content-Type: text/plain" -d "" \
		http://vmguard/v1/guests/web/policy)
	[[ "$status" =~ ^4(06|15)$ ]] || fail "$method: $status"
done

step "all that is described was asked for"
"$api/check.py" --operations | while read -r method path; do
	pattern="^$method $(sed 's/{[a-z]*}/[^\/]+/g' <<<"$path")([?].*)?\$"
	[ "$path" = /metrics ] || grep -qE "$pattern" "$STORY/asked" || fail "$method $path was not"
done

step "figures"
answers 200 GET /metrics
promtool check metrics <"$STORY/answer"
(cd "$(dirname "$0")/../prometheus" && ./metrics_named.sh "$STORY/answer") || fail "other figures than the alerts know"
grep -q 'vmguard_guest_state{guest="web",state="down"} 1' "$STORY/answer" || fail "no state of web"
grep -q 'vmguard_capture_failures_total{reason="cancelled"} 1' "$STORY/answer" || fail "no reason"

step "a policy that goes"
answers 204 DELETE /v1/guests/web/policy
answers 404 GET /v1/guests/web/policy
step "done"
