#!/usr/bin/env python3
"""Running the server and keeping it: settings, the quota, metrics, rates, certificates, the document of the API, roles, exports.

Usage: tools/operations.py --vigie BINARY. Ends with what the unittest module says of its tests.
"""
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import api
import openapi
from api import PASSWORD, ROOT, Client, Server, demo_captures, vigie

ROLES = ["none", "viewer", "analyst", "administrator"]


class Kept(unittest.TestCase):
    """A server on the demo's data, with one person of each role."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="vigie-operations-")
        cls.data = Path(cls.folder.name) / "data"
        filled = vigie("replay", "--data", cls.data, "--dataset", "demo", *demo_captures())
        assert filled.returncode == 0, filled.stderr
        for name, role in [("vera", "viewer"), ("anna", "analyst"), ("root", "administrator")]:
            added = vigie("user", "add", name, "--role", role, "--data", cls.data, given=PASSWORD + "\n")
            assert added.returncode == 0, added.stderr
        cls.server = Server(cls.data, *cls.options)
        cls.people = {"none": Client(cls.server)}
        for name, role in [("vera", "viewer"), ("anna", "analyst"), ("root", "administrator")]:
            cls.people[role] = Client(cls.server)
            assert cls.people[role].log_in(name, PASSWORD).status == 200
        cls.admin, cls.viewer = cls.people["administrator"], cls.people["viewer"]

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        cls.folder.cleanup()
        assert code == 0, f"the server ended with {code}"

    def put(self, key, value, version=None, status=200):
        reply = self.admin.api("PUT", "/settings", {"key": key, "value": value, "version": version})
        self.assertEqual(reply.status, status, reply.body)
        return reply.json()


class Settings(Kept):
    options = ("--set", "store.retention.dns=30", "--set", "store.captures=true", "--set", "vars.address-groups.PINNED=[10.20.3.0/24]")

    def test_a_change_holds_at_once_and_is_in_the_trail(self):
        before = self.viewer.get("/settings")
        self.assertEqual((before["quota"]["bytes"], before["captures"]["keep"], before["known_after_hours"]), (0, True, 24))
        self.assertEqual(before["quota"]["used"], sum(before["quota"]["by"].values()))
        self.assertGreater(before["quota"]["by"]["events"], 0)
        after = self.put("known_after_hours", 48, before["version"])
        self.assertEqual((after["known_after_hours"], after["version"]), (48, before["version"] + 1))
        late = self.admin.api("PUT", "/settings", {"key": "known_after_hours", "value": 50, "version": before["version"]})
        self.assertEqual(late.status, 409)
        self.assertEqual(self.people["analyst"].api("PUT", "/settings", {"key": "known_after_hours", "value": 50}).status, 403)
        trail = self.admin.get("/audit?action=setting")["items"]
        self.assertIn(("root", "known_after_hours", "48"), [(r["who"], r["object"], r["detail"]) for r in trail])
        for key, value in [("quota_bytes", 7), ("retention", {"nothing": 3}), ("home_net", ["x"]), ("nothing", 1), ("groups", [{}])]:
            self.assertEqual(self.put(key, value, status=400)["error"]["code"], "parameter")

    def test_what_the_configuration_says_is_shown_pinned_and_stays(self):
        rows = {r["kind"]: r for r in self.viewer.get("/settings")["retention"]}
        self.assertEqual((rows["dns"]["days"], rows["dns"]["pinned"]), (30, True))
        self.assertFalse(rows["flow"]["pinned"] or rows["flow"]["own"])
        refused = self.put("retention", {"dns": 3}, status=409)
        self.assertIn("pinned by store.retention.dns", refused["error"]["message"])
        self.assertTrue(self.viewer.get("/settings")["captures"]["pinned"])
        refused = self.put("captures_keep", False, status=409)
        self.assertIn("pinned by store.captures", refused["error"]["message"])
        rows = {r["kind"]: r for r in self.put("retention", {"others": 90, "tls": 5})["retention"]}
        self.assertEqual([rows[k]["days"] for k in ("others", "flow", "tls", "dns")], [90, 90, 5, 30])
        rows = {r["kind"]: r for r in self.put("retention", {"tls": None})["retention"]}
        self.assertEqual((rows["tls"]["days"], rows["tls"]["own"]), (90, False))

    def test_groups_are_asked_for_by_name(self):
        pinned = self.viewer.get("/settings")["groups"]
        self.assertIn(("PINNED", True), [(g["name"], g["pinned"]) for g in pinned])
        servers = {"name": "les serveurs", "networks": ["10.20.1.0/24"], "description": "salle B"}
        told = self.put("groups", [servers, {"name": "clients", "networks": ["10.20.2.0/24", "10.20.3.0/24"], "description": ""}])
        self.assertEqual([g["name"] for g in told["groups"]], ["PINNED", "les serveurs", "clients"])
        count = lambda q: self.viewer.get(f"/events/histogram?kind=flow&q={q}")["total"]
        by_name = count("dest_ip:%22les%20serveurs%22")
        self.assertGreater(by_name, 0)
        self.assertEqual(by_name, count("dest_ip:10.20.1.0/24"))
        rows = vigie("query", "--data", self.data, "--format", "json", "SELECT count(*) AS n FROM flow WHERE in_network(dest_ip, 'les serveurs')")
        self.assertEqual(json.loads(rows.stdout)["n"], by_name)
        traffic = self.viewer.get("/map?by=group")
        ids = {g["id"] for g in traffic["groups"]}
        self.assertIn("les serveurs", ids)
        cell = next(c for c in traffic["cells"] if c["to"] == "les serveurs" and c["from"] == "PINNED")
        self.assertEqual(self.viewer.get(f"/events/histogram?q={cell['q'].replace(' ', '%20').replace(chr(34), '%22')}")["total"], cell["flows"])
        self.assertEqual(self.viewer.api("GET", "/map?by=colour").status, 400)

    def test_networks_hold_for_what_is_asked_and_imported_from_now_on(self):
        inside = lambda: {s["key"]: sum(s["flows"]) for s in self.viewer.get("/situation")["traffic"]["series"]}
        before = inside()
        self.assertIn("inside", before)
        self.put("home_net", ["192.0.2.0/24"])
        self.assertEqual(set(inside()), {"outside"})
        done = vigie("replay", "--data", self.data, "--dataset", "foreign", ROOT / "testdata/rogue_dhcp.pcap")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("0 new assets", done.stdout)
        self.put("home_net", ["192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "fe80::/10", "fc00::/7"])
        self.assertEqual(self.admin.api("DELETE", "/datasets/foreign").status, 204)
        self.assertEqual(inside(), before)

    def test_what_people_decided_is_exported_and_imported(self):
        self.put("known_after_hours", 36)
        scope = {"detector": "scan", "ip": "10.20.3.66"}
        self.assertEqual(self.people["analyst"].api("POST", "/exclusions", {"scope": scope, "reason": "our own scanner"}).status, 201)
        self.assertEqual(self.viewer.api("POST", "/views", {"name": "mine", "page": "/explore", "query": "q=x", "shared": False}).status, 201)
        csv = b"name,ip,mac,class,owner,place,criticality\r\nfiles,10.20.1.10,,server,it,B,high\r\n"
        declared = self.people["analyst"].ask("POST", "/api/v1/assets/declared?dataset=demo", csv, {"Content-Type": "text/csv"})
        self.assertEqual(declared.status, 200, declared.body)
        file = Path(self.folder.name) / "config.json"
        done = vigie("config", "export", "--data", self.data, "-o", file)
        self.assertEqual(done.returncode, 0, done.stderr)
        text = file.read_text()
        document = json.loads(text)
        self.assertEqual(document["settings"]["known_after_hours"], 36)
        self.assertEqual([u["name"] for u in document["users"]], ["anna", "root", "vera"])
        self.assertNotIn("argon2", text)
        same = vigie("config", "import", "--data", self.data, file)
        self.assertEqual((same.returncode, same.stdout), (0, "Nothing changes: all of it is there already.\n"), same.stderr)
        other = Path(self.folder.name) / "other"
        self.assertEqual(vigie("replay", "--data", other, "--dataset", "demo", ROOT / "testdata/dns_tunnel.pcap").returncode, 0)
        told = vigie("config", "import", "--data", other, "--dry-run", file)
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertIn("add user anna: analyst, without a password", told.stdout)
        self.assertIn("Nothing was changed", told.stdout)
        self.assertEqual(vigie("user", "list", "--data", other).stdout, "")
        made = vigie("config", "import", "--data", other, file)
        self.assertEqual(made.stdout + "Nothing was changed (--dry-run).\n", told.stdout)
        again = vigie("config", "export", "--data", other)
        self.assertEqual({**json.loads(again.stdout), "declared": 0}, {**document, "declared": 0})
        self.assertIn("10.20.1.10", json.loads(again.stdout)["declared"]["demo"])
        document["version"] = 2
        file.write_text(json.dumps(document))
        refused = vigie("config", "import", "--data", other, file)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("version 2", refused.stderr)

    def test_exports_are_whole(self):
        total = self.viewer.get("/events/histogram")["total"]
        file = Path(self.folder.name) / "eve.json"
        done = vigie("export", "events", "--data", self.data, "-o", file)
        self.assertEqual(done.returncode, 0, done.stderr)
        events = [json.loads(line) for line in file.read_text().splitlines()]
        self.assertEqual(len(events), total)
        self.assertEqual([e["timestamp"] for e in events], sorted(e["timestamp"] for e in events))
        some = vigie("export", "events", "--data", self.data, "--kind", "dns", "--filter", "src_ip:10.20.2.0/24", "--format", "csv")
        self.assertEqual(len(some.stdout.splitlines()) - 1, self.viewer.get("/events/histogram?kind=dns&q=src_ip:10.20.2.0/24")["total"])
        bad = vigie("export", "events", "--data", self.data, "--filter", "src_ipp:1", "-o", file)
        self.assertNotEqual(bad.returncode, 0)
        self.assertIn("did you mean", bad.stderr)
        self.assertEqual(len(file.read_text().splitlines()), total, "a refused export leaves the file as it was")
        case = self.viewer.get("/cases")["items"][0]["id"]
        page = vigie("export", "case", case, "--lang", "fr", "--data", self.data)
        self.assertIn("Ce qui s'est passé", page.stdout)
        flows = vigie("export", "flows", case, "--data", self.data)
        self.assertTrue(flows.stdout.startswith("ts,start,flow_id,src_ip,src_name"), flows.stdout[:100])
        flow = self.viewer.get("/events?kind=flow&limit=1")["items"][0]["flow_id"]
        packets = Path(self.folder.name) / "flow.pcapng"
        cut = vigie("export", "packets", "--flow", flow, "--data", self.data, "-o", packets)
        self.assertEqual((cut.returncode, packets.read_bytes()[:4]), (0, b"\x0a\x0d\x0d\x0a"), cut.stderr)
        self.assertNotEqual(vigie("export", "packets", "--case", "0" * 16, "--data", self.data).returncode, 0)
        self.assertEqual(self.viewer.api("GET", "/events/export?rows=3").body.count(b"\n"), 3)
        # The trail has it once the file is whole.
        rows = self.admin.get("/audit?action=read&who=vera&limit=1000")["items"]
        self.assertIn('{"rows":3}', [r["detail"] for r in rows if r["object"].startswith("export")])


def large_capture(path, megabytes, host):
    """A capture of so many megabytes: one host sends datagrams to another."""
    payload = bytes(range(256)) * 5
    udp = struct.pack(">HHHH", 5000, 9999, 8 + len(payload), 0) + payload
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes([10, 20, 9, host]), bytes([10, 20, 9, 250])) + udp
    frame = bytes(6) + bytes([2, 0, 0, 0, 0, host]) + b"\x08\x00" + ip
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for n in range((megabytes << 20) // len(frame)):
            file.write(struct.pack("<IIII", 1_795_564_800 + n // 1000, n % 1000, len(frame), len(frame)) + frame)
    return path


class Quota(unittest.TestCase):
    def test_what_is_older_goes_in_order_and_is_said_before(self):
        with tempfile.TemporaryDirectory(prefix="vigie-quota-") as folder:
            data = Path(folder) / "data"
            added = vigie("user", "add", "root", "--role", "administrator", "--data", data, given=PASSWORD + "\n")
            self.assertEqual(added.returncode, 0, added.stderr)
            server = Server(data)
            admin = Client(server)
            try:
                self.assertEqual(admin.log_in("root", PASSWORD).status, 200)
                for n, name in enumerate(["old", "new"]):
                    done = vigie("replay", "--data", data, "--dataset", name, large_capture(Path(folder) / f"{name}.pcap", 50, n))
                    self.assertEqual(done.returncode, 0, done.stderr)
                quota = admin.get("/settings")["quota"]
                self.assertGreater(quota["by"]["captures"], 99 << 20)
                self.assertEqual(quota["next"], [])
                # The quota leaves room for one of the two captures.
                reply = admin.api("PUT", "/settings", {"key": "quota_bytes", "value": quota["used"] - (20 << 20)})
                self.assertEqual(reply.status, 200, reply.body)
                first = reply.json()["quota"]["next"][0]
                self.assertEqual((first["what"], first["name"].endswith("old.pcap")), ("capture", True))
                done = vigie("replay", "--data", data, "--dataset", "third", ROOT / "testdata/arp_spoofing.pcap")
                self.assertEqual(done.returncode, 0, done.stderr)
                evicted = lambda: [r["object"].rsplit("/")[-1] for r in admin.get("/audit?action=store.evict")["items"]]
                self.assertEqual(evicted(), ["old.pcap"])
                self.assertLessEqual(admin.get("/settings")["quota"]["used"], reply.json()["quota"]["bytes"])
                # Its events stay: a capture is worth less than what was read of it.
                self.assertTrue(admin.get("/events?dataset=old")["items"])
                # A capture for which all others go, and the server goes on.
                self.assertEqual(admin.api("PUT", "/settings", {"key": "quota_bytes", "value": 64 << 20}).status, 200)
                done = vigie("replay", "--data", data, "--dataset", "fourth", large_capture(Path(folder) / "last.pcap", 55, 7))
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("new.pcap", evicted())
                self.assertNotIn("last.pcap", evicted())
                self.assertLessEqual(admin.get("/settings")["quota"]["used"], 64 << 20)
                # What no room can be made for is refused, before it is sent whole.
                refused = admin.api("POST", "/imports?dataset=x", b"\0" * (70 << 20), headers={"Content-Type": "application/octet-stream"})
                self.assertEqual((refused.status, refused.json()["error"]["code"]), (507, "storage"))
                self.assertLessEqual(admin.get("/settings")["quota"]["used"], 64 << 20)
            finally:
                self.assertEqual(server.stop(), 0)


class Document(Kept):
    """The API against its own OpenAPI document."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.document = json.loads(cls.viewer.ask("GET", "/api/v1/openapi.json").body)

    def known(self):
        """What stands for the names in paths, so that the answers are not errors."""
        case = self.viewer.get("/cases")["items"][0]
        event = self.viewer.get("/events?kind=flow&limit=1")["items"][0]
        return {
            "/cases/{id}": case["id"],
            "/alerts/{id}/packets": self.viewer.get(f"/cases/{case['id']}")["alerts"][0]["id"],
            "/assets/{id}": self.viewer.get("/assets")["items"][0]["id"],
            "/events/flow/{flow_id}": event["flow_id"],
            "/events/{flow_id}/packets": event["flow_id"],
            "/imports/{id}": 1,
        }

    def test_answers_are_what_the_document_says(self):
        capture = (ROOT / "testdata/dns_tunnel.pcap").read_bytes()
        begun = self.people["analyst"].api("POST", "/imports?dataset=up", capture, headers={"Content-Type": "application/octet-stream"})
        self.assertEqual(begun.status, 202, begun.body)
        while self.admin.get("/imports/1")["state"] in ("queued", "running"):
            time.sleep(0.1)
        self.people["analyst"].api("POST", "/exclusions", {"scope": {"detector": "scan", "ip": "10.9.9.9"}, "reason": "for the test"})
        self.viewer.api("POST", "/views", {"name": "one", "page": "/cases", "query": ""})
        self.assertEqual(vigie("user", "token", "vera", "--data", self.data).returncode, 0)
        needed = {"/search": "?q=10.20.3.66", "/events/facets": "?field=src_ip"}
        known, checked = self.known(), 0
        for method, path, route in openapi.routes(self.document):
            short = path.removeprefix("/api/v1")
            if method != "GET" or short == "/live":
                continue
            asked = short
            for prefix, value in known.items():
                if asked.startswith(prefix):
                    asked = asked.replace(prefix, re.sub(r"\{[^}]*\}", str(value), prefix), 1)
            more = "?dataset=demo" if short.startswith("/assets/") else ""
            reply = self.admin.api("GET", asked + needed.get(short, more))
            media = reply.headers["Content-Type"]
            body = reply.json() if media and media.startswith("application/json") else None
            with self.subTest(path=short):
                self.assertEqual(reply.status, 200, reply.body[:300])
                self.assertEqual(openapi.answer_faults(self.document, route, reply.status, media, body), [])
            checked += 1
        self.assertGreater(checked, 30)
        # An error is one of the document, too.
        refused = self.viewer.api("GET", "/cases/0000000000000000")
        schema = self.document["components"]["schemas"]["ErrorBody"]
        self.assertEqual(openapi.faults(self.document, schema, refused.json()), [])

    def test_the_validator_finds_what_is_wrong(self):
        schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "minimum": 0}, "b": {"type": ["string", "null"]}}}
        self.assertEqual(openapi.faults({}, schema, {"a": 1, "b": None}), [])
        for wrong in ({}, {"a": -1}, {"a": "1"}, {"a": 1, "c": 2}, {"a": 1, "b": 2}, [], {"a": True}):
            self.assertTrue(openapi.faults({}, schema, wrong), wrong)

    def test_no_role_does_what_is_another_s(self):
        tried = 0
        for method, path, route in openapi.routes(self.document):
            least = route["x-role"]
            if least == "none" or (method, path) == ("DELETE", "/api/v1/session"):
                continue
            asked = re.sub(r"\{[^}]*\}", "1", path)
            for role in ROLES[: ROLES.index(least)] if least != "local" else ROLES:
                # What would be well-formed where it is simple: a refusal must not hang on a body that cannot be read.
                reply = self.people[role].ask(method, asked, {} if method in ("POST", "PUT", "PATCH") else None)
                wanted = (401,) if role == "none" else (403,)
                with self.subTest(role=role, route=f"{method} {path}"):
                    if least == "local" and role in ("analyst", "administrator"):
                        self.assertIn(reply.status, (403, 422))
                    else:
                        self.assertIn(reply.status, wanted, reply.body[:200])
                tried += 1
        self.assertGreater(tried, 80)

    def test_who_may_is_not_refused(self):
        for method, path, route in openapi.routes(self.document):
            least = route["x-role"]
            if method != "GET" or least in ("none", "local") or path.endswith("/live"):
                continue
            asked = re.sub(r"\{[^}]*\}", "1", path)
            for role in ROLES[ROLES.index(least):]:
                status = self.people[role].ask(method, asked).status
                self.assertNotIn(status, (401, 403), f"{role} {path}")
                self.assertLess(status, 500, f"{role} {path}")

    def test_a_change_by_cookie_needs_its_token_on_every_route(self):
        for method, path, route in openapi.routes(self.document):
            if method == "GET" or route["x-role"] in ("none", "local"):
                continue
            asked = re.sub(r"\{[^}]*\}", "1", path)
            reply = self.admin.ask(method, asked, {}, csrf=False)
            self.assertEqual(reply.status, 403, f"{method} {path}")
            self.assertIn("CSRF", reply.json()["error"]["message"])

    def test_every_answer_carries_the_headers(self):
        for path in ("/", "/assets/none.js", "/cases", "/api/v1/status", "/api/v1/nothing", "/api/v1/openapi.json", "/metrics"):
            for who in (self.viewer, self.people["none"]):
                headers = who.ask("GET", path).headers
                policy = headers["Content-Security-Policy"]
                self.assertIn("default-src 'self'", policy)
                for never in ("unsafe-inline", "unsafe-eval", "*", "http:"):
                    self.assertNotIn(never, policy)
                for part in ("frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'", "form-action 'self'"):
                    self.assertIn(part, policy)
                self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
                self.assertEqual(headers["Referrer-Policy"], "same-origin")
                self.assertIn("max-age=", headers["Strict-Transport-Security"])
        page = self.viewer.ask("GET", "/").body.decode()
        self.assertNotRegex(page, r"<script(?![^>]*\bsrc=)[^>]*>|\son\w+=|javascript:")

    def test_a_session_is_this_server_s_and_ends(self):
        stray = Client(self.server)
        for cookie in ("__Host-vigie=", "__Host-vigie=x", "__Host-vigie=" + "A" * 5000, "vigie=x"):
            stray.cookie = cookie
            self.assertEqual(stray.api("GET", "/cases").status, 401)
        once = Client(self.server)
        self.assertEqual(once.log_in("vera", PASSWORD).status, 200)
        gone = once.api("DELETE", "/session")
        self.assertEqual(gone.status, 204)
        self.assertIn("Max-Age=0", gone.headers["Set-Cookie"])
        self.assertEqual(once.api("GET", "/cases").status, 401)
        # A token in a cookie is no session, and a session in a header is no token.
        made = vigie("user", "token", "vera", "--data", self.data).stdout.strip()
        stray.cookie = f"__Host-vigie={made}"
        self.assertEqual(stray.api("GET", "/cases").status, 401)
        stray.cookie, stray.token = None, self.viewer.cookie.split("=", 1)[1]
        self.assertEqual(stray.api("GET", "/cases").status, 401)


