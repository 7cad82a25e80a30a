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
#	attempt_begin [OPTION…]       one of the guest NAMED into $store, which may fail, in the background:
#	                              process $TAKER, its words in $STORY/said
#	attempt_ends STATUS           so it does
#	no_orphans NAME STORE DISK…   the disks have the snapshots that its checkpoints name, and no others
#	finds SEVERITY WHAT REGEX     among what vmguard check --json has put in $STORY/said; with a remedy
#
# and lazily, with time to disturb it, the memory that is not asked for at most at $RATE:
#
#	restore_slowly NAME@N AS STORE ARGS  begins it; the guest runs, process feeder-AS feeds it
#	resume_slowly AS                     goes on after that was killed or gave up
#	resume AS                            the same, to its end
#
# KIND is the kind of the guests in use: counter or linux (lib/guest.sh). A guest NAME is a domain
# of the libvirt whose URI is in $STORY/NAME.connect, where there is such a file.

export VMGUARD_RUN_DIR=$STORY/run
KIND=${KIND:-counter}
FEEDER_OPTIONS=()

# named NAME: what tells vmguard which guest is meant, as the array NAMED
named() {
	NAMED=(--qmp "$STORY/$1.qmp")
	[ ! -e "$STORY/$1.connect" ] || NAMED=(--connect "$(<"$STORY/$1.connect")" --domain "$1")
}

# snapshot NAME STORE [OPTION…]
snapshot() {
	local name=$1 uri=$2 before after
	shift 2
	before=$("${KIND}_last" "$name")
	named "$name"
	"$VMGUARD" snapshot "${NAMED[@]}" --store "$uri" --name "$name" --json "$@" \
		>"$STORY/$name.json" || fail "no snapshot of $name"
	after=$("${KIND}_last" "$name")
	TAKEN=$(json checkpoint <"$STORY/$name.json")
	echo "${before:-0} ${after:-0}" >"$STORY/$name.at.$TAKEN"
}

attempt_begin() {
	# shellcheck disable=SC2154 # the story's
	"$VMGUARD" snapshot "${NAMED[@]}" --store "$store" "$@" >"$STORY/said" 2>&1 &
	TAKER=$!
}

attempt_ends() {
	local status=0
	wait "$TAKER" || status=$?
	cat "$STORY/said"
	((status == $1)) || fail "the snapshot ended with status $status instead of $1"
}

no_orphans() {
	local name=$1 uri=$2 number disk
	shift 2
	"$VMGUARD" snapshots --store "$uri" "$name" --json |
		python3 -c 'import json, sys; print(*(c["checkpoint"] for c in json.load(sys.stdin)))' \
			>"$STORY/numbers"
	for number in $(<"$STORY/numbers"); do
		"$VMGUARD" info --store "$uri" "$name@$number" --json | json disks.0.snapshot
	done | sort >"$STORY/named"
	for disk in "$@"; do
		disk_snapshots "$disk" | diff "$STORY/named" - || fail "$disk has others: see above"
	done
}

# restore NAME[@N] AS STORE ARGUMENT…; MODE=full or lazy where it matters
restore() {
	local target=$1 as=$2 uri=$3
	shift 3
	guest_command "$as" "$@"
	"$VMGUARD" restore --store "$uri" "$target" ${MODE:+--mode "$MODE"} --yes --json -- \
		"${GUEST_COMMAND[@]}" >"$STORY/$as.json" || fail "$target could not be restored"
	guest_adopt "$as" "$(json pid <"$STORY/$as.json")"
	# a later snapshot of it finds its socket where guest_start() puts it
	ln -sf "$(json qmp <"$STORY/$as.json")" "$STORY/$as.qmp"
}

# migration_is NAME STATUS
migration_is() {
	[ "$(qmp "$STORY/$1.look" '{"execute":"query-migrate"}' | json status 2>/dev/null)" = "$2" ]
}

# restore_slowly NAME[@N] AS STORE ARGUMENT…
restore_slowly() {
	local target=$1 as=$2 uri=$3
	shift 3
	rm -f "$STORY/$as.serial" "$STORY/feeder-$as.log"
	guest_start "$as" "$@" -incoming defer
	process_start "feeder-$as" "$VMGUARD" restore --store "$uri" "$target" --mode lazy \
		--max-rate "${RATE:-4M}" --qmp "$STORY/$as.qmp" "${FEEDER_OPTIONS[@]}"
	wait_until 60 grep -q "runs after" "$STORY/feeder-$as.log"
}

# A QEMU that itself waits for a page answers nobody.
lacks_pages_now() {
	local status
	status=$(qmp "$STORY/$1.look" '{"execute":"query-migrate"}' --seconds 3 2>/dev/null |
		json status 2>/dev/null) || return 0
	[ "$status" = postcopy-paused ]
}

# lacks_pages AS: its pages come no more
lacks_pages() {
	wait_until 60 lacks_pages_now "$1"
}

# resume_slowly AS
resume_slowly() {
	process_start "feeder-$1" "$VMGUARD" restore --resume --max-rate "${RATE:-4M}" \
		--qmp "$STORY/$1.qmp"
	wait_until 60 migration_is "$1" postcopy-active
}

# resume AS
resume() {
	"$VMGUARD" restore --resume --qmp "$STORY/$1.qmp" --json >"$STORY/$1.json" ||
		fail "$1 cannot be gone on with"
}

# byte_flip FILE OFFSET: all bits of that byte; prints what it is now, as 0xHH
byte_flip() {
	python3 - "$1" "$2" <<'FLIP'
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(int(sys.argv[2]))
    byte = file.read(1)[0] ^ 255
    file.seek(-1, 1)
    file.write(bytes([byte]))
    print(f"0x{byte:02x}")
FLIP
}

# pages_damage NAME: a byte of every fourth page that the directory $STORY/store has of it
pages_damage() {
	local segments
	mapfile -t segments < <(find "$STORY/store/$1" -name 'seg-*' -size +4000k)
	python3 - "${segments[@]}" <<'DAMAGE'
import sys
for name in sys.argv[1:]:
    with open(name, "r+b") as file:
        end = file.seek(0, 2)
        for offset in range(1000, end - 4096, 16384):
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 255]))
DAMAGE
}

# fed AS: the feeder has come to its end, and that is a good one
fed() {
	wait_until 300 process_gone "feeder-$1"
	grep -q "has all its memory" "$STORY/feeder-$1.log" ||
		fail "$1 was not fed to the end: $(tail -n 2 "$STORY/feeder-$1.log")"
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

finds() {
	python3 - "$STORY/said" "$@" <<'PYTHON' || fail "not found: $*"
import json, re, sys
path, severity, what, words = sys.argv[1:]
findings = json.load(open(path))["findings"]
sys.exit(not any(f["severity"] == severity and f["what"] == what and re.search(words, f["why"])
                 and bool(f["remedy"]) == (severity != "ok") for f in findings))
PYTHON
}
