#!/usr/bin/env python3
"""check_lab.py RESULTS TABLE: the JSON of `ringshade lab` against the table of expected verdicts in docs/lab.md."""
import json
import sys

results = json.load(open(sys.argv[1], encoding="utf-8"))
host = results["host"]
failures = []


def expected():
    """Program -> the cells of its row."""
    rows = {}
    for line in open(sys.argv[2], encoding="utf-8"):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 5 and cells[0] in results["programs"]:
            rows[cells[0]] = cells[1:]
    return rows


def allowed(cells):
    """The verdicts that the table allows on this host."""
    if host["child_bits"] == 0:
        return ["-"]
    size = cells[0 if host["child_bits"] == 64 else 1]
    if host["umip"] == "off" or size == "not run":
        cell = size
    else:
        cell = cells[2 if host["umip"] == "faked" else 3]
    return ["-"] if cell == "not run" else cell.split(" or ")


def values(text):
    return {name: int(value, 16) for name, value in text.items()}


rows = expected()
for name, row in results["programs"].items():
    bare = row["bare"]
    if bare["outcome"] != "ended" or values(bare["values"]) != values(row["manual"]):
        failures.append(f"{name}: the record at ring 0 is not what the manual says")
    translated = row["translated"]
    if translated["verdict"] != "right" or translated["values"] != bare["values"]:
        failures.append(f"{name}: translated {translated}, bare {bare}")
    if name not in rows:
        failures.append(f"{name}: not in the table")
    elif row["deprivileged"]["verdict"] not in allowed(rows[name]):
        failures.append(f"{name}: {row['deprivileged']}, expected {' or '.join(allowed(rows[name]))}")
if len({row["mnemonic"] for row in results["programs"].values()}) != 19:
    failures.append("not nineteen instructions")
for failure in failures:
    print(failure)
print(f"{len(rows)} programs, child of {host['child_bits']} bits, UMIP {host['umip']}, {len(failures)} failures")
sys.exit(bool(failures))
