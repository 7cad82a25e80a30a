#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Packs the Linux guest: initramfs.sh FILE SELFCHECK
# busybox prepares the file systems and then becomes the program under test; what stands
# after "--" on the kernel's command line are the program's arguments.
set -euo pipefail

file=$(realpath "$1")
program=$2
busybox=$(command -v busybox)

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir "$tree"/{bin,dev,proc,sys}
cp "$busybox" "$tree/bin/busybox"
cp "$program" "$tree/selfcheck"
cat >"$tree/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
exec /selfcheck "$@"
INIT
chmod 755 "$tree/init"

# Not compressed: the guest starts sooner. The same input gives the same file.
find "$tree" -exec touch -hd @0 {} +
cd "$tree"
find . -print0 | LC_ALL=C sort -z |
	cpio --quiet --null --create --format=newc --owner=0:0 --reproducible >"$file"
