#!/usr/bin/env python3
"""Replay every capture of some folders, one process a file, and hold Vigie to what must be true of any input.

usage: survive.py --vigie BINARY [--jobs N] [--timeout S] FOLDER...

Of each file: the exit status is 0 (something was read) or 2 (nothing could be, said in one line that names the file),
it ends in time, takes no more memory than `vigie check` plans, every line of eve.json, cases.json and assets.json is a JSON object, and the terminal counters of the
last `stats` event add up to its frames. Prints what falls short, the slowest and the largest, and as its last line
`N passed, N failed`. Python 3.9+, no package.
"""
import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile
import time

OUTPUTS = ("eve.json", "cases.json", "assets.json")


def plan(vigie):
    """The most memory that a replay may take, in bytes, as `vigie check` says it."""
    said = subprocess.run([vigie, "check"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout
    return int(re.search(r"In all .*\((\d+) bytes\)", said)[1])


def replay(vigie, path, limit, most):
    """(what falls short or None, seconds, MiB)"""
    with tempfile.TemporaryDirectory() as out, tempfile.TemporaryFile() as log:
        began = time.monotonic()
        child = subprocess.Popen([vigie, "replay", "-l", out, path], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - began > limit:
                child.kill()
                os.wait4(child.pid, 0)
                return f"ran past {limit:g} s", limit, 0
            time.sleep(0.005)
        child.returncode = os.waitstatus_to_exitcode(status)
        took, mib = time.monotonic() - began, usage.ru_maxrss / 1024
        if usage.ru_maxrss * 1024 > most:
            return f"took {mib:.0f} MiB, planned {most >> 20}", took, mib
        log.seek(0)
        return verdict(child.returncode, log.read().decode("utf-8", "replace"), out, path), took, mib


def verdict(code, said, out, path):
    if code not in (0, 2):
        return f"exit {code}: {said.strip()[-300:]}"
    if code == 2:
        return None if os.path.basename(path) in said else f"exit 2 without naming the file: {said.strip()[-300:]}"
    stats = None
    for name in OUTPUTS:
        try:
            with open(os.path.join(out, name), encoding="utf-8") as lines:
                for number, line in enumerate(lines, 1):
                    one = json.loads(line)
                    if not isinstance(one, dict):
                        return f"{name}:{number} is not an object"
                    if one.get("event_type") == "stats":
                        stats = one
        except (OSError, ValueError) as why:
            return f"{name}: {why}"
    if stats is None:
        return "no stats event"
    frames = stats["stats"]["decoder"]["pkts"]
    ended = sum(counter["count"] for counter in stats["vigie"]["terminal"])
    return None if ended == frames else f"{frames} frames, but the terminal counters add up to {ended}"


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("folders", nargs="+", metavar="FOLDER")
    ap.add_argument("--vigie", required=True)
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--timeout", type=float, default=60)
    a = ap.parse_args()
    if not os.access(a.vigie, os.X_OK):
        print(f"SKIPPED: {a.vigie} is not built")
        return 0
    files = sorted(os.path.join(d, n) for folder in a.folders for d, _, names in os.walk(folder) for n in names)
    most = plan(a.vigie)
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        results = list(zip(files, pool.map(lambda f: replay(a.vigie, f, a.timeout, most), files)))
    bad = [(f, why) for f, (why, _, _) in results if why]
    for f, why in bad:
        print(f"{f}: {why}")
    if results:
        slow, large = max(results, key=lambda r: r[1][1]), max(results, key=lambda r: r[1][2])
        print(f"slowest: {slow[0]} {slow[1][1]:.2f} s; largest: {large[0]} {large[1][2]:.0f} MiB of {most >> 20} planned")
    print(f"{len(results) - len(bad)} passed, {len(bad)} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
