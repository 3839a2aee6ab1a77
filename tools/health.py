#!/usr/bin/env python3
"""Mirrors that fail, each in its way, and healthy ones beside them: what Vigie tells of each, as a table.

Every mirror is a veth pair in a network namespace of its own, with conversations of an office on it and a `vigie up` behind it. After a
healthy while each begins to fail, until it is told or a minute is over; then it is mended. Needs root and iproute2; says in one line that
it is skipped where it cannot make a namespace. The short form takes ten seconds of evidence in place of a minute; both are bounded.
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time

IN_NAMESPACE = "VIGIE_HEALTH_NAMESPACE"
# Conversations a second on each mirror.
RATE = 8
DETECTOR = "capture_health"


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


class Packets:
    """Frames of IPv4 with a new identification each."""

    def __init__(self):
        self.number = 0

    def tcp(self, src, dst, ports, seq, ack, flags, data=b"", macs=(1, 2), ttl=64, number=None):
        if number is None:
            self.number = number = (self.number + 1) & 0xFFFF
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(data), number, 0x4000, ttl, 6, 0, src, dst)
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        body = struct.pack(">HHIIBBHHH", *ports, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 65535, 0, 0)
        ethernet = bytes([2, 0, 0, 0, 0, macs[1], 2, 0, 0, 0, 0, macs[0], 8, 0])
        return ethernet + head + body + data


class Frame:
    """A frame of a conversation: who sent it, whether it carries data, and how to make it otherwise."""

    def __init__(self, packets, ends, ports, seq, ack, flags, data=b"", up=True):
        self.up, self.data, self.make = up, bool(data), None
        packets.number = number = (packets.number + 1) & 0xFFFF

        def make(ends=ends, ports=ports, **more):
            (src, dst), both = (ends if up else ends[::-1]), (ports if up else ports[::-1])
            macs = more.pop("macs", (1, 2))
            return packets.tcp(src, dst, both, seq, ack, flags, data, macs if up else macs[::-1], number=number, **more)

        self.make = make
        self.bytes = make()


def conversation(packets, n):
    """One request and its answer of eight segments, each two of which are acknowledged."""
    ends = (bytes([10, 0, n // 250 % 250, 1 + n % 250]), bytes([10, 9, 0, 1 + n % 7]))
    ports = (20000 + n % 40000, 8000)
    syn, push, fin = 2, 0x18, 0x11
    a, b = random.randrange(1 << 32), random.randrange(1 << 32)
    frame = lambda *rest, **more: Frame(packets, ends, ports, *rest, **more)
    yield frame(a, 0, syn)
    yield frame(b, a + 1, syn | 0x10, up=False)
    yield frame(a + 1, b + 1, 0x10)
    ask = b"GET /%d HTTP/1.1\r\nHost: office.example\r\n\r\n" % n
    yield frame(a + 1, b + 1, push, ask)
    a += 1 + len(ask)
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 10000\r\n\r\n"
    answer += random.randbytes(10000)
    b += 1
    pieces = [answer[i : i + 1260] for i in range(0, len(answer), 1260)]
    for i, piece in enumerate(pieces):
        yield frame(b, a, push if i == len(pieces) - 1 else 0x10, piece, up=False)
        b += len(piece)
        if i % 2 == 1:
            yield frame(a, b, 0x10)
    yield frame(a, b, fin)
    yield frame(b, a + 1, fin, up=False)
    yield frame(a + 1, b + 1, 0x10)


def healthy(frames, n):
    return [f.bytes for f in frames]


def lossy(frames, n):
    """One data frame in fifteen does not come; the receiver has it."""
    return [f.bytes for i, f in enumerate(frames) if not (f.data and (n + i) % 15 == 0)]


def reordered(frames, n):
    """Every second answer comes behind what follows it."""
    out = [f.bytes for f in frames]
    for i in range(5, len(out) - 4, 4):
        out[i], out[i + 1] = out[i + 1], out[i]
    return out


def nat(frames, n):
    """Both segments of a router that translates: each packet twice, with other addresses."""
    out = []
    for f in frames:
        outside = f.make(ends=(bytes([192, 168, 1, 1]), bytes([10, 9, 0, 1 + n % 7])), ports=(1024 + n % 60000, 8000), macs=(3, 4), ttl=63)
        out += [f.bytes, outside] if f.up else [outside, f.bytes]
    return out


def trunk(frames, n):
    """A trunk to a router: each packet in the VLAN that it comes from, and routed into the one that it goes to."""
    tag = lambda frame, vlan: frame[:12] + struct.pack(">HH", 0x8100, vlan) + frame[12:]
    out = []
    for f in frames:
        vlans = (10, 20) if f.up else (20, 10)
        out += [tag(f.bytes, vlans[0]), tag(f.make(macs=(5, 6), ttl=63), vlans[1])]
    return out


def rerouted(frames, n):
    """One conversation in five returns another way."""
    return [f.bytes for f in frames if f.up or n % 5]


FAULTS = {
    "silent": lambda frames, n: [],
    "one_way": lambda frames, n: [f.bytes for f in frames if f.up],
    "lossy": lossy,
    "doubled": lambda frames, n: [b for f in frames for b in (f.bytes, f.bytes)],
    "reordered": reordered,
    "truncated": lambda frames, n: [f.bytes[:68] for f in frames],
}
HEALTHY = {"healthy": healthy, "nat": nat, "trunk": trunk, "rerouted": rerouted}


class Api(http.client.HTTPConnection):
    """The API over the socket in the data directory."""

    def __init__(self, data):
        super().__init__("localhost", timeout=20)
        self.at = os.path.join(data, "vigie.sock")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.at)

    def read(self, path):
        self.request("GET", path)
        answer = self.getresponse()
        text = answer.read()
        # The server does not keep an idle connection for long.
        self.close()
        assert answer.status == 200, (path, answer.status, text)
        return json.loads(text) if path != "/metrics" else text.decode()


class Mirror:
    """A mirror with Vigie behind it."""

    def __init__(self, vigie, name, number, evidence):
        self.name, self.wire, self.eye = name, f"m{number}", f"m{number}s"
        self.failing, self.told, self.mended, self.cases = False, None, None, {}
        self.change = HEALTHY.get(name, healthy)
        subprocess.run(["ip", "link", "add", self.wire, "type", "veth", "peer", "name", self.eye], check=True)
        for end in (self.wire, self.eye):
            pathlib.Path(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6").write_text("1")
            subprocess.run(["ip", "link", "set", end, "up"], check=True)
        self.folder = tempfile.TemporaryDirectory()
        settings = {"capture.ring": "4mb", "flow.max": 16384}
        if evidence is not None:
            settings |= {"detect.capture_health.evidence": evidence, "detect.capture_health.silent": 2 * evidence}
        command = [vigie, "up", "--data", self.folder.name, "--listen", "127.0.0.1:0", "-i", self.eye]
        command += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind((self.wire, 0))

    def ready(self):
        assert self.process.stdout.readline().startswith("Vigie is up"), self.name
        self.api = Api(self.folder.name)

    def send(self, frames, n):
        change = FAULTS[self.name] if self.failing else self.change
        for frame in change(frames, n):
            self.socket.send(frame)

    def look(self, since):
        """What is told by now, and what of it closed by itself."""
        self.cases = {}
        for one in self.api.read("/api/v1/cases?limit=100")["items"]:
            self.cases[one["title"]] = (one["detectors"], one["state"], one["verdict"])
        mine = [c for c in self.cases.values() if DETECTOR in c[0]]
        if self.told is None and mine:
            self.told = time.monotonic() - since
        return mine

    def end(self):
        self.process.terminate()
        self.process.wait(60)
        self.socket.close()
        self.folder.cleanup()


# The words that a title has in English, by fault.
TITLES = {
    "silent": "nothing comes any more",
    "one_way": "one side of the conversations is missing",
    "lossy": "the mirror loses frames",
    "doubled": "frames come twice",
    "reordered": "frames come out of order",
    "truncated": "frames come cut short",
}


def drive(mirrors, seconds, done=lambda: False, look=lambda: None):
    """Sends on all mirrors for so long, or until `done`."""
    began = last = time.monotonic()
    while time.monotonic() - began < seconds:
        drive.n += 1
        frames = list(conversation(drive.packets, drive.n))
        for mirror in mirrors:
            mirror.send(frames, drive.n)
        if time.monotonic() - last > 3:
            last = time.monotonic()
            look()
            if done():
                return
        drive.due = max(drive.due + 1 / RATE, time.monotonic() - 1)
        time.sleep(max(0, drive.due - time.monotonic()))


drive.n, drive.due, drive.packets = 0, 0, Packets()


def run(vigie, short):
    evidence = 10 if short else None
    before, most = (15, 60) if short else (90, 240)
    names = [*FAULTS, *(["healthy"] if short else HEALTHY)]
    mirrors = [Mirror(vigie, name, i, evidence) for i, name in enumerate(names)]
    wrong = []
    try:
        for mirror in mirrors:
            mirror.ready()
        drive(mirrors, before)
        for mirror in mirrors:
            mirror.look(0)
            if mirror.told is not None:
                wrong.append(f"{mirror.name}: told before anything was wrong: {mirror.cases}")
        began = time.monotonic()
        failing = [m for m in mirrors if m.name in FAULTS]
        for mirror in failing:
            mirror.failing = True
        look = lambda: [m.look(began) for m in mirrors]
        drive(mirrors, most, lambda: all(m.told is not None for m in failing), look)
        mended = time.monotonic()
        for mirror in failing:
            mirror.failing = False

        def over():
            for m in failing:
                mine = m.look(began)
                if m.mended is None and mine and all(c[1:] == ("closed", "resolved") for c in mine):
                    m.mended = time.monotonic() - mended

        drive(mirrors, most, lambda: all(m.mended is not None for m in failing), over)
        print(f"{'mirror':<10} {'told, s':>8} {'mended, s':>10}  as")
        for m in mirrors:
            titles = [t.removeprefix(f"{m.eye}: ") for t in m.cases]
            shown = lambda n: "-" if n is None else f"{n:.0f}"
            print(f"{m.name:<10} {shown(m.told):>8} {shown(m.mended):>10}  {'; '.join(titles) or '-'}")
            want = [TITLES[m.name]] if m.name in FAULTS else []
            if titles != want:
                wrong.append(f"{m.name}: told as {titles}")
            elif m.name in FAULTS and m.mended is None:
                wrong.append(f"{m.name}: not closed by itself: {m.cases}")
        wrong += canary(next(m for m in mirrors if m.name == "healthy"))
    finally:
        for mirror in mirrors:
            mirror.end()
    for line in wrong:
        print(f"WRONG {line}")
    print(f"{len(mirrors)} mirrors, {len(wrong)} wrong")
    return 1 if wrong else 0


def canary(mirror):
    """What is wrong with the canary and the coverage of a healthy mirror."""
    said = mirror.api.read("/api/v1/situation")["canary"]
    print(f"canary: {said['state']}, took {said['took_seconds']} s")
    wrong = [] if said["state"] == "arrives" and said["took_seconds"] < 120 else [f"canary: {said}"]
    if 'vigie_canary{state="arrives"} 1' not in mirror.api.read("/metrics"):
        wrong.append("canary: not on /metrics")
    found = [mirror.api.read(f"/api/v1/{path}") for path in ("events?q=src_ip:192.0.2.1&limit=10", "assets?q=192.0.2.1")]
    if any(page["items"] for page in found):
        wrong.append(f"canary: it is in a list: {found}")
    whole = mirror.api.read("/api/v1/coverage?dataset=live")
    print(f"coverage of the healthy mirror: {whole['overall']}")
    if whole["overall"] is None or whole["overall"] < 0.97:
        wrong.append(f"coverage: {whole}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vigie", required=True)
    parser.add_argument("--short", action="store_true", help="ten seconds of evidence in place of a minute, fewer healthy mirrors")
    options = parser.parse_args()
    vigie = os.path.abspath(options.vigie)
    if os.environ.get(IN_NAMESPACE) != "1":
        probe = subprocess.run(["unshare", "--net", "ip", "link", "set", "lo", "up"], capture_output=True)
        if probe.returncode != 0:
            print("SKIPPED health: needs root, unshare and ip to make a network namespace")
            return 0
        command = ["unshare", "--net", sys.executable, __file__, *sys.argv[1:]]
        return subprocess.run(command, env={**os.environ, IN_NAMESPACE: "1"}).returncode
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    random.seed(1)
    return run(vigie, options.short)


if __name__ == "__main__":
    sys.exit(main())
