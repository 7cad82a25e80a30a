#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of several builds came to: summary.py [--failed=PART]… LOG…

A LOG is meson's testlog.json. Says why tests were skipped and which failed; the last line
is "N passed, N failed, N skipped". Exit status 1 if something failed or nothing ran.
"""
import argparse
import json
import pathlib
import sys

PASSED = {"OK", "EXPECTEDFAIL"}


def results(path):
    """(name with its build, result, last line of its output) of each test."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        test = json.loads(line)
        output = (test.get("stdout") or "").strip().splitlines() or ["no reason given"]
        name = test["name"].split(" / ")[-1]
        yield f"{name} ({path.stem})", test["result"], output[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--failed", action="append", default=[])
    parser.add_argument("logs", nargs="*", type=pathlib.Path)
    args = parser.parse_args()

    tests = [test for log in args.logs for test in results(log)]
    skipped = [test for test in tests if test[1] == "SKIP"]
    failed = [test for test in tests if test[1] not in PASSED | {"SKIP"}]
    passed = len(tests) - len(skipped) - len(failed)
    for name, _, reason in skipped:
        print(f"skipped: {name}: {reason}")
    for part in args.failed:
        print(f"failed: {part}")
    for name, result, _ in failed:
        print(f"failed: {name}: {result.lower()}")
    failures = len(failed) + len(args.failed)
    if not tests and not failures:
        print("no such test")
    print(f"{passed} passed, {failures} failed, {len(skipped)} skipped")
    return 1 if failures or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
