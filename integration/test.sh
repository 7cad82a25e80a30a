#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Everything that is tested, from a fresh checkout on Debian 12: gets what the tests need
# (fetch.sh), builds with gcc and with clang's sanitizers under build/, runs all suites. The
# last line is "N passed, N failed, N skipped"; the exit status is 1 if anything failed.
set -euo pipefail

usage() {
	cat <<'USAGE'
Usage: integration/test.sh [--suite NAME]… [STORY…]

  --suite NAME   only this suite: unit, fuzz, style or integration
  STORY          only this story, for example capture/first
  --help         this text

Without arguments all suites run.
USAGE
}

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
suites=()
stories=()
logs=()
failed_parts=()
sanitizers=('-Db_sanitize=address,undefined' -Db_lundef=false)

misused() {
	usage >&2
	exit 2
}

suite_add() {
	[[ $1 =~ ^(unit|fuzz|style|integration)$ ]] || misused
	suites+=("$1")
}

while (($#)); do
	case $1 in
	--help)
		usage
		exit 0
		;;
	--suite)
		suite_add "${2:-}"
		shift
		;;
	-*) misused ;;
	*) stories+=("$1") ;;
	esac
	shift
done
((${#suites[@]} || ${#stories[@]})) || suites=(unit fuzz style integration)

# part TITLE COMMAND…: with the time it took; a part that fails counts as one failed test
part() {
	local title=$1 start=$SECONDS
	shift
	echo "== $title"
	"$@" </dev/null || failed_parts+=("$title")
	echo "== $title: $((SECONDS - start)) s"
}

# wanted SUITE…: those of them that were asked for, as meson's options
wanted() {
	local suite
	for suite in "$@"; do
		[[ " ${suites[*]} " != *" $suite "* ]] || echo --suite "$suite"
	done
}

# build FOLDER OPTION…: says something only when it goes wrong
build() {
	local folder=$top/build/$1 again=()
	shift
	[ ! -e "$folder/build.ninja" ] || again=(--reconfigure)
	mkdir -p "$folder"
	{ meson setup "${again[@]}" "$@" "$folder" "$top" &&
		meson compile -C "$folder"; } >"$folder/build.log" 2>&1 || {
		tail -n 30 "$folder/build.log"
		return 1
	}
}

# run FOLDER LOG OPTION…: its results go to FOLDER/meson-logs/LOG.json; what fails there is
# counted from there
run() {
	local folder=$top/build/$1 log=$2
	shift 2
	rm -f "$folder/meson-logs/$log.json"
	logs+=("$folder/meson-logs/$log.json")
	meson test -C "$folder" --no-rebuild --print-errorlogs --logbase "$log" "$@" || true
	[ -s "$folder/meson-logs/$log.json" ]
}

# test_with TITLE FOLDER OPTION… -- TEST-OPTION…: builds and, if that worked, runs
test_with() {
	local title=$1 folder=$2 options=() before=${#failed_parts[@]}
	shift 2
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	(($#)) || return 0
	part "$title: build" build "$folder" "${options[@]}"
	((${#failed_parts[@]} > before)) || part "$title: tests" run "$folder" "${title%% *}" "$@"
}

main() {
	local story_options=("-Dkernel=$top/build/fetched/kernel/vmlinuz"
		"-Dqemu10=$top/build/fetched/qemu10" "-Dagent=$top/build/fetched/agent"
		"-Dlibvirt=$top/build/fetched/libvirt")
	part packages "$here/fetch.sh" packages --for-tests
	part promtool "$here/fetch.sh" promtool
	PATH=$PATH:$top/build/fetched/promtool
	if ((${#stories[@]})) || [[ " ${suites[*]} " == *" integration "* ]]; then
		part "guest kernel" "$here/fetch.sh" kernel
		part "QEMU 10.0" "$here/fetch.sh" qemu10
		part "guest agent" "$here/fetch.sh" agent
		part libvirt "$here/fetch.sh" libvirt
	fi
	# The words of wanted are meant to be split.
	# shellcheck disable=SC2046
	CC=gcc test_with gcc test "${story_options[@]}" -- $(wanted unit fuzz style)
	# shellcheck disable=SC2046
	CC=clang test_with "clang with sanitizers" test-clang-asan "${sanitizers[@]}" -- \
		$(wanted unit fuzz)
	# shellcheck disable=SC2046
	CC=clang test_with "fuzzers" test-clang-fuzz "${sanitizers[@]}" -Dfuzzers=true -- \
		$(wanted fuzz)
	# shellcheck disable=SC2046
	CC=gcc test_with "stories" test "${story_options[@]}" -- \
		$(wanted integration) "${stories[@]}"
	echo "== all: $SECONDS s"
	python3 "$here/lib/summary.py" "${failed_parts[@]/#/--failed=}" "${logs[@]}"
}

main
