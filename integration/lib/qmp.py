#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One command to a QEMU: connects, executes it, prints what it returned, leaves.

QEMU serves one connection at a time; this waits for its turn. A command may carry a file
descriptor (getfd), and after the command an event may be waited for.
"""
import argparse
import array
import json
import socket
import sys


class Monitor:
    def __init__(self, path, seconds):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(seconds)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.events = []
        self.read()
        self.execute({"execute": "qmp_capabilities"})

    def read(self):
        line = self.lines.readline()
        if not line:
            sys.exit("QEMU closed the connection")
        return json.loads(line)

    def execute(self, command, descriptor=None):
        rights = []
        if descriptor is not None:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
        self.socket.sendmsg([json.dumps(command).encode()], rights)
        while True:
            message = self.read()
            if "event" in message:
                self.events.append(message)
            elif "error" in message:
                sys.exit(message["error"]["desc"])
            else:
                return message["return"]

    def wait(self, name, status):
        while True:
            event = self.events.pop(0) if self.events else self.read()
            if event.get("event") != name:
                continue
            if status is None or event["data"].get("status") == status:
                return event


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("socket")
    parser.add_argument("command", nargs="?", help="the command as JSON")
    parser.add_argument("--descriptor", type=int, help="number of the descriptor to send along")
    parser.add_argument("--event", help="wait for this event and print it instead")
    parser.add_argument("--status", help="… where its data has this status")
    parser.add_argument("--seconds", type=float, default=60, help="longest wait for an answer")
    args = parser.parse_args()

    try:
        monitor = Monitor(args.socket, args.seconds)
        answer = None
        if args.command:
            answer = monitor.execute(json.loads(args.command), args.descriptor)
        if args.event:
            answer = monitor.wait(args.event, args.status)
    except OSError as error:
        sys.exit(f"{args.socket}: {error}")
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
