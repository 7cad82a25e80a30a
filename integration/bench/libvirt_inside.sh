#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# libvirt_inside.sh PACKAGES FOLDER: the first process of libvirtd's namespaces; see libvirt.sh.
# What is mounted here is seen by nobody else.
set -euo pipefail

packages=$1
folder=$2

mount -t overlay overlay -o "lowerdir=$packages/usr:/usr" /usr
mkdir -p "$folder/memory"
mount -t tmpfs tmpfs "$folder/memory"
for name in etc var run; do
	mkdir "$folder/memory/$name" "$folder/memory/$name.work"
	mount -t overlay overlay \
		-o "lowerdir=/$name,upperdir=$folder/memory/$name,workdir=$folder/memory/$name.work" "/$name"
done
mkdir -p /etc/libvirt /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt
cp "$folder/qemu.conf" /etc/libvirt/
# It looks its user up even where qemu.conf names another one.
getent passwd libvirt-qemu >/dev/null ||
	echo 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin' >>/etc/passwd
getent group libvirt-qemu >/dev/null || echo 'libvirt-qemu:x:64055:' >>/etc/group

export LIBVIRT_DRIVER_DIR=$folder/drivers
# Not exec: this shell is the namespace's first process and has to bury the QEMUs, which libvirtd
# does not do; it would wait 40 s for each.
libvirtd -f "$folder/libvirtd.conf" -p "$folder/libvirtd.pid" &
wait $!
