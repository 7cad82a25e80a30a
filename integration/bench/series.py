#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A long series with the last checkpoints kept: the store's size, vmguard's memory and
descriptors and the time of a checkpoint, at its end against its beginning."""
import statistics

import figures
import machine

NUMBERS = {
    "ram": (320, 256, "MiB of the guest"),
    "rate": (10, 10, "MB a second that it writes"),
    "hot": (64, 32, "MiB within which it writes"),
    "every": (2, 1, "seconds between checkpoints"),
    "count": (200, 20, "checkpoints"),
    "keep": (5, 5, "of them stay"),
    "part": (20, 5, "checkpoints that are the beginning, and the end"),
}
MEASURED = {"seconds": "total_ms", "store MiB": "store", "memory MiB": "resident",
            "descriptors": "descriptors", "pages written": "pages_written"}


def series(chosen, name, uri):
    pages_a_second = chosen.rate * 1000000 // machine.PAGE_BYTES
    empty = machine.settled_bytes(uri) if name == "rbd" else 0
    taken = []
    with machine.LinuxGuest(chosen, chosen.ram, "series", rate=pages_a_second,
                            hot=chosen.hot) as guest:
        machine.drain(guest.monitor)
        run = machine.Snapshots(chosen, guest, uri, "--every", f"{chosen.every}s", "--count",
                                str(chosen.count), "--keep-last", str(chosen.keep))
        for figure in run:
            if len(taken) + 1 < chosen.count:  # after the last one it ends
                figure["resident"] = run.resident_mib()
                figure["descriptors"] = run.descriptors()
            figure["store"] = (machine.store_bytes(uri) - empty) / figures.MIB
            taken.append(figure)
            figures.note(chosen, name, {key: figure.get(key) for key in (
                "checkpoint", "total_ms", "pages_changed", "pages_written", "store", "resident",
                "descriptors")})
        figures.note(chosen, name, run.summary)
    machine.vmguard(chosen, "delete", "--store", uri, "series")
    return taken


def compared(chosen, name, taken):
    """The beginning is counted from where retention has begun to remove: before, the store has
    to grow."""
    first = taken[chosen.keep:chosen.keep + chosen.part]
    last = taken[-chosen.part - 1:-1]
    rows = []
    for heading, key in MEASURED.items():
        begin, end = (statistics.median(t[key] for t in part) for part in (first, last))
        rows.append({"store": name, "what": heading, "begin": begin / (1e3 if key == "total_ms"
                                                                       else 1),
                     "end": end / (1e3 if key == "total_ms" else 1), "ratio": end / begin,
                     "most": max(t.get(key, 0) for t in taken[1:]) / (
                         1e3 if key == "total_ms" else 1)})
    return rows


def main():
    chosen = figures.options(__doc__, NUMBERS)
    if chosen.count < chosen.keep + 2 * chosen.part + 1:
        raise SystemExit("--count is too small for --keep and two times --part")
    rows = []
    for name, uri in chosen.stores.items():
        rows += compared(chosen, name, series(chosen, name, uri))
    figures.table(chosen, f"{chosen.count} checkpoints of a guest of {chosen.ram} MiB that writes "
                  f"{chosen.rate} MB/s within {chosen.hot} MiB, every {chosen.every} s, "
                  f"--keep-last {chosen.keep}; medians of {chosen.part}", {
                      "store": ("store", ""), "": ("what", ""), "beginning": ("begin", ".2f"),
                      "end": ("end", ".2f"), "ratio": ("ratio", ".3f"), "most": ("most", ".2f")},
                  rows)
    limits = {"seconds": 1.2, "store MiB": 1.2, "memory MiB": 1.1, "descriptors": 1.0}
    figures.goals(chosen, *(
        (f"{row['what']}, end / beginning ({row['store']})", row["ratio"], "<=",
         limits[row["what"]]) for row in rows if row["what"] in limits))


main()
