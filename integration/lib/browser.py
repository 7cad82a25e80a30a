#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A headless Chromium that a test looks into, over two pipes: its DevTools protocol, JSON texts
with a NUL behind each. Nothing else of the machine's is used but the program.

    with Browser(folder, log) as browser:
        browser.open("http://127.0.0.1:8080/", width=1400, height=900, dark=True)
        browser.wait("document.querySelectorAll('tr').length > 3")
        browser.screenshot("page.png")
"""
import base64
import json
import os
import select
import subprocess
import time

ANSWER_S = 60


class BrowserError(Exception):
    pass


class Browser:
    def __init__(self, folder, log):
        """Its profile goes to folder, what it prints to the file log."""
        self.number = 0
        self.read_bytes = b""
        self.said = []  # what the page complained about
        down, self.down = os.pipe()
        self.up, up = os.pipe()
        command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
                   "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
                   "--disable-background-networking", "--disable-component-update",
                   "--disable-extensions", "--no-proxy-server", f"--user-data-dir={folder}",
                   "--remote-debugging-pipe", "about:blank"]
        # Chromium reads descriptor 3 and writes 4.
        shell = f'exec 3<&{down} 4>&{up}; exec "$@"'
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                ["bash", "-c", shell, "bash", *command], stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, pass_fds=(down, up), env={**os.environ, "HOME": folder})
        os.close(down)
        os.close(up)
        self.session = None

    def __enter__(self):
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target,
                                flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        return self

    def __exit__(self, *_):
        try:
            self.ask("Browser.close")
            self.process.wait(20)
        except (BrowserError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()

    def ask(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        text = json.dumps(message).encode() + b"\0"
        while text:
            text = text[os.write(self.down, text):]
        end = time.monotonic() + ANSWER_S
        while True:
            answer = self.read(end)
            if answer.get("id") != self.number:
                self.note(answer)
            elif "error" in answer:
                raise BrowserError(f"{method}: {answer['error']['message']}")
            else:
                return answer["result"]

    def read(self, end):
        while b"\0" not in self.read_bytes:
            if not select.select([self.up], [], [], max(end - time.monotonic(), 0))[0]:
                raise BrowserError(f"the browser does not answer within {ANSWER_S} s")
            piece = os.read(self.up, 1 << 20)
            if not piece:
                raise BrowserError("the browser has ended; see its log")
            self.read_bytes += piece
        text, self.read_bytes = self.read_bytes.split(b"\0", 1)
        return json.loads(text)

    def note(self, event):
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.said.append(details.get("exception", {}).get("description", details["text"]))
        elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.said.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    def resize(self, width, height, dark=False):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=width < 600)
        self.ask("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def open(self, url, width=1400, height=900, dark=False):
        self.resize(width, height, dark)
        error = self.ask("Page.navigate", url=url).get("errorText")
        if error:
            raise BrowserError(f"{url}: {error}")

    def value(self, expression):
        """What the JavaScript expression is in the page."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True,
                          awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, expression, seconds=30):
        end = time.monotonic() + seconds
        while not self.value(expression):
            if time.monotonic() > end:
                raise BrowserError(f"not within {seconds} s: {expression}")
            time.sleep(0.1)

    def screenshot(self, path):
        data = self.ask("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
