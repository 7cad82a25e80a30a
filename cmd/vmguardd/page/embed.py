#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes the table of page.h from the files of the status page: embed.py OUTPUT.c FILE…"""
import pathlib
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def c_bytes(number, data):
    lines = [", ".join(map(str, data[at:at + 24])) for at in range(0, len(data), 24)]
    return f"static const unsigned char file_{number}[] = {{\n\t" + ",\n\t".join(lines) + ",\n};\n"


def main():
    output, *paths = map(pathlib.Path, sys.argv[1:])
    arrays, rows = [], []
    for number, path in enumerate(paths):
        where = "/" if path.name == "index.html" else f"/page/{path.name}"
        arrays.append(c_bytes(number, path.read_bytes()))
        rows.append(f'\t{{"{where}", "{TYPES[path.suffix]}", file_{number}, '
                    f"sizeof(file_{number})}},\n")
    output.write_text('#include "page.h"\n\n' + "".join(arrays) +
                      "\nconst struct page_file page_files[] = {\n" + "".join(rows) + "};\n" +
                      f"const size_t page_file_count = {len(paths)};\n", encoding="ascii")


if __name__ == "__main__":
    main()
