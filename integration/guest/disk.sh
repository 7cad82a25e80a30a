#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Packs the disk guest: disk.sh FILE INITRAMFS DISKCHECK MODULES
# INITRAMFS is the Linux guest (initramfs.sh), MODULES the folder with the kernel's modules. The
# kernel takes one archive after the other; this one brings an init that replaces the first one's.
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
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do
	/bin/busybox insmod /modules/$module.ko
done
exec /diskcheck "$@"
INIT
chmod 755 "$tree/init"

cp "$base" "$file"
cd "$tree"
find . -print0 | LC_ALL=C sort -z |
	cpio --quiet --null --create --format=newc --owner=0:0 >>"$file"
