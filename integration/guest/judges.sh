#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The guests that all stories trust are no blind judges: one wrong word, put into their RAM
# from outside, is found by both; and the disk guest finds a disk, or a file system, that is newer
# or older than its RAM.

# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"

found_bad() {
	grep -aq '^BAD' "$STORY/$1.serial"
}

# spoil NAME MIB: changes a word of a page that is the guest's own
spoil() {
	python3 "$INTEGRATION/guest/spoil.py" "$STORY/$1.look" "$STORY/$1.gdb" "$STORY/ram" "$2"
}

# tell NAME COMMAND [ARGUMENTS]
tell() {
	qmp "$STORY/$1.look" "{\"execute\": \"$2\", \"arguments\": ${3:-{\}}}" >/dev/null
}

# disks_are FROM [NUMBER]: both disks, or one of them, become those of that time
disks_are() {
	local number
	for number in ${2:-0 1}; do
		cp "$STORY/disk$number.$1" "$STORY/disk$number"
	done
}

# disks_kept TIME: while the guest stands still
disks_kept() {
	cp "$STORY/disk0" "$STORY/disk0.$1"
	cp "$STORY/disk1" "$STORY/disk1.$1"
}

disk_machine() {
	guest_start "$1" -m 160 "${DISK_ARGS[@]}" "${@:2}" \
		-drive "if=virtio,format=raw,file=$STORY/disk0" \
		-drive "if=virtio,format=raw,file=$STORY/disk1"
}

# Three times: older, then the one at which the RAM is kept as well, then newer.
disk_times() {
	disk_verifies disk 1
	tell disk stop
	disks_kept older
	tell disk cont
	disk_verifies disk 2
	tell disk stop
	disks_kept same
	kept=$(disk_last disk)
	tell disk migrate "{\"uri\": \"exec:cat >$STORY/ram\"}"
	wait_until 120 guest_is disk postmigrate
	tell disk cont
	disk_verifies disk 2
	guest_kill disk
	disks_kept newer
}

# disk_restore NAME: from the RAM, which stood still
disk_restore() {
	disk_machine "$1" -incoming "exec:cat $STORY/ram"
	wait_until 120 guest_is "$1" paused
	tell "$1" cont
}

need mkfs.ext4
counter_args
guest_start counter -m 128 -gdb "unix:$STORY/counter.gdb,server=on,wait=off" "${COUNTER_ARGS[@]}"
wait_until 60 counter_reached counter 3
guest_sound counter
spoil counter 128
wait_until 60 found_bad counter
step "the counter found it"

linux_args 64
guest_start linux -m 192 -gdb "unix:$STORY/linux.gdb,server=on,wait=off" "${LINUX_ARGS[@]}"
wait_until 120 linux_verified linux 1
spoil linux 192
wait_until 120 found_bad linux
step "the Linux guest found it"

disk_args 2 4 ext4=1 verify=1
truncate -s 16M "$STORY/disk0" "$STORY/disk1"
mkfs.ext4 -q -F "$STORY/disk1"
disk_machine disk
disk_times
disks_are same
disk_restore same
disk_continues same "$kept" "$kept"
guest_kill same
step "the disk guest goes on with its disks as they were"
for number in 0 1; do
	for other in newer older; do
		disks_are same
		disks_are "$other" "$number"
		disk_restore "$other$number"
		wait_until 60 found_bad "$other$number"
		step "the disk guest found that disk $number is $other:" \
			"$(grep -a '^BAD' "$STORY/$other$number.serial")"
	done
done
