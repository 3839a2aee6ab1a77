#!/usr/bin/env python3
"""The server as scripts and browsers meet it: one `vigie up` on a data directory of its own, filled from the demo captures.

Usage: tools/api.py --vigie BINARY. Ends with what the unittest module says of its tests.
"""
import argparse
import csv
import gzip
import hashlib
import http.client
import json
import os
import re
import shutil
import sqlite3
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VIGIE = ROOT / "target/release/vigie"
PASSWORD = "a long enough password"


def demo_captures():
    return [str(ROOT / "testdata" / name) for name in json.loads((ROOT / "testdata/demo.json").read_text())["captures"]]


def tshark(file, *args):
    """Lines that tshark prints of a capture; None where it is not installed."""
    if not shutil.which("tshark"):
        return None
    done = subprocess.run(["tshark", "-n", "-r", str(file), *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def later(capture, seconds):
    """A capture (little-endian pcap) whose times are moved."""
    out, at = bytearray(capture), 24
    while at < len(out):
        moved, included = struct.unpack_from("<I4xI", out, at)
        struct.pack_into("<I", out, at, moved + seconds)
        at += 16 + included
    return bytes(out)


def frames(pcapng):
    """How many frames a pcapng of ours has, by its blocks alone, and the comment at its head."""
    at, count, comment = 0, 0, ""
    while at < len(pcapng):
        kind, size = struct.unpack_from("<II", pcapng, at)
        assert size >= 12 and size % 4 == 0 and struct.unpack_from("<I", pcapng, at + size - 4) == (size,), (at, kind, size)
        if kind == 0x0A0D0D0A:
            code, length = struct.unpack_from("<HH", pcapng, at + 24)
            assert code == 1, code
            comment = pcapng[at + 28 : at + 28 + length].decode()
        count += kind == 6
        at += size
    return count, comment


class Server:
    """`vigie up` on a free port of the loopback."""

    running = set()

    def __init__(self, data, *options, log=None):
        """`log`: a file that takes what the server says of itself; without one little of it can be said before it stands still."""
        self.data = data
        command = [str(VIGIE), "up", "--data", str(data), "--listen", "127.0.0.1:0", *map(str, options)]
        errors = open(log, "w") if log else subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        if log:
            errors.close()
        Server.running.add(self)
        first = self.process.stdout.readline()
        found = re.search(r"https://127\.0\.0\.1:(\d+)/", first)
        if not found:
            self.process.kill()
            raise AssertionError(f"the first line does not say how to open it: {first!r} {Path(log).read_text() if log else self.process.stderr.read()!r}")
        self.port = int(found.group(1))
        self.password = None
        self.second_line = self.process.stdout.readline()
        found = re.search(r"First log-in: .* password (\S+)", self.second_line)
        if found:
            self.password = found.group(1)

    def stop(self):
        self.process.terminate()
        return self.ended()

    def kill(self):
        self.process.kill()
        return self.ended()

    def ended(self):
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        if self.process.stderr:
            self.process.stderr.close()
        Server.running.discard(self)
        return code


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class Client:
    def __init__(self, server):
        self.server, self.cookie, self.csrf, self.token = server, None, None, None

    def ask(self, method, path, body=None, headers=None, csrf=True):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.server.port, context=context, timeout=60)
        sent = dict(headers or {})
        if self.cookie:
            sent["Cookie"] = self.cookie
        if self.csrf and csrf and method != "GET":
            sent["X-CSRF-Token"] = self.csrf
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, sent)
        reply = Reply(connection.getresponse())
        connection.close()
        return reply

    def api(self, method, path, body=None, **more):
        return self.ask(method, "/api/v1" + path, body, **more)

    def get(self, path):
        reply = self.api("GET", path)
        if reply.status != 200:
            raise AssertionError(f"GET {path}: {reply.status} {reply.body[:300]!r}")
        return reply.json()

    def log_in(self, name, password):
        reply = self.api("POST", "/session", {"name": name, "password": password})
        if reply.status == 200:
            self.cookie = reply.headers["Set-Cookie"].split(";")[0]
            self.csrf = reply.json()["csrf"]
        return reply


