# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Several machines with libvirt on this one; read after story.sh, and domain.sh with it. A host
# NAME is a libvirtd with its guests:
#
#	host_up NAME              boots it; libvirtd answers when it returns
#	host_uri NAME             what to connect to, from anywhere
#	host_virsh NAME …         virsh with it
#	host_run NAME COMMAND…    a command on it
#	host_power_off NAME       power failure: libvirtd and all guests are gone when it returns
#	libvirtd_restart NAME     its guests run on; also libvirtd_stop and libvirtd_start
#
# It lives in mount, process and host name namespaces of its own: /usr is the machine's with the
# unpacked packages of "fetch.sh libvirt" over it; /etc, /run and what libvirt writes of /var are
# its own. So nothing of it reaches the machine. What a real host has on disk is in
# $STORY/host.NAME and survives a power failure: etc (/etc/libvirt, hooks too), lib, cache and log
# (/var/…/libvirt); the socket is in run, what libvirtd says in $STORY/host.NAME.log.
#
# All other folders are the machine's, so the story's is shared storage at the same path on all
# hosts. The network is the story's own too, so that everybody reaches Ceph on 127.0.0.1 and hosts
# migrate to each other; HOST_NETWORK=FILE before host_up gives it another network namespace.
#
# Killing the namespace's first process ends all of it, guests included. That happens when the
# story ends, and also when its shell is killed: so host_up must not be called in a subshell,
# which would take the host along when it ends.

LIBVIRT=${LIBVIRT_DIR:-$INTEGRATION/../build/fetched/libvirt}
LIBVIRT_LIBRARIES=$LIBVIRT/usr/lib/x86_64-linux-gnu

# shellcheck source-path=SCRIPTDIR source=domain.sh
. "$INTEGRATION/lib/domain.sh"

need_libvirt() {
	[ -x "$LIBVIRT/usr/sbin/libvirtd" ] ||
		skip "no libvirt here: integration/fetch.sh libvirt gets it"
	[ "$(id -u)" = 0 ] || skip "hosts in namespaces of their own need root"
	need unshare setpriv nsenter pgrep
	unshare -mup --fork --mount-proc mount -t overlay overlay \
		-o "lowerdir=$(realpath "$LIBVIRT/usr"):/usr" /usr 2>/dev/null ||
		skip "no mount and process namespaces, or no overlay file system here"
}

host_up() {
	local folder=$STORY/host.$1
	! process_alive "host.$1" || fail "host $1 is up already"
	[ -e "$folder" ] || host_install "$1"
	rm -rf "$folder/run"
	mkdir "$folder/run"
	process_start "host.$1" setpriv --pdeathsig KILL \
		${HOST_NETWORK:+nsenter "--net=$HOST_NETWORK"} \
		unshare -mup --fork --kill-child --mount-proc \
		bash "$INTEGRATION/lib/libvirt_inside.sh" "$(realpath "$LIBVIRT")" "$folder" "$1"
	wait_until 60 host_answers "$1"
}

# What libvirt found out about QEMU, which takes seconds, is another host's too.
host_install() {
	local folder=$STORY/host.$1 other
	mkdir -p "$folder"/{drivers,etc/hooks,lib,cache,log}
	# Only the driver of QEMU: no bridges, no firewall, no storage pools.
	ln -s "$(realpath "$LIBVIRT_LIBRARIES")/libvirt/connection-driver/libvirt_driver_qemu.so" \
		"$folder/drivers"
	host_configure "$folder"
	for other in "$STORY"/host.*/cache/qemu; do
		[ ! -d "$other" ] || cp -a --no-target-directory "$other" "$folder/cache/qemu"
	done
	cleanup host_power_off "$1"
}

host_uri() {
	echo "qemu+unix:///system?socket=$STORY/host.$1/run/libvirt-sock"
}

host_virsh() {
	local name=$1
	shift
	LD_LIBRARY_PATH=$LIBVIRT_LIBRARIES "$LIBVIRT/usr/bin/virsh" -q -c "$(host_uri "$name")" "$@"
}

host_answers() {
	process_alive "host.$1" || fail "host $1 ended"
	[ -S "$STORY/host.$1/run/libvirt-sock" ] && host_virsh "$1" version >/dev/null 2>&1
}

# host_first NAME: the process that all others of the host end with
host_first() {
	pgrep -P "$(process_pid "host.$1")"
}

host_run() {
	local name=$1
	shift
	nsenter -t "$(host_first "$name")" -m -u -p -n "$@"
}

# It is buried when all others are gone, and unshare ends after that.
host_power_off() {
	! process_alive "host.$1" || kill -KILL "$(host_first "$1")"
	wait_until 30 process_gone "host.$1"
	rm -f "$STORY/host.$1.pid"
}

libvirtd_stop() {
	local pid
	pid=$(<"$STORY/host.$1/run/libvirtd.pid")
	touch "$STORY/host.$1/run/stopped"
	host_run "$1" kill "$pid"
	wait_until 60 libvirtd_gone "$1" "$pid"
}

libvirtd_gone() {
	! host_run "$1" kill -0 "$2" 2>/dev/null
}

libvirtd_start() {
	rm -f "$STORY/host.$1/run/stopped"
	wait_until 60 host_answers "$1"
}

libvirtd_restart() {
	libvirtd_stop "$1"
	libvirtd_start "$1"
}

# libvirt_up, libvirt_virsh …: for those who need only one host; $VIRSH_COMMAND is virsh as a
# line of words, for programs
libvirt_up() {
	host_up libvirt
	# shellcheck disable=SC2034 # the benches use it
	VIRSH_COMMAND="env LD_LIBRARY_PATH=$LIBVIRT_LIBRARIES $LIBVIRT/usr/bin/virsh -q -c $(host_uri libvirt)"
}

libvirt_virsh() {
	host_virsh libvirt "$@"
}

# host_configure FOLDER: each host needs an identity, or libvirt takes two of them for one
host_configure() {
	cat >"$1/etc/libvirtd.conf" <<CONF
host_uuid = "$(</proc/sys/kernel/random/uuid)"
unix_sock_dir = "$1/run"
auth_unix_rw = "none"
CONF
	cat >"$1/etc/qemu.conf" <<'CONF'
security_driver = "none"
user = "root"
group = "root"
cgroup_controllers = []
namespaces = []
seccomp_sandbox = 0
stdio_handler = "file"
remember_owner = 0
dynamic_ownership = 0
CONF
}
