#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares a plain incoming stream with a dump of the guest's physical memory.

compare.py STREAM DUMP: reads the pages of block pc.ram from the stream, on its own and not
with vmguard's parser, and compares them with the dump. The legacy hole (640 KiB to 1 MiB),
where the machine shows ROMs and video memory instead of RAM, is left out.
"""
import struct
import sys

PAGE = 4096
ZERO, MEM_SIZE, DATA, EOS, CONTINUE = 0x02, 0x04, 0x08, 0x10, 0x20


class Stream:
    def __init__(self, data):
        self.data, self.at = data, 8
        self.block = None  # of the last record, also across sections

    def take(self, size):
        piece = self.data[self.at:self.at + size]
        self.at += size
        return piece

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def name(self):
        return self.take(self.number(1)).decode()


def read_records(stream, pages):
    while True:
        record = stream.number(8)
        flags, offset = record & (PAGE - 1), record & ~(PAGE - 1)
        if flags == EOS:
            return
        if flags == MEM_SIZE:
            while offset > 0:
                stream.name()
                offset -= stream.number(8)
            continue
        if not flags & CONTINUE:
            stream.block = stream.name()
        content = stream.take(PAGE) if flags & DATA else bytes(PAGE)
        if flags & ZERO:
            stream.take(1)
        assert (stream.block, offset) not in pages, "a page twice"
        pages[stream.block, offset] = content


def read_pages(data, pages):
    """Puts what each page holds into `pages`, by block and offset."""
    assert struct.unpack(">II", data[:8]) == (0x5145564D, 3), "not a stream"
    stream = Stream(data)
    while True:
        kind = stream.number(1)
        if kind == 7:
            stream.take(stream.number(4))
        elif kind in (1, 2, 3):
            stream.take(4)
            if kind == 1:
                assert stream.name() == "ram"
                stream.take(8)
            read_records(stream, pages)
            stream.take(5)
        else:
            return pages


def main():
    with open(sys.argv[1], "rb") as file:
        pages = read_pages(file.read(), {})
    with open(sys.argv[2], "rb") as file:
        memory = file.read()
    compared = 0
    for offset in range(0, len(memory), PAGE):
        if 0xA0000 <= offset < 0x100000:
            continue
        if memory[offset:offset + PAGE] != pages["pc.ram", offset]:
            sys.exit(f"page {offset:#x} differs")
        compared += 1
    print(f"{compared} pages are equal")


if __name__ == "__main__":
    main()
