#!/usr/bin/env python3
"""From a frame on the wire to its case before a reader's eyes: `vigie up` on a veth pair, the list of cases open in Chromium.

usage: seen.py --vigie BINARY [--attacks N] [--within SECONDS]

Each attack is the lab's FTP brute force between two machines of its own. The frame that makes the finding is found first, by replays of
ever shorter beginnings; the capture is sent up to it and no further, so that nothing later helps. The time runs from when that frame is
sent until the case's row is painted, the page refreshed by what the server tells it (its button pressed, never loaded again). Prints each
time, p50 and p95; with `--within`, a p95 above it fails. Needs root, iproute2, Chromium and the console's packages. Python 3.9+, no package.
"""
import argparse
import collections
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import time

import live

IN_NAMESPACE = "VIGIE_SEEN_NAMESPACE"
RECORDING = "ftp_bruteforce_success"
# How much faster than recorded frames are sent.
SPEED = 50
PASSWORD = "a password of the tests"


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data[: len(data) & ~1])) + (data[-1] << 8 if len(data) & 1 else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def moved(frame, names):
    """A frame of TCP over IPv4 between other machines: `names` has an address for each of its two."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 6:
        return None
    head = 14 + 4 * (frame[14] & 15)
    end = 14 + struct.unpack_from(">H", frame, 16)[0]
    out = bytearray(frame[:end])
    for at, mac in ((26, 6), (30, 0)):
        address = names[bytes(frame[at : at + 4])]
        out[at : at + 4] = address
        out[mac : mac + 6] = b"\x02\x00" + address
    out[24:26] = b"\0\0"
    out[24:26] = struct.pack(">H", checksum(bytes(out[14:head])))
    out[head + 16 : head + 18] = b"\0\0"
    pseudo = bytes(out[26:34]) + struct.pack(">HH", 6, end - head)
    out[head + 16 : head + 18] = struct.pack(">H", checksum(pseudo + bytes(out[head:])))
    return bytes(out)


def attack(n):
    """The recording between the machines of attack `n`: when each frame is due, in seconds, and its bytes; and who attacks."""
    recorded = [(at, f) for at, f in live.frames(live.ROOT / "testdata" / f"{RECORDING}.pcap") if f[12:14] == b"\x08\x00" and f[23] == 6]
    # The two that talk most.
    attacker, victim = collections.Counter((f[26:30], f[30:34]) for _, f in recorded if f[36:38] == b"\0\x15").most_common(1)[0][0]
    names = {attacker: bytes([10, 66, n // 200, 1 + n % 200]), victim: bytes([10, 77, n // 200, 1 + n % 200])}
    theirs = [(at, f) for at, f in recorded if {f[26:30], f[30:34]} == set(names)]
    return [((at - theirs[0][0]) / SPEED, moved(f, names)) for at, f in theirs], ".".join(map(str, names[attacker]))


def needed(frames):
    """How many of the frames make the finding."""
    def alerts(count):
        with tempfile.TemporaryDirectory() as folder:
            pcap = pathlib.Path(folder) / "beginning.pcap"
            with pcap.open("wb") as out:
                out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
                for at, frame in frames[:count]:
                    us = int((1_700_000_000 + at) * 1e6)
                    out.write(struct.pack("<IIII", us // 1_000_000, us % 1_000_000, len(frame), len(frame)) + frame)
            subprocess.run([live.VIGIE, "replay", "-q", "-l", folder, pcap], check=True)
            events = map(json.loads, (pathlib.Path(folder) / "eve.json").read_text().splitlines())
            return any(e["event_type"] == "alert" and e["vigie"]["detector"] == "brute_force" for e in events)

    low, high = 0, len(frames)
    assert alerts(high), "the recording makes no finding"
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if alerts(middle) else (middle, high)
    return high


def send(interface, frames):
    """Sends frames when they are due; when the last was sent, in milliseconds since 1970."""
    with live.socket.socket(live.socket.AF_PACKET, live.socket.SOCK_RAW, 0) as s:
        s.bind((interface, 0))
        began = time.monotonic()
        for at, frame in frames:
            time.sleep(max(0.0, at - (time.monotonic() - began)))
            s.send(frame)
        return time.time() * 1000


def quantile(values, share):
    """The least value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 100) * len(ordered) // 100) - 1))]


def run(attacks):
    subprocess.run(["ip", "link", "add", "wire", "type", "veth", "peer", "name", "mirror"], check=True)
    for end in ("wire", "mirror"):
        # An address that comes some seconds later is another network to Chromium, which then drops what it is loading.
        pathlib.Path(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6").write_text("1")
        subprocess.run(["ip", "link", "set", end, "up"], check=True)
    count = needed(attack(0)[0])
    print(f"the finding is made by frame {count} of {len(attack(0)[0])}", flush=True)
    with tempfile.TemporaryDirectory() as data:
        add = [live.VIGIE, "user", "add", "tester", "--role", "administrator", "--data", data]
        subprocess.run(add, input=PASSWORD + "\n", text=True, check=True, capture_output=True)
        with live.up(data, "-i", "mirror") as server:
            env = {**os.environ, "VIGIE_URL": f"https://127.0.0.1:{server.port}", "VIGIE_USER": "tester", "VIGIE_PASSWORD": PASSWORD}
            browser = subprocess.Popen(["node", "e2e/seen.mjs"], cwd=live.ROOT / "console", env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert browser.stdout.readline().strip() == "ready"
            # The phase of every clock on the way comes out otherwise each time, and the same in each run.
            pauses = random.Random(7)
            offered, seen = [], []
            for n in range(attacks):
                frames, attacker = attack(n)
                browser.stdin.write(attacker + "\n")
                browser.stdin.flush()
                sent = send("wire", frames[:count])
                who, offer, row = browser.stdout.readline().split()
                assert who == attacker, (who, attacker)
                offered.append((int(offer) - sent) / 1000)
                seen.append((int(row) - sent) / 1000)
                time.sleep(pauses.uniform(0.5, 3.5))
            browser.stdin.close()
            assert browser.wait(timeout=60) == 0, "the page did what it must not"
            server.stop()
    for name, times in (("said to be there", offered), ("seen", seen)):
        print(f"{name}: p50 {quantile(times, 0.5):.2f} s, p95 {quantile(times, 0.95):.2f} s of {len(times)} ({' '.join(f'{t:.2f}' for t in times)})")
    return quantile(seen, 0.95)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vigie", required=True)
    parser.add_argument("--attacks", type=int, default=20)
    parser.add_argument("--within", type=float)
    options = parser.parse_args()
    live.VIGIE = os.path.abspath(options.vigie)
    if os.environ.get(IN_NAMESPACE) != "1":
        if subprocess.run(["unshare", "--net", "ip", "link", "set", "lo", "up"], capture_output=True).returncode != 0:
            print("SKIPPED seen: needs root, unshare and ip to make a network namespace")
            return 0
        return subprocess.run(["unshare", "--net", sys.executable, *sys.argv], env={**os.environ, IN_NAMESPACE: "1"}).returncode
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    p95 = run(options.attacks)
    if options.within is not None and p95 > options.within:
        print(f"FAILED seen: p95 {p95:.2f} s, and {options.within:.2f} s are due")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
