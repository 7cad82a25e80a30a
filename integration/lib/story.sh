# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What every story stands on: . "$(dirname "$0")/../lib/story.sh" as its first line.
#
# A story runs in a temporary folder of its own ($STORY), starts nothing that this file
# does not stop again, and ends in one of three ways: done (0), failed (1), skipped (77,
# the reason as the last line). Whatever happens, the trap at the end of this file kills
# the story's processes by their ids and removes the folder. STORY_KEEP=1 keeps the folder.
#
# Processes have names; $STORY/NAME.pid holds the id and the start time (so that an id
# that went to a stranger is never signalled) and $STORY/NAME.log the output.
set -euo pipefail

INTEGRATION=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
STORY=$(mktemp -d "${TMPDIR:-/tmp}/vg.XXXXXX")
export TMPDIR=$STORY
story_cleanups=()

# Meson gives these; a story run by hand finds what a build in build/ left.
BUILD=${BUILD:-$INTEGRATION/../build}
VMGUARD=${VMGUARD:-$BUILD/cmd/vmguard}
export VMGUARD

# shellcheck source-path=SCRIPTDIR source=guest.sh
. "$INTEGRATION/lib/guest.sh"
# shellcheck source-path=SCRIPTDIR source=ceph.sh
. "$INTEGRATION/lib/ceph.sh"

# step TEXT…: says where the story is, with the seconds since it began
step() {
	printf '%4d s  %s\n' "$SECONDS" "$*"
}

fail() {
	echo "FAIL: $*"
	exit 1
}

# skip REASON…: nothing may be printed after it
skip() {
	echo "$*"
	exit 77
}

# need COMMAND…: skips the story where a program is not installed
need() {
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
}

# within SECONDS COMMAND…: tries the command until it succeeds; false when the time is over
within() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS <= end)) || return 1
		sleep 0.05
	done
}

# wait_until SECONDS COMMAND…: the same, but a story cannot go on without it
wait_until() {
	within "$@" || fail "not within $1 seconds: ${*:2}"
}

# cleanup COMMAND…: runs at the end of the story, whatever happens; the last one first
cleanup() {
	story_cleanups+=("$(printf '%q ' "$@")")
}

# refused STATUS COMMAND…: the command must end with just this exit status
refused() {
	local expected=$1 status=0
	shift
	"$@" || status=$?
	((status == expected)) || fail "exit status $status instead of $expected: $*"
}

# json FIELD: one field of the object on stdin; a.b goes into nested objects
json() {
	python3 -c '
import functools, json, sys
value = functools.reduce(lambda o, k: o[int(k) if k.isdigit() else k],
                         sys.argv[1].split("."), json.load(sys.stdin))
print(value if isinstance(value, (str, int, float)) else json.dumps(value))' "$1"
}

# process_start NAME COMMAND…: in the background; for something whose exit status matters
# use "COMMAND & wait $!"
process_start() {
	local name=$1
	shift
	"$@" </dev/null >>"$STORY/$name.log" 2>&1 &
	process_adopt "$name" $!
	disown $! # bash would report on stderr how it ended
}

# process_adopt NAME PID: from now on the story's, even where it is not a child
process_adopt() {
	echo "$2 $(process_stat "$2" 19)" >"$STORY/$1.pid"
}

process_pid() {
	cut -d' ' -f1 "$STORY/$1.pid"
}

# A zombie is not alive: whose child it is decides when it goes away, and that may be never.
process_alive() {
	local pid started
	read -r pid started 2>/dev/null <"$STORY/$1.pid" || return 1
	[ "$started" ] && [ "$(process_stat "$pid" 19)" = "$started" ] &&
		[ "$(process_stat "$pid" 0)" != Z ]
}

process_gone() {
	! process_alive "$1"
}

# process_stop NAME: asks it to end
process_stop() {
	process_signal TERM "$1"
}

# process_kill NAME: what a power failure does
process_kill() {
	process_signal KILL "$1"
}

process_signal() {
	local pid
	if process_alive "$2"; then
		pid=$(process_pid "$2")
		kill "-$1" "$pid" 2>/dev/null || true
		wait_until 30 process_gone "$2"
	fi
	rm -f "$STORY/$2.pid"
}

# process_stat PID FIELD: of /proc/PID/stat, counted from 0 after the name; empty if gone
process_stat() {
	local line fields
	{ read -r line <"/proc/$1/stat"; } 2>/dev/null || return 0
	read -ra fields <<<"${line##*) }"
	echo "${fields[$2]}"
}

story_logs() {
	local file
	for file in "$STORY"/*.log "$STORY"/*.serial; do
		[ -s "$file" ] || continue
		echo "--- the end of ${file##*/}"
		tail -n 20 "$file" | tr -d '\r'
	done
}

story_end() {
	local status=$? i file
	trap - EXIT
	trap '' INT TERM HUP
	set +e
	((status == 0 || status == 77)) || story_logs
	for ((i = ${#story_cleanups[@]} - 1; i >= 0; i--)); do
		eval "${story_cleanups[i]}"
	done >>"$STORY/cleanup.log" 2>&1
	for file in "$STORY"/*.pid; do
		[ ! -e "$file" ] || (process_kill "$(basename "$file" .pid)") >>"$STORY/cleanup.log"
	done
	if [ "${STORY_KEEP:-0}" = 1 ]; then
		echo "kept: $STORY" >&2
	else
		rm -rf "$STORY"
	fi
	exit "$status"
}

trap story_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