class Metrics(Kept):
    def test_metrics_are_counted(self):
        stranger = self.people["none"]
        self.viewer.get("/cases")
        told = stranger.ask("GET", "/metrics")
        self.assertEqual(told.status, 200)
        text = told.body.decode()
        values = {}
        for line in text.splitlines():
            if line.startswith("#"):
                self.assertRegex(line, r"^# (HELP vigie_\w+ .+|TYPE vigie_\w+ (gauge|counter|histogram))$")
                continue
            found = re.fullmatch(r"(vigie_\w+(?:\{[^}]*\})?) (-?[0-9.e+-]+|\+Inf)", line)
            self.assertTrue(found, line)
            self.assertNotIn(found.group(1), values)
            values[found.group(1)] = float(found.group(2))
        status = self.viewer.get("/status")
        # Log-ins that succeeded are kept beside the events.
        rows = sum(v for k, v in values.items() if k.startswith("vigie_store_rows{") and k != 'vigie_store_rows{kind="login"}')
        self.assertEqual(rows, status["store"]["events"])
        self.assertEqual(values['vigie_store_rows{kind="flow"}'], status["store"]["flows"])
        self.assertGreaterEqual(values['vigie_requests_total{class="cases",status="200"}'], 1)
        self.assertGreaterEqual(values['vigie_requests_total{class="session",status="200"}'], 3)
        upto = [v for k, v in values.items() if k.startswith('vigie_request_duration_seconds_bucket{class="cases"')]
        self.assertEqual(upto, sorted(upto))
        self.assertEqual(upto[-1], values['vigie_request_duration_seconds_count{class="cases"}'])
        self.assertGreater(values["vigie_certificate_days_left"], 300)
        self.assertGreater(values["vigie_disk_room_bytes"], 0)

    def test_behind_a_proxy_a_token_is_needed(self):
        stranger = Client(self.server)
        proxied = {"X-Forwarded-For": "192.0.2.7"}
        self.assertEqual(stranger.ask("GET", "/metrics", headers=proxied).status, 401)
        stranger.token = vigie("user", "token", "vera", "--data", self.data).stdout.strip()
        self.assertEqual(stranger.ask("GET", "/metrics", headers=proxied).status, 200)

    def test_too_many_log_ins_are_refused_with_when_to_come_again(self):
        # Names that are not there: none is locked out, so that it is the rate that refuses.
        replies = [Client(self.server).log_in(f"nobody{n}", "a wrong password") for n in range(40)]
        self.assertEqual(replies[0].status, 401)
        self.assertEqual(replies[-1].status, 429)
        self.assertEqual(replies[-1].json()["error"]["code"], "rate")
        self.assertGreaterEqual(int(replies[-1].headers["Retry-After"]), 1)
        # Who is logged in goes on.
        self.assertEqual(self.viewer.api("GET", "/cases").status, 200)
        self.assertIn('vigie_rate_refused_total{rate="login"}', self.viewer.ask("GET", "/metrics").body.decode())

    def test_too_many_questions_in_sql_are_refused(self):
        analyst = self.people["analyst"]
        statuses = [analyst.api("POST", "/query", {"sql": "SELECT 1 AS one"}).status for _ in range(140)]
        self.assertEqual(statuses[0], 200)
        self.assertIn(429, statuses)
        self.assertEqual(self.admin.api("POST", "/query", {"sql": "SELECT 1 AS one"}).status, 200)

    def test_a_refused_upload_sees_its_answer(self):
        # Some megabytes more than the buffers of a connection hold: who sends them all comes to read the answer.
        body = b"\0" * (24 << 20)
        reply = self.viewer.api("POST", "/imports?dataset=x", body, headers={"Content-Type": "application/octet-stream"})
        self.assertEqual(reply.status, 403, reply.body)
        self.assertIn("analyst", reply.json()["error"]["message"])
        large = {"key": "groups", "value": "x" * (24 << 20)}
        self.assertEqual(self.people["analyst"].api("PUT", "/settings", large).status, 403)
        self.assertEqual(self.admin.api("PUT", "/settings", large).status, 413)


