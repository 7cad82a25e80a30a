#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Changes one word in the RAM of a guest that judges itself.

spoil.py QMP-SOCKET GDB-SOCKET FILE MIB  The guest is stopped meanwhile; its RAM goes into
FILE to look for a page that is the guest's own.
"""
import pathlib
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "lib"))
import qmp  # noqa: E402

PAGE = 4096
STEP = 0x165667b19e3779f9  # from word to word of a page of selfcheck.c
WORDS = 1 << 64


def is_linux_page(page):
    first, second, third = struct.unpack_from("<3Q", page)
    return (second - first) % WORDS == STEP and (third - second) % WORDS == STEP


def is_counter_page(address, page):
    first, last = struct.unpack_from("<I", page)[0], struct.unpack_from("<I", page, PAGE - 4)[0]
    return last ^ address == (first - address) % (1 << 32) and last


def find_page(ram):
    """The last such page: the kernel's copies of a program stand lower."""
    for address in range(len(ram) - PAGE, 0x100000, -PAGE):
        page = ram[address:address + PAGE]
        if is_linux_page(page) or is_counter_page(address, page):
            return address
    sys.exit("no page of the guest's own")


class Debugger:
    """As much of gdb's protocol as it takes to write into physical memory."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.stream = self.socket.makefile("rb")

    def command(self, text):
        self.socket.sendall(b"$%s#%02x" % (text, sum(text) % 256))
        while self.stream.read(1) != b"$":
            pass
        answer = b""
        while (letter := self.stream.read(1)) != b"#":
            answer += letter
        self.stream.read(2)
        self.socket.sendall(b"+")
        return answer

    def write(self, address, data):
        for text in (b"Qqemu.PhyMemMode:1",
                     b"M%x,%x:%s" % (address, len(data), data.hex().encode())):
            if self.command(text) != b"OK":
                sys.exit(f"the debugger refused {text}")


def main():
    monitor_path, debugger_path, file, mib = sys.argv[1:]
    monitor = qmp.Monitor(monitor_path, 60)
    monitor.execute({"execute": "stop"})
    monitor.execute({"execute": "pmemsave", "arguments": {
        "val": 0, "size": int(mib) << 20, "filename": file}})
    address = find_page(pathlib.Path(file).read_bytes())
    debugger = Debugger(debugger_path)
    debugger.write(address, b"\xde\xad\xbe\xef")
    debugger.command(b"D")
    monitor.execute({"execute": "cont"})
    print(f"spoilt the page at {address:#x}")


if __name__ == "__main__":
    main()
