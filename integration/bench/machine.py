# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the benches measure with: a monitor, a guest, QEMU's own snapshot drained to nowhere,
vmguard as a child whose figures are read line by line, and the size of a store."""
import fcntl
import glob
import json
import os
import re
import socket
import subprocess
import threading
import time

PIPE_BYTES = 1 << 20
PAGE_BYTES = 4096


class Monitor:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        self.events = []
        self.file.readline()
        self.run("qmp_capabilities")

    def read(self):
        line = self.file.readline()
        if not line:
            raise RuntimeError("QEMU closed its monitor")
        message = json.loads(line)
        if "event" in message:
            stamp = message["timestamp"]
            stamp = stamp["seconds"] * 1000 + stamp["microseconds"] / 1000
            self.events.append((message["event"], message.get("data", {}), stamp))
        return message

    def run(self, name, fd=None, **arguments):
        text = json.dumps({"execute": name, "arguments": arguments}).encode()
        if fd is None:
            self.socket.sendall(text)
        else:
            socket.send_fds(self.socket, [text], [fd])
        while "return" not in (message := self.read()):
            if "error" in message:
                raise RuntimeError(f"{name}: {message['error']}")
        return message["return"]

    def capability(self, name, on):
        self.run("migrate-set-capabilities", capabilities=[{"capability": name, "state": on}])

    def forget_events(self):
        self.run("query-status")  # takes in what is left to be read
        self.events.clear()

    def await_event(self, name):
        while name not in [e[0] for e in self.events]:
            self.read()

    def await_migration(self):
        while not any(e[1].get("status") == "completed" for e in self.events):
            if any(e[1].get("status") == "failed" for e in self.events):
                raise RuntimeError("QEMU's snapshot failed")
            self.read()

    def event_ms(self, name):
        return next(e[2] for e in self.events if e[0] == name)

    def paused_ms(self):
        """How long the guest stood still, over all of STOP … RESUME that were seen."""
        total, since = 0.0, None
        for name, _, stamp in self.events:
            if name == "STOP" and since is None:
                since = stamp
            elif name == "RESUME" and since is not None:
                total, since = total + stamp - since, None
        return total


class Peak(threading.Thread):
    """The most memory that a process has had, MiB; what the kernel reports at its end includes
    the program that started it."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.status, self.mib = f"/proc/{process.pid}/status", 0
        self.start()

    def run(self):
        while True:
            try:
                with open(self.status) as status:
                    lines = [line for line in status if line.startswith("VmHWM")]
            except OSError:  # it has ended
                return
            if not lines:  # a zombie has none
                return
            self.mib = max(self.mib, int(lines[0].split()[1]) / 1024)
            time.sleep(0.02)


def cpu_of(process):
    """CPU seconds of a child, which is waited for."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def drain(monitor):
    """QEMU's background snapshot, read by cat and thrown away: the limit of what can be reached."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    reader = subprocess.Popen(["cat"], stdin=read_end, stdout=subprocess.DEVNULL)
    peak = Peak(reader)
    monitor.run("getfd", fd=write_end, fdname="drain")
    os.close(write_end)
    os.close(read_end)
    monitor.capability("background-snapshot", True)
    monitor.run("migrate", uri="fd:drain")
    monitor.await_migration()
    monitor.capability("background-snapshot", False)
    return {"pause": monitor.event_ms("RESUME") - monitor.event_ms("STOP"),
            "cpu": cpu_of(reader), "memory": peak.mib}


def await_path(path, process):
    while not os.path.exists(path):
        if process.poll() is not None:
            raise RuntimeError(f"QEMU ended with status {process.returncode}")
        time.sleep(0.01)
    time.sleep(0.2)


