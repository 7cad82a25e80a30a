#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Flips one bit of each file of a guest's folder in turn and lets vmguard verify it.

flip.py VMGUARD STORE FOLDER: each time the verification must fail and name the file, or the
checkpoint whose file it is. Then the file is put right again.
"""
import json
import os
import subprocess
import sys


def offsets(size):
    return sorted({0, 5, size // 3, size // 2, size - 2, size - 1} & set(range(size)))


def flip(path, offset, bit):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))


def verify(vmguard, store):
    done = subprocess.run([vmguard, "verify", "--store", store, "web", "--json"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    rows = json.loads(done.stdout) if done.stdout else []
    return done.returncode, [d for row in rows for d in row["damage"]], done.stderr


def is_named(name, damage):
    if name.startswith("ckpt-"):
        words = f"checkpoint {name.split('-')[2]} of web:"
        return any(words in d["text"] for d in damage)
    return any(d.get("object", "").endswith(name) or f"{name})" in d["text"] for d in damage)


def main():
    vmguard, store, folder = sys.argv[1:]
    names = sorted(n for n in os.listdir(folder) if n.startswith(("seg-", "ckpt-")))
    missed, tries = [], 0
    for name in names:
        path = os.path.join(folder, name)
        for offset in offsets(os.path.getsize(path)):
            bit = tries % 8
            tries += 1
            flip(path, offset, bit)
            status, damage, said = verify(vmguard, store)
            flip(path, offset, bit)
            if status != 1 or not is_named(name, damage):
                missed.append(f"{name}+{offset}: status {status}, {damage} {said}")
    print(f"{tries} bits in {len(names)} files, {len(missed)} not found or not named")
    print(*missed, sep="\n")
    return 1 if missed or not tries else 0


if __name__ == "__main__":
    sys.exit(main())
