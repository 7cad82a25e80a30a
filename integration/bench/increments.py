#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the second and later checkpoints cost: of an idle guest, of one that writes at a given
rate, and the speed at which an unchanged one is captured."""
import mmap
import pathlib
import sys
import time

import figures
import machine

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "restore"))
import compare  # noqa: E402

NUMBERS = {
    "idle-ram": (1024, 320, "MiB of the idle guest"),
    "idle-wait": (10, 2, "seconds between its checkpoints"),
    "ram": (1024, 448, "MiB of the guest that writes"),
    "rate": (50, 5, "MB a second that it writes"),
    "hot": (512, 64, "MiB within which it writes"),
    "every": (5, 2, "seconds between its checkpoints"),
    "count": (40, 4, "of them; the cleaner begins only after the first ten or so"),
    "compared": (5, 3, "of them that are exported and compared page by page"),
    "unchanged-ram": (4096, 512, "MiB of the guest that does not change"),
    "rounds": (5, 2, "of captures of it"),
}


def idle(chosen):
    rows = []
    with machine.LinuxGuest(chosen, chosen.idle_ram, "idle") as guest:
        machine.drain(guest.monitor)
        for name, uri in chosen.stores.items():
            for number in ("first", "second", "third"):
                taken = machine.snapshot(chosen, guest, uri)
                rows.append({"store": name, "checkpoint": number,
                             "mib": taken["bytes_written"] / figures.MIB,
                             "percent": 100 * taken["bytes_written"] / (chosen.idle_ram << 20),
                             "changed": taken["pages_changed"], "seconds": taken["seconds"]})
                figures.note(chosen, "idle", rows[-1])
                time.sleep(chosen.idle_wait)
    figures.table(chosen, f"An idle Linux guest of {chosen.idle_ram} MiB, all of it written once", {
        "store": ("store", ""), "checkpoint": ("checkpoint", ""), "written MiB": ("mib", ".2f"),
        "of RAM %": ("percent", ".2f"), "pages changed": ("changed", ""),
        "seconds": ("seconds", ".2f")}, rows)
    return [(f"idle guest, second checkpoint, % of RAM ({row['store']})", row["percent"], "<=", 2)
            for row in rows if row["checkpoint"] == "second"]


class Digests(dict):
    """Of pages: 1 GiB of them would not fit twice."""

    def __setitem__(self, key, content):
        super().__setitem__(key, hash(content))


def pages_of(chosen, uri, target):
    path = pathlib.Path(chosen.exports)
    machine.vmguard(chosen, "export", "--store", uri, target, str(path))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        pages = compare.read_pages(data, Digests())
    path.unlink()
    return pages


def really_changed(chosen, uri, guest, taken):
    """Bytes that differ between neighbours, from their exports, by the number of the newer one;
    neither vmguard's parser nor its fingerprints decide it."""
    numbers = [t["checkpoint"] for t in taken[-chosen.compared:]]
    changed, before = {}, None
    for number in numbers:
        pages = pages_of(chosen, uri, f"{guest.name}@{number}")
        if before:
            changed[number] = machine.PAGE_BYTES * sum(
                before.get(key) != value for key, value in pages.items())
        before = pages
    return changed


