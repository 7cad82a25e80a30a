# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line of a bench, and its figures as a table or as JSON."""
import argparse
import json
import statistics

MIB = 1 << 20


def options(text, numbers, words=()):
    """What every bench takes, and its own numbers: name -> (value, value with --quick, meaning);
    words are options that take text."""
    parser = argparse.ArgumentParser(description=text)
    for name in ("qemu", "vmguard", "folder", "kernel", "initrd", "program"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    parser.add_argument("--store", action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print JSON, not tables")
    parser.add_argument("--quick", action="store_true",
                        help="small sizes: shows that the bench works, its figures mean nothing")
    for name, (full, quick, meaning) in numbers.items():
        parser.add_argument(f"--{name}", type=int, help=f"{meaning} ({full}; quick: {quick})")
    for name, (value, meaning) in dict(words).items():
        parser.add_argument(f"--{name}", default=value, help=f"{meaning} ({value})")
    chosen = parser.parse_args()
    for name, (full, quick, _) in numbers.items():
        name = name.replace("-", "_")
        if getattr(chosen, name) is None:
            setattr(chosen, name, quick if chosen.quick else full)
    chosen.stores = dict(store.split("=", 1) for store in chosen.store)
    return chosen


def note(chosen, *words):
    """Progress, for those who wait; not part of the JSON."""
    if not chosen.json:
        print(*words, flush=True)


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def median_ratio(above, below, key):
    """Of pairs: what drifts does so for both of a round."""
    return statistics.median(a[key] / b[key] for a, b in zip(above, below))


def table(chosen, title, columns, rows):
    """columns: heading -> (key, format); a row that lacks a key has a dash there."""
    if chosen.json:
        print(json.dumps({"table": title, "rows": rows}), flush=True)
        return
    print(f"\n{title}\n\n| " + " | ".join(columns) + " |")
    print("|" + " --- |" * len(columns))
    for row in rows:
        cells = [format(row[key], form) if row.get(key) is not None else "–"
                 for key, form in columns.values()]
        print("| " + " | ".join(cells) + " |", flush=True)


def goals(chosen, *reached):
    """Each: (what, measured, "<=" or ">=", limit)."""
    rows = [{"goal": what, "measured": round(value, 3), "sign": sign, "limit": limit,
             "reached": value <= limit if sign == "<=" else value >= limit}
            for what, value, sign, limit in reached]
    if chosen.json:
        print(json.dumps({"table": "goals", "rows": rows}), flush=True)
        return
    print("\n| must reach | limit | measured | |\n| --- | --- | --- | --- |")
    for row in rows:
        print(f"| {row['goal']} | {row['sign']} {row['limit']} | {row['measured']} | "
              f"{'reached' if row['reached'] else '**missed**'} |", flush=True)