def vigie(*args, given=None):
    return subprocess.run([str(VIGIE), *map(str, args)], input=given, capture_output=True, text=True, timeout=120)


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="vigie-api-")
        cls.data = Path(cls.folder.name) / "data"
        filled = vigie("replay", "--data", cls.data, "--dataset", "demo", "--shift-to-now", *demo_captures())
        assert filled.returncode == 0, filled.stderr
        cls.server = Server(cls.data)
        cls.admin = Client(cls.server)
        first = cls.admin.log_in("admin", cls.server.password)
        assert first.status == 200, first.body
        # Nothing but the password can be done first.
        cls.refused_first = cls.admin.api("GET", "/cases")
        changed = cls.admin.api("POST", "/session/password", {"old": cls.server.password, "new": PASSWORD})
        assert changed.status == 204, changed.body
        for name, role in [("vera", "viewer"), ("anna", "analyst"), ("lock", "viewer")]:
            added = vigie("user", "add", name, "--role", role, "--data", cls.data, given=PASSWORD + "\n")
            assert added.returncode == 0, added.stderr
        cls.viewer, cls.analyst = Client(cls.server), Client(cls.server)
        assert cls.viewer.log_in("vera", PASSWORD).status == 200
        assert cls.analyst.log_in("anna", PASSWORD).status == 200

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        cls.folder.cleanup()
        assert code == 0, f"the server ended with {code}"

    def test_first_password_must_be_changed(self):
        self.assertEqual(self.refused_first.status, 403)
        self.assertEqual(self.refused_first.json()["error"]["code"], "must_change_password")
        self.assertFalse(self.admin.get("/session")["user"]["must_change_password"])

    def test_strangers_read_nothing(self):
        stranger = Client(self.server)
        document = json.loads(stranger.ask("GET", "/api/v1/openapi.json").body)
        tried = 0
        for path, methods in document["paths"].items():
            for method in methods:
                if path == "/api/v1/session" and method == "post":
                    continue
                asked = re.sub(r"\{[^}]*\}", "1", path)
                reply = stranger.ask(method.upper(), asked, {} if method != "get" else None)
                self.assertIn(reply.status, (400, 401, 415, 422), f"{method} {asked}")
                if method == "get":
                    self.assertEqual(reply.status, 401, f"{method} {asked}")
                self.assertNotIn(b"10.20.", reply.body)
                tried += 1
        self.assertGreater(tried, 20)

    def test_headers_and_cookie(self):
        page = self.admin.ask("GET", "/")
        self.assertEqual(page.status, 200)
        self.assertIn("default-src 'self'", page.headers["Content-Security-Policy"])
        self.assertNotIn("unsafe", page.headers["Content-Security-Policy"])
        self.assertEqual(page.headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(page.headers["X-Frame-Options"], "DENY")
        cookie = Client(self.server).log_in("anna", PASSWORD).headers["Set-Cookie"]
        for part in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/"):
            self.assertIn(part, cookie)
        self.assertEqual(self.admin.api("GET", "/status").headers["Cache-Control"], "no-store")

    def test_a_change_without_the_csrf_token_is_refused(self):
        reply = self.admin.api("POST", "/users", {"name": "mallory", "role": "viewer", "password": PASSWORD}, csrf=False)
        self.assertEqual(reply.status, 403)
        self.assertNotIn("mallory", [u["name"] for u in self.admin.get("/users")])

    def test_lock_out(self):
        tries = [Client(self.server).log_in("lock", f"wrong password {n}").status for n in range(7)]
        self.assertEqual(tries[0], 401)
        self.assertEqual(tries[-1], 429)
        right = Client(self.server).log_in("lock", PASSWORD)
        self.assertEqual(right.status, 429)
        self.assertGreater(int(right.headers["Retry-After"]), 60)
        self.assertEqual(Client(self.server).log_in("nobody", PASSWORD).status, 401)

    def test_roles(self):
        case = self.viewer.get("/cases")["items"][0]
        change = {"version": case["version"], "state": "acknowledged"}
        self.assertEqual(self.viewer.api("PATCH", f"/cases/{case['id']}", change).status, 403)
        for client in (self.viewer, self.analyst):
            self.assertEqual(client.api("GET", "/users").status, 403)
            self.assertEqual(client.api("GET", "/audit").status, 403)
            self.assertEqual(client.api("DELETE", "/datasets/demo").status, 403)
        self.assertEqual(self.analyst.api("POST", "/imports/paths", {"paths": ["/etc/passwd"]}).status, 403)

    def test_the_demo_is_told(self):
        cases = self.viewer.get("/cases?lang=en")
        self.assertEqual(cases["total"], len(cases["items"]))
        worst = cases["items"][0]
        self.assertEqual(worst["severity"], "critical")
        self.assertEqual(worst["score"], sum(r["points"] for r in worst["reasons"]))
        self.assertLessEqual({"brute_force", "scan", "attacker_tool_host"}, set(worst["detectors"]))
        self.assertIn("10.20.3.66", [e["ip"] for e in worst["entities"] if e["role"] == "attacker"])
        for other in cases["items"][1:]:
            self.assertEqual(other["severity"], "low", other["title"])
        whole = self.viewer.get(f"/cases/{worst['id']}?lang=fr")
        self.assertTrue(whole["story"] and whole["innocent"] and whole["checks"] and whole["actions"])
        self.assertNotEqual(whole["title"], worst["title"])
        evidence = [flow for alert in whole["alerts"] for flow in alert["evidence"]]
        self.assertTrue(evidence)
        events = self.viewer.get(f"/events/flow/{evidence[0]}")["items"]
        self.assertIn("flow", [e["event_type"] for e in events])
        assets = self.viewer.get("/assets?q=kali")
        self.assertEqual([a["ip"] for a in assets["items"]], ["10.20.3.66"])

    def test_the_flows_of_a_case_are_all_between_its_machines(self):
        worst = self.viewer.get("/cases")["items"][0]
        whole = self.viewer.get(f"/cases/{worst['id']}")
        reply = self.viewer.api("GET", f"/cases/{worst['id']}/flows")
        self.assertEqual((reply.status, reply.headers["Content-Type"]), (200, "text/csv; charset=utf-8"))
        rows = list(csv.DictReader(reply.body.decode().splitlines()))
        got = {row["flow_id"] for row in rows}
        self.assertEqual(len(got), len(rows), "a flow stands twice")
        self.assertLessEqual({flow for alert in whole["alerts"] for flow in alert["evidence"]}, got)
        self.assertEqual([row["ts"] for row in rows], sorted(row["ts"] for row in rows))
        # Counted another way: every flow between an attacker and a victim that began in the case's time.
        for alert in whole["alerts"]:
            sides = [[e["ip"] for e in alert["entities"] if (e["role"] == "attacker") == acts] for acts in (True, False)]
            for one, other in ((a, b) for a in sides[0] for b in sides[1] if "/" not in a + b):
                port = f" dest_port:{alert['port']}" if alert["port"] else ""
                asked = f"((src_ip:{one} dest_ip:{other}) or (src_ip:{other} dest_ip:{one})){port}"
                flows = self.viewer.get(f"/events?kind=flow&limit=1000&q={urllib.parse.quote(asked)}")["items"]
                meant = {str(f["flow_id"]) for f in flows if f["flow"]["start"] <= whole["last_seen"].replace("Z", "+0000")}
                self.assertLessEqual(meant, got, asked)

    def test_the_flows_that_prove_a_case_are_among_its_flows_and_first_in_its_evidence(self):
        worst = self.viewer.get("/cases")["items"][0]
        whole = self.viewer.get(f"/cases/{worst['id']}")
        rows = list(csv.DictReader(self.viewer.api("GET", f"/cases/{worst['id']}/flows").body.decode().splitlines()))
        fetched = {row["flow_id"] for row in rows if row["dest_ip"] in ("203.0.113.90", "203.0.113.91", "203.0.113.92")}
        self.assertGreaterEqual(len(fetched), 3)
        tools = next(a for a in whole["alerts"] if a["detector"] == "attacker_tool_host")
        self.assertLessEqual(fetched, set(tools["evidence"][:12]), "what is shown of an alert is what proves it")
        self.assertIn("kali", {row["src_name"] for row in rows})

    def test_a_case_goes_into_a_french_spreadsheet(self):
        worst = self.viewer.get("/cases")["items"][0]
        reply = self.viewer.api("GET", f"/cases/{worst['id']}/flows?lang=fr&separator=semicolon")
        name = reply.headers["Content-Disposition"]
        self.assertRegex(name, r'filename="cas-outils-d-attaque-sur-10\.20\.3\.66-kali-[0-9-]{10}-flux\.csv"')
        rows = list(csv.DictReader(reply.body.decode("utf-8-sig").splitlines(), delimiter=";"))
        plain = list(csv.DictReader(self.viewer.api("GET", f"/cases/{worst['id']}/flows?lang=fr").body.decode().splitlines()))
        self.assertEqual([row["Flux"] for row in rows], [row["flow_id"] for row in plain])
        self.assertIn("files.bureau.example", {row["Nom de la destination"] for row in rows})
        self.assertEqual(self.viewer.api("GET", f"/cases/{worst['id']}/flows?separator=tab").status, 400)

    def test_each_client_has_its_own_arrow(self):
        clear = next(c for c in self.viewer.get("/cases")["items"] if "cleartext_credentials" in c["detectors"])
        told = self.viewer.get(f"/cases/{clear['id']}?lang=en")["timeline"]
        self.assertEqual([(s["from"]["ip"], s["to"]["ip"]) for s in told], [("10.20.2.11", "10.20.1.10"), ("10.20.3.66", "10.20.1.10")])
        self.assertEqual([s["what"] for s in told], ["2 clear-text FTP log-in attempts", "57 clear-text FTP log-in attempts"])
        self.assertTrue(all(s["flow_id"] for s in told) and told[0]["ts"] < told[1]["ts"])

    def test_what_was_done_after_the_log_in_that_succeeded(self):
        worst = self.viewer.get("/cases")["items"][0]
        logins = self.viewer.get(f"/cases/{worst['id']}/logins")
        self.assertFalse(logins["more"])
        self.assertTrue(logins["items"])
        for one in logins["items"]:
            self.assertEqual((one["from"], one["protocol"], one["port"]), ("10.20.3.66", "ftp", 21))
            done = [e for e in self.viewer.get(f"/events/flow/{one['flow_id']}")["items"] if e["event_type"] == "ftp"]
            self.assertIn("230", [code for e in done for code in e["ftp"].get("completion_code", [])])
        for other in self.viewer.get("/cases")["items"][1:]:
            self.assertEqual(self.viewer.get(f"/cases/{other['id']}/logins")["items"], [])

    def test_refusals_have_a_name_and_what_is_filled_in(self):
        error = self.viewer.api("GET", "/events?q=src_ipp:10.0.0.1").json()["error"]
        self.assertEqual((error["reason"], error["params"], error["nearest"]), ("query_field", {"field": "src_ipp"}, "src_ip"))
        self.assertIn('unknown field "src_ipp"', error["message"])
        error = self.viewer.api("PUT", "/settings", {"key": "home_net", "value": []}).json()["error"]
        self.assertEqual((error["reason"], error["params"]), ("role", {"role": "administrator"}))
        error = self.admin.api("PUT", "/settings", {"key": "home_net", "value": ["10.0.0.0/99"]}).json()["error"]
        self.assertEqual((error["reason"], error["params"]["text"]), ("network", "10.0.0.0/99"))
        self.assertTrue(error["message"].startswith("home_net: "), error["message"])

    def test_an_exported_case_has_no_code_words(self):
        worst = self.viewer.get("/cases")["items"][0]
        for lang, words in (("fr", ("critique", "attaquant", "victime", "a ouvert le cas")), ("en", ("critical", "attacker", "victim", "opened the case"))):
            page = self.viewer.api("GET", f"/cases/{worst['id']}/export?lang={lang}").body.decode()
            for word in words:
                self.assertIn(word, page)
            self.assertNotIn("in_progress", page)
            # What was taken after the log-in, and that times are not the capture's own.
            self.assertIn("rapport.txt", page)
            self.assertIn({"fr": "sont décalées", "en": "are moved"}[lang], page)
            self.assertIsNone(re.search(r"\d{2}T\d{2}:", page), "a raw time")
        self.assertEqual(self.viewer.api("GET", f"/cases/{worst['id']}/export?zone=9999").status, 400)

    def test_a_whole_address_is_that_one(self):
        for asset in self.viewer.get("/assets?q=10.20.1.10&limit=100")["items"]:
            self.assertIn("10.20.1.10", asset["ips"])
        found = self.viewer.get("/search?q=10.20.1.10")
        self.assertEqual(found["kind"], "asset")
        self.assertIn("10.20.1.10", self.viewer.get(f"/assets/{found['target']['id']}")["ips"])
        self.assertGreater(len(self.viewer.get("/assets?q=10.20.1.10&limit=100")["items"]), 0)
        self.assertGreater(len(self.viewer.get("/assets?q=10.20.1&limit=100")["items"]), 1)

    def test_reasons_are_told_in_the_language_of_the_reader(self):
        reasons = 0
        for asset in self.viewer.get("/assets?limit=20")["items"]:
            english, french = (self.viewer.get(f"/assets/{asset['id']}?lang={lang}")["facts"] for lang in ("en", "fr"))
            for one, other in zip(english, french):
                if one["reason"] and not one["reason"].startswith(other["reason"]):
                    reasons += 1
                else:
                    self.assertEqual(one["reason"], other["reason"])
                    self.assertIsNone(one["reason"])
        self.assertGreater(reasons, 10)

    def test_events_agree_with_each_other(self):
        histogram = self.viewer.get("/events/histogram?kind=dns&buckets=7")
        seen, cursor = [], ""
        while True:
            page = self.viewer.get(f"/events?kind=dns&limit=50{cursor}")
            seen += page["items"]
            if not page["next"]:
                break
            cursor = f"&cursor={page['next']}"
        self.assertEqual(len(seen), histogram["total"])
        self.assertEqual(len({json.dumps(e, sort_keys=True) for e in seen}), len(seen))
        times = [e["timestamp"] for e in seen]
        self.assertEqual(times, sorted(times, reverse=True))
        facet = self.viewer.get("/events/facets?kind=dns&field=src_ip&limit=100")
        self.assertEqual(sum(v["count"] for v in facet["values"]) + facet["other"], len(seen))
        top = facet["values"][0]
        only = self.viewer.get(f"/events/histogram?kind=dns&q=src_ip:{top['value']}")
        self.assertEqual(only["total"], top["count"])
        everything = self.viewer.get("/events?q=ip:10.20.3.66&limit=1000")["items"]
        self.assertTrue(everything)
        for event in everything:
            self.assertIn("10.20.3.66", json.dumps(event))

    def test_what_cannot_be_read_is_said(self):
        for path, code in [
            ("/events?q=src_ipp:10.0.0.1", "query"),
            ("/events?q=(", "query"),
            ("/events?from=yesterday", "parameter"),
            ("/events?limit=0", "parameter"),
            ("/events?kind=nope", "parameter"),
            ("/cases/0000000000000000", "not_found"),
            ("/nothing", "not_found"),
        ]:
            reply = self.viewer.api("GET", path)
            self.assertIn(reply.status, (400, 404, 422), path)
            self.assertEqual(reply.json()["error"]["code"], code, path)

    def test_case_life(self):
        case = self.analyst.get("/cases")["items"][-1]
        at = f"/cases/{case['id']}"
        self.assertEqual(self.analyst.api("PATCH", at, {"version": case["version"], "state": "closed"}).status, 422)
        taken = self.analyst.api("PATCH", at, {"version": case["version"], "state": "in_progress", "owner": "anna"})
        self.assertEqual(taken.status, 200, taken.body)
        late = self.admin.api("PATCH", at, {"version": case["version"], "state": "acknowledged"})
        self.assertEqual(late.status, 409)
        self.assertEqual(late.json()["error"]["current"]["owner"], "anna")
        self.assertEqual(self.analyst.api("POST", at + "/comments", {"text": "Vu avec l'équipe <b>réseau</b>"}).status, 201)
        closed = self.analyst.api("PATCH", at, {"version": taken.json()["version"], "state": "closed", "verdict": "benign"})
        self.assertEqual(closed.status, 200, closed.body)
        trail = self.viewer.get(at)["trail"]
        self.assertIn("Vu avec l'équipe <b>réseau</b>", [t["text"] for t in trail])
        self.assertNotIn(case["id"], [c["id"] for c in self.viewer.get("/cases?state=new,acknowledged,in_progress")["items"]])
        again = self.analyst.api("PATCH", at, {"version": closed.json()["version"], "state": "new"})
        self.assertEqual(again.status, 200, again.body)

    def test_tokens(self):
        made = vigie("user", "token", "vera", "--data", self.data)
        self.assertEqual(made.returncode, 0, made.stderr)
        script = Client(self.server)
        script.token = made.stdout.strip()
        self.assertTrue(script.get("/cases")["items"])
        self.assertEqual(script.api("GET", "/users").status, 403)
        number = next(t["id"] for t in self.admin.get("/tokens") if t["user"] == "vera")
        self.assertEqual(vigie("user", "token", "--revoke", number, "--data", self.data).returncode, 0)
        self.assertEqual(script.api("GET", "/cases").status, 401)

    def test_the_same_capture_twice_is_refused(self):
        again = vigie("replay", "--data", self.data, "--dataset", "other", demo_captures()[0])
        self.assertEqual(again.returncode, 2)
        self.assertIn("already in dataset demo", again.stderr)
        self.assertEqual([d["name"] for d in self.admin.get("/datasets")], ["demo"])

    def test_upload(self):
        capture = (ROOT / "testdata/dns_tunnel.pcap").read_bytes()
        self.assertEqual(self.viewer.api("POST", "/imports?dataset=up", b"x").status, 403)
        none = self.analyst.api("POST", "/imports?dataset=up&name=letter.txt", b"no capture", headers={"Content-Type": "application/octet-stream"})
        self.assertEqual(none.status, 202, none.body)
        begun = self.analyst.api("POST", "/imports?dataset=up&name=tunnel.pcap", capture, headers={"Content-Type": "application/octet-stream"})
        self.assertEqual(begun.status, 202, begun.body)
        number = begun.json()["id"]
        ended = vigie("replay", "--data", self.data, "--dataset", "up2", ROOT / "testdata/rogue_dhcp.pcap")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        state = self.analyst.get(f"/imports/{number}")
        self.assertEqual((state["state"], state["result"]["new_cases"]), ("done", 1), state)
        self.assertEqual([d for c in self.viewer.get("/cases?dataset=up")["items"] for d in c["detectors"]], ["dns_tunnel"])
        failed = self.analyst.get(f"/imports/{none.json()['id']}")
        self.assertEqual(failed["state"], "failed")
        self.assertTrue(failed["message"].startswith("letter.txt: not a capture"), failed)
        for name in ("up", "up2"):
            self.assertEqual(self.admin.api("DELETE", f"/datasets/{name}").status, 204)
        self.assertEqual(self.viewer.get("/events?dataset=up")["items"], [])
        self.assertEqual(self.viewer.api("GET", "/cases?dataset=up").status, 404)

    def flow(self, query):
        """One flow event."""
        return self.analyst.get(f"/events?kind=flow&limit=1&{query}")["items"][0]

    def packets(self, path):
        reply = self.analyst.api("GET", path)
        self.assertEqual(reply.status, 200, reply.body[:300])
        self.assertEqual(reply.headers["Content-Type"], "application/x-pcapng")
        self.assertIn("attachment", reply.headers["Content-Disposition"])
        return reply.body

    def test_packets_of_flows(self):
        seen = set()
        for query in ("q=dest_port:21", "q=dest_port:53", "q=proto:ICMP", "q=dest_port:80", "q=dest_port:443"):
            flow = self.flow(query)
            body = self.packets(f"/events/{flow['flow_id']}/packets?dataset=demo")
            count, comment = frames(body)
            self.assertEqual(count, flow["flow"]["pkts_toserver"] + flow["flow"]["pkts_toclient"], query)
            self.assertIn(f"flow {flow['flow_id']} of dataset demo", comment)
            self.assertIn("times are those of the dataset: the capture's own, moved by", comment)
            seen.add(flow["proto"])
            with tempfile.NamedTemporaryFile(suffix=".pcapng") as file:
                file.write(body)
                file.flush()
                told = tshark(file.name, "-T", "fields", "-e", "ip.src", "-e", "ip.dst")
                if told is None:
                    print("tshark is not here: not compared")
                    continue
                self.assertEqual(len(told), count, query)
                ends = {flow["src_ip"], flow["dest_ip"]}
                self.assertTrue(all(set(line.split("\t")) == ends for line in told), query)
        self.assertEqual(seen, {"TCP", "UDP", "ICMP"})

    def test_packets_of_a_case_and_of_its_alerts(self):
        worst = self.analyst.get("/cases")["items"][0]
        alerts = self.analyst.get(f"/cases/{worst['id']}")["alerts"]
        flows = {flow for alert in alerts for flow in alert["evidence"]}
        whole, comment = frames(self.packets(f"/cases/{worst['id']}/packets"))
        self.assertIn(f"case {worst['id']} of dataset demo", comment)
        pkts = 0
        for flow in flows:
            told = next(e for e in self.viewer.get(f"/events/flow/{flow}")["items"] if e["event_type"] == "flow")
            pkts += told["flow"]["pkts_toserver"] + told["flow"]["pkts_toclient"]
        self.assertEqual(whole, pkts)
        one, comment = frames(self.packets(f"/cases/{worst['id']}/packets?alert={alerts[0]['id']}"))
        self.assertTrue(0 < one < whole)
        self.assertIn(f"alert {alerts[0]['id']}", comment)
        self.assertEqual(self.analyst.api("GET", f"/cases/{worst['id']}/packets?alert=none").status, 404)

    def test_packets_of_alerts_without_a_case(self):
        # What one's own scanner does is an alert without a case.
        data = Path(self.folder.name) / "scanner"
        capture = ROOT / "testdata/ftp_bruteforce_failure.pcap"
        made = vigie("replay", "--data", data, "--dataset", "own", "--set", "detect.scanners=[10.20.0.0/16]", capture)
        self.assertEqual(made.returncode, 0, made.stderr)
        server = Server(data)
        self.addCleanup(server.stop)
        people = {}
        for name, role in [("vera", "viewer"), ("anna", "analyst")]:
            self.assertEqual(vigie("user", "add", name, "--role", role, "--data", data, given=PASSWORD + "\n").returncode, 0)
            people[role] = Client(server)
            self.assertEqual(people[role].log_in(name, PASSWORD).status, 200)
        alerts = people["analyst"].get("/events?kind=alert&q=vigie.detector:brute_force")["items"]
        self.assertEqual({e["vigie"].get("case_id") for e in alerts}, {None})
        ids = {e["vigie"]["alert_id"] for e in alerts}
        self.assertEqual(len(ids), 1)
        path = f"/alerts/{ids.pop()}/packets"
        self.assertEqual(people["analyst"].api("GET", path + "?probe=true").status, 204)
        self.assertEqual(people["viewer"].api("GET", path).status, 403)
        reply = people["analyst"].api("GET", path)
        self.assertEqual(reply.status, 200, reply.body[:300])
        count, comment = frames(reply.body)
        self.assertGreater(count, 0)
        self.assertIn("of dataset own", comment)
        self.assertEqual(people["analyst"].api("GET", "/alerts/none/packets").status, 404)

    def test_packets_are_for_analysts_and_in_the_trail(self):
        flow = self.flow("q=dest_port:21")["flow_id"]
        before = len(self.admin.get("/audit?action=read.packets&limit=1000")["items"])
        for path in (f"/events/{flow}/packets", f"/cases/{self.analyst.get('/cases')['items'][0]['id']}/packets"):
            self.assertEqual(self.viewer.api("GET", path).status, 403)
            self.assertEqual(Client(self.server).api("GET", path).status, 401)
        self.assertEqual(self.analyst.api("GET", "/events/1/packets").status, 404)
        self.assertEqual(len(self.admin.get("/audit?action=read.packets&limit=1000")["items"]), before)
        self.packets(f"/events/{flow}/packets")
        rows = [r for r in self.admin.get("/audit?action=read.packets&limit=1000")["items"] if r["object"] == f"flow {flow}"]
        self.assertEqual(rows[0]["who"], "anna")
        detail = json.loads(rows[0]["detail"])
        self.assertEqual(detail["dataset"], "demo")
        self.assertGreater(detail["rows"], 0)

    def test_captures_are_kept_as_they_came_and_go_with_their_dataset(self):
        sources = next(d for d in self.admin.get("/datasets") if d["name"] == "demo")["sources"]
        for source in sources:
            self.assertTrue(source["kept"] and source["goes_next"], source)
            kept = (self.data / "captures" / source["sha256"]).read_bytes()
            self.assertEqual(hashlib.sha256(kept).hexdigest(), source["sha256"])
        packed = Path(self.folder.name) / "http.pcap.gz"
        packed.write_bytes(gzip.compress((ROOT / "testdata/http_bruteforce.pcap").read_bytes()))
        filled = vigie("replay", "--data", self.data, "--dataset", "packed", packed)
        self.assertEqual(filled.returncode, 0, filled.stderr)
        bare = vigie("replay", "--data", self.data, "--dataset", "bare", "--no-keep", ROOT / "testdata/telnet_bruteforce.pcap")
        self.assertEqual(bare.returncode, 0, bare.stderr)
        told = {d["name"]: d["sources"][0] for d in self.admin.get("/datasets")}
        self.assertEqual((told["packed"]["kept"], told["packed"]["goes_next"], told["bare"]["kept"]), (True, False, False))
        flow = self.flow("dataset=packed&q=dest_port:80")
        count, _ = frames(self.packets(f"/events/{flow['flow_id']}/packets"))
        self.assertEqual(count, flow["flow"]["pkts_toserver"] + flow["flow"]["pkts_toclient"])
        refused = self.analyst.api("GET", f"/events/{self.flow('dataset=bare')['flow_id']}/packets")
        self.assertEqual((refused.status, refused.json()["error"]["code"]), (409, "not_kept"))
        self.assertIn("not kept in dataset bare", refused.json()["error"]["message"])
        file = self.data / "captures" / told["packed"]["sha256"]
        self.assertTrue(file.exists())
        for name in ("packed", "bare"):
            self.assertEqual(self.admin.api("DELETE", f"/datasets/{name}").status, 204)
        self.assertFalse(file.exists())
        self.assertEqual(len(list((self.data / "captures").iterdir())), len(sources))

    def test_captures_cover_their_own_times_and_nothing_between(self):
        early = (ROOT / "testdata/anonymous_ftp.pcap").read_bytes()
        folder = Path(self.folder.name)
        for name, seconds in (("early.pcap", -86_400), ("late.pcap", -86_400 + 7_200)):
            (folder / name).write_bytes(later(early, seconds))
            filled = vigie("replay", "--data", self.data, "--dataset", "apart", folder / name)
            self.assertEqual(filled.returncode, 0, filled.stderr)
        apart = next(d for d in self.admin.get("/datasets") if d["name"] == "apart")
        self.assertEqual([(c["from"], c["to"]) for c in apart["covered"]], [(s["first"], s["last"]) for s in apart["sources"]])
        self.assertEqual(len(apart["covered"]), 2)
        (told,) = self.viewer.get("/sensors?dataset=apart")
        self.assertEqual((told["name"], told["files_total"], len(told["files"])), ("apart", 2, 2))
        self.assertEqual(told["frames"], sum(s["frames"] for s in apart["sources"]))
        self.assertEqual(told["coverage"]["stretches"], apart["covered"])
        between = f"from={apart['sources'][0]['last'][:19]}Z&to={apart['sources'][1]['first'][:19]}Z".replace("Z&", ".999999Z&", 1)
        for resource in ("/sensors?dataset=apart", "/coverage?dataset=apart"):
            answer = self.viewer.get(f"{resource}&{between}")
            told = answer[0]["coverage"] if isinstance(answer, list) else answer
            self.assertEqual((told["stretches"], told["overall"]), ([], None), resource)
            self.assertGreater(len(told["complete"]), 50)
            self.assertEqual(set(told["complete"]), {None}, resource)
        self.assertEqual(self.admin.api("DELETE", "/datasets/apart").status, 204)

    def test_no_import_ends_after_now(self):
        folder = Path(self.folder.name)
        (folder / "next.pcap").write_bytes(later((ROOT / "testdata/anonymous_ftp.pcap").read_bytes(), 3_600))
        filled = vigie("replay", "--data", self.data, "--dataset", "shifted", "--shift-to-now", ROOT / "testdata/anonymous_ftp.pcap")
        self.assertEqual(filled.returncode, 0, filled.stderr)
        refused = vigie("replay", "--data", self.data, "--dataset", "shifted", "--shift-to-now", folder / "next.pcap")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("which is yet to come; import it into a dataset of its own", refused.stderr)
        shifted = next(d for d in self.admin.get("/datasets") if d["name"] == "shifted")
        self.assertEqual(len(shifted["sources"]), 1)
        self.assertLessEqual(shifted["covered"][-1]["to"], time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 1)))
        self.assertEqual(self.admin.api("DELETE", "/datasets/shifted").status, 204)

    def test_a_dataset_is_moved_once(self):
        for name, more in (("anonymous_ftp", []), ("cleartext_logins", ["--shift-to-now"])):
            filled = vigie("replay", "--data", self.data, "--dataset", "moved", *more, ROOT / f"testdata/{name}.pcap")
            self.assertEqual(filled.returncode, 0, filled.stderr)
        self.assertIn("its times are not shifted to now", filled.stderr)
        self.assertEqual(next(d["shift_seconds"] for d in self.admin.get("/datasets") if d["name"] == "moved"), 0)
        self.assertEqual(self.admin.api("DELETE", "/datasets/moved").status, 204)

    def test_sql(self):
        rows = vigie("query", "--data", self.data, "--format", "json", "SELECT count(*) AS n FROM flow")
        self.assertEqual(rows.returncode, 0, rows.stderr)
        self.assertEqual(json.loads(rows.stdout)["n"], self.viewer.get("/events/histogram?kind=flow")["total"])
        for bad in ("DROP TABLE flow", "SELECT * FROM nothing", "COPY flow TO '/tmp/x'", "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'"):
            refused = vigie("query", "--data", self.data, bad)
            self.assertNotEqual(refused.returncode, 0, bad)
            self.assertTrue(refused.stderr.startswith("vigie: "), refused.stderr)

    def test_reading_personal_data_is_in_the_trail(self):
        mark = "10.20.2.211"
        self.viewer.get(f"/events?q=src_ip:{mark}")
        live = self.viewer.api("GET", f"/events?q=src_ip:{mark}", headers={"X-Live-Refresh": "1"})
        self.assertEqual(live.status, 200)
        rows = [r for r in self.admin.get("/audit?action=read&who=vera&limit=1000")["items"] if mark in json.dumps(r)]
        self.assertEqual(len(rows), 1)

    def test_another_server_on_the_same_data_is_refused(self):
        other = vigie("up", "--data", self.data, "--listen", "127.0.0.1:0")
        self.assertNotEqual(other.returncode, 0)
        self.assertIn("another vigie", other.stderr)


