#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""No function is longer than 60 lines and no source file longer than 500.

sizes.py FILE…  A function that is one flat table or switch may be longer: the line above it
then says so, with the words "flat table" or "flat switch".
"""
import json
import re
import subprocess
import sys

FUNCTION_LINES = 60
FILE_LINES = 500


def functions_by_ctags(path):
    tags = subprocess.run(
        ["ctags", "--output-format=json", "--fields=+ne", "--kinds-C=f", "--kinds-Python=fm",
         "-f", "-", path], check=True, capture_output=True, text=True).stdout
    for tag in map(json.loads, tags.splitlines()):
        if tag.get("kind") in ("function", "member") and "end" in tag:
            yield tag["name"], tag["line"], tag["end"]


def functions_of_shell(lines):
    """ctags does not know where a shell function ends; the style does: at the first }."""
    name = start = None
    for number, line in enumerate(lines, 1):
        begin = re.match(r"([\w.-]+)\(\) \{$", line)
        if begin:
            name, start = begin.group(1), number
        elif line == "}" and name:
            yield name, start, number
            name = None


def complaints(path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    if len(lines) > FILE_LINES:
        yield f"{path}: {len(lines)} lines; the limit is {FILE_LINES}"
    shell = path.endswith(".sh")
    for name, start, end in functions_of_shell(lines) if shell else functions_by_ctags(path):
        length = end - start + 1
        above = lines[start - 2] if start > 1 else ""
        if length > FUNCTION_LINES and not re.search("flat (table|switch)", above):
            yield f"{path}:{start}: {name} has {length} lines; the limit is {FUNCTION_LINES}"


def main():
    found = [text for path in sys.argv[1:] for text in complaints(path)]
    print(*found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
