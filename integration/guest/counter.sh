#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Assembles the counter guest: counter.sh FILE [END_MIB=n] [HEARTBEAT=n]
# The options are explained in counter.S. Needs binutils only. The file has the size of a
# floppy disk, because firmware does not start a hard disk of one sector.
set -euo pipefail

file=$1
shift
symbols=()
for symbol in "$@"; do
	symbols+=(--defsym "$symbol")
done

as --32 "${symbols[@]}" -o "$file.o" "$(dirname "$0")/counter.S"
ld -m elf_i386 --oformat binary -Ttext 0x7c00 -o "$file" "$file.o"
truncate -s 1440K "$file"
chmod -x "$file"
rm "$file.o"
