#!/usr/bin/env python3
"""Mirrors that fail, each in its way, and healthy ones beside them: what Vigie tells of each, as a table.

Every mirror is a veth pair in a network namespace of its own (two for a split tap, a VXLAN interface where frames are to come damaged),
with conversations of an office on it and a `vigie up` behind it. After a healthy while each begins to fail, until it is told or a minute is
over; then it is mended. Counters that a case is told by are the kernel's own. Needs root and iproute2; says in one line that it is skipped
where it cannot make a namespace. The short form takes ten seconds of evidence in place of a minute, and fewer mirrors; both are bounded.
"""
import argparse
import errno
import http.client
import json
import os
import pathlib
import random
import resource
import signal
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


def lose(frames, n):
    """One data frame in fifteen does not come; the receiver has it."""
    return [f.bytes for i, f in enumerate(frames) if not (f.data and (n + i) % 15 == 0)]


def reorder(frames, n):
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


def chatter(packets, count, size=40):
    """Broadcasts of so many bytes that belong to no conversation."""
    for _ in range(count):
        packets.number = number = (packets.number + 1) & 0xFFFF
        data = b"\x00" * size
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(data), number, 0, 64, 17, 0, bytes([10, 9, 0, 9]), bytes([10, 9, 255, 255]))
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        yield b"\xff" * 6 + bytes([2, 0, 0, 0, 0, 9, 8, 0]) + head + struct.pack(">HHHH", 4000, 4000, 8 + len(data), 0) + data


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


def run_ip(*words):
    subprocess.run(["ip", *words], check=True)


def up_alone(name):
    """Sets an interface up on which the kernel says nothing of its own."""
    pathlib.Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
    run_ip("link", "set", "dev", name, "up")


class Wire:
    """A veth pair: what is sent into one end comes out of the other, the eye."""

    def __init__(self, name):
        self.name, self.eye = name, name + "s"
        run_ip("link", "add", self.name, "type", "veth", "peer", "name", self.eye)
        for end in (self.name, self.eye):
            up_alone(end)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind((self.name, 0))

    def send(self, frame):
        try:
            self.socket.send(frame)
        except OSError as e:
            # The other end has no room for it, or is down: its counters say so.
            if e.errno not in (errno.ENOBUFS, errno.ENETDOWN):
                raise


class Tunnel:
    """A VXLAN interface: its kernel counts as damaged what comes with a mark of congestion where none may be (RFC 6040)."""

    def __init__(self, name, number):
        self.name, self.eye, self.number = name, name + "s", number
        run_ip("link", "add", self.eye, "type", "vxlan", "id", str(number), "dstport", "4789", "local", "127.0.0.1")
        up_alone(self.eye)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, frame, damaged=False):
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 3 if damaged else 0)
        self.socket.sendto(struct.pack(">II", 0x08000000, self.number << 8) + frame, ("127.0.0.1", 4789))


