#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How soon a restored guest runs and how soon it has all its memory, lazily and in full, whatever
its size; and how long it waits for a page that it asks for, against single reads by librbd."""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import figures
import machine

NUMBERS = {
    "rounds": (5, 2, "rounds, all ways in turn in each"),
    "rate": (100, 100, "pages a second that the guests write, half of them anywhere"),
    "latency-ram": (1024, 320, "MiB of the guest whose demanded pages are timed"),
    "latency-rate": (1000, 1000, "pages a second that it writes"),
    "reads": (2000, 200, "single reads by librbd in each round"),
}
SIZES, QUICK_SIZES = "1024,4096,8192", "320,448"
LIMIT_MS = {"dir": 300, "rbd": 500}
RBD_MAX_MIB = 4096
OBJECT_BYTES = 4 << 20
LIMIT_SECONDS = 300


class Taken:
    """A checkpoint, and all that is needed to go on with it."""

    def __init__(self, chosen, store, ram, rate):
        self.ram, self.rate, self.uri = ram, rate, chosen.stores[store]
        self.name = f"restore-{ram}"
        with machine.LinuxGuest(chosen, ram, self.name, rate=rate) as guest:
            self.bytes = machine.snapshot(chosen, guest, self.uri)["bytes_written"]


class Command(threading.Thread):
    """vmguard restore …; when it ended and what it said."""

    def __init__(self, arguments):
        super().__init__(daemon=True)
        self.start_ms = time.time() * 1e3
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        self.said, self.end_ms = "", None
        self.start()

    def run(self):
        self.said, _ = self.process.communicate()
        self.end_ms = time.time() * 1e3

    def figures(self):
        self.join()
        if self.process.returncode:
            raise RuntimeError(f"vmguard restore ended with status {self.process.returncode}")
        return json.loads(self.said)


class Restored:
    """A guest that vmguard starts; it is watched from outside, and gone at the end of "with"."""

    def __init__(self, chosen, taken, mode):
        self.files = {name: f"{chosen.folder}/restored.{name}"
                      for name in ("look", "console", "serial", "pid")}
        for path in self.files.values():
            pathlib.Path(path).unlink(missing_ok=True)
        self.command = Command(
            [chosen.vmguard, "restore", "--store", taken.uri, taken.name, "--mode", mode,
             "--json", "--", *machine.qemu_command(chosen, taken.ram, rate=taken.rate),
             "-pidfile", self.files["pid"], "-qmp", f"unix:{self.files['look']},server=on,wait=off",
             "-chardev", f"socket,id=console,path={self.files['console']},server=on,wait=off,"
             f"logfile={self.files['serial']}", "-serial", "chardev:console"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pid = int(pathlib.Path(self.files["pid"]).read_text())
            os.kill(pid, signal.SIGKILL)
            self.await_true(lambda: not is_alive(pid))
        self.command.join()

    def await_true(self, what, pause=0.05):
        end = time.monotonic() + LIMIT_SECONDS
        while not (value := what()):
            if time.monotonic() > end:
                raise RuntimeError("the restored guest does not go on")
            time.sleep(pause)
        return value

    def monitor(self):
        """As soon as there is one: it must be listening before the guest runs."""
        def connected():
            if self.command.process.returncode is not None:
                self.command.figures()
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                return machine.Monitor(self.files["look"])
        return self.await_true(connected, 0.001)

    def first_instruction_ms(self):
        """QEMU's own stamp of the moment from which the vCPUs run, since the command."""
        monitor = self.monitor()
        if monitor.run("query-status")["running"] and not any(
                e[0] == "RESUME" for e in monitor.events):
            raise RuntimeError("the guest ran before its monitor was heard")
        monitor.await_event("RESUME")
        return monitor.event_ms("RESUME") - self.command.start_ms

    def printed(self):
        return machine.printed(self.files["serial"])

    def first_line_ms(self):
        self.await_true(self.printed, 0.005)
        return time.time() * 1e3 - self.command.start_ms

    def judge(self):
        """The guest looks at all its memory and says that every page is right."""
        with socket.socket(socket.AF_UNIX) as console:
            console.connect(self.files["console"])
            console.sendall(b"v\n")
            self.await_true(lambda: re.search(r"^verify \d+ pages \d+ ok", self.printed(),
                                              re.MULTILINE))


