#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What disks add to the pause: checkpoints of a domain with one disk and of one with two, in turn."""
import json
import subprocess

import figures

PARTS = ("stop", "disks", "devices", "resume", "own")


def take(chosen, name):
    """One checkpoint; its pause and what that was made of, in milliseconds."""
    words = [chosen.vmguard, "snapshot", "--connect", chosen.connect, "--domain", name,
             "--store", chosen.stores["dir"], "--keep-last", "2", "--json"]
    answer = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)
    return {"pause": answer["pause_ms"], **answer["pause_parts_ms"]}


def main():
    chosen = figures.options(__doc__, {"rounds": (30, 3, "checkpoints of each")},
                             {"connect": ("", "the libvirt that has the domains")})
    taken = {"one": [], "two": []}
    for name in taken:
        take(chosen, name)  # the first one splits huge pages
    for turn in range(chosen.rounds):
        for name in sorted(taken, reverse=turn % 2):
            taken[name].append(take(chosen, name))
        figures.note(chosen, "round", turn + 1)
    rows = [{"guest": name, **{key: figures.median(rounds, key) for key in ("pause", *PARTS)}}
            for name, rounds in taken.items()]
    figures.table(chosen, "pause in ms, medians",
                  {"RBD disks": ("guest", ""), "pause": ("pause", ".1f"),
                   **{key: (key, ".1f") for key in PARTS}}, rows)
    figures.goals(chosen,
                  ("pause with one disk, ms", rows[0]["pause"], "<=", 120),
                  ("of it vmguard's own, ms", rows[0]["own"], "<=", 5),
                  ("two disks / one", figures.median_ratio(taken["two"], taken["one"], "pause"),
                   "<=", 1.3))


if __name__ == "__main__":
    main()
