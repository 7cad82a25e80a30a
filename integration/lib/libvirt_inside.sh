#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# libvirt_inside.sh PACKAGES FOLDER NAME: the first process of a host's namespaces; see libvirt.sh.
# What is mounted here is seen by nobody else.
set -euo pipefail

packages=$1
folder=$2

echo "$3" >/proc/sys/kernel/hostname
mount -t overlay overlay -o "lowerdir=$packages/usr:/usr" /usr
mkdir -p "$folder/memory"
mount -t tmpfs tmpfs "$folder/memory"
# Not all of /var: the story's folder may be there.
for name in etc run var/lib var/cache var/log; do
	upper=$folder/memory/$name
	mkdir -p "$upper" "$upper.work"
	mount -t overlay overlay -o "lowerdir=/$name,upperdir=$upper,workdir=$upper.work" "/$name"
done

# bind FOLDER PLACE: what survives a power failure
bind() {
	mkdir -p "$2"
	mount --bind "$folder/$1" "$2"
}

bind etc /etc/libvirt
bind lib /var/lib/libvirt
bind cache /var/cache/libvirt
bind log /var/log/libvirt
mkdir -p /run/libvirt
# It looks its user up even where qemu.conf names another one.
getent passwd libvirt-qemu >/dev/null ||
	echo 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin' >>/etc/passwd
getent group libvirt-qemu >/dev/null || echo 'libvirt-qemu:x:64055:' >>/etc/group

export LIBVIRT_DRIVER_DIR=$folder/drivers
# Not exec: this shell is the namespace's first process and has to bury the QEMUs, which libvirtd
# does not do; it would wait 40 s for each. And it starts libvirtd again, as systemd does.
while :; do
	libvirtd -f /etc/libvirt/libvirtd.conf -p "$folder/run/libvirtd.pid" &
	wait $! || echo "libvirtd ended with status $?"
	sleep 0.1
	while [ -e "$folder/run/stopped" ]; do
		sleep 0.05
	done
done
