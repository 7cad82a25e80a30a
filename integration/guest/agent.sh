#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Packs the Linux guest with a guest agent beside its program: agent.sh FILE INITRAMFS AGENT MODULES
# INITRAMFS is the guest without it (initramfs.sh), AGENT the program qemu-ga, MODULES the folder
# with the kernel's modules. The kernel takes one archive after the other; this one brings an init
# that replaces the first one's.
#
# The guest prints its clock, in seconds since 1970, on its second serial port. AGENT=hangs on the
# kernel's command line, before "--": the agent has the channel open and never answers.
set -euo pipefail

file=$(realpath "$1")
base=$(realpath "$2")
agent=$3
modules=$4

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/{sbin,modules,var/run}
cp "$agent" "$tree/sbin/qemu-ga"
cp "$modules"/*.ko "$tree/modules"
ln -s /bin/busybox "$tree/sbin/hwclock" # without it the agent sets no time
cat >"$tree/init" <<'INIT'
#!/bin/busybox sh
PATH=/bin:/sbin
busybox mount -t devtmpfs dev /dev
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci \
	virtio_console; do
	busybox insmod /modules/$module.ko
done
while :; do
	busybox date +%s >/dev/ttyS1
	busybox sleep 1
done &
qemu-ga -m virtio-serial -p /dev/vport0p1 &
if [ "$AGENT" = hangs ]; then
	until busybox ls -l /proc/$!/fd | busybox grep -q vport0p1; do :; done
	busybox kill -STOP $!
fi
exec /selfcheck "$@"
INIT
chmod 755 "$tree/init"

libraries=$(ldd "$tree/sbin/qemu-ga" | sed -nE 's/.*[ \t](\/[^ ]+) \(0x.*/\1/p')
for library in $libraries; do
	mkdir -p "$tree$(dirname "$library")"
	cp -L "$library" "$tree$library"
done

cp "$base" "$file"
cd "$tree"
find . -print0 | LC_ALL=C sort -z |
	cpio --quiet --null --create --format=newc --owner=0:0 >>"$file"
