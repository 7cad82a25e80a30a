#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One guest under libvirt, with a qcow2 disk, captured in every way that its users have today and
with vmguard."""
import os
import shlex
import subprocess
import time

import figures
import machine

NUMBERS = {
    "ram": (1024, 320, "MiB of the guest"),
    "rate": (50, 5, "MB a second that it writes"),
    "hot": (512, 32, "MiB within which it writes"),
    "rounds": (3, 1, "rounds, all ways in turn in each"),
}
DOMAIN = """<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>peers</name><memory unit='MiB'>{ram}</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{kernel}</kernel><initrd>{initrd}</initrd><cmdline>{words}</cmdline></os>
  <features><acpi/></features>
  <devices><emulator>{qemu}</emulator>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
      <source file='{disk}'/><target dev='vda' bus='virtio'/></disk>
    <serial type='file'><source path='{serial}' append='on'/></serial>
    <memballoon model='none'/></devices>
  <qemu:commandline>
    <qemu:arg value='-qmp'/><qemu:arg value='unix:{qmp},server=on,wait=off'/>
    <qemu:arg value='-qmp'/><qemu:arg value='unix:{look},server=on,wait=off'/>
  </qemu:commandline></domain>"""


class Domain:
    """Looks like machine.LinuxGuest to vmguard."""

    def __init__(self, chosen):
        self.chosen, self.name, self.overlays = chosen, "peers", 0
        self.qmp, self.look = f"{chosen.folder}/peers.qmp", f"{chosen.folder}/peers.look"
        self.serial = f"{chosen.folder}/peers.serial"
        disk = f"{chosen.memory}/peers.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "4G"], check=True)
        rate = chosen.rate * 1000000 // machine.PAGE_BYTES
        path = f"{chosen.folder}/peers.xml"
        with open(path, "w") as file:
            file.write(DOMAIN.format(
                ram=chosen.ram, kernel=os.path.realpath(chosen.kernel),
                initrd=os.path.realpath(chosen.initrd), qemu=chosen.qemu, disk=disk,
                words=machine.kernel_words(chosen.ram, rate=rate, hot=chosen.hot),
                serial=self.serial, qmp=self.qmp, look=self.look))
        self.virsh("create", path)
        self.connect()
        end = time.monotonic() + 600
        while "tick 1 " not in machine.printed(self.serial):
            if time.monotonic() > end:
                raise RuntimeError("the guest does not come up")
            time.sleep(0.2)

    def virsh(self, *arguments):
        subprocess.run([*shlex.split(self.chosen.virsh), *arguments], check=True,
                       stdout=subprocess.DEVNULL)

    def connect(self):
        self.monitor = machine.Monitor(self.look)
        self.monitor.capability("events", True)

    def goes_on(self):
        """It writes, and has found no wrong page."""
        before = len(machine.printed(self.serial))
        end = time.monotonic() + 60
        while len(machine.printed(self.serial)) == before:
            if time.monotonic() > end:
                raise RuntimeError("the guest stands still")
            time.sleep(0.1)


def blocks(path):
    return os.stat(path).st_blocks * 512


def timed(domain, way):
    """Seconds of the way; the pause by QEMU's own events STOP and RESUME."""
    domain.monitor.forget_events()
    start = time.monotonic()
    size = way()
    seconds = time.monotonic() - start
    domain.monitor.run("query-status")
    return {"seconds": seconds, "pause": domain.monitor.paused_ms(), "bytes": size}


def save(domain):
    """The guest is gone from its pause on, until somebody restores it: both are in the pause."""
    path = f"{domain.chosen.memory}/peers.save"
    domain.monitor.forget_events()
    start = time.time()
    domain.virsh("save", "peers", path)
    saved = time.time()
    try:
        while True:  # the rest of what it said, until its end
            domain.monitor.read()
    except (RuntimeError, OSError):
        stopped = domain.monitor.event_ms("STOP")
    size = blocks(path)
    domain.virsh("restore", path)
    running = time.time() * 1e3
    os.unlink(path)
    domain.connect()
    return {"seconds": saved - start, "pause": running - stopped, "bytes": size}


