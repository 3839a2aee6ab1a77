#!/usr/bin/env python3
"""What the bulk of one flow costs, protocol by protocol.

usage: elephants.py --vigie BINARY [--mib N] [--rounds N] [--core N] [--scratch DIR] [NAME...]

Writes one capture for each protocol, with one flow that begins as real ones do and then carries N MiB one way (an acknowledgement for
every second segment of TCP), and replays it: `vigie replay -l DIR --workers 1`, pinned to one core. What is told is user + system
time of all threads (wait4), the median of the rounds less that of the same flow with 1 MiB, by frame and by KiB of what it carries,
beside that of a bypassed TLS flow. One capture is in memory at a time. Python 3.9+, openssl; no package.
"""
import argparse
import base64
import json
import os
import shutil
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench import Run

CLIENT, SERVER = bytes([10, 9, 0, 1]), bytes([10, 9, 0, 2])
MAC = {CLIENT: b"\x02\x00\x00\x00\x09\x01", SERVER: b"\x02\x00\x00\x00\x09\x02"}
SEGMENT = 1448
UP, DOWN = 0, 1  # from the client, from the server
BLOCK = os.urandom(1 << 20)
TESTDATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "testdata")


class Capture:
    """A pcap file being written: frames 12 microseconds apart (one Gbit/s of full ones)."""

    def __init__(self, path):
        self.file = open(path, "wb", buffering=1 << 20)
        self.file.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 262144, 1))
        self.now = 1_790_000_000 * 10**9
        self.ids = 0
        self.unseen = None  # a way that the capture does not have

    def ip(self, way, proto, body):
        self.now += 12_000
        self.ids = self.ids + 1 & 0xffff
        if way == self.unseen:
            return
        src, dst = (CLIENT, SERVER) if way == UP else (SERVER, CLIENT)
        length = 34 + len(body)
        self.file.write(struct.pack("<IIII", self.now // 10**9, self.now % 10**9, length, length) + MAC[dst] + MAC[src] + b"\x08\x00"
                        + struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), self.ids, 0x4000, 64, proto, 0) + src + dst)
        self.file.write(body)

    def udp(self, way, ports, payload):
        a, b = ports if way == UP else ports[::-1]
        self.ip(way, 17, struct.pack(">HHHH", a, b, 8 + len(payload), 0) + payload)


