#!/usr/bin/env python3
"""Time Vigie on a capture, beside ndpiReader, fairly: same file, same core, in alternation.

usage: bench.py --vigie BINARY [--rounds N] [--core N] [--scratch DIR] [--no-ndpi] CAPTURE...

For each capture, N rounds of `ndpiReader -q` and `vigie replay -l DIR --workers 1`, one after the other, each pinned
to one core. What is compared is user + system time of all threads (from wait4), as medians, so that a busy machine
disturbs little. Printed with it: frames a second, peak resident memory, events by kind and the counters of caps from
the last `stats` event, so that a figure is never without what was done for it. Python 3.9+, no package.
"""
import argparse
import collections
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

# Counters of the `stats` event that say a cap was reached or something was given up.
CAP_WORDS = re.compile(r"cap|evict|full|overflow|refused|dropped|memcap|limit|handed_over", re.I)


class Run:
    """What one process cost."""

    def __init__(self, command, core):
        with tempfile.TemporaryFile() as log:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     preexec_fn=lambda: os.sched_setaffinity(0, {core}))
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            log.seek(0)
            self.text = log.read().decode("utf-8", "replace")
        if child.returncode != 0:
            sys.exit(f"bench: exit {child.returncode} of {' '.join(command)}\n{self.text[-2000:]}")
        self.cpu = usage.ru_utime + usage.ru_stime
        self.mib = usage.ru_maxrss / 1024


def events_of(folder):
    """Events by kind, and the last stats event."""
    kinds, last = collections.Counter(), {}
    with open(os.path.join(folder, "eve.json"), encoding="utf-8", errors="replace") as lines:
        for line in lines:
            at = line.find('"event_type":"')
            kind = line[at + 14:line.find('"', at + 14)] if at >= 0 else json.loads(line).get("event_type")
            kinds[kind] += 1
            if kind == "stats":
                last = json.loads(line)
    return kinds, last


def leaves(tree, path=""):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}{key}.")
        elif isinstance(value, list):  # counters with free names
            yield from ((f"{path}{key}.{c['name']}", c.get("count")) for c in value if "name" in c)
        else:
            yield path + key, value


def show(label, runs, frames):
    cpu = statistics.median(r.cpu for r in runs)
    rate = f"{frames / cpu / 1e6:6.3f} M frames/s" if frames else ""
    print(f"  {label:12} {cpu:7.3f} s user+sys ({min(r.cpu for r in runs):.3f} to {max(r.cpu for r in runs):.3f}), "
          f"peak {max(r.mib for r in runs):6.1f} MiB {rate}")
    return cpu


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("captures", nargs="+", metavar="CAPTURE")
    ap.add_argument("--vigie", required=True)
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    ap.add_argument("--scratch", default="/dev/shm")
    ap.add_argument("--no-ndpi", action="store_true", help="time Vigie alone")
    ap.add_argument("--set", action="append", default=[], metavar="K=V", help="passed to vigie")
    a = ap.parse_args()

    per_frame = []
    for capture in a.captures:
        print(f"{capture}: {os.path.getsize(capture) / 1e6:.1f} MB, {a.rounds} rounds on core {a.core}")
        out = tempfile.mkdtemp(prefix="vigie-bench-", dir=a.scratch)
        command = [a.vigie, "replay", "-l", out, "--workers", "1"]
        for pair in a.set:
            command += ["--set", pair]
        ours, theirs = [], []
        try:
            with open(capture, "rb") as f:  # the file is in memory before the first round, for both
                while f.read(1 << 24):
                    pass
            for _ in range(a.rounds):
                if not a.no_ndpi:
                    theirs.append(Run(["ndpiReader", "-q", "-i", capture], a.core))
                ours.append(Run(command + [capture], a.core))
            kinds, stats = events_of(out)
            written = os.path.getsize(os.path.join(out, "eve.json"))
        finally:
            shutil.rmtree(out)
        frames = stats.get("stats", {}).get("decoder", {}).get("pkts", 0)
        other = show("ndpiReader", theirs, frames) if theirs else None
        mine = show("vigie", ours, frames)
        if other:
            print(f"  rate of vigie to ndpiReader: {other / mine:.2f} (due: at least 1.0)")
        if frames:
            per_frame.append(mine / frames * 1e9)
            print(f"  {frames} frames, {per_frame[-1]:.0f} ns of cpu a frame")
        print(f"  {sum(kinds.values())} events, {written / 1e6:.1f} MB: " + ", ".join(f"{k} {n}" for k, n in sorted(kinds.items(), key=lambda x: (-x[1], str(x[0])))))
        # `memcap.pressure` is a fullness in per cent, no cap that was reached.
        caps = [(k, v) for k, v in leaves(stats) if CAP_WORDS.search(k) and "pressure" not in k and isinstance(v, (int, float))]
        hit = [f"{k} {v}" for k, v in caps if v]
        print(f"  counters of caps: {len(caps)}, " + ("all zero" if not hit else "NOT zero: " + ", ".join(hit)))
    if len(per_frame) > 1:
        print(f"cpu per frame from the first capture to the last: {per_frame[-1] / per_frame[0] * 100 - 100:+.1f} % (due: within 15 %)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
