#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures ways to capture one running guest, in turn; capture.sh prepares what it needs.

What the guest feels is seen from outside: it prints a dot for every so many pages, and a thread
of this program notes when each arrives. The longest time without a dot is the stall, the dots a
second are its speed.
"""
import argparse
import json
import os
import socket
import statistics
import subprocess
import threading
import time

import machine

SETTLE_SECONDS = 1.0


class Heartbeat(threading.Thread):
    """Notes when the guest's dots arrive, as (time, how many so far)."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.beats, self.count = [], 0

    def run(self):
        while data := self.socket.recv(65536):
            self.count += data.count(b".")
            self.beats.append((time.monotonic(), self.count))
            if b"BAD" in data:
                os.write(2, b"the guest found a wrong page\n")
                os._exit(1)

    def between(self, start, end):
        """Longest stall in ms and dots a second from start to end."""
        beats = [b for b in self.beats if start <= b[0] <= end]
        if len(beats) < 2:
            return (end - start) * 1e3, 0.0
        times = [start] + [b[0] for b in beats] + [end]
        stall = max(b - a for a, b in zip(times, times[1:]))
        return stall * 1e3, (beats[-1][1] - beats[0][1]) / (beats[-1][0] - beats[0][0])


class Bench:
    def __init__(self, options):
        self.options = options
        self.qemu = subprocess.Popen(
            [options.qemu, "-accel", "tcg", "-M", "pc", "-m", str(options.ram),
             "-display", "none", "-nic", "none",
             "-drive", f"if=floppy,format=raw,readonly=on,file={options.guest}",
             "-chardev", f"socket,id=s,server=on,wait=off,path={options.folder}/serial",
             "-serial", "chardev:s",
             "-qmp", f"unix:{options.folder}/qmp,server=on,wait=off",
             "-qmp", f"unix:{options.folder}/look,server=on,wait=off"],
            stdin=subprocess.DEVNULL)
        path = os.path.join(options.folder, "look")
        machine.await_path(path, self.qemu)
        self.monitor = machine.Monitor(path)
        self.heart = Heartbeat(os.path.join(options.folder, "serial"))
        self.heart.start()
        self.monitor.capability("events", True)
        self.warm_up(3 * options.written // 2)  # three passes: all memory is written

    def warm_up(self, beats):
        end = time.monotonic() + 300
        while self.heart.count < beats:
            if time.monotonic() > end:
                raise RuntimeError("the guest does not count")
            time.sleep(0.05)

    def stop_and_copy(self):
        """What `virsh save` does: the guest stands still while all of it is written."""
        path = "/dev/shm/vg-bench-save"
        self.monitor.run("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self.monitor.run("stop")
            self.monitor.run("getfd", fd=fd, fdname="save")
            self.monitor.run("migrate", uri="fd:save")
            self.monitor.await_migration()
            self.monitor.run("cont")
        finally:
            os.close(fd)
            os.unlink(path)
        self.monitor.await_event("RESUME")
        return {"pause": self.monitor.event_ms("RESUME") - self.monitor.event_ms("STOP"),
                "cpu": 0.0, "memory": 0.0}

    def vmguard(self, uri, *more):
        command = [self.options.vmguard, "snapshot", "--qmp", f"{self.options.folder}/qmp",
                   "--store", uri, "--name", "bench", "--json", *more]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        peak = machine.Peak(process)
        report = json.loads(process.stdout.read() or "{}")
        cpu = machine.cpu_of(process)
        if process.returncode:
            raise RuntimeError("vmguard failed")
        return {"pause": report["pause_ms"], "cpu": cpu, "memory": peak.mib,
                "spool": report["spool_used_bytes"] >> 20,
                "spool_limit": report["spool_bytes"] >> 20, "full": report["spool_full_ms"],
                "after": lambda: self.forget(uri, report["checkpoint"])}

    def forget(self, uri, newest):
        """Keeps one checkpoint: so each finds the store as the one before."""
        if newest > 1:
            subprocess.run([self.options.vmguard, "delete", "--store", uri,
                            f"bench@{newest - 1}"], check=True)

    def measure(self, way):
        time.sleep(SETTLE_SECONDS)
        quiet = self.heart.between(time.monotonic() - SETTLE_SECONDS, time.monotonic())
        self.monitor.forget_events()
        start = time.monotonic()
        figures = way()
        end = time.monotonic()
        figures.pop("after", lambda: None)()
        stall, speed = self.heart.between(start, end)
        return figures | {"seconds": end - start, "stall": stall,
                          "speed": 100 * speed / quiet[1] if quiet[1] else 0}


def median(rows, key):
    return statistics.median(row.get(key, 0) for row in rows)


def report(options, rows):
    print(f"\n{options.ram} MiB, {options.written} of them written, {options.rounds} rounds, "
          "medians (ratio: of the time, to the drained one of the same round)\n")
    print("| way | seconds | MB/s | ratio | pause ms | stall ms (max) | guest speed % "
          "| CPU s | memory MiB | spool MiB |")
    print("| --- | " + "--- | " * 9)
    for name, mine in rows.items():
        ratio = statistics.median(
            drained["seconds"] / row["seconds"] for row, drained in zip(mine, rows["drained"]))
        seconds = median(mine, "seconds")
        print(f"| {name} | {seconds:.2f} | {options.ram * 1.048576 / seconds:.0f} | {ratio:.2f} "
              f"| {median(mine, 'pause'):.1f} "
              f"| {median(mine, 'stall'):.0f} ({max(r['stall'] for r in mine):.0f}) "
              f"| {median(mine, 'speed'):.0f} | {median(mine, 'cpu'):.2f} "
              f"| {median(mine, 'memory'):.0f} | {median(mine, 'spool'):.0f} of "
              f"{median(mine, 'spool_limit'):.0f} |")


def main():
    parser = argparse.ArgumentParser()
    for name in ("qemu", "vmguard", "guest", "folder"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("ram", "written", "rounds"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--store", action="append", default=[])
    parser.add_argument("--slow-store", action="append", default=[])
    options = parser.parse_args()
    bench = Bench(options)
    try:
        ways = {"drained": lambda: machine.drain(bench.monitor)}
        for store in options.store:
            name, uri = store.split("=", 1)
            ways[f"vmguard, {name}"] = lambda uri=uri: bench.vmguard(uri)
        for store in options.slow_store:  # with room for all that it is late by
            name, uri = store.split("=", 1)
            ways[f"vmguard, {name}"] = lambda uri=uri: bench.vmguard(
                uri, "--spool", f"{options.ram + 64}M")
        ways["stop and copy"] = bench.stop_and_copy
        machine.drain(bench.monitor)  # the first snapshot splits huge pages and is not like the later ones
        rows = {name: [] for name in ways}
        for turn in range(options.rounds):
            for name, way in ways.items():
                rows[name].append(bench.measure(way))
                print(turn + 1, name, {k: round(v, 1) for k, v in rows[name][-1].items()},
                      flush=True)
        report(options, rows)
    finally:
        bench.qemu.kill()
        bench.qemu.wait()


main()
