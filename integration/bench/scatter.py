#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Scattered dirty pages: the image writer against the same pages written at fixed offsets by
librbd, and the space that a long series of such checkpoints takes."""
import json
import os
import statistics
import subprocess

import figures
import machine

NUMBERS = {
    "osds": (1, 1, "OSDs that the cluster has"),
    "ram": (4096, 256, "MiB, all of it random data"),
    "rounds": (5, 3, "of checkpoints of both, in turn, on each pattern"),
    "series": (500, 12, "checkpoints of the series whose space is measured"),
    "keep": (5, 5, "of them stay"),
}
COLUMNS = {
    "pages an object": ("per_object", ""), "way": ("way", ""), "MiB changed": ("mib", ".1f"),
    "ms": ("ms", ".1f"), "from the last page on, ms": ("tail", ".1f"),
    "librbd in place, ms": ("flat", ".1f"), "ratio": ("ratio", ".1f"),
    "ratio from the last page on": ("tail_ratio", ".1f"),
    "written MiB": ("written", ".1f"), "store writes": ("writes", "")}


def program(chosen, uri, **words):
    """Lines of scatter, as they come."""
    arguments = [text for key, value in words.items()
                 for text in (f"--{key.replace('_', '-')}", str(value))]
    process = subprocess.Popen(
        [chosen.program, "--store", uri, "--conf", os.environ["CEPH_CONF"],
         "--ram", str(chosen.ram), "--keep", str(chosen.keep), *arguments],
        stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        yield json.loads(line)
    if process.wait():
        raise RuntimeError(f"{process.args} ended with status {process.returncode}")


def remove_flat(name):
    for command in (["snap", "purge"], ["rm"]):
        subprocess.run(["rbd", *command, f"rbd/{name}-flat", "--no-progress"], check=True)


def commit(chosen, per_object, way):
    """One row: `all` or `changed` pages handed over, and librbd with the same pages beside it."""
    uri, lines = chosen.stores["rbd"], {"image": [], "flat": []}
    for line in program(chosen, uri, ways=f"{way[0]}f", per_object=per_object,
                        checkpoints=chosen.rounds + 1):
        figures.note(chosen, line)
        if line["checkpoint"] > 1:
            lines["flat" if line["way"] == "flat" else "image"].append(line)
    machine.vmguard(chosen, "delete", "--store", uri, "scatter")
    remove_flat("scatter")
    pairs = list(zip(lines["image"], lines["flat"]))
    image = lines["image"]
    return {"per_object": per_object, "osds": chosen.osds,
            "way": "image, all pages handed over" if way == "all" else "image, changed pages only",
            "mib": pairs[0][1]["pages_changed"] * machine.PAGE_BYTES / figures.MIB,
            "ms": figures.median(image, "total_ms"),
            "tail": statistics.median(i["total_ms"] - i["pages_ms"] for i in image),
            "flat": figures.median(lines["flat"], "total_ms"),
            "ratio": statistics.median(f["total_ms"] / i["total_ms"] for i, f in pairs),
            "tail_ratio": statistics.median(
                f["total_ms"] / (i["total_ms"] - i["pages_ms"]) for i, f in pairs),
            "written": figures.median(image, "bytes_written") / figures.MIB,
            "writes": figures.median(image, "store_writes")}


def commits(chosen):
    rows = [commit(chosen, per_object, way) for per_object in (1, 62)
            for way in ("changed", "all")]
    figures.table(chosen, f"Scattered pages of {chosen.ram} MiB, {chosen.osds} OSDs, "
                  f"{chosen.rounds} rounds, medians (ratio: of librbd's time in place to the "
                  "image's, of the same round)", COLUMNS, rows)
    limit = 8 if chosen.osds >= 3 else 5
    return [(f"{row['per_object']} pages an object, {chosen.osds} OSDs, changed pages in memory "
             "until committed", row["ratio"], ">=", limit)
            for row in rows if "changed" in row["way"]]


def space(chosen, name, uri, per_object):
    """The store's size along a series in which every page passes by, as a background snapshot has
    it: the cleaner works only then."""
    empty = machine.settled_bytes(uri) if name == "rbd" else 0
    times, peak = [], 0
    for line in program(chosen, uri, ways="a", per_object=per_object, checkpoints=chosen.series):
        times.append(line["total_ms"])
        if line["checkpoint"] % max(chosen.series // 20, 1) == 0:
            peak = max(peak, machine.store_bytes(uri) - empty)
            figures.note(chosen, name, line, f"{peak >> 20} MiB at most")
    used = machine.settled_bytes(uri) - empty
    machine.vmguard(chosen, "delete", "--store", uri, "scatter")
    newest = chosen.ram << 20
    kept = newest + (chosen.keep - 1) * per_object * (chosen.ram // 4) * machine.PAGE_BYTES
    return {"store": name, "per_object": per_object, "used": used / figures.MIB,
            "peak": peak / figures.MIB, "newest": newest / figures.MIB,
            "kept": kept / figures.MIB, "of_newest": used / newest, "of_kept": used / kept,
            "first": statistics.median(times[1:21]), "last": statistics.median(times[-20:])}


def spaces(chosen):
    rows = [space(chosen, name, uri, per_object) for name, uri in chosen.stores.items()
            for per_object in (1, 62)]
    figures.table(chosen, f"Space after {chosen.series} such checkpoints of {chosen.ram} MiB, "
                  f"{chosen.keep} kept, {chosen.osds} OSDs, one copy counted", {
                      "store": ("store", ""), "pages an object": ("per_object", ""),
                      "MiB used": ("used", ".0f"), "seen at most": ("peak", ".0f"),
                      "MiB of the newest": ("newest", ".0f"),
                      "of all that are kept": ("kept", ".0f"),
                      "used / newest": ("of_newest", ".2f"), "used / kept": ("of_kept", ".2f"),
                      "first 20, ms": ("first", ".0f"), "last 20, ms": ("last", ".0f")}, rows)
    return [(f"space after {chosen.series} checkpoints, {row['per_object']} pages an object, "
             f"of the data of {what} ({row['store']}, {chosen.osds} OSDs)", row[key], "<=", 1.5)
            for row in rows for what, key in (("the newest", "of_newest"),
                                              ("all that are kept", "of_kept"))]


def main():
    chosen = figures.options(__doc__, NUMBERS, {"only": ("commit,space", "the parts to measure")})
    reached = []
    if "commit" in chosen.only:
        reached += commits(chosen)
    if "space" in chosen.only:
        reached += spaces(chosen)
    figures.goals(chosen, *reached)


main()
