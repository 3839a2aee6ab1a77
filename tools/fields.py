#!/usr/bin/env python3
"""Compare Vigie's events with tshark, field for field, over a folder of captures.

usage: fields.py --vigie BINARY [--only GLOB] [--jobs N] [--examples N] [--due SHARE] CAPTURES
       fields.py --eve EVE.json CAPTURE          one capture, events already written (any sensor's EVE)

Each capture is read by tshark (PDML, segments put in order) and replayed by Vigie. Events and tshark's messages are matched within a flow: DNS
by transaction id and type, DHCP by transaction id and message, the others by their order, realigned where one side has
more. Certificates are decoded here from tshark's bytes; files are hashed from what `tshark --export-objects` writes.
A field is compared where either side has a value. Messages that only one side has are counted apart (`score.py
--events` judges those). Prints, per field, equal / compared and the first differences; exit status 1 if a field is
below the share that is due. Python 3.9+ and tshark, no package.
"""
import argparse
import collections
import concurrent.futures
import difflib
import email
import email.policy
import fnmatch
import hashlib
import ipaddress
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

RRTYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 17: "RP", 24: "SIG", 25: "KEY",
           28: "AAAA", 29: "LOC", 33: "SRV", 35: "NAPTR", 39: "DNAME", 41: "OPT", 43: "DS", 44: "SSHFP", 46: "RRSIG", 47: "NSEC",
           48: "DNSKEY", 50: "NSEC3", 51: "NSEC3PARAM", 52: "TLSA", 64: "SVCB", 65: "HTTPS", 99: "SPF", 249: "TKEY", 250: "TSIG",
           251: "IXFR", 252: "AXFR", 255: "ANY", 257: "CAA"}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 6: "YXDOMAIN", 7: "YXRRSET", 8: "NXRRSET",
          9: "NOTAUTH", 10: "NOTZONE"}
TLS_VERSIONS = {0x0002: "SSLv2", 0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}
DHCP_TYPES = {1: "discover", 2: "offer", 3: "request", 4: "decline", 5: "ack", 6: "nak", 7: "release", 8: "inform"}
FIELDS = ["dns.rrname", "dns.rrtype", "dns.rcode", "dns.answers", "http.method", "http.host", "http.url", "http.status", "http.length",
          "tls.sni", "tls.version", "tls.subject", "tls.issuer", "tls.ja3", "ssh.client_version", "ssh.server_version", "ssh.client_hassh",
          "ssh.server_hassh", "dhcp.type", "dhcp.hostname", "dhcp.assigned_ip", "smtp.from", "smtp.to", "ftp.command", "ftp.reply",
          "fileinfo.size", "fileinfo.sha256"]
# What orders a message among its flow's, where the two sides have different numbers of them.
ANCHORS = {"http": "http.url", "smtp": "smtp.from", "ftp": "ftp.command", "tls": "tls.ja3", "ssh": "ssh.client_version"}

ABSENT = object()  # the field cannot be judged for this message


# ------------------------------------------------------------------------------------------------ tshark

class Layer:
    """One protocol layer of a frame in PDML: its fields in order."""

    def __init__(self, element):
        self.element = element
        self.fields = [(f.get("name"), f) for f in element.iter("field")]

    def all(self, name):
        return [f.get("show") for n, f in self.fields if n == name]

    def one(self, name, default=None):
        return next((f.get("show") for n, f in self.fields if n == name), default)

    def raw(self, name):
        return [bytes.fromhex(f.get("value") or "") for n, f in self.fields if n == name and re.fullmatch(r"(?:[0-9a-f]{2})*", f.get("value") or "")]


def number(text):
    """An integer of tshark: decimal, hex, or a word for a truth value."""
    return int(text, 0) if text and re.fullmatch(r"0x[0-9a-fA-F]+|\d+", text) else None


def flow_key(proto, a, b):
    return proto, frozenset([a, b])


def address(text):
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


# Segments are put in order before they are read, as every sensor does; tshark by itself reads them as they come.
IN_ORDER = ["-o", "tcp.reassemble_out_of_order:TRUE"]
WANTED = {"dns": "dns", "http": "http", "tls": "tls.handshake", "ssh": "ssh", "dhcp": "dhcp", "smtp": "smtp", "ftp": "ftp"}