def logged_in(server):
    """The first administrator, who changed the password."""
    client = Client(server)
    assert client.log_in("admin", server.password or PASSWORD).status == 200
    if server.password:
        assert client.api("POST", "/session/password", {"old": server.password, "new": PASSWORD}).status == 204
    return client


class Own(unittest.TestCase):
    """Tests that begin servers of their own: none outlives a test that fails."""

    def tearDown(self):
        for server in [s for s in Server.running if s is not getattr(Api, "server", None)]:
            server.kill()


class Restart(Own):
    def test_what_was_kept_is_there_after_a_kill(self):
        with tempfile.TemporaryDirectory(prefix="vigie-api-") as folder:
            data = Path(folder) / "data"
            # What names an import is not its first file, where that is no capture.
            filled = vigie("replay", "--data", data, ROOT / "testdata/README.md", *demo_captures(), demo_captures()[0])
            self.assertEqual(filled.returncode, 0, filled.stderr)
            self.assertIn("README.md: not a capture", filled.stderr)
            server = Server(data)
            client = logged_in(server)
            before, sources = client.get("/status")["store"]["events"], client.get("/datasets")[0]["sources"]
            self.assertGreater(before, 0)
            self.assertEqual(len(sources), len(demo_captures()))
            for source in sources:
                of_file = next(Path(p) for p in demo_captures() if source["name"] == p)
                self.assertEqual(source["sha256"], hashlib.sha256(of_file.read_bytes()).hexdigest())
            (data / "captures" / "left").write_text("what a crash left")
            (data / "captures" / sources[0]["sha256"]).unlink()
            sources[0].update(kept=False, goes_next=False)
            server.kill()
            again = Server(data)
            self.assertIsNone(again.password)
            client = logged_in(again)
            self.assertEqual(client.get("/status")["store"]["events"], before)
            self.assertEqual(client.get("/datasets")[0]["sources"], sources)
            self.assertEqual({f.name for f in (data / "captures").iterdir()}, {s["sha256"] for s in sources[1:]})
            self.assertEqual(again.stop(), 0)

    def test_an_import_ends_with_the_server_and_nothing_of_it_stays(self):
        with tempfile.TemporaryDirectory(prefix="vigie-api-") as folder:
            data, capture = Path(folder) / "data", Path(folder) / "long.pcap"
            copies(ROOT / "testdata/admin_morning.pcap", capture, 200 << 20)
            server = Server(data)
            client = logged_in(server)
            reply = client.api("POST", "/imports?dataset=cut", capture.read_bytes(), headers={"Content-Type": "application/octet-stream"})
            self.assertEqual(reply.status, 202, reply.body)
            while client.get("/imports")[0]["state"] == "queued":
                time.sleep(0.02)
            self.assertEqual(client.get("/imports")[0]["state"], "running")
            began = time.monotonic()
            self.assertEqual(server.stop(), 0)
            self.assertLess(time.monotonic() - began, 15)
            again = Server(data)
            client = logged_in(again)
            self.assertEqual(client.get("/datasets"), [])
            self.assertEqual(client.get("/status")["store"]["events"], 0)
            self.assertEqual([f for name in ("captures", "incoming") for f in (data / name).glob("*")], [])
            self.assertEqual(again.stop(), 0)


