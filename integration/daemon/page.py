#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What page.sh sees in a browser: page.py shows|fits|names|trouble|lost URL FOLDER

Guests are db, web1 and web2 in a daemon at URL; screenshots and notes to page.sh go to FOLDER.
"""
import pathlib
import struct
import sys
import tempfile
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from browser import Browser  # noqa: E402

# Everything was answered once, and the stream is open.
READY = """document.querySelectorAll("#rows tr").length === 3 &&
    document.querySelectorAll("#events .kind").length > 2 &&
    document.getElementById("connection").className === "good" """
ROWS = """[...document.querySelectorAll("#rows tr")].map((row) => ({
    name: row.querySelector("a").textContent,
    state: row.querySelector(".badge").textContent,
    age: row.querySelector(".age .text").textContent,
    pause: row.querySelector(".pause").textContent}))"""
TEXT = "document.getElementById('{}').textContent"
NEWEST = "+document.querySelector('#checkpoints tbody td').textContent"
WIDTHS = "[document.documentElement.scrollWidth, innerWidth]"


def must(true, what):
    if not true:
        raise AssertionError(what)


def must_be_a_picture(path, width, height):
    """A PNG of that size, of which not all lines look the same: a blank page has but two."""
    data = path.read_bytes()
    must(data[:8] == b"\x89PNG\r\n\x1a\n", f"{path} is no PNG")
    size = struct.unpack(">II", data[16:24])
    must(size == (width, height), f"{path} has {size} pixels")
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IDAT":
            packed += data[at + 8:at + 8 + length]
        at += 12 + length
    lines = zlib.decompress(packed)
    step = len(lines) // height
    different = len({lines[i:i + step] for i in range(0, len(lines), step)})
    must(different > 100, f"{path} has {different} different lines: it is blank")


def shoot(browser, folder, name, width, height, dark=False):
    browser.resize(width, height, dark)
    browser.value("new Promise((done) => setTimeout(done, 1500))")  # bars move for a second
    browser.screenshot(folder / f"{name}.png")
    must_be_a_picture(folder / f"{name}.png", width, height)
    inner, outer = browser.value(WIDTHS)
    must(inner <= outer, f"{name}: {inner} pixels wide in a window of {outer}")


def choose(browser, name):
    browser.value(f"document.querySelector('#rows a[href=\"#{name}\"]').click()")
    browser.wait("document.querySelectorAll('#chart rect.pause').length > 2")


def shows(browser, folder):
    rows = browser.value(ROWS)
    print(*rows, sep="\n")
    must([row["name"] for row in rows] == ["db", "web1", "web2"], "not the three guests")
    for row in rows:
        must(row["state"] in ("watching", "waiting", "capturing"), row)
        must(row["age"].endswith(" / 2 s") and row["pause"].endswith("ms"), row)
    must(browser.value(TEXT.format("fact-store")) == f"updir:{folder}/store", "not the store")
    must("guest-protected" in browser.value(TEXT.format("events")), "no event of its protection")

    choose(browser, "web1")
    browser.value("document.querySelector('#rows tr').marked = 1")
    first = browser.value(NEWEST)
    browser.wait(f"{NEWEST} > {first} + 2")
    must(browser.value("document.querySelector('#rows tr').marked"), "rows are made anew")
    bars, captures = browser.value("""fetch("/v1/guests/web1/history").then((a) => a.json())
        .then((history) => [document.querySelectorAll("#chart rect.pause").length,
            history.captures.length])""")
    print(f"{bars} bars of {captures} captures, checkpoint {first} to {browser.value(NEWEST)}")
    must(captures - 2 <= bars <= captures, "the chart has not all captures")
    must(browser.value("""[...document.querySelectorAll("#chart rect")].every((bar) =>
        +bar.getAttribute("height") > 0 && +bar.getAttribute("width") > 0)"""), "bars of nothing")


def fits(browser, folder):
    shoot(browser, folder, "large", 1400, 900)
    shoot(browser, folder, "small", 360, 740)
    light = browser.value("getComputedStyle(document.body).backgroundColor")
    choose(browser, "web2")
    shoot(browser, folder, "small-guest", 360, 740)
    shoot(browser, folder, "large-dark", 1400, 900, dark=True)
    must(browser.value("getComputedStyle(document.body).backgroundColor") != light, "not dark")
    browser.value("document.getElementById('guest-close').click()")
    browser.wait("document.getElementById('guest').hidden")


def names(browser, _):
    """Guests that only the page has: its table is given them instead of what the daemon says."""
    made = browser.value("""import("/page/guests.js").then(async (table) => {
        const seen = () => new Promise((done) =>
            requestAnimationFrame(() => requestAnimationFrame(done)));
        const name = "<img src=x onerror='broken=1'>";
        const one = (name) => ({name, state: "failing", why: name, interval_ms: 10000, age_ms: 5,
            slips: 0, restarts: 0});
        table.update([one(name)]);
        const row = document.querySelector("#rows tr");
        const text = row.querySelector("a").textContent + row.querySelector(".why").textContent;
        const many = Array.from({length: 1000}, (_, i) => one(`guest-${i}`));
        table.update(many);
        await seen();
        const begin = performance.now();
        for (let i = 0; i < 10; i++) {
            many.forEach((guest, n) => guest.slips += n % 3 === 0);
            table.update(many);
            table.tick(0);
            document.body.offsetHeight;
        }
        return {right: text === name + name && !row.querySelector("img"),
            rows: document.querySelectorAll("#rows tr").length,
            ms: (performance.now() - begin) / 10};
    })""")
    print(f"{made['rows']} rows: {made['ms']:.1f} ms a second")
    must(made["right"], "a name became markup")
    must(made["rows"] == 1000, made)
    must(made["ms"] < 5000, "the table takes longer than anybody waits")
    must(browser.value("""(() => {
        const script = document.createElement("script");
        script.textContent = "window.broken = 1";
        document.head.append(script);
        return window.broken === undefined;
    })()"""), "a script inside of the page runs")
    browser.said.clear()  # of which the browser complained


def trouble(browser, folder):
    browser.wait("document.querySelector('#rows .badge').textContent === 'down'")
    must(browser.value("document.querySelector('#rows .why').textContent"), "it does not say why")
    must(browser.value("document.title").startswith("(1) "), "the title does not say it")
    must(browser.value(TEXT.format("fact-guests")) == "31 in trouble", "the host's line does not")
    browser.value("[...document.querySelectorAll('.chip')].find((c) => "
                  "c.textContent === 'down 1').click()")
    must(browser.value("[...document.querySelectorAll('#rows tr')].filter((r) => "
                       "!r.hidden).length") == 1, "others are shown, too")
    browser.screenshot(folder / "trouble.png")


def lost(browser, folder):
    (folder / "open").touch()
    browser.wait("!document.getElementById('lost').hidden", 60)
    browser.wait("/does not answer.*shows how it was at .* s ago/.test("
                 f"{TEXT.format('lost')})")
    browser.screenshot(folder / "lost.png")
    browser.said.clear()  # of which the browser complained
    (folder / "lost").touch()
    browser.wait(f"document.getElementById('lost').hidden && {READY}", 60)
    browser.said.clear()


def main():
    step, url, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, \
            Browser(profile, folder / "browser.log") as browser:
        browser.open(url)
        browser.wait(READY)
        {"shows": shows, "fits": fits, "names": names, "trouble": trouble,
         "lost": lost}[step](browser, folder)
        must(not browser.said, browser.said)


if __name__ == "__main__":
    main()
