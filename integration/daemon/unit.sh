#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vmguardd as systemd has it: what is installed, the unit's sandbox, what it tells its manager, and
# what it does when it is asked to end, to read its settings again, or cannot begin.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

need_userfaultfd
need systemd-analyze setpriv
root=$STORY/root
unit=$root/usr/local/lib/systemd/system/vmguardd.service
counter_args

told() {
	grep -q "^$1" "$STORY/manager.log"
}

step "what is installed"
DESTDIR=$root meson install -C "$BUILD" --no-rebuild --quiet
for file in bin/vmguard sbin/vmguardd share/man/man1/vmguard.1 share/man/man5/vmguard.conf.5 \
	share/man/man8/vmguardd.8 share/man/man8/vmguard-hook.8 share/vmguard/libvirt/qemu \
	share/vmguard/vmguard.conf lib/sysusers.d/vmguard.conf; do
	[ -s "$root/usr/local/$file" ] || fail "$file is not installed"
done
"$root/usr/local/sbin/vmguardd" --check-config --config "$root/usr/local/share/vmguard/vmguard.conf"

step "the unit"
# the programs are where they will be, but not on this machine
sed "s#=/usr/local#=$root/usr/local#" "$unit" >"$STORY/vmguardd.service"
systemd-analyze verify --man=no "$STORY/vmguardd.service" 2>&1 | tee "$STORY/verify"
! grep "vmguardd.service" "$STORY/verify" || fail "systemd does not take the unit"
systemd-analyze security --offline=true --threshold=30 --no-pager "$STORY/vmguardd.service" |
	tail -n 1

step "it tells its manager, with the unit's capabilities alone"
process_start manager python3 -u -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode())' "$STORY/notify"
wait_until 30 test -S "$STORY/notify"
guest_start web -M pc -m 128 "${COUNTER_ARGS[@]}"
daemon_configure "dir:$STORY/store"
capabilities=$(sed -nE 's/^CapabilityBoundingSet=//p' "$unit" | tr '[:upper:]' '[:lower:]' |
	sed -E 's/ ?cap_/,+/g')
NOTIFY_SOCKET=$STORY/notify WATCHDOG_USEC=2000000 VMGUARD=$VMGUARD process_start daemon \
	setpriv --bounding-set="-all$capabilities" --inh-caps=-all --no-new-privs \
	"$VMGUARDD" --config "$VMGUARD_CONFIG"
wait_until 30 told READY=1
wait_until 30 told WATCHDOG=1
protect web "qmp=$STORY/web.qmp" interval=500ms >/dev/null
wait_until 60 is_beyond web 2

step "its settings are read again"
process_start hook python3 -u "$(dirname "$0")/hook.py" "$STORY/secret" "$STORY/port"
printf 'a secret' >"$STORY/secret"
chmod 600 "$STORY/secret"
wait_until 30 test -s "$STORY/port"
printf '%s\n' '[limits]' 'captures-per-host = 7' '[webhook chat]' "secret-file = $STORY/secret" \
	"url = http://127.0.0.1:$(<"$STORY/port")/here" 'severity = info' '[limits]' >>"$VMGUARD_CONFIG"
kill -HUP "$(process_pid daemon)"
wait_until 30 told RELOADING=1
limit_is() { ask GET /v1/host | grep -q "\"limit\":$1"; }
wait_until 30 limit_is 7
wait_until 30 grep -q '^signed config-taken' "$STORY/hook.log"
echo "captures-per-hst = 8" >>"$VMGUARD_CONFIG"
kill -HUP "$(process_pid daemon)"
wait_until 30 grep -q "captures-per-hst" "$STORY/daemon.log"
limit_is 7 || fail "a file with a mistake was taken"
before=$(newest web)
wait_until 60 is_beyond web "$before"
! "$VMGUARDD" --check-config --config "$VMGUARD_CONFIG" || fail "the mistake is not found"
sed -i '$d' "$VMGUARD_CONFIG"

step "it is asked to end during a capture"
wait_until 60 compgen -G "$STORY/run/capture-web"
process_stop daemon
told STOPPING=1 || fail "it does not say that it ends"
progressed web 2
"$VMGUARD" verify web

step "it cannot begin"
daemon_start
! "$VMGUARDD" --config "$VMGUARD_CONFIG" >"$STORY/said" 2>&1 || fail "a second one began"
grep -q "$SOCKET" "$STORY/said" || fail "that does not name the socket: $(<"$STORY/said")"
process_stop daemon
step "done"
