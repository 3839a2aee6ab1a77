#!/usr/bin/env python3
"""Packs the IEEE's public listing of MAC prefixes into vendors.bin (see README.md).

    npm pack oui-data && tar xzf oui-data-*.tgz
    content/make_vendors.py package/index.json content/vendors.bin

The input maps prefixes of 6, 7 or 9 hexadecimal digits (MA-L, MA-M, MA-S) to an address whose first line is the
organisation. The output is a zlib stream of
  varint n, then n names, sorted: byte shared with the name before, byte rest, the rest;
  for 24, 28 and 36 bits: varint m, then m pairs: varint difference to the prefix before, varint name.
"""
import json
import re
import sys
import zlib

# Legal forms and filler say nothing of who made a device.
TAIL = re.compile(
    r"[\s,.(]+(co|company|corp|corporation|inc|incorporated|ltd|limited|llc|gmbh|ag|kg|bv|b\.v|nv|n\.v|sa|s\.a|s\.a\.s|sas|spa|s\.p\.a"
    r"|srl|s\.r\.l|ab|a/s|as|oy|oyj|aps|kft|plc|pte|pty|pvt|private|s\.r\.o|sp\. z o\.o|d\.o\.o|k\.k|kk|co\.,?\s*ltd|se|sl|s\.l)\.?\)?$",
    re.I,
)
NAME_MAX = 40


def tidy(name):
    name = " ".join(name.split())
    while (cut := TAIL.sub("", name)) not in (name, ""):
        name = cut
    name = name.strip(" ,.-")
    if name.isupper():
        # Words of four letters and more are shouted names; shorter ones are mostly initials.
        name = " ".join(w.capitalize() if len(w) > 4 and w.isalpha() else w for w in name.split(" "))
    return name[:NAME_MAX].strip()


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def main(source, target):
    with open(source, encoding="utf-8") as f:
        listing = {p.upper(): tidy(a.split("\n")[0]) for p, a in json.load(f).items()}
    # "Private" hides the owner; the registry's own entries only say that the range is divided further.
    listing = {p: n for p, n in listing.items() if n and n != "Private" and n != "IEEE Registration Authority"}
    names = sorted(set(listing.values()), key=lambda n: n.encode())
    place = {n: i for i, n in enumerate(names)}
    out = bytearray(varint(len(names)))
    before = b""
    for name in (n.encode() for n in names):
        shared = next((i for i, (a, b) in enumerate(zip(before, name)) if a != b), min(len(before), len(name)))
        out += bytes([shared, len(name) - shared]) + name[shared:]
        before = name
    for digits in (6, 7, 9):
        table = sorted((int(p, 16), place[n]) for p, n in listing.items() if len(p) == digits)
        out += varint(len(table))
        last = 0
        for prefix, name in table:
            out += varint(prefix - last) + varint(name)
            last = prefix
    with open(target, "wb") as f:
        f.write(zlib.compress(bytes(out), 9))
    print(len(names), "names,", len(listing), "prefixes,", len(out), "bytes unpacked")


main(*sys.argv[1:])
