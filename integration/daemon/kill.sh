#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The daemon is killed at random, ROUNDS times, while it captures three guests, one of them with the
# store away; it is started again after 200 ms. No guest stalls for long, each listed checkpoint is
# right, and protection goes on by itself.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/libvirt.sh
. "$(dirname "$0")/../lib/libvirt.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

need_userfaultfd
need_libvirt
KIND=linux
ROUNDS=${ROUNDS:-15}
RANDOM=${SEED:-1}
guests=(one two three)
echo "ROUNDS=$ROUNDS SEED=${SEED:-1}"

# restart: what systemd does
restart() {
	sleep 0.2
	VMGUARD=$VMGUARD process_start daemon "$VMGUARDD" --config "$VMGUARD_CONFIG"
}

# any_captures: the daemon is at work on a guest
any_captures() {
	compgen -G "$STORY/run/capture-*" >/dev/null
}

libvirt_up
export DOMAIN_MIB=160 DOMAIN_WORDS="mib=32 threads=1"
for guest in "${guests[@]}"; do
	domain_start libvirt "$guest" linux
done
for guest in "${guests[@]}"; do
	wait_until 240 linux_reached "$guest" 2
done
daemon_configure "dir:$STORY/store" "[limits]" "captures-per-host = 3"
daemon_start
for guest in "${guests[@]}"; do
	protect "$guest" "connect=$(host_uri libvirt)" interval=1s keep-last=4 >/dev/null
done
for guest in "${guests[@]}"; do
	wait_until 60 is_beyond "$guest" 1
	echo "$guest: $(linux_gap "$guest") us at most before"
done

step "$ROUNDS kills"
for ((i = 1; i <= ROUNDS; i++)); do
	wait_until 60 any_captures
	sleep "0.$(printf %03d $((RANDOM % 900)))"
	process_kill daemon
	restart
	((i % 10)) || step "$i"
done

step "a kill while the store is away"
wait_until 60 any_captures
process_kill daemon
mv "$STORY/store" "$STORY/away"
touch "$STORY/store" # no folder, so that none is made
restart
for guest in "${guests[@]}"; do
	wait_until 60 linux_reached "$guest" "$(($(linux_last "$guest") + 2))"
done
rm "$STORY/store"
mv "$STORY/away" "$STORY/store"

step "all goes on"
wait_until 30 daemon_answers
for guest in "${guests[@]}"; do
	before=$(newest "$guest")
	wait_until 60 is_beyond "$guest" "$((before + 1))"
	linux_verifies "$guest" 1
	gap=$(linux_gap "$guest")
	echo "$guest: $gap us at most, checkpoint $(newest "$guest")"
	((gap < 30000000)) || fail "$guest stood still for $gap us"
done
process_stop daemon
for guest in "${guests[@]}"; do
	"$VMGUARD" verify "$guest"
	wait_until 60 linux_reached "$guest" "$(($(linux_last "$guest") + 2))"
done
step "done"
