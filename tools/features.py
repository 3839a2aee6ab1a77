#!/usr/bin/env python3
"""Crates below DataFusion whose features a build of the store alone and one of the whole workspace do not agree on.

Each such crate makes DataFusion build twice, half an hour each on two cores. What the workspace asks for is repeated in
crates/store/Cargo.toml; this prints what is missing there, and nothing where all is well.
"""
import subprocess
import sys


def tree(*args, form="{p} {f}"):
    command = ["cargo", "tree", "--prefix", "none", "--format", form, *args]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = {}
    for line in lines:
        words = line.replace(" (*)", "").split()
        if len(words) >= 2:
            features = " ".join(w for w in words[2:] if not w.startswith("("))
            found.setdefault((words[0], words[1]), set()).add(features)
    return found


def main():
    below = tree("-p", "datafusion", "-e", "normal", form="{p}")
    whole = tree("--workspace", "-e", "normal,dev")
    wrong = 0
    for name, selected in [("-p vigie-store", ["-p", "vigie-store"]), ("-p vigie", ["-p", "vigie"])]:
        alone = tree(*selected, "-e", "normal")
        for crate in sorted(below):
            here, there = alone.get(crate), whole.get(crate)
            if here is not None and not here <= (there or set()):  # a build script may have features of its own
                print(f"{name}: {' '.join(crate)} has {sorted(here)}, the workspace has {sorted(there)}")
                wrong += 1
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