def layers_of(pcap, options, wanted=tuple(WANTED)):
    """(flow key, stream, protocol, layer) of each layer of interest, in the order of the frames."""
    command = ["tshark", "-n", "-r", pcap, "-T", "pdml", "-J", " ".join(("ip", "ipv6", "tcp", "udp") + wanted),
               "-Y", " or ".join(WANTED[w] for w in wanted)] + IN_ORDER + options
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as child:
        try:
            for _, packet in xml.iterparse(child.stdout):
                if packet.tag != "packet":
                    continue
                src = dst = key = stream = None
                for proto in packet.iter("proto"):
                    name = proto.get("name")
                    if name in ("ip", "ipv6"):
                        layer = Layer(proto)
                        src, dst = address(layer.one(name + ".src")), address(layer.one(name + ".dst"))
                    elif name in ("tcp", "udp"):
                        layer = Layer(proto)
                        key = flow_key(name.upper(), (src, number(layer.one(name + ".srcport"))), (dst, number(layer.one(name + ".dstport"))))
                        stream = (key, layer.one(name + ".stream"))
                    elif name in wanted and key:
                        yield key, stream, name, Layer(proto)
                packet.clear()
        except xml.ParseError:
            pass  # tshark ended in the middle of a damaged capture: what came before counts


def der(data, at=0):
    """(tag, content, end) of the DER element at `at`."""
    tag, length, at = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, at = int.from_bytes(data[at:at + size], "big"), at + size
    return tag, data[at:at + length], at + length


def der_list(content):
    at = 0
    while at < len(content):
        tag, inner, at = der(content, at)
        yield tag, inner


NAMES = {"2.5.4.3": "CN", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU",
         "1.2.840.113549.1.9.1": "emailAddress", "0.9.2342.19200300.100.1.25": "DC", "2.5.4.5": "serialNumber"}