class Tcp:
    """One connection: handshake, what is said, and the end."""

    def __init__(self, capture, port, client_port=40123, handshake=True):
        self.capture, self.ports = capture, (client_port, port)
        self.seq = [1000, 5000]
        self.segments = 0
        if not handshake:
            return
        self.frame(UP, 0x02, b"", b"\x02\x04\x05\xb4\x01\x03\x03\x07")
        self.frame(DOWN, 0x12, b"", b"\x02\x04\x05\xb4\x01\x03\x03\x07")
        self.frame(UP, 0x10)

    def frame(self, way, flags, payload=b"", options=b""):
        a, b = self.ports if way == UP else self.ports[::-1]
        ack = self.seq[1 - way] if flags & 0x10 else 0
        head = struct.pack(">HHIIBBHHH", a, b, self.seq[way] & 0xffffffff, ack & 0xffffffff, (20 + len(options)) // 4 << 4, flags, 65000, 0, 0)
        self.capture.ip(way, 6, head + options + payload)
        self.seq[way] += len(payload) + (1 if flags & 3 else 0)

    def say(self, way, data, lose=-1):
        """Data in full segments; `lose`: the number of one that the capture does not have."""
        view = memoryview(data)
        for n, at in enumerate(range(0, len(view), SEGMENT)):
            piece = bytes(view[at:at + SEGMENT])
            if n == lose:
                self.seq[way] += len(piece)
            else:
                self.frame(way, 0x18, piece)
            self.segments += 1
            if self.segments % 2 == 0:
                self.frame(1 - way, 0x10)

    def over(self):
        self.frame(UP, 0x10)
        self.frame(UP, 0x11)
        self.frame(DOWN, 0x11)
        self.frame(UP, 0x10)


def bulk(mib, block=BLOCK):
    for _ in range(mib):
        yield block


def exchange(port, said, way, pieces, after=()):
    """A connection that begins with `said`, pairs of who and what, and then carries `pieces`."""
    def write(capture, mib):
        tcp = Tcp(capture, port)
        for who, what in said:
            tcp.say(who, what)
        for piece in pieces(mib):
            tcp.say(way, piece)
        for who, what in after:
            tcp.say(who, what)
        tcp.over()
    return write


def recorded(name, port):
    """What both sides said in the longest connection to `port` of a recording of the lab: the longest prefix without a hole."""
    with open(os.path.join(TESTDATA, name), "rb") as f:
        data = f.read()
    flows, at = {}, 24
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        frame, at = data[at + 16:at + 16 + length], at + 16 + length
        if frame[12:14] != b"\x08\x00" or frame[23] != 6:
            continue
        ihl = (frame[14] & 15) * 4
        total = struct.unpack_from(">H", frame, 16)[0]
        segment = frame[14 + ihl:14 + total]
        a, b, seq = struct.unpack_from(">HHI", segment)
        if port not in (a, b):
            continue
        way = UP if b == port else DOWN
        payload = segment[(segment[12] >> 4) * 4:]
        flow = flows.setdefault((a if way == UP else b, frame[26:30] if way == UP else frame[30:34]), ([], [None, None]))
        said, expected = flow
        if segment[13] & 2:
            expected[way] = seq + 1
        elif payload and expected[way] == seq:
            expected[way] = seq + len(payload)
            said.append((way, payload))
    return max((said for said, _ in flows.values()), key=lambda s: sum(len(p) for _, p in s))


def tls(capture, mib):
    """A real session (TLS 1.3, self-signed), both sides in this process."""
    folder = tempfile.mkdtemp()
    try:
        cert, key = os.path.join(folder, "c"), os.path.join(folder, "k")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=elephant.example", "-days", "9",
                        "-keyout", key, "-out", cert], check=True, capture_output=True)
        served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        served.load_cert_chain(cert, key)
        called = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        called.check_hostname, called.verify_mode = False, ssl.CERT_NONE
    finally:
        shutil.rmtree(folder)
    pipes = [ssl.MemoryBIO(), ssl.MemoryBIO()]  # what each side sent
    ends = [called.wrap_bio(pipes[DOWN], pipes[UP], server_hostname="elephant.example"), served.wrap_bio(pipes[UP], pipes[DOWN], server_side=True)]
    tcp, shaken = Tcp(capture, 443), [False, False]

    def carry(way):
        data = pipes[way].read()
        if data:
            tcp.say(way, data)
            pipes[way].write(data)

    while not all(shaken):
        for way in (UP, DOWN):
            try:
                ends[way].do_handshake()
                shaken[way] = True
            except ssl.SSLWantReadError:
                pass
            carry(way)
    ends[UP].write(b"GET /gros.iso HTTP/1.1\r\nHost: elephant.example\r\n\r\n")
    carry(UP)
    for piece in bulk(mib):
        ends[DOWN].write(piece)
        tcp.say(DOWN, pipes[DOWN].read())
    tcp.over()


def ssh(capture, mib):
    """A recorded session that logs in and works, and then goes on with what looks encrypted."""
    exchange(22, recorded("admin_morning.pcap", 22), DOWN, bulk)(capture, mib)


def http(head, pieces=bulk, request=b"GET /gros.iso HTTP/1.1\r\nHost: a.example\r\nUser-Agent: curl/8\r\n\r\n", after=b""):
    def write(capture, mib):
        tcp = Tcp(capture, 80)
        tcp.say(UP, request)
        tcp.say(DOWN, b"HTTP/1.1 200 OK\r\nServer: nginx\r\n" + head.replace(b"LENGTH", b"%d" % (mib << 20)) + b"\r\n")
        for piece in pieces(mib):
            tcp.say(DOWN, piece)
        tcp.say(DOWN, after)
        tcp.over()
    return write


def chunks(mib):
    for piece in bulk(mib):
        yield b"".join(b"4000\r\n" + piece[at:at + 0x4000] + b"\r\n" for at in range(0, len(piece), 0x4000))


def lossy(capture, mib):
    """A chunked answer of which the capture lacks a chunk's size: where the next one stands cannot be told."""
    tcp = Tcp(capture, 80)
    tcp.say(UP, b"GET /gros.iso HTTP/1.1\r\nHost: a.example\r\n\r\n")
    tcp.say(DOWN, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for n, piece in enumerate(chunks(mib)):
        tcp.say(DOWN, piece, lose=11 if n == 0 else -1)
    tcp.over()


def gzipped(mib):
    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31)
    for piece in bulk(mib):
        yield squeeze.compress(piece)