def is_alive(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(") ")[2][0] != "Z"


def restored(chosen, taken, mode):
    with Restored(chosen, taken, mode) as guest:
        first = guest.first_instruction_ms()
        line = guest.first_line_ms()
        said = guest.command.figures()
        if said["mode"] != mode:
            raise RuntimeError(f"a {said['mode']} restore instead of a {mode} one")
        seconds = (guest.command.end_ms - guest.command.start_ms) / 1e3
        guest.judge()
    return {"first": first, "line": line, "seconds": seconds, "run": said["run_ms"],
            "demanded": said.get("pages_demanded"), "p50": said.get("demand_p50_us"),
            "p99": said.get("demand_p99_us"), "bytes": said["bytes_sent"]}


def in_turn(chosen, ways):
    """Forwards and backwards; ways: name -> function. The rounds of each."""
    rounds = {name: [] for name in ways}
    for turn in range(chosen.rounds):
        for name in list(ways) if turn % 2 == 0 else list(ways)[::-1]:
            time.sleep(1)
            rounds[name].append(ways[name]())
            figures.note(chosen, turn + 1, *name, rounds[name][-1])
    return rounds


def row(store, ram, mode, mine):
    names = ("first", "line", "seconds", "run")
    return {"store": store, "ram": ram, "mode": mode, "most": max(r["first"] for r in mine)} | {
        name: figures.median(mine, name) for name in names} | ({} if mode == "full" else {
            name: figures.median(mine, name) for name in ("demanded", "p50", "p99")})


def compared(chosen, store, sizes, full):
    """A small guest and a large one in turn, lazily, and where asked for the large one in full.
    Three sizes at once would not fit."""
    taken = {ram: Taken(chosen, store, ram, chosen.rate) for ram in sizes}
    ways = {("lazy", ram): lambda t=t: restored(chosen, t, "lazy") for ram, t in taken.items()}
    if full:
        ways["full", sizes[-1]] = lambda: restored(chosen, taken[sizes[-1]], "full")
    rounds = in_turn(chosen, ways)
    for t in taken.values():
        machine.vmguard(chosen, "delete", "--store", t.uri, t.name)
    rows = [row(store, ram, mode, mine) for (mode, ram), mine in rounds.items()]
    figures.table(chosen, f"From the command on, {store}, {chosen.rounds} rounds, medians", {
        "MiB": ("ram", ""), "mode": ("mode", ""), "first instruction ms": ("first", ".0f"),
        "at most": ("most", ".0f"), "as vmguard says": ("run", ".0f"),
        "first line ms": ("line", ".0f"), "all memory s": ("seconds", ".2f"),
        "pages demanded": ("demanded", ".0f"), "p50 us": ("p50", ".0f"),
        "p99 us": ("p99", ".0f")}, rows)
    return rounds, rows


def goals_of_sizes(store, rounds, rows):
    small, large = (ram for mode, ram in rounds if mode == "lazy")
    reached = [(f"first instruction, ms ({r['store']}, {r['ram']} MiB)", r["first"], "<=",
                LIMIT_MS[store]) for r in rows if r["mode"] == "lazy"]
    lazy = rounds["lazy", large]
    if store == "dir":
        reached.append((f"first instruction, {large} MiB / {small} MiB", figures.median_ratio(
            lazy, rounds["lazy", small], "first"), "<=", 1.3))
    if full := rounds.get(("full", large)):
        reached += [
            (f"first instruction, full / lazy ({large} MiB)",
             figures.median_ratio(full, lazy, "first"), ">=", 20),
            (f"all memory, lazy / full ({large} MiB)",
             figures.median_ratio(lazy, full, "seconds"), "<=", 1.5)]
    return reached


def sizes_of(chosen, store):
    """The smallest with each larger one; a full restore is compared with the largest alone."""
    sizes = [int(ram) for ram in chosen.sizes.split(",")]
    if len(sizes) < 2:
        raise SystemExit("--sizes needs two at least")
    if store == "rbd":
        sizes = [ram for ram in sizes if ram <= RBD_MAX_MIB]
    full = store == "dir" and "full" in chosen.only
    pairs = [(sizes[0], ram) for ram in sizes[1:]]
    if store not in chosen.only:
        pairs = pairs[-1:]
    return [(pair, full and pair == pairs[-1]) for pair in pairs]


def reads(chosen, taken, *load):
    out = subprocess.run(
        [chosen.program, "--conf", os.environ["CEPH_CONF"], "--image", taken.name, "--bytes",
         str(taken.bytes // OBJECT_BYTES * OBJECT_BYTES), "--count", str(chosen.reads), *load],
        check=True, capture_output=True, text=True).stdout
    return json.loads(out) | {"store": "rbd"}


def latency(chosen):
    """Idle reads are what it is held against; those under a load as large as the background flow
    of the restore before, by as many readers as it has, say what of it is the cluster's."""
    taken = Taken(chosen, "rbd", chosen.latency_ram, chosen.latency_rate)
    rates = []

    def lazily():
        figure = restored(chosen, taken, "lazy")
        rates.append(int(figure["bytes"] / figure["seconds"]))
        return figure | {"p50_us": figure["p50"], "p99_us": figure["p99"],
                         "reads": figure["demanded"], "load": rates[-1]}

    def loaded():
        return reads(chosen, taken, "--readers", "4", "--rate", str(rates[-1]))

    ways = {("librbd, idle",): lambda: reads(chosen, taken), ("demanded pages",): lazily,
            ("librbd, same load",): loaded}
    rounds = in_turn(chosen, ways)
    machine.vmguard(chosen, "delete", "--store", taken.uri, taken.name)
    idle = rounds["librbd, idle",]
    rows = [{"way": name, "p50": figures.median(mine, "p50_us"),
             "p99": figures.median(mine, "p99_us"), "reads": figures.median(mine, "reads"),
             "load": figures.median(mine, "load") / figures.MIB,
             "ratio": figures.median_ratio(mine, idle, "p50_us")}
            for (name,), mine in rounds.items()]
    figures.table(chosen, f"A page of 4 KiB from RBD, {chosen.rounds} rounds, medians (ratio: of "
                  "the p50, to the idle one of the same round)", {
                      "way": ("way", ""), "p50 us": ("p50", ".0f"), "p99 us": ("p99", ".0f"),
                      "ratio": ("ratio", ".2f"), "pages": ("reads", ".0f"),
                      "background MiB/s": ("load", ".0f")}, rows)
    return [("demanded page, p50, of a single librbd read", rows[1]["ratio"], "<=", 3)]


def main():
    # the guests that vmguard starts are nobody's children: who is ended ends them
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = figures.options(__doc__, NUMBERS, {
        "sizes": (SIZES, f"MiB of the guests, ascending; quick: {QUICK_SIZES}; rbd: those up to "
                  f"{RBD_MAX_MIB}"),
        "only": ("dir,full,rbd,latency", "the parts to measure")})
    if chosen.quick and chosen.sizes == SIZES:
        chosen.sizes = QUICK_SIZES
    reached = []
    for store, parts in (("dir", ("dir", "full")), ("rbd", ("rbd",))):
        if any(part in chosen.only for part in parts):
            for sizes, full in sizes_of(chosen, store):
                reached += goals_of_sizes(store, *compared(chosen, store, sizes, full))
    if "latency" in chosen.only:
        reached += latency(chosen)
    figures.goals(chosen, *reached)


main()
