#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Types into an interactive shell on a terminal, and compares what the TAB key makes of it.

    keys.py "bash -i" SETUP <cases

SETUP is read by the shell first. Each line of the cases is what is typed before the TAB, and

    vmguard sta => <vmguard><status>        the words that the shell then has
    vmguard info we =? web web@             the ends of words that it shows to choose from
"""
import os
import pty
import re
import select
import shlex
import sys
import time

LIMIT_S = 60
PROMPT = "ready:"
ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>]|\x07")


class Terminal:
    def __init__(self, command, setup):
        pid, self.fd = pty.fork()
        if pid == 0:
            os.environ.update(TERM="xterm", COLUMNS="200", LINES="60", HISTFILE="", INPUTRC="/dev/null")
            os.execvp(command[0], command)
        self.seen = ""
        self.type(f". {shlex.quote(setup)}\r")
        self.wait_for(re.escape(PROMPT) + r" *$")

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait_for(self, regex, wanted=""):
        """What has been on the screen since the last time, up to what matches."""
        end = time.monotonic() + LIMIT_S
        while not (found := re.search(regex, ESCAPES.sub("", self.seen))):
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                sys.exit(f"FAIL: {wanted or regex} does not come; on the screen:\n{self.seen}")
            self.seen += os.read(self.fd, 4096).decode(errors="replace")
        self.seen = ""
        return found

    def completed(self, typed):
        """The words after TAB, as the function "show" prints them."""
        self.type(f"{typed}\t")
        return self.shown("\x01show \x05", f"what {typed!r} becomes")

    def shown(self, keys, wanted):
        self.type(f"{keys}\r")
        return self.wait_for(rf"\nshown:(.*?)\r?\n(?s:.*){PROMPT} *$", wanted).group(1).strip()

    def offers(self, typed, words):
        """TAB shows these words; then the line is empty again."""
        self.type(f"{typed}\t")
        shown = "".join(rf"(?=(?s:.*)\s\S*{re.escape(word)}\s)" for word in words)
        self.wait_for(shown, f"{words} for {typed!r}")
        self.shown("\x05\x15show nothing", "an empty line")


def main():
    terminal = Terminal(shlex.split(sys.argv[1]), sys.argv[2])
    count = 0
    for line in sys.stdin:
        typed, kind, expected = re.split(r" (=>|=\?) ", line.rstrip("\n"), maxsplit=1)
        if kind == "=?":
            terminal.offers(typed, expected.split())
        elif (words := terminal.completed(typed)) != expected:
            sys.exit(f"FAIL: {typed!r} becomes {words}, not {expected}")
        count += 1
    print(f"{count} lines")
    os.close(terminal.fd)


main()
