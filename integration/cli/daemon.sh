#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The command line of a running vmguardd: a guest is protected, looked at, captured, followed and
# left alone again; what goes wrong is said in sentences.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

need_userfaultfd
counter_args

# vm [STATUS] VERB…: what it says is in $STORY/said
vm() {
	local expected=0 status=0
	[[ ! "$1" =~ ^[0-9]+$ ]] || { expected=$1 && shift; }
	"$VMGUARD" "$@" >"$STORY/said" 2>&1 || status=$?
	((status == expected)) || fail "vmguard $*: exit status $status, not $expected: $(<"$STORY/said")"
}

# says REGEX
says() {
	grep -qE -- "$1" "$STORY/said" || fail "that does not say $1: $(<"$STORY/said")"
}

followed() {
	grep -qE -- "$1" "$STORY/follower.log"
}

daemon_configure "dir:$STORY/store"

step "no daemon"
vm 1 status
says "vmguardd"
vm 1 protect web
guest_start web -M pc -m 128 "${COUNTER_ARGS[@]}"
daemon_start

step "a guest is protected"
vm status
says "no guest is protected"
process_start follower "$VMGUARD" events --follow
vm protect web --qmp "$STORY/web.qmp" --interval 1h --set keep-last=3
says "web is protected: a checkpoint every 1h"
vm 1 protect web
says "is protected already"
vm 2 protect db --interval soon
says "interval.*soon"
vm 2 protect db --intervall 1s
says "unknown option --intervall"
vm policy web
says "^keep-last +3$"
says "^on-failure +resume  \(default\)$"
vm policy web --keep-last 4 --set max-rate=none --json
says '"keep-last": ?"4"'
vm 1 policy db
says "vmguard protect|not protected"
wait_until 30 is_state web watching

step "a checkpoint now"
vm capture web
says "^web@[0-9]+$"
vm capture web --json
says '"state": ?"done"'
vm snapshots web # the store is that of vmguard.conf
says "^web@|^ *[0-9]+ "
vm verify web

step "how it is"
vm status
says "^web +watching +[0-9]+m?s / 1h +[0-9.]+ ms +14[0-9.]+ MiB"
[ "$(awk '{ if (length > n) n = length } END { print n }' "$STORY/said")" -le 80 ] || fail "too wide"
! grep -q $'\033' "$STORY/said" || fail "colours, and no terminal"
script -qec "$VMGUARD status" /dev/null >"$STORY/said"
says $'\033\\[32mwatching'
NO_COLOR=1 script -qec "$VMGUARD status" /dev/null >"$STORY/said"
! grep -q $'\033' "$STORY/said" || fail "colours, and NO_COLOR"
vm status web
says "on failure: resume"
vm status --json
says '"guests": ?\['
process_start watcher "$VMGUARD" status --watch --json
wait_until 30 grep -q '"name":"web"' "$STORY/watcher.log"
vm operations
says " capture +web +done "
vm events --count 1
says "web: checkpoint"

step "the daemon is started anew"
process_kill daemon
daemon_start
wait_until 30 is_state web watching
lines=$(wc -l <"$STORY/watcher.log")
more_lines() { (($(wc -l <"$STORY/watcher.log") > lines + 1)); }
wait_until 30 more_lines
vm capture web --no-wait
says "^operation [0-9]+$"
wait_until 60 followed "web: checkpoint 3"
process_kill watcher

step "its QEMU dies"
process_kill web
wait_until 30 is_state web down
vm 4 status
says "^web +down"
vm 3 capture web
says "is down"
vm 1 resume web
vm 1 cancel 1
says "no operation 1"
vm 2 cancel me

step "not protected any more"
vm unprotect web
vm 1 unprotect web
vm 1 status web
says "vmguard protect web"
vm snapshots web
step "done"