class Mirror:
    """A mirror with Vigie behind it, that can fail; as it stands, one that does not."""

    # What is told of it: the words of the title, and which of its wires it is laid on; none where nothing is wrong.
    title, blamed = None, 0
    # The counter of that wire that must have moved, and of no other one; none where it is no loss behind the mirror.
    counted = None
    wires, settings = 1, {}

    def __init__(self, vigie, number, evidence):
        self.name = type(self).__name__
        self.failing, self.told, self.mended, self.cases = False, None, None, {}
        self.made(f"m{number}")
        self.folder = tempfile.TemporaryDirectory()
        settings = {"capture.ring": "4mb", "flow.max": 16384}
        if evidence is not None:
            settings |= {"detect.capture_health.evidence": evidence, "detect.capture_health.silent": 2 * evidence}
            settings |= {"detect.capture_health.overdue": evidence}
        settings |= self.settings
        command = [vigie, "up", "--data", self.folder.name, "--listen", "127.0.0.1:0", "-i", *(w.eye for w in self.at)]
        command += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def made(self, name):
        self.at = [Wire(f"{name}{chr(97 + i)}") for i in range(self.wires)]

    def ready(self):
        assert self.process.stdout.readline().startswith("Vigie is up"), self.name
        self.api = Api(self.folder.name)

    def change(self, frames, n):
        """The frames of a conversation, as they come."""
        return healthy(frames, n)

    def fail(self, frames, n):
        """The same where it fails."""
        return self.change(frames, n)

    def begin(self):
        """What is done for it to fail."""

    def mend(self):
        """What is done to mend it."""

    def send(self, frames, n):
        for frame in (self.fail if self.failing else self.change)(frames, n):
            self.at[0].send(frame)

    def turn(self, failing):
        self.failing = failing
        (self.begin if failing else self.mend)()

    def sensor(self):
        """The process of the sensor; none between two."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        found = [int(p) for task in tasks for p in (task / "children").read_text().split()]
        return found[0] if found else None

    def want(self):
        point = " + ".join(w.eye for w in self.at)
        return [] if self.title is None else [f"{point if self.blamed is None else self.at[self.blamed].eye}: {self.title}"]

    def look(self, since):
        """What is told by now, and what of it closed by itself."""
        self.cases = {}
        for one in self.api.read("/api/v1/cases?limit=100")["items"]:
            self.cases[one["title"]] = (one["detectors"], one["state"], one["verdict"])
        mine = [c for c in self.cases.values() if DETECTOR in c[0]]
        if self.told is None and mine:
            self.told = time.monotonic() - since
        return mine

    def wrong_words(self, show):
        """What is wrong with what its cases say in either language, which is shown where that is asked for."""
        wrong = []
        for one in self.api.read("/api/v1/cases?limit=100")["items"]:
            for lang in ("en", "fr"):
                case = self.api.read(f"/api/v1/cases/{one['id']}?lang={lang}")
                said = json.dumps(case, ensure_ascii=False)
                if "…" in said or self.at[self.blamed or 0].eye not in said:
                    wrong.append(f"{self.name}: its words lack something: {said}")
                if show:
                    print(json.dumps(case, ensure_ascii=False, indent=1))
        return wrong

    def wrong_counters(self):
        """What is wrong with the counters of loss by interface: who is not blamed lost less than would be told."""
        interfaces = {i["name"]: i for s in self.api.read("/api/v1/sensors") for i in s["interfaces"]}
        table = pathlib.Path("/proc/self/net/dev").read_text().splitlines()
        kernels = {name.strip(): row.split() for name, _, row in (line.partition(":") for line in table)}
        wrong = []
        for number, wire in enumerate(self.at):
            said = interfaces[wire.eye]
            # Of the kernel's table: frames, errors, drops.
            frames, errors, drops = (int(kernels[wire.eye][at]) for at in (1, 2, 3))
            if said["card_drops"] > drops or said["frames"] > frames:
                wrong.append(f"{self.name}: {wire.eye}: told as {said}, while the kernel counts {frames} frames and {drops} drops")
            lost = {"kernel_drops": said["kernel_drops"], "card_drops": said["card_drops"], "errors": errors}
            for counter, n in lost.items():
                if (n >= (frames + n) / 100) != (number == self.blamed and counter == self.counted):
                    wrong.append(f"{self.name}: {wire.eye}: {counter} is {n} beside {frames} frames")
        return wrong

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        for wire in self.at:
            wire.socket.close()
        self.folder.cleanup()


class silent(Mirror):
    title = "nothing comes any more"

    def fail(self, frames, n):
        return []


class one_way(Mirror):
    title = "one side of the conversations is missing"

    def fail(self, frames, n):
        return [f.bytes for f in frames if f.up]


class lossy(Mirror):
    title = "the mirror loses frames"

    def fail(self, frames, n):
        return lose(frames, n)


class doubled(Mirror):
    title = "frames come twice"

    def fail(self, frames, n):
        return [b for f in frames for b in (f.bytes, f.bytes)]


class reordered(Mirror):
    title = "frames come out of order"

    def fail(self, frames, n):
        return reorder(frames, n)


class truncated(Mirror):
    title = "frames come cut short"

    def fail(self, frames, n):
        return [f.bytes[:68] for f in frames]


class down(Mirror):
    """The cable is pulled at the other end."""

    title = "the interface is down"

    def begin(self):
        run_ip("link", "set", "dev", self.at[self.blamed].name, "down")

    def mend(self):
        run_ip("link", "set", "dev", self.at[self.blamed].name, "up")


class card(Mirror):
    """Frames longer than the interface takes: the kernel counts them as dropped by it."""

    title, counted = "the card loses frames", "card_drops"

    def begin(self):
        run_ip("link", "set", "dev", self.at[self.blamed].eye, "mtu", "600")

    def mend(self):
        run_ip("link", "set", "dev", self.at[self.blamed].eye, "mtu", "1500")


class damaged(Mirror):
    title, counted = "frames come damaged", "errors"

    def made(self, name):
        self.at = [Tunnel(name, int(name[1:]))]

    def send(self, frames, n):
        for i, frame in enumerate(frames):
            self.at[0].send(frame.bytes, self.failing and (n + i) % 15 == 0)


class kernel(Mirror):
    """The sensor stands still for a moment again and again, in which more comes than its ring holds."""

    title, counted = "frames come faster than Vigie reads them", "kernel_drops"
    settings = {"capture.ring": "2mb"}
    # Conversations between two stops.
    EVERY = 12

    def send(self, frames, n):
        pid = self.sensor() if self.failing and n % self.EVERY == 0 else None
        if pid is None:
            return super().send(frames, n)
        os.kill(pid, signal.SIGSTOP)
        try:
            self.overflow(frames, n)
        finally:
            os.kill(pid, signal.SIGCONT)

    def overflow(self, frames, n):
        for frame in chatter(drive.packets, 1600, 1400):
            self.at[self.blamed].send(frame)
        super().send(frames, n)


class behind(Mirror):
    """No sensor can be started any more: the canary that is let go each second does not come back."""

    # Nobody reads meanwhile: what the ring cannot hold is counted, too.
    title, counted = "what comes is not judged in time", "kernel_drops"
    settings = {"capture.canary": 1}

    def limit(self, most):
        _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_NPROC)
        resource.prlimit(self.process.pid, resource.RLIMIT_NPROC, (hard if most is None else most, hard))

    def begin(self):
        # The sensor is another user than the server, and may have no process.
        self.limit(0)
        os.kill(self.sensor(), signal.SIGKILL)

    def mend(self):
        self.canary = self.api.read("/api/v1/situation")["canary"]["state"]
        self.limit(None)


class split(Mirror):
    """The two sides of a tap, each with one direction."""

    wires = 2

    def send(self, frames, n):
        for frame in frames:
            for one in self.seen(frame):
                self.at[not frame.up].send(one)
        # What no conversation needs comes on both.
        for wire in self.at if n % 4 == 0 else []:
            for frame in chatter(drive.packets, 1):
                wire.send(frame)

    def seen(self, frame):
        """As often and as whole as it comes."""
        return [frame.bytes] if frame.up or not self.failing else self.spoilt(frame)

    def spoilt(self, frame):
        return [frame.bytes]


class split_silent(split):
    title, blamed = silent.title, 1

    def send(self, frames, n):
        if not self.failing:
            return super().send(frames, n)
        for frame in frames:
            if frame.up:
                self.at[0].send(frame.bytes)


class split_down(down, split):
    blamed = 1


class split_one_way(split):
    """Broadcasts still come."""

    title, blamed = one_way.title, 1

    def spoilt(self, frame):
        return []


class split_lossy(split):
    """The point as a whole is blamed: what a side lacks is not counted by interface."""

    title, blamed = lossy.title, None

    def send(self, frames, n):
        self.lacks = {id(f) for i, f in enumerate(frames) if f.data and (n + i) % 15 == 0}
        super().send(frames, n)

    def spoilt(self, frame):
        return [] if id(frame) in self.lacks else [frame.bytes]


class split_doubled(split):
    title, blamed = doubled.title, 1

    def spoilt(self, frame):
        return [frame.bytes, frame.bytes]


class split_truncated(split):
    title, blamed = truncated.title, 1

    def spoilt(self, frame):
        return [frame.bytes[:68]]


class split_card(card, split):
    blamed = 1


class split_kernel(kernel, split):
    """While the sensor stands still only one side brings more than its ring holds."""

    blamed = 1

    def overflow(self, frames, n):
        for frame in chatter(drive.packets, 1600, 1400):
            self.at[self.blamed].send(frame)


class whole(Mirror):
    """What is healthy."""


class routed(Mirror):
    def change(self, frames, n):
        return nat(frames, n)


class vlans(Mirror):
    def change(self, frames, n):
        return trunk(frames, n)


class elsewhere(Mirror):
    def change(self, frames, n):
        return rerouted(frames, n)


class killed(Mirror):
    """Its sensor dies once, and another one follows: a moment, and no fault of the mirror."""

    def begin(self):
        os.kill(self.sensor(), signal.SIGKILL)


SHORT = [silent, one_way, lossy, doubled, reordered, truncated, down, kernel, card, damaged, behind, split_silent, split_one_way, whole, split]
LONG = [split_down, split_lossy, split_doubled, split_truncated, split_card, split_kernel, routed, vlans, elsewhere, killed]


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


def run(vigie, short, only, words):
    evidence = 10 if short else None
    before, most = (15, 60) if short else (90, 300)
    kinds = [k for k in SHORT + LONG if (k.__name__ in only if only else k in SHORT or not short)]
    mirrors = [kind(vigie, i, evidence) for i, kind in enumerate(kinds)]
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
        failing = [m for m in mirrors if m.title is not None]
        for mirror in mirrors:
            mirror.turn(True)
        look = lambda: [m.look(began) for m in mirrors]
        drive(mirrors, most, lambda: all(m.told is not None for m in failing), look)
        mended = time.monotonic()
        for mirror in mirrors:
            mirror.turn(False)

        def over():
            for m in failing:
                mine = m.look(began)
                if m.mended is None and mine and all(c[1:] == ("closed", "resolved") for c in mine):
                    m.mended = time.monotonic() - mended

        drive(mirrors, most, lambda: all(m.mended is not None for m in failing), over)
        print(f"{'mirror':<15} {'told, s':>8} {'mended, s':>10}  {'':<10}as")
        for m in mirrors:
            # A healthy one is looked at for the last time now.
            m.look(began)
            titles, before = list(m.cases), len(wrong)
            if titles != m.want():
                wrong.append(f"{m.name}: told as {titles}, and not {m.want()}")
            elif titles and m.mended is None:
                wrong.append(f"{m.name}: not closed by itself: {m.cases}")
            wrong += m.wrong_words(words) + m.wrong_counters()
            shown = lambda n: "-" if n is None else f"{n:.0f}"
            judged = "right" if len(wrong) == before else "not told" if m.told is None else "wrong"
            print(f"{m.name:<15} {shown(m.told):>8} {shown(m.mended):>10}  {judged:<10}{'; '.join(titles) or '-'}")
            if isinstance(m, behind) and m.canary != "missing":
                wrong.append(f"{m.name}: the canary was said to be {m.canary}")
        wrong += [line for m in mirrors if isinstance(m, (whole, behind)) for line in canary(m)]
    finally:
        for mirror in mirrors:
            mirror.end()
    for line in wrong:
        print(f"WRONG {line}")
    print(f"{len(mirrors)} mirrors, {len(wrong)} wrong")
    return 1 if wrong else 0


def canary(mirror):
    """What is wrong with the canary of a mirror that is well, and with the coverage of one that always was."""
    said = mirror.api.read("/api/v1/situation")["canary"]
    print(f"canary of {mirror.name}: {said['state']}, took {said['took_seconds']} s")
    wrong = [] if said["state"] == "arrives" and said["took_seconds"] < 120 else [f"canary: {said}"]
    if 'vigie_canary{state="arrives"} 1' not in mirror.api.read("/metrics"):
        wrong.append("canary: not on /metrics")
    found = [mirror.api.read(f"/api/v1/{path}") for path in ("events?q=src_ip:192.0.2.1&limit=10", "assets?q=192.0.2.1")]
    if any(page["items"] for page in found):
        wrong.append(f"canary: it is in a list: {found}")
    if not isinstance(mirror, whole):
        return wrong
    covered = mirror.api.read("/api/v1/coverage?dataset=live")
    print(f"coverage of the healthy mirror: {covered['overall']}")
    if covered["overall"] is None or covered["overall"] < 0.97:
        wrong.append(f"coverage: {covered}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vigie", required=True)
    parser.add_argument("--short", action="store_true", help="ten seconds of evidence in place of a minute, fewer mirrors")
    parser.add_argument("--only", nargs="*", default=[], help="of all mirrors these")
    parser.add_argument("--words", action="store_true", help="print what the cases say, in both languages")
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
    return run(vigie, options.short, options.only, options.words)


if __name__ == "__main__":
    sys.exit(main())