def memspec(domain):
    """An external snapshot of memory and disk, with the guest running as long as QEMU lets it."""
    domain.overlays += 1
    stem = f"{domain.chosen.memory}/peers.{domain.overlays}"
    domain.virsh("snapshot-create-as", "peers", f"s{domain.overlays}", "--live", "--atomic",
                 "--memspec", f"file={stem}.memory,snapshot=external",
                 "--diskspec", f"vda,snapshot=external,file={stem}.overlay")
    size = blocks(f"{stem}.memory") + blocks(f"{stem}.overlay")
    os.unlink(f"{stem}.memory")
    return size


def disk_of(monitor):
    inserted = next(d["inserted"] for d in monitor.run("query-block") if "inserted" in d)
    return inserted["node-name"], inserted["file"]


def savevm(domain):
    """An internal snapshot; what "savevm" and "virsh snapshot-create" without options do."""
    monitor = domain.monitor
    node, path = disk_of(monitor)
    before = blocks(path)
    monitor.run("snapshot-save", **{"job-id": "savevm", "tag": "peers", "vmstate": node,
                                    "devices": [node]})
    await_job(monitor, "savevm")
    size = blocks(path) - before
    return size


def await_job(monitor, name):
    while True:
        job, = [j for j in monitor.run("query-jobs") if j["id"] == name]
        if job["status"] == "concluded":
            monitor.run("job-dismiss", id=name)
            if "error" in job:
                raise RuntimeError(f"{name}: {job['error']}")
            return
        time.sleep(0.005)


def savevm_forget(monitor):
    node, _ = disk_of(monitor)
    monitor.run("snapshot-delete", **{"job-id": "forget", "tag": "peers", "devices": [node]})
    await_job(monitor, "forget")


def vmguard(domain, uri):
    return machine.snapshot(domain.chosen, domain, uri)["bytes_written"]


def one_round(domain):
    chosen, ways = domain.chosen, {}
    for name, uri in chosen.stores.items():
        for number in ("first", "second"):
            time.sleep(5)
            ways[f"vmguard, {number} checkpoint, {name}"] = timed(
                domain, lambda uri=uri: vmguard(domain, uri))
        machine.vmguard(chosen, "delete", "--store", uri, "peers")
    time.sleep(1)
    ways["QEMU savevm into qcow2"] = timed(domain, lambda: savevm(domain))
    savevm_forget(domain.monitor)
    time.sleep(1)
    ways["virsh snapshot-create-as --memspec --live"] = timed(domain, lambda: memspec(domain))
    time.sleep(1)
    ways["virsh save (and restore)"] = save(domain)
    domain.goes_on()
    return ways


def main():
    chosen = figures.options(__doc__, NUMBERS, {"virsh": ("virsh", "the command with its URI"),
                                                "memory": ("", "a folder for files")})
    domain = Domain(chosen)
    rounds = []
    try:
        machine.drain(domain.monitor)
        for turn in range(chosen.rounds):
            rounds.append(one_round(domain))
            figures.note(chosen, turn + 1, rounds[-1])
    finally:
        domain.virsh("destroy", "peers")
    rows = [{"way": way, **{key: figures.median([r[way] for r in rounds], key)
                            for key in ("pause", "seconds", "bytes")}} for way in rounds[0]]
    for row in rows:
        row["mib"] = row["bytes"] / figures.MIB
    figures.table(chosen, f"A guest of {chosen.ram} MiB that writes {chosen.rate} MB/s within "
                  f"{chosen.hot} MiB, {chosen.rounds} rounds, medians", {
                      "way": ("way", ""), "pause ms": ("pause", ".1f"),
                      "seconds": ("seconds", ".2f"), "MiB written": ("mib", ".1f")}, rows)


main()
