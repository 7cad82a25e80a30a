#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Packs the disk guest: disk.sh FILE INITRAMFS DISKCHECK MODULES
# INITRAMFS is the Linux guest (initramfs.sh), MODULES the folder with the kernel's modules. The
# kernel takes one archive after the other; this one brings an init that replaces the first one's.
#
# On its second serial port, if it has one, the guest prints the MAC addresses that it sees.
set -euo pipefail

file=$(realpath "$1")
base=$(realpath "$2")

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir "$tree/modules"
cp "$3" "$tree/diskcheck"
cp "$4"/*.ko "$tree/modules"
cat >"$tree/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk \
	failover net_failover virtio_net; do
	[ ! -e /modules/$module.ko ] || /bin/busybox insmod /modules/$module.ko
done
[ "$(/bin/busybox cat /sys/class/tty/ttyS1/type)" = 0 ] || while :; do
	/bin/busybox echo nics $(/bin/busybox cat /sys/class/net/[!l]*/address) >/dev/ttyS1
	/bin/busybox sleep 1
done 2>/dev/null &
exec /diskcheck "$@"
INIT
chmod 755 "$tree/init"

cp "$base" "$file"
cd "$tree"
find . -print0 | LC_ALL=C sort -z |
	cpio --quiet --null --create --format=newc --owner=0:0 >>"$file"