class Certificate(unittest.TestCase):
    def make(self, folder, days):
        """A certificate that ends in so many days (ended, where negative), over the files of the one before."""
        made = Path(folder) / "made"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN=days{days}",
             "-days", str(days), "-keyout", f"{made}.key", "-out", f"{made}.crt"],
            check=True, capture_output=True)
        for end in ("key", "crt"):
            Path(f"{made}.{end}").replace(Path(folder) / f"given.{end}")

    def served(self, port):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as secure:
            return secure.getpeercert(binary_form=True)

    def test_a_given_certificate_is_complained_of_and_replaced_without_a_restart(self):
        with tempfile.TemporaryDirectory(prefix="vigie-certificate-") as folder:
            self.make(folder, 10)
            data = Path(folder) / "data"
            added = vigie("user", "add", "root", "--role", "administrator", "--data", data, given=PASSWORD + "\n")
            self.assertEqual(added.returncode, 0, added.stderr)
            server = Server(data, "--certificate", Path(folder) / "given.crt", "--key", Path(folder) / "given.key")
            try:
                self.assertRegex(server.second_line, "the certificate ends in (9|10) days")
                admin = Client(server)
                self.assertEqual(admin.log_in("root", PASSWORD).status, 200)
                state = admin.get("/status")
                self.assertTrue(state["certificate"]["days_left"] in (9, 10) and state["certificate"]["soon"], state["certificate"])
                self.assertTrue([p for p in state["problems"] if "the certificate ends in" in p])
                before = self.served(server.port)
                self.make(folder, 200)
                end = time.monotonic() + 30
                while self.served(server.port) == before and time.monotonic() < end:
                    time.sleep(0.5)
                self.assertNotEqual(self.served(server.port), before)
                state = admin.get("/status")
                self.assertTrue(state["certificate"]["days_left"] in (199, 200) and not state["certificate"]["soon"], state["certificate"])
                self.assertEqual(state["problems"], [])
            finally:
                self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    sys.exit(api.run(__doc__))
