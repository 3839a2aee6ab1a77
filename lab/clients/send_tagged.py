"""Sends recordings as a trunk carries them: send_tagged.py INTERFACE SPEED PCAP VLAN [PCAP VLAN]...

Each frame with the tag of its VLAN (IEEE 802.1Q), in the order of their times from the first frame of each on, so many times faster.
"""
import heapq
import socket
import struct
import sys
import time


def frames(path, vlan):
    with open(path, "rb") as f:
        data = f.read()
    at, first = 24, None
    while at + 16 <= len(data):
        sec, micro, cap, _ = struct.unpack_from("<IIII", data, at)
        frame = data[at + 16:at + 16 + cap]
        at += 16 + cap
        first = sec + micro / 1e6 if first is None else first
        yield sec + micro / 1e6 - first, frame[:12] + struct.pack(">HH", 0x8100, vlan) + frame[12:]


interface, speed, rest = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as wire:
    wire.bind((interface, 0))
    began = time.monotonic()
    for at, frame in heapq.merge(*(frames(path, int(vlan)) for path, vlan in zip(rest[::2], rest[1::2]))):
        time.sleep(max(0, at / speed - (time.monotonic() - began)))
        wire.send(frame)