def upload(capture, mib):
    head = b"--xyz\r\nContent-Disposition: form-data; name=\"f\"; filename=\"gros.iso\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    tail = b"\r\n--xyz--\r\n"
    tcp = Tcp(capture, 80)
    tcp.say(UP, b"POST /u HTTP/1.1\r\nHost: a.example\r\nContent-Type: multipart/form-data; boundary=xyz\r\nContent-Length: %d\r\n\r\n"
            % (len(head) + (mib << 20) + len(tail)) + head)
    for piece in bulk(mib):
        tcp.say(UP, piece)
    tcp.say(UP, tail)
    tcp.say(DOWN, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    tcp.over()


def half(write, unseen):
    """Of a flow, what a mirror shows that lacks one way."""
    def written(capture, mib):
        capture.unseen = unseen
        write(capture, mib)
    return written


def open_before(capture, mib):
    tcp = Tcp(capture, 9999, handshake=False)
    for piece in bulk(mib):
        tcp.say(DOWN, piece)
    tcp.over()


LINES = base64.encodebytes(BLOCK).replace(b"\n", b"\r\n")
PLAIN = b"".join(b"%06d the quick brown fox jumps over the lazy dog, again and again\r\n" % n for n in range(15000))
MAIL = (b"From: a@a.example\r\nTo: b@b.example\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=xyz\r\n\r\n--xyz\r\n"
        b"Content-Type: application/zip; name=\"gros.zip\"\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment; filename=\"gros.zip\"\r\n\r\n")
MAIL_END = b"--xyz--\r\n.\r\n"


def mail(begin, block, end):
    said = [(DOWN, b"220 mx.example ESMTP\r\n"), (UP, b"EHLO a.example\r\n"), (DOWN, b"250 mx.example\r\n"), (UP, b"MAIL FROM:<a@a.example>\r\n"),
            (DOWN, b"250 ok\r\n"), (UP, b"RCPT TO:<b@b.example>\r\n"), (DOWN, b"250 ok\r\n"), (UP, b"DATA\r\n"), (DOWN, b"354 go on\r\n"), (UP, begin)]
    return exchange(25, said, UP, lambda mib: bulk(mib, block), [(UP, end), (DOWN, b"250 queued\r\n"), (UP, b"QUIT\r\n"), (DOWN, b"221 bye\r\n")])


def pop3(capture, mib):
    tcp = Tcp(capture, 110)
    for who, what in [(DOWN, b"+OK ready\r\n"), (UP, b"USER ada\r\n"), (DOWN, b"+OK\r\n"), (UP, b"PASS x\r\n"), (DOWN, b"+OK\r\n"), (UP, b"RETR 1\r\n"),
                      (DOWN, b"+OK\r\n" + MAIL)]:
        tcp.say(who, what)
    for piece in bulk(mib, LINES):
        tcp.say(DOWN, piece)
    tcp.say(DOWN, MAIL_END)
    tcp.over()


def imap(capture, mib):
    tcp = Tcp(capture, 143)
    for who, what in [(DOWN, b"* OK IMAP4rev1\r\n"), (UP, b"a LOGIN ada x\r\n"), (DOWN, b"a OK in\r\n"), (UP, b"b SELECT INBOX\r\n"), (DOWN, b"b OK\r\n"),
                      (UP, b"c FETCH 1 BODY[]\r\n"), (DOWN, b"* 1 FETCH (BODY[] {%d}\r\n" % (mib * len(LINES)))]:
        tcp.say(who, what)
    for piece in bulk(mib, LINES):
        tcp.say(DOWN, piece)
    tcp.say(DOWN, b")\r\nc OK done\r\n")
    tcp.over()


def ftp(capture, mib):
    control = Tcp(capture, 21)
    for who, what in [(DOWN, b"220 FTP\r\n"), (UP, b"USER ada\r\n"), (DOWN, b"331 go on\r\n"), (UP, b"PASS x\r\n"), (DOWN, b"230 in\r\n"), (UP, b"PASV\r\n"),
                      (DOWN, b"227 Entering Passive Mode (10,9,0,2,117,48).\r\n"), (UP, b"RETR gros.iso\r\n"), (DOWN, b"150 here\r\n")]:
        control.say(who, what)
    data = Tcp(capture, 30000, 40124)
    for piece in bulk(mib):
        data.say(DOWN, piece)
    data.over()
    control.say(DOWN, b"226 done\r\n")
    control.over()


def websocket(capture, mib):
    tcp = Tcp(capture, 80)
    tcp.say(UP, b"GET /ws HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    tcp.say(DOWN, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    for piece in bulk(mib):
        tcp.say(DOWN, b"\x82\x7f" + struct.pack(">Q", len(piece)) + piece)
    tcp.over()


def smb2(capture, mib):
    def message(command, body, response):
        head = b"\xfeSMB" + struct.pack("<HHIHHIIQIIQ16s", 64, 1, 0, command, 1, int(response), 0, 7, 0, 5, 9, b"")
        return struct.pack(">I", len(head) + len(body)) + head + body
    tcp = Tcp(capture, 445)
    for command in (0, 1, 3, 5):  # NEGOTIATE, SESSION_SETUP, TREE_CONNECT, CREATE
        tcp.say(UP, message(command, bytes(96), False))
        tcp.say(DOWN, message(command, bytes(200), True))
    for piece in bulk(mib):
        tcp.say(UP, message(8, struct.pack("<HBBIQ16s", 49, 0x50, 0, len(piece), 0, b"handle") + bytes(17), False))
        tcp.say(DOWN, message(8, struct.pack("<HBBII", 17, 0x50, 0, len(piece), 0) + bytes(4) + piece, True))
    tcp.over()


def nfs(capture, mib):
    def record(body):
        return struct.pack(">I", 0x80000000 | len(body)) + body
    tcp = Tcp(capture, 2049)
    for n, piece in enumerate(bulk(mib)):
        tcp.say(UP, record(struct.pack(">IIIIIIII", n, 0, 2, 100003, 4, 1, 0, 0) + bytes(96)))
        tcp.say(DOWN, record(struct.pack(">IIIIII", n, 1, 0, 0, 0, 0) + bytes(64) + piece))
    tcp.over()


def datagrams(ports, begin, head, size):
    """Datagrams of `size` bytes from the server, after those of `begin`; `head(n)` is what the nth begins with."""
    def write(capture, mib):
        for way, payload in begin:
            capture.udp(way, ports, payload)
        n = 0
        for piece in bulk(mib):
            for at in range(0, len(piece) - size, size):
                first = head(n)
                capture.udp(DOWN, ports, first + piece[at:at + size - len(first)])
                n += 1
    return write


def esp(capture, mib):
    n = 0
    for piece in bulk(mib):
        for at in range(0, len(piece) - 1400, 1400):
            n += 1
            capture.ip(DOWN, 50, struct.pack(">II", 0x1234, n) + piece[at:at + 1400])


def echo(capture, mib):
    n = 0
    for piece in bulk(mib // 2 or 1):
        for at in range(0, len(piece) - 1400, 1400):
            n = n + 1 & 0xffff
            body = struct.pack(">HH", 77, n) + piece[at:at + 1400]
            capture.ip(UP, 1, b"\x08\x00\x00\x00" + body)
            capture.ip(DOWN, 1, b"\x00\x00\x00\x00" + body)


# What is done with the bulk, by the code; the tests of `dissect` hold which are bypassed.
ELEPHANTS = {
    "tls": (tls, "bypassed"),
    "tls-one-way": (half(tls, UP), "not followed: the other side is not seen"),
    "ssh": (ssh, "bypassed"),
        "http": (http(b"Content-Type: application/octet-stream\r\nContent-Length: LENGTH\r\n"), "hashed"),
    "http-untyped": (http(b""), "hashed"),
    "http-chunked": (http(b"Transfer-Encoding: chunked\r\n", chunks, after=b"0\r\n\r\n"), "hashed"),
    "http-gzip": (http(b"Content-Encoding: gzip\r\n", gzipped), "inflated and hashed up to 4 MiB"),
    "http-upload": (upload, "hashed, its end looked for"),
    "http-lossy": (lossy, "the next answer looked for"),
    "websocket": (websocket, "bypassed"),
    "smb2": (smb2, "bypassed"),
    "nfs": (nfs, "bypassed"),
    "ftp-data": (ftp, "hashed"),
    "smtp-base64": (mail(MAIL, LINES, MAIL_END), "decoded and hashed"),
    "smtp-text": (mail(b"Subject: x\r\n\r\n", PLAIN, b".\r\n"), "its end looked for (links in the first MiB)"),
    "pop3": (pop3, "its end looked for"),
    "imap": (imap, "counted"),
    "tcp-unknown": (exchange(9999, [(UP, b"\x00\x01hello"), (DOWN, b"\x00\x02hello")], DOWN, bulk), "bypassed"),
    "tcp-open": (open_before, "not followed: no handshake was seen"),
    "udp-unknown": (datagrams((40123, 9999), [(UP, b"\xee\xee hello")], lambda n: b"\xee\xef", 1400), "bypassed"),
    "quic": (datagrams((40123, 443), [(UP, b"\xc3\x00\x00\x00\x01\x08" + BLOCK[:1194]), (DOWN, b"\xc3\x00\x00\x00\x01\x08" + BLOCK[:1194])],
                       lambda n: b"\x45", 1250), "bypassed"),
    "rtp": (datagrams((40124, 40126), [], lambda n: struct.pack(">BBHII", 0x80, 96, n & 0xffff, n * 3000 & 0xffffffff, 7), 1200), "bypassed"),
    "wireguard": (datagrams((40123, 51820), [(UP, b"\x01\0\0\0" + BLOCK[:144]), (DOWN, b"\x02\0\0\0" + BLOCK[:88])],
                            lambda n: b"\x04\0\0\0\x07\0\0\0" + struct.pack("<Q", n), 1420), "bypassed"),
    "udp-on-123": (datagrams((40123, 123), [(UP, b"\x1b" + bytes(47)), (DOWN, b"\x1c\x02\x06\xe9" + BLOCK[:44])], lambda n: b"\x00\x00", 1400), "each message tried, few told"),
    "udp-on-5353": (datagrams((5353, 5353), [(UP, bytes.fromhex("000000000001000000000000") + b"\x01a\x05local\x00\x00\x01\x00\x01")],
                              lambda n: b"\x00\x00", 1400), "each message tried, few told"),
    "esp": (esp, "bypassed"),
    "icmp-echo": (echo, "each message read"),
}


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("names", nargs="*", metavar="NAME", help=f"of {' '.join(ELEPHANTS)}; all by default")
    ap.add_argument("--vigie", required=True)
    ap.add_argument("--mib", type=int, default=128)
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    ap.add_argument("--scratch", default="/dev/shm")
    ap.add_argument("--set", action="append", default=[], metavar="K=V", help="passed to vigie")
    ap.add_argument("--keep", action="store_true", help="leave the captures in the scratch directory")
    a = ap.parse_args()
    unknown = [n for n in a.names if n not in ELEPHANTS]
    if unknown:
        sys.exit(f"elephants: no {', '.join(unknown)}; there are {', '.join(ELEPHANTS)}")

    def cost(path):
        """Processor time of a replay, its frames, the flow's protocol, and events."""
        out = tempfile.mkdtemp(prefix="vigie-elephant-", dir=a.scratch)
        command = [a.vigie, "replay", "-l", out, "--workers", "1"]
        for pair in a.set:
            command += ["--set", pair]
        try:
            cpu = statistics.median(Run(command + [path], a.core).cpu for _ in range(a.rounds))
            with open(os.path.join(out, "eve.json"), encoding="utf-8", errors="replace") as lines:
                events = [json.loads(line) for line in lines]
        finally:
            shutil.rmtree(out)
        flows = [e for e in events if e["event_type"] == "flow"]
        frames = sum(e["flow"]["pkts_toserver"] + e["flow"]["pkts_toclient"] for e in flows)
        biggest = max(flows, key=lambda e: e["flow"]["bytes_toserver"] + e["flow"]["bytes_toclient"])
        return cpu, frames, biggest.get("app_proto", ""), len(events)

    print(f"{a.mib} MiB each, median of {a.rounds} on core {a.core}; the flow with 1 MiB taken off")
    print(f"{'flow':14} {'told as':10} {'frames':>8} {'ns a frame':>10} {'ns a KiB':>9} {'of tls':>7} {'events':>7}  its bulk is")
    ruler = None
    for name in a.names or ELEPHANTS:
        write, what = ELEPHANTS[name]
        path = os.path.join(a.scratch, f"vigie-elephant-{name}.pcap")
        costs = []
        for mib in (1, a.mib):
            capture = Capture(path)
            write(capture, mib)
            capture.file.close()
            costs.append(cost(path))
        if not a.keep:
            os.remove(path)
        (less, few, _, _), (more, many, told, events) = costs
        spent = (more - less) * 1e9
        frame, kib = spent / (many - few), spent / ((a.mib - 1) * 1024)
        ruler = ruler or kib
        print(f"{name:14} {told:10} {many:8} {frame:10.0f} {kib:9.0f} {kib / ruler:7.2f} {events:7}  {what}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
