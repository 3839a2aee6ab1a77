#!/usr/bin/env python3
"""Count the JA4 fingerprints of a table of labels that Vigie's events hold.

usage: ja4.py --vigie BINARY LABELS.tsv CAPTURES

The table has a header and the columns file (below CAPTURES), src, src_port, dst, dst_port, ja4; its rows are the connections that
their publisher fingerprinted. Every capture is replayed with connections picked up in the middle, since the labelled ones may begin
before the capture does. A row is found where an event between its ends has its fingerprint, in `ja4` or as that of a second hello.
Prints the rows that are not found and the last line `N of M JA4 labels found`; exit status 1 if one is missing.
"""
import argparse
import collections
import csv
import ipaddress
import json
import os
import subprocess
import sys
import tempfile


def fingerprints(value):
    """Every JA4 below an event: values of keys that begin with `ja4`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key.startswith("ja4") and isinstance(inner, str):
                yield inner
            else:
                yield from fingerprints(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from fingerprints(inner)


def ends(a, a_port, b, b_port):
    """A connection, whoever of the two opened it."""
    return frozenset([(ipaddress.ip_address(a), int(a_port)), (ipaddress.ip_address(b), int(b_port))])


def told(vigie, capture):
    """Fingerprints by connection."""
    found = collections.defaultdict(set)
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([vigie, "replay", "--quiet", "--set", "stream.midstream=true", "-l", out, capture], stdin=subprocess.DEVNULL, check=True)
        with open(os.path.join(out, "eve.json"), encoding="utf-8") as lines:
            for line in lines:
                if '"ja4' not in line:
                    continue
                e = json.loads(line)
                found[ends(e["src_ip"], e["src_port"], e["dest_ip"], e["dest_port"])].update(fingerprints(e))
    return found


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("labels", metavar="LABELS")
    ap.add_argument("captures", metavar="CAPTURES")
    ap.add_argument("--vigie", required=True)
    a = ap.parse_args()
    wanted = collections.defaultdict(list)
    with open(a.labels, encoding="utf-8", newline="") as f:
        for row in csv.DictReader(f, delimiter="\t"):
            wanted[row["file"]].append(row)
    right = total = 0
    for name, rows in sorted(wanted.items()):
        found = told(a.vigie, os.path.join(a.captures, name))
        for row in rows:
            total += 1
            got = found.get(ends(row["src"], row["src_port"], row["dst"], row["dst_port"]), set())
            if row["ja4"] in got:
                right += 1
            else:
                print(f"{name}: {row['src']}:{row['src_port']} to {row['dst']}:{row['dst_port']}: {row['ja4']} is expected, "
                      f"{', '.join(sorted(got)) or 'nothing'} is told")
    print(f"{right} of {total} JA4 labels found")
    return right != total


if __name__ == "__main__":
    sys.exit(main())
