#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What vmguard does, seen on this machine in a minute or two: builds it, snapshots a running
# guest, kills the guest, continues it from the snapshot. Needs Debian 12 and, where
# packages are missing, root. Everything happens in build/ and in a temporary folder.

# shellcheck source-path=SCRIPTDIR source=lib/story.sh
. "$(dirname "$0")/lib/story.sh"

BUILD=$(cd "$INTEGRATION/.." && pwd)/build/quickstart
VMGUARD=$BUILD/cmd/vmguard
export VMGUARD_RUN_DIR=$STORY/run
store=dir:$STORY/store

title() {
	printf '\n%s\n' "$*"
}

note() {
	printf '    %s\n' "$*"
}

build() {
	mkdir -p "$BUILD"
	{ [ -e "$BUILD/build.ninja" ] || meson setup "$BUILD" "$INTEGRATION/.."; } &&
		ninja -C "$BUILD" cmd/vmguard integration/guest/counter.bin
}

title "1. Build vmguard"
"$INTEGRATION/fetch.sh" packages --build-only
build >"$STORY/build.log" 2>&1 || fail "vmguard does not build"
need_userfaultfd
note "$VMGUARD, after $SECONDS s"

title "2. Start a guest that counts through 99 MiB of its memory, and checks each page as it goes"
counter_args "$BUILD/integration/guest/counter.bin"
guest_start first -m 128 "${COUNTER_ARGS[@]}"
wait_until 60 counter_reached first 50
note "QEMU has pid $(process_pid first); the guest has counted to $(counter_last first)"

title "3. Snapshot it while it runs"
before=$(counter_last first)
note "vmguard snapshot --qmp first.qmp --store $store --name demo"
"$VMGUARD" snapshot --qmp "$STORY/first.qmp" --store "$store" --name demo | sed 's/^/    /'
after=$(counter_last first)
note "the guest ran on meanwhile: $before when it began, $after when it was done"
wait_until 60 counter_reached first $((after + 50))

title "4. The machine dies: kill -9 $(process_pid first)"
guest_kill first
killed=$(counter_last first)
note "the last that was heard of the guest: $killed"

title "5. Continue it from the snapshot"
guest_command second -m 128 "${COUNTER_ARGS[@]}"
note "vmguard restore --store $store demo -- $QEMU …"
"$VMGUARD" restore --store "$store" demo --json -- "${GUEST_COMMAND[@]}" >"$STORY/restored"
guest_adopt second "$(json pid <"$STORY/restored")"
counter_continues second "$before" "$after"
first=$(counter_first second)
note "QEMU has pid $(process_pid second); the first that the guest printed: $first"
wait_until 60 counter_reached second "$killed"
guest_sound second

title "PROOF"
note "A guest that had to boot would have begun at 1. This one went on at $first, which lies"
note "where the snapshot was taken ($before to $after), and counted past $killed, where it was"
note "killed. It compared each of its 25344 pages with what it had written there before the"
note "snapshot, $(($(counter_last second) - first)) times by now: its own check says that every page is right."
