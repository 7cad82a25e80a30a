#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A first checkpoint of a guest full of random data into RBD, against "rbd bench" with 4 MiB
writes, 16 in flight, on the same cluster: from QEMU to the commit, and of the image writer alone
with pages that a program has in memory."""
import json
import os
import re
import subprocess
import time

import figures
import machine

NUMBERS = {
    "osds": (1, 1, "OSDs that the cluster has"),
    "ram": (2048, 320, "MiB of the guest"),
    "rounds": (5, 2, "rounds, all ways in turn in each"),
}


def rbd_bench(chosen, mib):
    subprocess.run(["rbd", "create", "--size", f"{mib}M", "rbd/first-bench"], check=True)
    out = subprocess.run(
        ["rbd", "bench", "--io-type", "write", "--io-size", "4M", "--io-threads", "16",
         "--io-total", f"{mib}M", "--io-pattern", "seq", "rbd/first-bench"],
        check=True, capture_output=True, text=True).stdout
    subprocess.run(["rbd", "rm", "--no-progress", "rbd/first-bench"], check=True)
    # its elapsed time is cut to whole seconds, the rate is not
    rate = float(re.search(r"^elapsed:.*ops/sec: *([\d.]+)", out, re.MULTILINE).group(1))
    return {"speed": rate * (4 << 20) / 1e6, "seconds": mib / 4 / rate}


def synthetic(chosen, mib, in_flight):
    out = subprocess.run(
        [chosen.program, "--store", chosen.stores["rbd"], "--conf", os.environ["CEPH_CONF"],
         "--name", "first-synthetic", "--ways", "a", "--checkpoints", "1", "--ram", str(mib),
         "--in-flight", str(in_flight)], check=True, capture_output=True, text=True).stdout
    machine.vmguard(chosen, "delete", "--store", chosen.stores["rbd"], "first-synthetic")
    line = json.loads(out)
    return {"speed": line["bytes_written"] / line["total_ms"] / 1e3,
            "seconds": line["total_ms"] / 1e3}


def captured(chosen, guest):
    taken = machine.snapshot(chosen, guest, chosen.stores["rbd"])
    machine.vmguard(chosen, "delete", "--store", chosen.stores["rbd"], guest.name)
    seconds = taken["total_ms"] / 1e3
    return {"speed": taken["bytes_written"] / seconds / 1e6, "seconds": seconds,
            "bytes": taken["bytes_written"],
            "spool": taken["spool_used_bytes"] / figures.MIB, "full": taken["spool_full_ms"]}


def drained(guest, count):
    """`count` bytes is what vmguard writes of the same guest."""
    guest.monitor.forget_events()
    start = time.monotonic()
    machine.drain(guest.monitor)
    seconds = time.monotonic() - start
    return {"speed": count / seconds / 1e6, "seconds": seconds}


def main():
    chosen = figures.options(__doc__, NUMBERS)
    mib = machine.written_mib(chosen.ram)
    mib -= mib % 4
    with machine.LinuxGuest(chosen, chosen.ram, "first", mib=mib) as guest:
        drained(guest, 0)  # the first one splits huge pages
        count = captured(chosen, guest)["bytes"]
        ways = {
            "rbd bench": lambda: rbd_bench(chosen, mib),
            "image writer, 16 in flight": lambda: synthetic(chosen, mib, 16),
            "image writer, 4 in flight": lambda: synthetic(chosen, mib, 4),
            "vmguard snapshot": lambda: captured(chosen, guest),
            "QEMU drained": lambda: drained(guest, count),
        }
        rounds = {name: [] for name in ways}
        for turn in range(chosen.rounds):
            for name in list(ways) if turn % 2 == 0 else list(ways)[::-1]:
                machine.settled_bytes(chosen.stores["rbd"])  # what was deleted is gone
                rounds[name].append(ways[name]())
                figures.note(chosen, turn + 1, name, rounds[name][-1])
    rows = [{"way": name, "seconds": figures.median(mine, "seconds"),
             "speed": figures.median(mine, "speed"),
             "ratio": figures.median_ratio(mine, rounds["rbd bench"], "speed"),
             "qemu": figures.median_ratio(mine, rounds["QEMU drained"], "speed"),
             "spool": mine[-1].get("spool"), "full": mine[-1].get("full")}
            for name, mine in rounds.items()]
    figures.table(chosen, f"First checkpoint of {mib} MiB of random data, {chosen.osds} OSDs, "
                  f"{chosen.rounds} rounds, medians (ratios of the speed in the same round)", {
                      "way": ("way", ""), "seconds": ("seconds", ".2f"), "MB/s": ("speed", ".0f"),
                      "of rbd bench": ("ratio", ".2f"), "of QEMU drained": ("qemu", ".2f"),
                      "spool used MiB": ("spool", ".0f"), "reader waited ms": ("full", "")}, rows)
    by = {row["way"]: row for row in rows}
    figures.goals(
        chosen, ("writes of a first checkpoint, of rbd bench (image writer, 16 in flight)",
                 by["image writer, 16 in flight"]["ratio"], ">=", 0.8),
        ("from QEMU to the commit, of rbd bench", by["vmguard snapshot"]["ratio"], ">=", 0.8),
        ("from QEMU to the commit, of what bounds it: the slower of rbd bench and QEMU",
         max(by["vmguard snapshot"]["ratio"], by["vmguard snapshot"]["qemu"]), ">=", 0.8))


main()
