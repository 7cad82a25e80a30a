# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Real guests in real QEMUs; story.sh reads this. A guest NAME has
#	$STORY/NAME.serial  what it printed
#	$STORY/NAME.qmp     the QMP socket that is given to vmguard
#	$STORY/NAME.look    a second one, for the story's own eyes: a QMP socket serves one at a time
#	$STORY/NAME.log     what QEMU printed
#
# Three guests judge themselves (integration/guest): the counter, a boot sector that is up in
# a fraction of a second, the Linux guest that writes with all its vCPUs, and the disk guest, a
# Linux guest that holds its disks against its memory.

QEMU72=/usr/bin/qemu-system-x86_64
QEMU10=${QEMU10_DIR:-$INTEGRATION/../build/fetched/qemu10}/qemu-system-x86_64
QEMU=${QEMU:-$QEMU72}
KERNEL=${KERNEL:-$INTEGRATION/../build/fetched/kernel/vmlinuz}
KERNEL_MODULES=$(dirname "$KERNEL")/modules
KERNEL_WORDS="console=ttyS0 quiet tsc=reliable panic=-1"
AGENT_DIR=${AGENT_DIR:-$INTEGRATION/../build/fetched/agent}
GUESTS=${GUESTS:-$BUILD/integration/guest}

need_qemu10() {
	[ -x "$QEMU10" ] || skip "no QEMU 10.0 here: integration/fetch.sh qemu10 gets it"
}

need_kernel() {
	[ -r "$KERNEL" ] || skip "no guest kernel here: integration/fetch.sh kernel gets it"
}

need_modules() {
	need_kernel
	[ -d "$KERNEL_MODULES" ] ||
		skip "no modules beside the guest kernel: integration/fetch.sh kernel gets them"
}

need_agent() {
	need_modules
	[ -x "$AGENT_DIR/qemu-ga" ] || skip "no guest agent here: integration/fetch.sh agent gets it"
}

# Background snapshots need userfaultfd, which QEMU 7.2 opens as an ordinary system call.
need_userfaultfd() {
	local allowed=/proc/sys/vm/unprivileged_userfaultfd
	[ -e "$allowed" ] || skip "this kernel has no userfaultfd"
	[ "$(id -u)" = 0 ] || [ "$(<"$allowed")" = 1 ] ||
		skip "userfaultfd needs root or the sysctl vm.unprivileged_userfaultfd=1"
}

# guest_command NAME ARGUMENT…: the command line of $QEMU as the array GUEST_COMMAND, without
# the QMP socket for vmguard: "vmguard restore … -- COMMAND" brings its own
guest_command() {
	local name=$1
	shift
	GUEST_COMMAND=("$QEMU" -name "$name" -accel tcg -display none -monitor none -no-reboot
		-nic none -serial "file:$STORY/$name.serial"
		-qmp "unix:$STORY/$name.look,server=on,wait=off" "$@")
}

# guest_start NAME ARGUMENT…: ready to be asked when it returns
guest_start() {
	guest_command "$@"
	process_start "$1" "${GUEST_COMMAND[@]}" -qmp "unix:$STORY/$1.qmp,server=on,wait=off"
	guest_ready "$1"
}

# guest_adopt NAME PID: a QEMU that vmguard started
guest_adopt() {
	process_adopt "$1" "$2"
	guest_ready "$1"
}

guest_ready() {
	wait_until 60 guest_answers "$1"
	process_alive "$1" || fail "guest $1 did not start"
}

# True also when it is dead: whoever waits should not wait for longer then.
guest_answers() {
	process_gone "$1" || qmp "$STORY/$1.look" '{"execute":"query-status"}' >/dev/null 2>&1
}

guest_kill() {
	process_kill "$1"
}

# qmp SOCKET COMMAND [OPTION…]: one command, the answer as JSON; see qmp.py for the options
qmp() {
	python3 "$INTEGRATION/lib/qmp.py" "$@"
}

# guest_is NAME STATUS: by the guest's own QEMU (running, paused, postmigrate, …)
guest_is() {
	[ "$(qmp "$STORY/$1.look" '{"execute":"query-status"}' | json status)" = "$2" ]
}

# guest_sound NAME: no page was wrong so far, and it still runs
guest_sound() {
	if grep -a -m 1 -e BAD -e 'Kernel panic' "$STORY/$1.serial"; then
		fail "guest $1 found what it did not write"
	fi
	process_alive "$1" || fail "guest $1 ended"
}

# counter_make FILE END_MIB [HEARTBEAT]: a counter guest of another size; see guest/counter.S
counter_make() {
	"$INTEGRATION/guest/counter.sh" "$1" "END_MIB=$2" "HEARTBEAT=${3:-0}"
}

# counter_args [FILE]: the arguments that boot it, as the array COUNTER_ARGS. A read-only
# floppy disk: two QEMUs may have it at once, and machines pc and q35 both boot it.
counter_args() {
	# shellcheck disable=SC2034 # the stories use it
	COUNTER_ARGS=(-drive "if=floppy,format=raw,readonly=on,file=${1:-$GUESTS/counter.bin}")
}

