# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vmguard as the stories use it; read after story.sh. Each checkpoint is remembered with where
# the guest was just before and just after it, so that a restore can be held against that:
#
#	snapshot NAME STORE           takes one; $TAKEN is its number
#	restore NAME@N AS STORE ARGS  continues it as guest AS, with the arguments of its QEMU
#	goes_on AS NAME N             AS continues where checkpoint N of NAME was taken
#
# KIND is the kind of the guests in use: counter or linux (lib/guest.sh).

export VMGUARD_RUN_DIR=$STORY/run
KIND=${KIND:-counter}

# snapshot NAME STORE [OPTION…]
snapshot() {
	local name=$1 uri=$2 before after
	shift 2
	before=$("${KIND}_last" "$name")
	"$VMGUARD" snapshot --qmp "$STORY/$name.qmp" --store "$uri" --name "$name" --json "$@" \
		>"$STORY/$name.json" || fail "no snapshot of $name"
	after=$("${KIND}_last" "$name")
	TAKEN=$(json checkpoint <"$STORY/$name.json")
	echo "${before:-0} ${after:-0}" >"$STORY/$name.at.$TAKEN"
}

# restore NAME[@N] AS STORE ARGUMENT…; MODE=full or lazy where it matters
restore() {
	local target=$1 as=$2 uri=$3
	shift 3
	guest_command "$as" "$@"
	"$VMGUARD" restore --store "$uri" "$target" ${MODE:+--mode "$MODE"} --json -- \
		"${GUEST_COMMAND[@]}" >"$STORY/$as.json" || fail "$target could not be restored"
	guest_adopt "$as" "$(json pid <"$STORY/$as.json")"
	# a later snapshot of it finds its socket where guest_start() puts it
	ln -sf "$(json qmp <"$STORY/$as.json")" "$STORY/$as.qmp"
}

# goes_on AS NAME N
goes_on() {
	local before after
	read -r before after <"$STORY/$2.at.$3"
	"${KIND}_continues" "$1" "$before" "$after"
}

# progressed NAME COUNT: the guest gets that much further from here
progressed() {
	local now
	now=$("${KIND}_last" "$1")
	wait_until 120 "${KIND}_reached" "$1" $((${now:-0} + $2))
}

# checkpoints STORE NAME: how many there are
checkpoints() {
	"$VMGUARD" snapshots --store "$1" "$2" --json |
		python3 -c 'import json, sys; print(len(json.load(sys.stdin)))'
}