def dirtying(chosen, name, uri):
    pages_a_second = chosen.rate * 1000000 // machine.PAGE_BYTES
    with machine.LinuxGuest(chosen, chosen.ram, "dirtying", rate=pages_a_second,
                            hot=chosen.hot) as guest:
        machine.drain(guest.monitor)
        start, writes = time.monotonic(), guest.writes()
        taken = []
        for figure in machine.Snapshots(chosen, guest, uri, "--every", f"{chosen.every}s",
                                        "--count", str(chosen.count)):
            taken.append(figure)
            figures.note(chosen, "dirtying", name, figure)
        speed = (guest.writes() - writes) * machine.PAGE_BYTES / (time.monotonic() - start) / 1e6
        changed = really_changed(chosen, uri, guest, taken)
    rows = [{"store": name, "checkpoint": t["checkpoint"], "speed": speed,
             "written": t["bytes_written"] / figures.MIB,
             "told": t["pages_changed"] * machine.PAGE_BYTES / figures.MIB,
             "moved": t["pages_moved"], "writes": t["store_writes"],
             "changed": changed.get(t["checkpoint"], 0) / figures.MIB or None,
             "ratio": t["bytes_written"] / (changed.get(t["checkpoint"]) or
                                            t["pages_changed"] * machine.PAGE_BYTES or 1)}
            for t in taken[1:]]
    figures.table(chosen, f"A guest of {chosen.ram} MiB that is to write {chosen.rate} MB/s within "
                  f"{chosen.hot} MiB and wrote {speed:.1f}; a checkpoint every {chosen.every} s, "
                  f"{name}", {
                      "checkpoint": ("checkpoint", ""), "written MiB": ("written", ".1f"),
                      "changed MiB, as vmguard says": ("told", ".1f"),
                      "changed MiB, by comparison": ("changed", ".1f"),
                      "written / changed": ("ratio", ".3f"), "pages moved": ("moved", ""),
                      "store writes": ("writes", "")}, rows)
    return [(f"{chosen.rate} MB/s, written / really changed, median ({name})",
             figures.median(rows, "ratio"), "<=", 1.15),
            (f"{chosen.rate} MB/s, written / really changed, sum ({name})",
             sum(r["written"] for r in rows) / sum(r["changed"] or r["told"] for r in rows),
             "<=", 1.15)]


def unchanged(chosen):
    with machine.LinuxGuest(chosen, chosen.unchanged_ram, "unchanged") as guest:
        def drained():
            guest.monitor.forget_events()
            start = time.monotonic()
            machine.drain(guest.monitor)
            return {"seconds": time.monotonic() - start}

        drained()  # the first one splits huge pages and is not like the later ones
        ways = {"drained": drained}
        for name, uri in chosen.stores.items():
            machine.snapshot(chosen, guest, uri)
            ways[name] = lambda uri=uri: machine.snapshot(chosen, guest, uri)
        rounds = {name: [] for name in ways}
        for turn in range(chosen.rounds):
            order = list(ways.items())
            for name, way in order if turn % 2 == 0 else order[::-1]:
                time.sleep(1)
                rounds[name].append(way())
                figures.note(chosen, "unchanged", turn + 1, name, rounds[name][-1])
    rows = [{"way": name, "seconds": figures.median(mine, "seconds"),
             "speed": chosen.unchanged_ram * 1.048576 / figures.median(mine, "seconds"),
             "ratio": figures.median_ratio(rounds["drained"], mine, "seconds"),
             "written": mine[-1].get("bytes_written", 0) / figures.MIB}
            for name, mine in rounds.items()]
    figures.table(chosen, f"An unchanged guest of {chosen.unchanged_ram} MiB, {chosen.rounds} "
                  "rounds, medians (ratio: of the speed, to the drained one of the same round)", {
                      "way": ("way", ""), "seconds": ("seconds", ".2f"), "MB/s": ("speed", ".0f"),
                      "ratio": ("ratio", ".2f"), "written MiB": ("written", ".2f")}, rows)
    return [(f"unchanged guest, of the drained speed ({row['way']})", row["ratio"], ">=", 0.85)
            for row in rows[1:]]


def main():
    chosen = figures.options(__doc__, NUMBERS, {"exports": ("", "a file for exports"), "only": (
        "idle,dirtying,unchanged", "the parts to measure")})
    reached = []
    if "idle" in chosen.only:
        reached += idle(chosen)
    if "dirtying" in chosen.only:
        for name, uri in chosen.stores.items():
            reached += dirtying(chosen, name, uri)
    if "unchanged" in chosen.only:
        reached += unchanged(chosen)
    figures.goals(chosen, *reached)


main()
