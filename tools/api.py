#!/usr/bin/env python3
"""The server as scripts and browsers meet it: one `vigie up` on a data directory of its own, filled from the demo captures.

Usage: tools/api.py --vigie BINARY. Ends with what the unittest module says of its tests.
"""
import argparse
import http.client
import json
import re
import ssl
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VIGIE = ROOT / "target/release/vigie"
PASSWORD = "a long enough password"


def demo_captures():
    return [str(ROOT / "testdata" / name) for name in json.loads((ROOT / "testdata/demo.json").read_text())["captures"]]


class Server:
    """`vigie up` on a free port of the loopback."""

    def __init__(self, data, *options, log=None):
        """`log`: a file that takes what the server says of itself; without one little of it can be said before it stands still."""
        self.data = data
        command = [str(VIGIE), "up", "--data", str(data), "--listen", "127.0.0.1:0", *map(str, options)]
        errors = open(log, "w") if log else subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        if log:
            errors.close()
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
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        if self.process.stderr:
            self.process.stderr.close()
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
        begun = self.analyst.api("POST", "/imports?dataset=up&name=tunnel.pcap", capture, headers={"Content-Type": "application/octet-stream"})
        self.assertEqual(begun.status, 202, begun.body)
        number = begun.json()["id"]
        ended = vigie("replay", "--data", self.data, "--dataset", "up2", ROOT / "testdata/rogue_dhcp.pcap")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        state = self.analyst.get(f"/imports/{number}")
        self.assertEqual((state["state"], state["result"]["new_cases"]), ("done", 1), state)
        self.assertEqual([d for c in self.viewer.get("/cases?dataset=up")["items"] for d in c["detectors"]], ["dns_tunnel"])
        for name in ("up", "up2"):
            self.assertEqual(self.admin.api("DELETE", f"/datasets/{name}").status, 204)
        self.assertEqual(self.viewer.get("/events?dataset=up")["items"], [])
        self.assertEqual(self.viewer.api("GET", "/cases?dataset=up").status, 404)

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


class Restart(unittest.TestCase):
    def test_what_was_kept_is_there_after_a_kill(self):
        with tempfile.TemporaryDirectory(prefix="vigie-api-") as folder:
            data = Path(folder) / "data"
            filled = vigie("replay", "--data", data, *demo_captures())
            self.assertEqual(filled.returncode, 0, filled.stderr)
            server = Server(data)
            client = Client(server)
            self.assertEqual(client.log_in("admin", server.password).status, 200)
            self.assertEqual(client.api("POST", "/session/password", {"old": server.password, "new": PASSWORD}).status, 204)
            before = client.get("/status")["store"]["events"]
            server.process.kill()
            server.process.wait()
            server.process.stdout.close()
            server.process.stderr.close()
            again = Server(data)
            self.assertIsNone(again.password)
            client = Client(again)
            self.assertEqual(client.log_in("admin", PASSWORD).status, 200)
            self.assertEqual(client.get("/status")["store"]["events"], before)
            self.assertEqual(again.stop(), 0)


def main():
    global VIGIE
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vigie", type=Path, default=VIGIE)
    args, rest = parser.parse_known_args()
    VIGIE = args.vigie.resolve()
    program = unittest.main(argv=[sys.argv[0], *rest], exit=False)
    sys.exit(not program.result.wasSuccessful())


if __name__ == "__main__":
    main()