def oid(content):
    parts, value = [str(min(content[0] // 40, 2)), str(content[0] - 40 * min(content[0] // 40, 2))], 0
    for byte in content[1:]:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            parts.append(str(value))
            value = 0
    return ".".join(parts)


def distinguished(content):
    """A Name as (attribute, value) pairs in the order of the certificate; only attributes with a short name."""
    pairs = []
    for _, rdn in der_list(content):
        for _, attribute in der_list(rdn):
            (_, kind), (tag, value) = list(der_list(attribute))[:2]
            name = NAMES.get(oid(kind))
            if name:
                pairs.append((name, value.decode("utf-16-be" if tag == 0x1E else "latin-1" if tag == 0x14 else "utf-8", "replace")))
    return pairs


def subject_and_issuer(certificate):
    try:
        _, outer, _ = der(certificate)
        _, tbs, _ = der(outer)
        parts = list(der_list(tbs))
        if parts[0][0] == 0xA0:
            parts = parts[1:]
        return distinguished(parts[4][1]), distinguished(parts[2][1])
    except (IndexError, ValueError):
        return None, None


def name_pairs(text):
    """The same of an EVE string such as `C=FR, O=Bureau, CN=www`."""
    return [(n, v) for n, v in re.findall(r"(?:^|, )([A-Za-z]+)=(.*?)(?=, [A-Za-z0-9.]+=|$)", text or "") if n in NAMES.values()]


class Side:
    """Messages by protocol and flow, in order: each a dict of field -> value."""

    def __init__(self):
        self.rows = collections.defaultdict(lambda: collections.defaultdict(list))

    def add(self, proto, key, **fields):
        row = {f"{proto}.{k}": v for k, v in fields.items()}
        self.rows[proto][key].append(row)
        return row


def from_tshark(pcap, decode_as=()):
    side = Side()
    http, tls, ssh, smtp, ftp = {}, {}, {}, {}, {}
    as_told = [word for rule in decode_as for word in ("-d", rule)]
    for key, stream, name, layer in layers_of(pcap, as_told):
        if name == "dns":
            dns_row(side, key, layer)
        elif name == "dhcp":
            dhcp_row(side, layer)
        elif name == "http":
            http_row(side, key, http.setdefault(stream, Exchanges()), layer)
        elif name == "tls":
            tls_row(side, key, tls, stream, layer)
        elif name == "ssh":
            ssh_row(side, key, ssh, stream, layer)
        elif name == "smtp":
            smtp_row(side, key, smtp, stream, layer)
        elif name == "ftp":
            ftp_row(side, key, ftp, stream, layer)
    if any(h.waiting for h in http.values()):
        late_answers(pcap, as_told, http)
    return side


def dns_row(side, key, layer):
    flags, ident = number(layer.one("dns.flags")), number(layer.one("dns.id"))
    if flags is None or ident is None:
        return
    response = bool(flags & 0x8000)
    rrtype = number(layer.one("dns.qry.type"))
    answers = collections.Counter()
    wanted = number(layer.one("dns.count.answers")) or 0
    for f in layer.element.iter("field"):
        if f.get("name") != "" or not (f.get("show") or "").startswith("Answers"):
            continue
        for record in f.findall("field"):
            values = {c.get("name"): c.get("show") for c in record.findall("field")}
            kind = RRTYPES.get(number(values.get("dns.resp.type", "")))
            data = next((values[n] for n in ("dns.a", "dns.aaaa", "dns.cname", "dns.ptr.domain_name", "dns.ns", "dns.mx.mail_exchange") if n in values), None)
            if kind in ("A", "AAAA", "CNAME", "PTR", "NS", "MX") and data is not None:
                answers[(dns_name(values.get("dns.resp.name")), kind, dns_name(address(data)))] += 1
    side.add("dns", (key, ident, response),
             rrname=dns_name(layer.one("dns.qry.name")) if layer.one("dns.qry.name") is not None else ABSENT,
             rrtype=RRTYPES.get(rrtype, ABSENT),
             rcode=RCODES.get(flags & 15, ABSENT) if response else ABSENT,
             answers=answers if response and wanted else ABSENT)


def dns_name(name):
    """A name as both sides can say it: lower case, the root empty, any byte that is not UTF-8 as U+FFFD (tshark keeps no more of it)."""
    name = (name or "").lower()
    return "" if name == "<root>" else re.sub(r"\\x[0-9a-f]{2}", "\ufffd", name)


def dhcp_row(side, layer):
    xid, kind = number(layer.one("dhcp.id")), number(layer.one("dhcp.option.dhcp"))
    if xid is None:
        return
    side.add("dhcp", (xid, layer.one("dhcp.hw.mac_addr"), number(layer.one("dhcp.type"))),
             type=DHCP_TYPES.get(kind, ABSENT), hostname=layer.one("dhcp.option.hostname"), assigned_ip=layer.one("dhcp.ip.your"))


class Exchanges:
    """HTTP of one TCP stream: requests without an answer, and how many had one."""

    def __init__(self):
        self.waiting, self.answered = collections.deque(), 0


def http_row(side, key, http, layer):
    method, status = layer.one("http.request.method"), final_status(layer)
    if method:
        host = layer.one("http.host")
        http.waiting.append(side.add("http", key, method=method, host=host_of(host), url=layer.one("http.request.uri"), status=None, length=ABSENT))
    elif status is not None and http.waiting:
        http.answered += 1
        row = http.waiting.popleft()
        row["http.status"] = status
        length = number(layer.one("http.content_length_header"))
        if length is not None and row["http.method"] != "HEAD" and status not in (204, 304):
            row["http.length"] = length


def final_status(layer):
    """The status that answers a request: 101 does, the other provisional ones do not (RFC 9110 section 15.2)."""
    status = number(layer.one("http.response.code"))
    return status if status is not None and (status >= 200 or status == 101) else None


def late_answers(pcap, options, http):
    """Statuses of answers whose body is not whole (a gap, the end of the capture). tshark waits for the body and then shows nothing at
    all, while the head was there for any sensor to read; without that wait it shows the head. Its length is not judged."""
    seen = collections.Counter()
    for _, stream, _, layer in layers_of(pcap, options + ["-o", "http.desegment_body:FALSE"], ("http",)):
        status = final_status(layer)
        if status is None or stream not in http:
            continue
        seen[stream] += 1
        if seen[stream] > http[stream].answered and http[stream].waiting:
            http[stream].waiting.popleft()["http.status"] = status


def host_of(text):
    if text is None:
        return None
    text = text.strip().lower()
    return re.sub(r":\d+$", "", text) if text.count(":") == 1 or text.startswith("[") else text


def tls_row(side, key, tls, stream, layer):
    kinds = [number(k) for k in layer.all("tls.handshake.type")]
    if not {1, 2, 11} & set(kinds):
        return
    row = tls.get(stream)
    if row is None:
        # Without a ServerHello the version is not agreed: an event then tells that of the records, as Suricata's does.
        row = tls[stream] = side.add("tls", key, sni=None, version=ABSENT, subject=ABSENT, issuer=ABSENT, ja3=ABSENT)
    if 1 in kinds and row["tls.ja3"] is ABSENT:
        row["tls.ja3"] = layer.one("tls.handshake.ja3", ABSENT)
        row["tls.sni"] = layer.one("tls.handshake.extensions_server_name")
    if 2 in kinds and row["tls.version"] is ABSENT:
        hello = next((f for f in layer.element.iter("field") if f.get("name") == "tls.handshake" and "Server Hello" in (f.get("showname") or "")), None)
        scope = Layer(hello) if hello is not None else layer
        version = number(scope.one("tls.handshake.extensions.supported_version")) or number(scope.one("tls.handshake.version"))
        row["tls.version"] = TLS_VERSIONS.get(version, ABSENT)
    if 11 in kinds and row["tls.subject"] is ABSENT and row["tls.version"] is not ABSENT:
        certificates = layer.raw("tls.handshake.certificate")
        if certificates:
            subject, issuer = subject_and_issuer(certificates[0])
            row["tls.subject"], row["tls.issuer"] = (ABSENT if x is None else x for x in (subject, issuer))


def ssh_row(side, key, ssh, stream, layer):
    row = ssh.get(stream)
    if row is None:
        row = ssh[stream] = side.add("ssh", key, client_version=None, server_version=None, client_hassh=ABSENT, server_hassh=ABSENT)
    banner = layer.one("ssh.protocol")
    if banner:
        place = "ssh.server_version" if number(layer.one("ssh.direction")) == 1 else "ssh.client_version"
        if row[place] is None:
            row[place] = banner_version(banner)
    for place, name in (("ssh.client_hassh", "ssh.kex.hassh"), ("ssh.server_hassh", "ssh.kex.hasshserver")):
        if row[place] is ABSENT and layer.one(name):
            row[place] = layer.one(name)


def banner_version(banner):
    """`SSH-2.0-OpenSSH_9.2p1 Debian-2` as (2.0, OpenSSH_9.2p1)."""
    parts = banner.strip().split("-", 2)
    return (parts[1], parts[2].split(" ")[0]) if len(parts) == 3 else (banner, "")


def mailbox(text):
    """What stands between the angle brackets, else the first word."""
    inside = re.search(r"<([^>]*)>", text or "")
    return inside.group(1).lower() if inside else (text or "").split(" ")[0].lower()


def smtp_row(side, key, smtp, stream, layer):
    command = None
    for name, f in layer.fields:  # a layer holds several commands where they are pipelined
        if name == "smtp.req.command":
            command = f.get("show").upper()
        elif name == "smtp.req.parameter" and command == "MAIL":
            smtp[stream] = side.add("smtp", key, **{"from": mailbox(f.get("show").partition(":")[2].strip()), "to": []})
        elif name == "smtp.req.parameter" and command == "RCPT" and stream in smtp:
            smtp[stream]["smtp.to"].append(mailbox(f.get("show").partition(":")[2].strip()))


def ftp_row(side, key, ftp, stream, layer):
    """Commands in order; each has the code and text of the last reply line before the next command."""
    for n, f in layer.fields:
        if n == "ftp.request.command":
            ftp[stream] = side.add("ftp", key, command=f.get("show").upper(), reply=None)
        elif n == "ftp.response.code" and stream in ftp:
            ftp[stream]["ftp.reply"] = f.get("show")


# ------------------------------------------------------------------------------------------------ EVE

def from_eve(path):
    side, files, ports = Side(), [], collections.defaultdict(set)
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            event = json.loads(line)
            kind = event.get("event_type")
            if kind == "fileinfo":
                files.append(event.get("fileinfo", {}))
            elif kind in EVE_ROWS and isinstance(event.get(kind), dict):
                key = flow_key(event.get("proto"), (address(event.get("src_ip")), event.get("src_port")), (address(event.get("dest_ip")), event.get("dest_port")))
                EVE_ROWS[kind](side, key, event[kind])
                ports[f"{str(event.get('proto')).lower()}.port=={event.get('dest_port')}"].add(kind)
    return side, files, decode_rules(ports)


def decode_rules(ports):
    """What tshark would not look for on such a port: it goes by ports, where an event goes by content."""
    return [f"{port},{next(iter(kinds))}" for port, kinds in sorted(ports.items())
            if len(kinds) == 1 and next(iter(kinds)) in ("ssh", "ftp", "smtp", "dns") and port not in USUAL_PORTS]


USUAL_PORTS = {"tcp.port==21", "tcp.port==22", "tcp.port==25", "tcp.port==53", "udp.port==53", "tcp.port==587"}


def eve_dns(side, key, d):
    query = (d.get("queries") or [{}])[0]
    answers = collections.Counter()
    for a in d.get("answers") or []:
        data = a.get("rdata")
        if isinstance(data, dict):  # MX as an object
            data = data.get("exchange") or data.get("name")
        if a.get("rrtype") in ("A", "AAAA", "CNAME", "PTR", "NS", "MX") and data is not None:
            answers[(dns_name(a.get("rrname")), a.get("rrtype"), dns_name(address(str(data))))] += 1
    side.add("dns", (key, d.get("id"), d.get("type") in ("response", "answer")), rrname=dns_name(query.get("rrname")), rrtype=query.get("rrtype"), rcode=d.get("rcode"), answers=answers)


def eve_dhcp(side, _key, d):
    side.add("dhcp", (d.get("id"), d.get("client_mac"), {"request": 1, "reply": 2}.get(d.get("type"))),
             type=d.get("dhcp_type"), hostname=d.get("hostname"), assigned_ip=d.get("assigned_ip"))


def eve_http(side, key, d):
    if "http2" in d or str(d.get("version")) == "2":
        return
    side.add("http", key, method=d.get("http_method"), host=host_of(d.get("hostname")), url=d.get("url"), status=d.get("status"), length=d.get("length"))


def eve_tls(side, key, d):
    version = d.get("version")
    side.add("tls", key, sni=d.get("sni"), version=None if version == "UNDETERMINED" else version, subject=name_pairs(d["subject"]) if "subject" in d else None,
             issuer=name_pairs(d["issuerdn"]) if "issuerdn" in d else None, ja3=(d.get("ja3") or {}).get("hash"))


def eve_ssh(side, key, d):
    c, s = d.get("client") or {}, d.get("server") or {}

    def version(x):
        return (x["proto_version"], (x.get("software_version") or "").split(" ")[0]) if "proto_version" in x else None

    side.add("ssh", key, client_version=version(c), server_version=version(s), client_hassh=(c.get("hassh") or {}).get("hash"),
             server_hassh=(s.get("hassh") or {}).get("hash"))


def eve_smtp(side, key, d):
    if "mail_from" in d:
        side.add("smtp", key, **{"from": mailbox(d["mail_from"]), "to": [mailbox(r) for r in d.get("rcpt_to") or []]})


def eve_ftp(side, key, d):
    if d.get("command"):
        side.add("ftp", key, command=d["command"].upper(), reply=(d.get("completion_code") or [None])[-1])


EVE_ROWS = {"dns": eve_dns, "dhcp": eve_dhcp, "http": eve_http, "tls": eve_tls, "ssh": eve_ssh, "smtp": eve_smtp, "ftp": eve_ftp}


# ------------------------------------------------------------------------------------------------ files

def exported_files(pcap):
    """(name, size, sha256) of what tshark can export: HTTP bodies, FTP transfers, attachments of mails."""
    found = []
    with tempfile.TemporaryDirectory() as top:
        command = ["tshark", "-n", "-r", pcap, "-q"] + IN_ORDER
        for kind in ("http", "ftp-data", "imf"):
            command += ["--export-objects", f"{kind},{os.path.join(top, kind)}"]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
        for kind in ("http", "ftp-data", "imf"):
            folder = os.path.join(top, kind)
            for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
                with open(os.path.join(folder, name), "rb") as f:
                    data = f.read()
                if kind != "imf":
                    found.append((plain_name(name), len(data), hashlib.sha256(data).hexdigest()))
                    continue
                for part in email.message_from_bytes(data, policy=email.policy.compat32).walk():
                    body = part.get_payload(decode=True) if part.get_filename() else None
                    if body:
                        found.append((plain_name(part.get_filename()), len(body), hashlib.sha256(body).hexdigest()))
    return [f for f in found if f[1]]


def plain_name(name):
    name = re.sub(r"%28\d+%29|\(\d+\)", "", name or "")
    return os.path.basename(re.sub(r"%2[fF]|\\", "/", name).split("%3f")[0].split("?")[0])


def compare_files(pcap, events, result):
    """By content first, then by name: what has the same name and other bytes is a difference."""
    left = collections.defaultdict(list)
    for e in events:
        left[e.get("sha256")].append(e)
    unmatched = []
    for name, size, digest in exported_files(pcap):
        if left.get(digest):
            same = left[digest].pop()
            result.judge("fileinfo.sha256", digest, digest, name)
            result.judge("fileinfo.size", size, same.get("size"), name)
        else:
            unmatched.append((name, size, digest))
    by_name = collections.defaultdict(list)
    for group in left.values():
        for e in group:
            by_name[plain_name(e.get("filename"))].append(e)
    for name, size, digest in unmatched:
        if name and by_name.get(name):
            other = by_name[name].pop()
            if other.get("state") == "CLOSED" or other.get("sha256"):
                result.judge("fileinfo.sha256", digest, other.get("sha256"), name)
                result.judge("fileinfo.size", size, other.get("size"), name)
            continue
        result.missing["fileinfo"] += 1
        result.note("fileinfo", f"tshark exports {name or '(no name)'} of {size} bytes, no such event")


# ------------------------------------------------------------------------------------------------ judgement

class Result:
    def __init__(self, file):
        self.file = file
        self.equal, self.compared = collections.Counter(), collections.Counter()
        self.missing, self.surplus = collections.Counter(), collections.Counter()
        self.different = collections.defaultdict(list)

    def judge(self, field, theirs, ours, where):
        if theirs is ABSENT or ours is ABSENT or (theirs in (None, "") and ours in (None, "")):
            return
        self.compared[field] += 1
        if theirs == ours:
            self.equal[field] += 1
        else:
            self.note(field, f"{where}: tshark {shown(theirs)}, Vigie {shown(ours)}")

    def note(self, field, text):
        self.different[field].append(f"{self.file}: {text}")


def shown(value):
    if isinstance(value, collections.Counter):
        value = sorted(value.elements())
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 160 else text[:157] + "..."


def where_of(key):
    text = key
    while isinstance(text, tuple) and text and isinstance(text[0], tuple):
        text = text[0]
    if isinstance(text, tuple) and len(text) == 2 and isinstance(text[1], frozenset):
        return f"{text[0]} " + " ".join(sorted(f"{ip}:{port}" for ip, port in text[1]))
    return str(key)


def pair_up(proto, theirs, ours):
    """Pairs of rows of one flow, and how many of each side stayed alone."""
    if len(theirs) == len(ours):
        return list(zip(theirs, ours)), 0, 0
    anchor = ANCHORS.get(proto)
    if not anchor:
        n = min(len(theirs), len(ours))
        return list(zip(theirs, ours)), len(theirs) - n, len(ours) - n
    matcher = difflib.SequenceMatcher(None, [str(r[anchor]) for r in theirs], [str(r[anchor]) for r in ours], autojunk=False)
    pairs = [(theirs[b.a + i], ours[b.b + i]) for b in matcher.get_matching_blocks() for i in range(b.size)]
    return pairs, len(theirs) - len(pairs), len(ours) - len(pairs)


def compare(pcap, name, eve):
    result = Result(name)
    ours, files, decode_as = from_eve(eve)
    if not ours.rows and not files:
        return result  # nothing to compare, and tshark is slow to start
    theirs = from_tshark(pcap, decode_as)
    for proto in EVE_ROWS:
        keys = list(theirs.rows[proto]) + [k for k in ours.rows[proto] if k not in theirs.rows[proto]]
        for key in keys:
            pairs, alone, more = pair_up(proto, theirs.rows[proto].get(key, []), ours.rows[proto].get(key, []))
            result.missing[proto] += alone
            result.surplus[proto] += more
            for a, b in pairs:
                for field in a:
                    result.judge(field, a[field], b[field], where_of(key))
    if files:
        compare_files(pcap, files, result)
    return result


def replay_and_compare(vigie, top, pcap, limit):
    name = os.path.relpath(pcap, top)
    with tempfile.TemporaryDirectory() as out:
        try:
            done = subprocess.run([vigie, "replay", "-l", out, pcap], stdin=subprocess.DEVNULL, capture_output=True, timeout=limit)
            failed = done.returncode != 0 and f"exit {done.returncode}"
        except subprocess.TimeoutExpired:
            failed = f"ran past {limit} s"
        if failed:
            result = Result(name)
            result.note("replay", failed)
            return result
        return compare(pcap, name, os.path.join(out, "eve.json"))


def report(results, examples, due):
    total, short = Result(""), []
    for r in results:
        for mine, its in ((total.equal, r.equal), (total.compared, r.compared), (total.missing, r.missing), (total.surplus, r.surplus)):
            mine.update(its)
        for field, lines in r.different.items():
            total.different[field] += lines
    for field in FIELDS + sorted(set(total.different) - set(FIELDS)):
        if examples:
            for line in total.different[field][:examples]:
                print(f"{field}: {line}")
    print(f"\n{'field':20} {'equal':>7} {'compared':>9} {'share':>7}")
    for field in FIELDS:
        n = total.compared[field]
        share = total.equal[field] / n if n else float("nan")
        low = n and share < due
        if low:
            short.append(field)
        print(f"{field:20} {total.equal[field]:7} {n:9} {share:7.4f}{'  below ' + format(due, 'g') if low else ''}")
    for proto in list(EVE_ROWS) + ["fileinfo"]:
        if total.missing[proto] or total.surplus[proto]:
            print(f"{proto}: {total.missing[proto]} messages only tshark has, {total.surplus[proto]} only Vigie (not compared)")
    failed = total.different.get("replay", [])
    print(f"{len(results)} captures; " + (f"below {due:g}: {', '.join(short)}" if short else f"every field that occurs at least {due:g}"))
    return 1 if short or failed else 0


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("captures", metavar="CAPTURES")
    ap.add_argument("--vigie")
    ap.add_argument("--eve", help="compare these events of the one capture, run nothing")
    ap.add_argument("--only", default="*", metavar="GLOB")
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--timeout", type=float, default=60)
    ap.add_argument("--examples", type=int, default=4, metavar="N", help="differences shown of each field (default 4)")
    ap.add_argument("--due", type=float, default=0.98)
    a = ap.parse_args()
    if a.eve:
        return report([compare(a.captures, os.path.basename(a.captures), a.eve)], a.examples, a.due)
    if not a.vigie or not os.access(a.vigie, os.X_OK):
        ap.error("--vigie must name the built binary")
    files = sorted(os.path.join(d, n) for d, _, names in os.walk(a.captures) for n in names)
    files = [f for f in files if fnmatch.fnmatch(os.path.relpath(f, a.captures), a.only)]
    with concurrent.futures.ProcessPoolExecutor(a.jobs) as pool:
        results = list(pool.map(replay_and_compare, [a.vigie] * len(files), [a.captures] * len(files), files, [a.timeout] * len(files)))
    return report(results, a.examples, a.due)


if __name__ == "__main__":
    sys.exit(main())
