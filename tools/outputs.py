#!/usr/bin/env python3
"""What leaves for other programs, against what really takes it: a web server that fails first, rsyslog, a configuration read again.

Usage: tools/outputs.py --vigie BINARY. Ends with what the unittest module says of its tests. (EVE of live traffic: tools/live.py.)
"""
import http.server
import json
import os
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

import api
from api import PASSWORD, ROOT, Client, Server, demo_captures, vigie

# Captures with cases in them: one, and some more.
FIRST = str(ROOT / "testdata/ftp_bruteforce_success.pcap")
OTHERS = [str(ROOT / f"testdata/{name}.pcap") for name in ("port_scan", "password_spray", "dns_tunnel", "telnet_bruteforce", "rogue_dhcp")]


SECRET = "Bearer s3cret-of-the-siem"


def until(holds, seconds=30, what="it never held"):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(what() if callable(what) else what)
        time.sleep(0.05)


class Receiver:
    """A web server that takes notices; the first answers are those given."""

    def __init__(self, first=(), certificate=None):
        self.taken, self.refused, self.first = [], [], list(first)
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.first.pop(0) if receiver.first else 204
                (receiver.taken if status == 204 else receiver.refused).append((self.headers, json.loads(body), time.monotonic()))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def events(self):
        return [(n["event"], n["case"] and n["case"]["id"]) for _, n, _ in self.taken]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Outputs(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="vigie-outputs-")
        self.path = Path(self.folder.name)
        self.data = self.path / "data"
        added = vigie("user", "add", "root", "--role", "administrator", "--data", self.data, given=PASSWORD + "\n")
        self.assertEqual(added.returncode, 0, added.stderr)
        added = vigie("user", "add", "vera", "--role", "viewer", "--data", self.data, given=PASSWORD + "\n")
        self.assertEqual(added.returncode, 0, added.stderr)
        self.server = None

    def tearDown(self):
        if self.server:
            self.assertEqual(self.server.stop(), 0, self.log())
        self.folder.cleanup()

    def log(self):
        log = self.path / "log"
        return log.read_text() if log.exists() else ""

    def start(self, *options):
        self.server = Server(self.data, *options, log=self.path / "log")
        self.admin = Client(self.server)
        self.assertEqual(self.admin.log_in("root", PASSWORD).status, 200)

    def stop(self):
        self.assertEqual(self.server.stop(), 0, self.log())
        self.server = None

    def put(self, key, value, status=200):
        reply = self.admin.api("PUT", "/settings", {"key": key, "value": value})
        self.assertEqual(reply.status, status, reply.body)
        return reply.json()

    def output(self, name):
        return next(o for o in self.admin.get("/outputs") if o["name"] == name)

    def fill(self, *captures):
        done = vigie("replay", "--data", self.data, "--dataset", "demo", *captures)
        self.assertEqual(done.returncode, 0, done.stderr)

    def close_case(self, case, state="closed", verdict="benign"):
        reply = self.admin.api("PATCH", f"/cases/{case}", {"state": state, "verdict": verdict})
        self.assertEqual(reply.status, 200, reply.body)

    def certificate(self):
        """A certificate of an authority of the test's own, which nothing but SSL_CERT_FILE trusts; and the authority's."""
        ca, key, names = self.path / "ca.crt", self.path / "ca.key", self.path / "names"
        of = self.path / "hook.crt", self.path / "hook.key"
        names.write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        for command in (
            ["req", "-x509", *new, "-days", "3", "-subj", "/CN=authority", "-out", ca, "-keyout", key],
            ["req", *new, "-subj", "/CN=hook", "-out", self.path / "hook.csr", "-keyout", of[1]],
            ["x509", "-req", "-in", self.path / "hook.csr", "-CA", ca, "-CAkey", key, "-CAcreateserial", "-days", "3", "-extfile", names, "-out", of[0]],
        ):
            subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True)
        return of, ca

    def test_a_webhook_is_told_once_of_each_opening_and_closing_over_failures_and_a_restart(self):
        pair, authority = self.certificate()
        os.environ["SSL_CERT_FILE"] = str(authority)
        self.addCleanup(os.environ.pop, "SSL_CERT_FILE")
        hook = Receiver(first=[503, 500], certificate=pair)
        self.addCleanup(hook.close)
        self.fill(FIRST)
        self.start()
        before = {c["id"] for c in self.admin.get("/cases")["items"]}
        self.assertTrue(before)
        url = f"https://127.0.0.1:{hook.port}/vigie?token=x"
        told = self.put("webhook", {"url": url, "authorization": SECRET, "lang": "fr", "imports": True})
        self.assertEqual(told["webhook"], {"url": url, "has_authorization": True, "lang": "fr", "imports": True})
        # Nothing of what was there before.
        until(lambda: self.output("webhook")["target"])
        self.fill(*OTHERS)
        cases = {c["id"] for c in self.admin.get("/cases?limit=500")["items"]} - before
        self.assertGreater(len(cases), 3)
        until(lambda: len(hook.taken) >= len(cases), what=lambda: f"{hook.events()} {self.output('webhook')} {self.log()}")
        self.assertEqual(sorted(hook.events()), sorted(("opened", c) for c in cases))
        # The two that failed are one notice, tried again: the same id, later and later.
        tries = [n["id"] for _, n, _ in hook.refused] + [hook.taken[0][1]["id"]]
        self.assertEqual(len(set(tries)), 1, tries)
        gap = hook.taken[0][2] - hook.refused[0][2]
        self.assertGreater(gap, 2.5, "1 s, then 2 s")
        state = self.output("webhook")
        self.assertEqual((state["delivered"], state["dropped"], state["last_error"]["stands"]), (len(cases), 0, False))
        self.assertIn("500", state["last_error"]["text"])
        headers, notice, _ = hook.taken[0]
        self.assertEqual((headers["Authorization"], headers["Content-Type"]), (SECRET, "application/json"))
        self.assertTrue(notice["text"].startswith("Cas ouvert ("), notice["text"])
        report = self.admin.get(f"/cases/{notice['case']['id']}?lang=fr")
        self.assertEqual({k: report[k] for k in notice["case"]}, notice["case"], "what the API says, and nothing else")
        document = self.admin.get("/openapi.json")["components"]["schemas"]["CaseNotice"]
        self.assertEqual(set(notice), set(document["properties"]))
        # A person closes one, a command another while the server is away: each is told once, after a restart too.
        first, second = sorted(cases)[:2]
        self.close_case(first)
        until(lambda: ("closed", first) in hook.events())
        self.assertEqual(hook.taken[-1][1]["by"], "root")
        self.assertTrue(hook.taken[-1][1]["text"].startswith("Cas clos (bénin)"), hook.taken[-1][1]["text"])
        self.stop()
        with sqlite3.connect(self.data / "vigie.db") as db:
            # As the API does, in a process of its own.
            ds = db.execute("SELECT ds FROM cases WHERE id = ?", [second]).fetchone()[0]
            db.execute("UPDATE cases SET state = 3, verdict = 'test' WHERE id = ?", [second])
            db.execute("INSERT INTO trail(ds, case_id, at, who, kind, text) VALUES (?, ?, 1, 'ada', 'state', 'closed')", [ds, second])
        self.start()
        until(lambda: ("closed", second) in hook.events(), what=lambda: f"{hook.events()} {self.log()}")
        time.sleep(1.5)
        self.assertEqual(len(hook.events()), len(set(hook.events())))
        self.assertEqual(len(hook.taken), len(cases) + 2)
        # The secret is nowhere that anybody reads.
        vera = Client(self.server)
        self.assertEqual(vera.log_in("vera", PASSWORD).status, 200)
        self.assertEqual(vera.get("/settings")["webhook"]["url"], f"https://127.0.0.1:{hook.port}")
        self.assertEqual(vera.api("POST", "/outputs/webhook/test").status, 403)
        exported = vigie("config", "export", "--data", self.data).stdout
        self.assertIn("https://127.0.0.1", exported)
        shown = [exported, self.log()] + [
            self.admin.api("GET", path).body.decode() for path in ("/settings", "/outputs", "/audit?limit=1000", "/config", "/status")
        ]
        self.assertFalse([s for s in shown if "s3cret" in s])
        # An export read back keeps what is there.
        file = self.path / "config.json"
        file.write_text(exported)
        self.assertEqual(vigie("config", "import", "--data", self.data, file).returncode, 0)
        self.assertTrue(self.admin.get("/settings")["webhook"]["has_authorization"])
        # A test is told apart, and is not counted.
        self.assertEqual(self.admin.api("POST", "/outputs/webhook/test").status, 204)
        self.assertEqual((hook.taken[-1][1]["event"], hook.taken[-1][1]["case"]), ("test", None))
        self.assertEqual(self.output("webhook")["delivered"], len(cases) + 2)

    def test_a_certificate_that_nobody_trusts_and_a_receiver_that_does_not_want_it_are_said(self):
        hook = Receiver(certificate=self.certificate()[0])
        self.addCleanup(hook.close)
        self.start()
        self.put("webhook", {"url": f"https://127.0.0.1:{hook.port}/", "imports": True})
        reply = self.admin.api("POST", "/outputs/webhook/test")
        self.assertEqual(reply.status, 422, reply.body)
        self.assertIn("certificate", reply.json()["error"]["message"])
        self.assertEqual(hook.taken, [])
        reply = self.admin.api("POST", "/outputs/syslog/test")
        self.assertIn("set it first", reply.json()["error"]["message"])
        self.assertEqual(self.admin.api("POST", "/outputs/nothing/test").status, 404)
        plain = Receiver(first=[422])
        self.addCleanup(plain.close)
        self.put("webhook", {"url": f"http://127.0.0.1:{plain.port}/", "imports": True})
        self.fill(*demo_captures())
        cases = self.admin.get("/cases?limit=500")["total"]
        # One is refused for good: it is given up, and keeps none of the others back.
        until(lambda: len(plain.taken) == cases - 1, what=lambda: f"{plain.events()} {self.output('webhook')}")
        state = self.output("webhook")
        self.assertEqual((state["dropped"], state["delivered"]), (1, cases - 1))
        self.assertIn("is not told", self.log())
        metrics = self.admin.ask("GET", "/metrics").body.decode()
        self.assertIn('vigie_output_dropped_total{output="webhook"} 1', metrics)
        # Set to none, it is told nothing, and what it was told is forgotten.
        self.put("webhook", None)
        until(lambda: self.output("webhook") == {**state, "target": None, "delivered": 0, "dropped": 0, "last_success": None, "last_error": None})

    def test_a_real_rsyslog_takes_each_message_over_udp_and_tcp(self):
        rsyslogd = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin:/sbin")
        if not rsyslogd:
            self.skipTest("no rsyslogd here (./dev setup test installs it)")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        out, conf = self.path / "syslog.json", self.path / "rsyslog.conf"
        conf.write_text(
            f'module(load="imudp") module(load="imtcp") module(load="mmpstrucdata")\n'
            f'global(workDirectory="{self.path}" net.enableDNS="off")\n'
            f'input(type="imudp" port="{port}" address="127.0.0.1") input(type="imtcp" port="{port}" address="127.0.0.1")\n'
            'template(name="t" type="list") { property(name="jsonmesg") constant(value="\\n") }\n'
            f'action(type="mmpstrucdata") action(type="omfile" file="{out}" template="t")\n'
        )
        lines = lambda: [json.loads(l) for l in out.read_text().splitlines()] if out.exists() else []
        of_cases = lambda: [l for l in lines() if l.get("programname") == "vigie"]
        self.start()
        # Nobody is there yet: over TCP that is an error, and nothing is lost.
        self.put("syslog", {"target": f"127.0.0.1:{port}", "carrier": "tcp", "lang": "fr", "imports": True})
        self.fill(FIRST)
        first = self.admin.get("/cases?limit=500&lang=fr")["items"]
        until(lambda: self.output("syslog")["last_error"], what="no error is told")
        self.assertIn("refused", self.output("syslog")["last_error"]["text"])
        daemon = subprocess.Popen([rsyslogd, "-n", "-f", conf, "-i", self.path / "pid"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: len(of_cases()) == len(first), what=lambda: f"{lines()} {self.output('syslog')}")
            self.put("syslog", {"target": f"127.0.0.1:{port}", "carrier": "udp", "lang": "fr", "imports": True})
            self.fill(*OTHERS)
            cases = {c["id"]: c for c in self.admin.get("/cases?limit=500&lang=fr")["items"]}
            until(lambda: len(of_cases()) >= len(cases), what=lambda: f"{len(of_cases())} of {len(cases)} {self.output('syslog')}")
            case = first[0]["id"]
            self.close_case(case, verdict="true_positive")
            until(lambda: len(of_cases()) == len(cases) + 1)
        finally:
            daemon.terminate()
            daemon.wait(20)
        self.assertEqual({l["inputname"] for l in of_cases()}, {"imtcp", "imudp"})
        told = {}
        for line in of_cases():
            self.assertEqual((line["protocol-version"], line["syslogfacility"]), ("1", "16"), line)
            told[line["msgid"], line["$!"]["rfc5424-sd"]["vigie@32473"]["case"]] = line
        self.assertEqual(set(told), {("case_opened", c) for c in cases} | {("case_closed", case)})
        closed = told.pop(("case_closed", case))["$!"]["rfc5424-sd"]["vigie@32473"]
        self.assertEqual((closed["verdict"], closed["by"]), ("true_positive", "root"))
        severity = {"critical": "2", "high": "3", "medium": "4", "low": "5"}
        for (_, of), line in told.items():
            is_, sd = cases[of], line["$!"]["rfc5424-sd"]["vigie@32473"]
            self.assertEqual(line["syslogseverity"], severity[sd["severity"]])
            self.assertIn(is_["title"], line["msg"])
            # It may have grown since.
            self.assertLessEqual(set(sd["detectors"].split(",")), set(is_["detectors"]))
            ips = {e["ip"] for e in is_["entities"] if e["role"] == "attacker" and e["ip"]}
            self.assertLessEqual(set(sd.get("attacker", "").split(",")) - {""}, ips)
            self.assertTrue(line["timereported"].endswith("Z"))

    def test_the_configuration_is_read_again_and_a_bad_one_changes_nothing(self):
        conf = self.path / "vigie.toml"
        conf.write_text("[store]\nquota = '1gb'\n")
        self.start("--config", conf, "--set", "store.retention.dns=30")
        quota = lambda: self.admin.get("/settings")["quota"]["bytes"]
        self.assertEqual(quota(), 1 << 30)

        def hup(wants):
            said = len(self.log())
            self.server.process.send_signal(signal.SIGHUP)
            until(lambda: wants in self.log()[said:], what=lambda: self.log()[said:])
            return self.log()[said:].splitlines()

        conf.write_text("[store]\nquota = '2gb'\n[flow]\nmax = 1000\n[stream]\nmidstream = true\n")
        lines = hup("stream.midstream")
        self.assertEqual(
            lines,
            [
                'vigie: flow.max: "1000": holds after a restart',
                'vigie: store.quota: "2gb": holds now',
                'vigie: stream.midstream: "true": holds now',
            ],
        )
        self.assertEqual(quota(), 2 << 30)
        for bad, fault in [("[store]\nquota = 'much'\n", "quota"), ("[stor]\nquota = 1\n", "unknown key"), ("[store", "not TOML")]:
            conf.write_text(bad)
            lines = hup("goes on")
            self.assertEqual(len(lines), 1, lines)
            self.assertIn(fault, lines[0])
            self.assertEqual(quota(), 2 << 30)
        conf.unlink()
        self.assertIn("cannot be read", hup("goes on")[0])
        conf.write_text("[store]\nquota = '2gb'\n[flow]\nmax = 1000\n[stream]\nmidstream = true\n")
        self.assertEqual(hup("nothing changed"), ["vigie: the configuration was read again: nothing changed"])
        # What only the option says stays.
        rows = {r["kind"]: r for r in self.admin.get("/settings")["retention"]}
        self.assertEqual((rows["dns"]["days"], rows["dns"]["pinned"]), (30, True))

    def test_a_data_directory_of_a_former_version_is_opened(self):
        self.data = self.path / "former"
        self.data.mkdir()
        subprocess.run(["tar", "-C", self.data, "-xf", ROOT / "testdata/former_store.tar.xz"], check=True)
        added = vigie("user", "add", "root", "--role", "administrator", "--data", self.data, given=PASSWORD + "\n")
        self.assertEqual(added.returncode, 0, added.stderr)
        self.start()
        dataset = next(d for d in self.admin.get("/datasets") if d["name"] == "demo")
        self.assertEqual((dataset["events"], dataset["assets"], dataset["cases_open"]), (280, 4, 2))
        self.assertEqual(self.admin.get("/events/histogram?kind=flow")["total"], 47)
        case = self.admin.get("/cases")["items"][0]["id"]
        self.assertEqual(self.admin.ask("GET", f"/api/v1/cases/{case}/packets").body[:4], b"\x0a\x0d\x0d\x0a")
        self.assertIn("former", [u["name"] for u in self.admin.get("/users")])


if __name__ == "__main__":
    sys.exit(api.run(__doc__))
