#!/usr/bin/env python3
"""The live sensor under hostile traffic at rate, with a real attack in the midst.

usage: hostile.py --vigie BINARY [--seconds N] [--pps N] [--scratch DIR] [--set KEY=VALUE]...

Over a veth pair in a network namespace of its own: a SYN flood, fragments without an end, streams with gaps and overlaps, short flows without
number, random bytes to every port, all with other addresses in each round (tcpreplay --unique-ip); meanwhile the lab's recording of an FTP
brute force. Holds that memory stays inside what `vigie check` plans (the two processes' proportional share, read every few seconds), that
every frame the kernel saw is accounted for, and that the brute force's case is opened. Needs root, iproute2 and tcpreplay. Python 3.9+, no
package.
"""
import argparse
import json
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

from rate import MIRROR, WIRE, children, pinned, wires

ROOT = pathlib.Path(__file__).resolve().parent.parent
IN_NAMESPACE = "VIGIE_HOSTILE_NAMESPACE"
ATTACK = ROOT / "testdata" / "ftp_bruteforce_success.pcap"
ETHERNET = bytes.fromhex("020000000002 020000000001 0800")


def ip(packed):
    return struct.pack(">I", packed)


def ipv4(src, dst, proto, payload, ident=0, fragment=0):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident & 0xFFFF, fragment, 64, proto, 0, ip(src), ip(dst))
    total = sum(struct.unpack(">10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    return ETHERNET + head[:10] + struct.pack(">H", ~total & 0xFFFF) + head[12:] + payload


def tcp(src, dst, sport, dport, flags, seq, ack, payload=b""):
    return ipv4(src, dst, 6, struct.pack(">HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 0xFFFF, 0, 0) + payload)


def udp(src, dst, sport, dport, payload):
    return ipv4(src, dst, 17, struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload)


SERVER = 0x0A140001


def client(chance):
    return 0x0A200000 | chance.getrandbits(18)


def syn_flood(chance):
    yield tcp(client(chance), SERVER, chance.randrange(1024, 65536), 443, 0x02, chance.getrandbits(32), 0)


def endless_fragments(chance):
    yield ipv4(client(chance), SERVER, 17, chance.randbytes(1200), chance.getrandbits(16), 0x2000 | chance.choice((0, 150, 300)))


def torn_stream(chance):
    src, port, seq = client(chance), chance.randrange(1024, 65536), chance.getrandbits(32)
    yield tcp(src, SERVER, port, 80, 0x02, seq, 0)
    yield tcp(SERVER, src, 80, port, 0x12, 7000, seq + 1)
    yield tcp(src, SERVER, port, 80, 0x10, seq + 1, 7001)
    start = chance.choice((b"GET /a HTTP/1.1\r\nHost: a\r\nX: ", b"\x16\x03\x01\x02\x00\x01", b"EHLO a\r\n", b"SSH-2.0-a"))
    yield tcp(src, SERVER, port, 80, 0x18, seq + 1, 7001, start)
    for _ in range(8):
        # Anywhere in the window: gaps, and overlaps that differ.
        yield tcp(src, SERVER, port, 80, 0x18, seq + 1 + chance.randrange(0, 20_000), 7001, chance.randbytes(chance.choice((20, 500, 1300))))


def short_flow(chance):
    src, port = client(chance), chance.randrange(1024, 65536)
    name = b"\x08" + bytes(chance.choice(b"abcdefghijklmnop") for _ in range(8)) + b"\x07example\x00"
    yield udp(src, SERVER, port, 53, struct.pack(">HHHHHH", chance.getrandbits(16), 0x100, 1, 0, 0, 0) + name + b"\x00\x01\x00\x01")


def noise(chance):
    yield udp(client(chance), SERVER, chance.randrange(1024, 65536), chance.randrange(1, 65536), chance.randbytes(chance.randrange(1, 300)))
    src, sport, dport, seq = client(chance), chance.randrange(1024, 65536), chance.randrange(1, 65536), chance.getrandbits(32)
    yield tcp(src, SERVER, sport, dport, 0x02, seq, 0)
    yield tcp(SERVER, src, dport, sport, 0x12, 9000, seq + 1)
    yield tcp(src, SERVER, sport, dport, 0x18, seq + 1, 9001, chance.randbytes(chance.randrange(1, 600)))


# How many of each in a round; most begin a flow of their own.
ROUND = {syn_flood: 60_000, endless_fragments: 10_000, torn_stream: 4_000, short_flow: 60_000, noise: 15_000}


def make_round(path):
    """Writes a round; its frames."""
    chance, talks = random.Random(7), []
    for make, count in ROUND.items():
        talks += [make] * count
    chance.shuffle(talks)
    # Forty conversations at a time, a frame of each in turn.
    frames, open_talks = 0, []
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        while talks or open_talks:
            while talks and len(open_talks) < 40:
                open_talks.append(talks.pop()(chance))
            for talk in list(open_talks):
                frame = next(talk, None)
                if frame is None:
                    open_talks.remove(talk)
                    continue
                out.write(struct.pack("<IIII", 1_700_000_000 + frames // 100_000, frames % 100_000 * 10, len(frame), len(frame)) + frame)
                frames += 1
    return frames


def share(pid):
    """A process's proportional share of resident memory, in bytes: what two have in common is counted once."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1)) << 10


def run(options):
    binary = os.path.abspath(options.vigie)
    settings = [f"--set={pair}" for pair in ["store.quota=1gb", *options.set]]
    wires()
    told = subprocess.run([binary, "check", "-i", MIRROR, *settings], capture_output=True, text=True, check=True).stdout
    plan = int(re.search(r"In all .*\((\d+) bytes\)", told).group(1))
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        round_file, data = os.path.join(scratch, "round.pcap"), os.path.join(scratch, "data")
        frames = make_round(round_file)
        flows = sum(ROUND.values()) + ROUND[noise] - ROUND[endless_fragments]
        print(f"a round: {frames} frames, about {flows} flows; plan {plan / 2**20:.0f} MiB", flush=True)
        server = subprocess.Popen([binary, "up", "--data", data, "--listen", "127.0.0.1:0", "-i", MIRROR, *settings], stdout=subprocess.PIPE, text=True)
        assert server.stdout.readline().startswith("Vigie is up")
        (sensor,) = children(server.pid)
        time.sleep(1)
        replay = ["tcpreplay", "-q", "-K", "-i", WIRE]
        flood = subprocess.Popen(
            [*replay, "--loop", "1000000", "--unique-ip", "--pps", str(options.pps), "--duration", str(options.seconds), round_file],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace", preexec_fn=pinned(1))
        began, attack, most, told_at, bad = time.monotonic(), None, 0, 0.0, []
        while flood.poll() is None:
            time.sleep(2)
            passed = time.monotonic() - began
            if attack is None and passed > options.seconds / 3:
                attack = subprocess.Popen([*replay, "-x", "10", str(ATTACK)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                held = share(sensor) + share(server.pid)
            except (FileNotFoundError, ProcessLookupError, AttributeError):
                bad.append(f"a process was gone after {passed:.0f} s")
                break
            most = max(most, held)
            if passed >= told_at:
                told_at += max(60, options.seconds / 10) if options.seconds > 120 else 10
                print(f"  {passed:5.0f} s: {held / 2**20:6.0f} MiB", flush=True)
        flood.kill()
        out = flood.communicate()[0]
        said = re.search(r"Actual: (\d+) packets", out)
        sent = int(said.group(1)) if said else None
        if attack is not None:
            attack.wait(timeout=120)

        def sql(text):
            out = subprocess.run([binary, "query", "--data", data, "--format", "json", text], capture_output=True, text=True)
            return [json.loads(line) for line in out.stdout.splitlines()]

        # `stats` is told every ten seconds, and what is in the rings is read meanwhile. The kernel's counters in it may be a second older than
        # what was read: it is over when two of them say the same.
        row, before = {}, {}
        for _ in range(60):
            time.sleep(3)
            row, before = next(iter(sql("SELECT * FROM stats ORDER BY ts DESC LIMIT 1")), {}), row
            if row.get("ts") == before.get("ts"):
                continue
            counts = [(r.get("capture_kernel_packets", 0), r.get("decoder_pkts", 0)) for r in (row, before)]
            if counts[0] == counts[1] and counts[0][0] >= (sent or 1):
                break
        seen, lost, read = row.get("capture_kernel_packets", 0), row.get("capture_kernel_drops", 0), row.get("decoder_pkts", 0)
        ends = sum(row.get("terminal_count") or [])
        reached = dict(zip(row.get("caps_reached_name") or [], row.get("caps_reached_count") or []))
        found = sql("SELECT DISTINCT case_id FROM alert WHERE detector = 'brute_force' AND case_id IS NOT NULL")
        server.send_signal(signal.SIGTERM)
        status = server.wait(timeout=180)
        print(f"  sent {sent}, seen {seen}, lost {lost}, read {read}, accounted for {ends}; {row.get('flow_total')} flows, {row.get('flow_evicted')} ended early")
        print(f"  most memory {most / 2**20:.0f} MiB of {plan / 2**20:.0f} planned; bounds reached: {reached or 'none'}")
        checks = [
            (not bad, "; ".join(bad) or "both processes lived"),
            (status == 0, f"the server ended with {status}"),
            (0 < most <= plan, f"memory stayed inside the plan ({most / plan:.2f})"),
            (read > 0 and ends == read, f"every frame read is accounted for ({ends} of {read})"),
            (read + lost >= seen - 1 and read <= seen, f"frames seen are those read and those lost ({seen}: {read} and {lost})"),
            (bool(found), f"the brute force's case is opened ({len(found)})"),
        ]
    for held, what in checks:
        print(f"  {'ok' if held else 'FAILED'}: {what}")
    failed = sum(not held for held, _ in checks)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vigie", required=True)
    parser.add_argument("--seconds", type=int, default=1200)
    parser.add_argument("--pps", type=int, default=60_000)
    parser.add_argument("--scratch", default="/dev/shm")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a key of the configuration of `vigie up`")
    options = parser.parse_args()
    if os.environ.get(IN_NAMESPACE) != "1":
        if subprocess.run(["unshare", "--net", "ip", "link", "set", "lo", "up"], capture_output=True).returncode != 0 or not shutil.which("tcpreplay"):
            print("SKIPPED hostile: needs root, unshare, ip and tcpreplay")
            return 0
        return subprocess.run(["unshare", "--net", sys.executable, __file__, *sys.argv[1:]], env={**os.environ, IN_NAMESPACE: "1"}).returncode
    return run(options)


if __name__ == "__main__":
    sys.exit(main())
