# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A libvirtd of the bench's own; read after story.sh.
#
#	libvirt_up       one that answers, as the process "libvirtd"
#	libvirt_virsh …  virsh with it; $VIRSH_COMMAND is the same for a Python bench
#
# It lives in mount, network and process namespaces of its own: /usr is the machine's with the
# unpacked packages of "fetch.sh bench" over it, /etc, /var and /run are copy-on-write in memory.
# So nothing of it reaches the machine, and killing the namespace's first process ends all of it,
# guests included.

LIBVIRT=${LIBVIRT_DIR:-$INTEGRATION/../build/fetched/libvirt}
LIBVIRT_LIBRARIES=$LIBVIRT/usr/lib/x86_64-linux-gnu

need_libvirt() {
	[ -x "$LIBVIRT/usr/sbin/libvirtd" ] ||
		skip "no libvirt here: integration/fetch.sh bench gets it"
	[ "$(id -u)" = 0 ] || skip "a libvirtd in namespaces of its own needs root"
	need unshare
	unshare -mn true 2>/dev/null || skip "no mount namespaces here"
}

libvirt_up() {
	LIBVIRT_RUN=$STORY/libvirt
	mkdir -p "$LIBVIRT_RUN/drivers"
	# Only the driver of QEMU: no bridges, no firewall, no storage pools.
	ln -s "$(realpath "$LIBVIRT_LIBRARIES")/libvirt/connection-driver/libvirt_driver_qemu.so" \
		"$LIBVIRT_RUN/drivers"
	libvirt_configure
	process_start libvirtd unshare -mnp --fork --kill-child --mount-proc \
		bash "$HERE/libvirt_inside.sh" "$(realpath "$LIBVIRT")" "$LIBVIRT_RUN"
	VIRSH_COMMAND="env LD_LIBRARY_PATH=$LIBVIRT_LIBRARIES $LIBVIRT/usr/bin/virsh -q -c qemu+unix:///system?socket=$LIBVIRT_RUN/libvirt-sock"
	wait_until 60 libvirt_answers
}

libvirt_virsh() {
	# shellcheck disable=SC2086 # it is split into its words
	$VIRSH_COMMAND "$@"
}

libvirt_answers() {
	process_alive libvirtd || fail "libvirtd ended"
	[ -S "$LIBVIRT_RUN/libvirt-sock" ] && libvirt_virsh version >/dev/null 2>&1
}

libvirt_configure() {
	cat >"$LIBVIRT_RUN/libvirtd.conf" <<CONF
unix_sock_dir = "$LIBVIRT_RUN"
auth_unix_rw = "none"
CONF
	cat >"$LIBVIRT_RUN/qemu.conf" <<'CONF'
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
