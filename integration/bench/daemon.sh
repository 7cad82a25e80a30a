#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# daemon.sh [SECONDS]: what does vmguardd need beside three real guests when there is nothing to do,
# and how long does its API take to answer while it captures two of them? See README.md.
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
seconds=${1:-60}
guests=(one two three)

ticks() {
	awk '{print $14 + $15}' "/proc/$(process_pid daemon)/stat"
}

# memory: its own, and with its share of the libraries that other programs use too
memory() {
	awk '/^Anonymous/ {own = $2} /^Pss:/ {all = $2}
		END {printf "%.1f MiB of its own, %.1f MiB with libraries (PSS)\n", own / 1024, all / 1024}' \
		"/proc/$(process_pid daemon)/smaps_rollup"
}

# answers COUNT: in ms, of GET /v1/guests on one connection
answers() {
	python3 - "$SOCKET" "$1" <<'ASK'
import http.client, socket, sys, time

class Local(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])

connection, took = Local("vmguard"), []
for _ in range(int(sys.argv[2])):
    begin = time.monotonic()
    connection.request("GET", "/v1/guests")
    connection.getresponse().read()
    took.append((time.monotonic() - begin) * 1000)
    time.sleep(0.005)
took.sort()
print(f"median {took[len(took) // 2]:.2f} ms, p99 {took[len(took) * 99 // 100]:.2f} ms,"
      f" worst {took[-1]:.2f} ms of {len(took)}")
ASK
}

running() {
	ask GET /v1/host | python3 -c 'import json, sys; print(json.load(sys.stdin)["captures"]["running"])'
}

libvirt_up
export DOMAIN_MIB=256 DOMAIN_WORDS="mib=64 threads=1"
for guest in "${guests[@]}"; do
	domain_start libvirt "$guest" linux
done
for guest in "${guests[@]}"; do
	wait_until 240 linux_reached "$guest" 2
done
daemon_configure "dir:$STORY/store"
daemon_start
echo "without guests: $(memory)"
for guest in "${guests[@]}"; do
	protect "$guest" "connect=$(host_uri libvirt)" interval=1h max-rate=4M >/dev/null
done
for guest in "${guests[@]}"; do
	wait_until 600 is_beyond "$guest" 0
done

before=$(ticks)
sleep "$seconds"
after=$(ticks)
echo "nothing to do, three guests of 256 MiB: $(python3 -c "print(f'{($after - $before) / $seconds:.2f}')") % of a core," \
	"$(memory), fingerprint tables $((3 * 256 * 256 * 20 / 1024)) KiB among it"

echo "GET /v1/guests, nothing to do: $(answers 1000)"
for guest in one two; do
	ask POST "/v1/guests/$guest/captures" >/dev/null
done
sleep 1
[ "$(running)" = 2 ] || fail "$(running) captures run"
echo "GET /v1/guests, two captures: $(answers 1000)"
[ "$(running)" = 2 ] || echo "(a capture ended meanwhile)"