# counter_passes NAME: all pass numbers that were printed whole, in decimal
counter_passes() {
	local pass
	while read -r pass; do
		echo $((16#$pass))
	done < <(grep -aoE '[0-9a-f]{8}$' "$STORY/$1.serial" 2>/dev/null)
}

counter_first() {
	counter_passes "$1" | sed -n 1p
}

counter_last() {
	counter_passes "$1" | tail -n 1
}

# counter_reached NAME PASS
counter_reached() {
	local last
	guest_sound "$1"
	last=$(counter_last "$1")
	((${last:-0} >= $2))
}

# counter_continues NAME FROM TO: the restored guest goes on where the snapshot was taken,
# after pass FROM and before pass TO + 2, and finds every page right in two passes
counter_continues() {
	local first
	wait_until 60 counter_reached "$1" 1
	first=$(counter_first "$1")
	((first >= $2 && first <= $3 + 1)) ||
		fail "guest $1 went on with pass $first, the snapshot was made in $2 to $3"
	wait_until 120 counter_reached "$1" $((first + 2))
}

# linux_args MIB [WORD=VALUE…]: the arguments that boot the Linux guest, as the array
# LINUX_ARGS; it writes MIB of memory and needs 128 MiB more. Words: guest/selfcheck.c
linux_args() {
	need_kernel
	# shellcheck disable=SC2034 # the stories use it
	LINUX_ARGS=(-kernel "$KERNEL" -initrd "$GUESTS/initramfs"
		-append "$KERNEL_WORDS -- mib=$1 ${*:2}")
}

# linux_ticks NAME, linux_passes NAME: the numbers of the ticks and of the full passes
linux_ticks() {
	sed -nE 's/^tick ([0-9]+) .* ok gap [0-9]+\r?$/\1/p' "$STORY/$1.serial" 2>/dev/null || true
}

linux_passes() {
	sed -nE 's/^verify ([0-9]+) .* ok\r?$/\1/p' "$STORY/$1.serial" 2>/dev/null || true
}

linux_first() {
	linux_ticks "$1" | sed -n 1p
}

linux_last() {
	linux_ticks "$1" | tail -n 1
}

# linux_gap NAME: the longest stall that a writer of the guest saw, in microseconds
linux_gap() {
	sed -nE 's/^tick .* gap ([0-9]+)\r?$/\1/p' "$STORY/$1.serial" | sort -n | tail -n 1
}

# linux_reached NAME TICK
linux_reached() {
	local last
	guest_sound "$1"
	last=$(linux_last "$1")
	((${last:-0} >= $2))
}

# linux_verified NAME COUNT: so many full passes found every page right
linux_verified() {
	guest_sound "$1"
	(($(linux_passes "$1" | wc -l) >= $2))
}

# linux_verifies NAME COUNT: so many full passes more, from here
linux_verifies() {
	wait_until 180 linux_verified "$1" $(($(linux_passes "$1" | wc -l) + $2))
}

# linux_continues NAME FROM TO: as counter_continues, in ticks; then one full pass
linux_continues() {
	local first
	wait_until 120 linux_reached "$1" 1
	first=$(linux_first "$1")
	((first >= $2 && first <= $3 + 1)) ||
		fail "guest $1 went on with tick $first, the snapshot was made in $2 to $3"
	if grep -aqE '^(selfcheck pages|diskcheck blocks) ' "$STORY/$1.serial"; then
		fail "guest $1 started again"
	fi
	wait_until 180 linux_verified "$1" 1
}

# disk_args DISKS MIB [WORD=VALUE…]: the arguments that boot the disk guest, but for its disks, as
# the array DISK_ARGS. It writes the first MIB of each (all virtio-blk) and holds as much in memory;
# give it 128 MiB more. Words: guest/diskcheck.c
disk_args() {
	disk_initramfs
	# shellcheck disable=SC2034 # the stories use it
	DISK_ARGS=(-kernel "$KERNEL" -initrd "$STORY/disk.initramfs"
		-append "$KERNEL_WORDS -- disks=$1 mib=$2 ${*:3}")
}

disk_initramfs() {
	need_modules
	[ -e "$STORY/disk.initramfs" ] || "$INTEGRATION/guest/disk.sh" "$STORY/disk.initramfs" \
		"$GUESTS/initramfs" "$GUESTS/diskcheck" "$KERNEL_MODULES"
}

# What it prints has the form of the Linux guest's.
disk_first() {
	linux_first "$1"
}

disk_last() {
	linux_last "$1"
}

disk_reached() {
	linux_reached "$@"
}

disk_verified() {
	linux_verified "$@"
}

disk_verifies() {
	linux_verifies "$@"
}

disk_continues() {
	linux_continues "$@"
}