class LinuxGuest:
    """The Linux guest of integration/guest, which has written its memory when this returns. It
    goes on writing `rate` pages a second within the first `hot` MiB."""

    def __init__(self, options, ram, name="guest", **words):
        self.ram, self.name = ram, name
        self.serial = f"{options.folder}/{name}.serial"
        self.qmp = f"{options.folder}/{name}.qmp"
        look = f"{options.folder}/{name}.look"
        self.process = subprocess.Popen(
            [*qemu_command(options, ram, **words), "-serial", f"file:{self.serial}",
             "-qmp", f"unix:{self.qmp},server=on,wait=off",
             "-qmp", f"unix:{look},server=on,wait=off"], stdin=subprocess.DEVNULL)
        await_path(look, self.process)
        self.monitor = Monitor(look)
        self.monitor.capability("events", True)
        self.await_writing()

    def await_writing(self):
        end = time.monotonic() + 600
        while "tick 1 " not in self.printed():
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("the guest does not come up")
            time.sleep(0.1)

    def printed(self):
        return printed(self.serial)

    def writes(self):
        """Pages written until its last tick."""
        return int(re.findall(r"^tick \d+ writes (\d+)", self.printed(), re.MULTILINE)[-1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def qemu_command(options, ram, **words):
    """Of the Linux guest, without its serial port and its monitors."""
    return [options.qemu, "-accel", "tcg", "-M", "pc", "-m", str(ram), "-display", "none",
            "-nic", "none", "-no-reboot", "-kernel", options.kernel, "-initrd", options.initrd,
            "-append", kernel_words(ram, **words)]


def written_mib(ram):
    """What the Linux guest may write: its program and its kernel keep account of all pages."""
    return ram - 160 - ram // 24


def kernel_words(ram, mib=None, rate=1, hot=0):
    """verify=0: a full pass would read all pages, and take the CPU that is measured."""
    return ("console=ttyS0 quiet tsc=reliable panic=-1 -- "
            f"mib={mib or written_mib(ram)} rate={rate} hot={hot} verify=0")


def printed(serial):
    """What a guest has printed; a guest that found a wrong page ends the bench."""
    if not os.path.exists(serial):
        return ""
    with open(serial, errors="replace") as file:
        text = file.read()
    if "BAD" in text or "Kernel panic" in text:
        raise RuntimeError("the guest found a wrong page")
    return text


class Snapshots:
    """vmguard snapshot …; iterating gives the figures of each checkpoint as it is taken. The line
    about the whole series, its last one, is left in `summary`."""

    def __init__(self, options, guest, uri, *more):
        self.process = subprocess.Popen(
            [options.vmguard, "snapshot", "--qmp", guest.qmp, "--store", uri,
             "--name", guest.name, "--json", *more], stdout=subprocess.PIPE, text=True)
        self.summary = None

    def __iter__(self):
        for line in self.process.stdout:
            figures = json.loads(line)
            if "checkpoint" in figures:
                yield figures
            else:
                self.summary = figures
        if self.process.wait():
            raise RuntimeError(f"vmguard snapshot ended with status {self.process.returncode}")

    def resident_mib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if "VmRSS" in line) / 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def snapshot(options, guest, uri, *more):
    """One checkpoint; its figures and the seconds that the command took."""
    start = time.monotonic()
    figures, = Snapshots(options, guest, uri, *more)
    return figures | {"seconds": time.monotonic() - start}


def vmguard(options, *arguments):
    subprocess.run([options.vmguard, *arguments], check=True, stdout=subprocess.DEVNULL)


def store_bytes(uri):
    """What a store takes: a directory's blocks on the disk; what the OSDs have allocated, all
    pools and their own metadata of objects included, one copy counted."""
    kind, _, location = uri.partition(":")
    if kind == "dir":
        du = subprocess.run(["du", "-s", "--block-size=1", location], check=True,
                            capture_output=True, text=True)
        return int(du.stdout.split()[0])
    sockets = glob.glob(os.path.dirname(os.environ["CEPH_CONF"]) + "/osd.*.asok")
    total = sum(osd_allocated(path) for path in sockets)
    return total // (3 if len(sockets) >= 3 else 1)


def osd_allocated(socket_path):
    answer = subprocess.run(["ceph", "--admin-daemon", socket_path, "perf", "dump", "bluestore"],
                            check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)["bluestore"]["bluestore_allocated"]


def settled_bytes(uri, limit_s=120):
    """The same when the OSDs have trimmed what belongs to removed snapshots."""
    end = time.monotonic() + limit_s
    sizes = [store_bytes(uri)]
    while len(sizes) < 5 or len(set(sizes[-5:])) > 1:
        if not uri.startswith("rbd:") or time.monotonic() > end:
            break
        time.sleep(1)
        sizes.append(store_bytes(uri))
    return sizes[-1]