def copies(capture, to, size):
    """Writes a pcap over and over, each copy a day later, until it has `size` bytes."""
    whole = capture.read_bytes()
    assert whole[:4] == b"\xd4\xc3\xb2\xa1", "little-endian microseconds"
    with open(to, "wb") as out:
        out.write(whole[:24])
        day = 0
        while out.tell() < size:
            at, copy = 24, bytearray(whole)
            while at < len(whole):
                seconds, _, length = struct.unpack_from("<III", whole, at)
                struct.pack_into("<I", copy, at, seconds + day * 86400)
                at += 16 + length
            out.write(copy[24:])
            day += 1


class Storage(Own):
    """A disk that is full, read-only or damaged, and data of another version."""

    @contextmanager
    def small_disk(self, size):
        """A file system of its own, of so many bytes."""
        folder = tempfile.mkdtemp(prefix="vigie-disk-")
        mounted = os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
        try:
            if not mounted or mounted.returncode != 0:
                self.skipTest("a small file system can be mounted by root alone")
            yield Path(folder)
        finally:
            self.tearDown()
            if mounted and mounted.returncode == 0:
                subprocess.run(["umount", folder], check=True)
            os.rmdir(folder)

    def refused(self, *args):
        """What `vigie` says in one line when it cannot begin."""
        done = vigie(*args)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertNotIn("Vigie is up", done.stdout)
        return done.stderr

    def filled(self, data, *captures):
        done = vigie("replay", "--data", data, *(captures or demo_captures()))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_full_disk_refuses_and_a_freed_one_goes_on(self):
        with self.small_disk(48 << 20) as disk:
            data = disk / "data"
            self.filled(data, ROOT / "testdata/quiet_office.pcap")
            server = Server(data)
            client = logged_in(server)
            before = client.get("/status")["store"]["events"]
            ballast = disk / "ballast"
            with open(ballast, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(64 << 10))
                except OSError:
                    pass
            for name in ("admin_morning", "ftp_bruteforce_success"):
                full = vigie("replay", "--data", data, "--dataset", "late", ROOT / f"testdata/{name}.pcap")
                self.assertEqual(full.returncode, 2, full.stderr)
                self.assertTrue(full.stderr.startswith("vigie: "), full.stderr)
            # It still answers, and nothing of what failed is there.
            self.assertEqual([d["name"] for d in client.get("/datasets")], ["replay"])
            self.assertEqual(client.get("/status")["store"]["events"], before)
            # What people read is noted, or not read.
            reply = client.api("GET", "/events?limit=5")
            self.assertEqual((reply.status, reply.json()["error"]["code"]), (507, "storage"))
            self.assertIn("free space", reply.json()["error"]["message"])
            ballast.unlink()
            self.assertEqual(len(client.get("/events?limit=5")["items"]), 5)
            for name in ("admin_morning", "ftp_bruteforce_success"):
                late = vigie("replay", "--data", data, "--dataset", "late", ROOT / f"testdata/{name}.pcap")
                self.assertEqual(late.returncode, 0, late.stderr)
            after = client.get("/status")["store"]["events"]
            self.assertGreater(after, before)
            self.assertEqual(server.stop(), 0)
            again = Server(data)
            status = logged_in(again).get("/status")
            self.assertEqual((status["store"]["events"], status["problems"]), (after, []))
            self.assertEqual(again.stop(), 0)

    def test_captures_make_room_on_a_small_disk_and_what_does_not_fit_is_said(self):
        with self.small_disk(40 << 20) as disk:
            self.captures_make_room(disk / "data")

    def test_captures_make_room_in_the_quota_and_what_does_not_fit_is_said(self):
        with tempfile.TemporaryDirectory(prefix="vigie-api-") as folder:
            self.captures_make_room(Path(folder) / "data", "--set", "store.quota=38mb")

    def captures_make_room(self, data, *more):
        with tempfile.TemporaryDirectory(prefix="vigie-api-") as folder:
            sources = {}
            for name, size in (("first", 12 << 20), ("second", 13 << 20), ("huge", 39 << 20), ("third", 15 << 20)):
                copies(ROOT / "testdata/quiet_office.pcap", Path(folder) / name, size)
                done = vigie("replay", "--data", data, "--dataset", name, *more, Path(folder) / name)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual("the capture is not kept" in done.stderr, name == "huge", done.stderr)
            server = Server(data)
            client = logged_in(server)
            sources = {d["name"]: d["sources"][0] for d in client.get("/datasets")}
            told = {name: (s["kept"], s["goes_next"]) for name, s in sources.items()}
            # The oldest made room for the third, and nothing for what fits nowhere.
            self.assertEqual(told, {"first": (False, False), "second": (True, True), "huge": (False, False), "third": (True, False)})
            rows = client.get("/audit?action=store.evict")["items"]
            self.assertEqual([r["object"] for r in rows], [str(Path(folder) / "first")])
            self.assertEqual({f.name for f in (data / "captures").iterdir()}, {sources[n]["sha256"] for n in ("second", "third")})
            self.assertEqual(server.stop(), 0)

    def test_a_directory_that_is_full_at_start(self):
        with self.small_disk(2 << 20) as disk:
            with open(disk / "ballast", "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass
            said = self.refused("up", "--data", disk / "data", "--listen", "127.0.0.1:0")
            self.assertIn(str(disk / "data"), said)

    def test_a_directory_that_is_read_only_at_start(self):
        with self.small_disk(64 << 20) as disk:
            data = disk / "data"
            self.filled(data, ROOT / "testdata/quiet_office.pcap")
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            for where in (data, disk / "new"):
                said = self.refused("up", "--data", where, "--listen", "127.0.0.1:0")
                self.assertIn(str(where), said)
                self.assertIn("give a --data directory that can be written", said)
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
            server = Server(data)
            self.assertEqual(server.stop(), 0)

    def test_a_directory_that_is_none_is_not_made_by_asking(self):
        with tempfile.TemporaryDirectory(prefix="vigie-api-") as folder:
            for command in (["status"], ["query", "SELECT 1"], ["user", "list"]):
                said = self.refused(*command, "--data", Path(folder) / "typo")
                self.assertIn("no data of Vigie is there", said)
                self.assertEqual(list(Path(folder).iterdir()), [])

    def test_a_damaged_file_is_set_aside_and_said(self):
        with tempfile.TemporaryDirectory(prefix="vigie-api-") as folder:
            data = Path(folder) / "data"
            self.filled(data)
            files = sorted((data / "events/data").glob("*/dns/*.parquet"))
            whole = files[0].read_bytes()
            files[0].write_bytes(whole[: len(whole) // 2])
            server = Server(data)
            client = logged_in(server)
            problems = client.get("/status")["problems"]
            self.assertEqual(len(problems), 1, problems)
            self.assertIn(".parquet.damaged", problems[0])
            self.assertIn("rows of dns", problems[0])
            self.assertIn("rows of dns", vigie("status", "--data", data).stdout)
            self.assertTrue(client.get("/events?kind=flow")["items"])
            self.assertEqual(server.stop(), 0)

    def test_a_damaged_catalog_is_said(self):
        with tempfile.TemporaryDirectory(prefix="vigie-api-") as folder:
            data = Path(folder) / "data"
            self.filled(data)
            catalog = data / "vigie.db"
            db = sqlite3.connect(catalog)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'trail'").fetchone()[0]
            db.close()
            whole = catalog.read_bytes()
            damaged = bytearray(whole)
            damaged[(page - 1) * 4096 : (page - 1) * 4096 + 2048] = b"\x5a" * 2048
            catalog.write_bytes(damaged)
            server = Server(data)
            client = logged_in(server)
            for _ in range(100):
                problems = client.get("/status")["problems"]
                if problems:
                    break
                time.sleep(0.05)
            self.assertTrue(any("vigie.db: damaged" in p for p in problems), problems)
            self.assertTrue(client.get("/events?kind=flow")["items"], "the rest is served")
            self.assertEqual(server.stop(), 0)
            # Not even a catalog.
            catalog.write_bytes(b"\x5a" * len(whole))
            for rest in ("vigie.db-wal", "vigie.db-shm"):
                (data / rest).unlink(missing_ok=True)
            self.assertIn("vigie.db: cannot be opened", self.refused("up", "--data", data, "--listen", "127.0.0.1:0"))

    def test_data_of_a_newer_version_is_refused_and_named(self):
        with tempfile.TemporaryDirectory(prefix="vigie-api-") as folder:
            data = Path(folder) / "data"
            self.filled(data, ROOT / "testdata/quiet_office.pcap")
            manifest = data / "events/manifest.json"
            was = manifest.read_text()
            manifest.write_text(re.sub(r'"version":\d+', '"version":999', was))
            for command in (["up", "--listen", "127.0.0.1:0"], ["status"]):
                said = self.refused(*command, "--data", data)
                self.assertIn("manifest.json: version 999", said)
            manifest.write_text(was)
            catalog = sqlite3.connect(data / "vigie.db")
            catalog.execute("PRAGMA user_version = 999")
            catalog.close()
            self.assertIn("vigie.db: made by a newer Vigie (catalog version 999", self.refused("up", "--data", data, "--listen", "127.0.0.1:0"))


def run(doc):
    """The tests of the program that is run, against the binary that its options name; whether they failed."""
    global VIGIE
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--vigie", type=Path, default=VIGIE)
    args, rest = parser.parse_known_args()
    VIGIE = args.vigie.resolve()
    return not unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful()


if __name__ == "__main__":
    sys.exit(run(__doc__))
