"""Tests of the project's own check scripts: a check that cannot fail is worth nothing."""
import base64
import collections
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TOP, "tools"), os.path.join(TOP, "lab")]
sys.dont_write_bytecode = True

import bench  # noqa: E402
import fields  # noqa: E402
import ja4  # noqa: E402
import network  # noqa: E402
import new_protocol  # noqa: E402
import run as lab  # noqa: E402
import sensors  # noqa: E402
import survive  # noqa: E402


class NewProtocol(unittest.TestCase):
    def copy(self, top):
        for path in (new_protocol.PROTO + "/mod.rs", new_protocol.REGISTRY):
            os.makedirs(os.path.dirname(os.path.join(top, path)), exist_ok=True)
            shutil.copy(os.path.join(TOP, path), os.path.join(top, path))

    def test_it_stands_in_every_list_and_is_formatted(self):
        for transport in ("udp", "tcp"):
            with tempfile.TemporaryDirectory() as top:
                self.copy(top)
                paths = new_protocol.create(top, "echo_two", transport)
                texts = {p: new_protocol.read(os.path.join(top, p)) for p in paths}
                self.assertIn("    EchoTwo: echo_two::EchoTwo [echo_two::EchoTwoMessage];\n}\n", texts[new_protocol.REGISTRY])
                mods = [w for w in texts[new_protocol.PROTO + "/mod.rs"].splitlines() if w.startswith("pub mod ")]
                self.assertEqual(mods, sorted(mods))
                self.assertIn("pub mod echo_two;", mods)
                self.assertFalse(any("@" in t for t in texts.values()))
                if shutil.which("rustfmt"):
                    # Reads as Rust; `./dev new` formats it.
                    files = [os.path.join(top, p) for p in paths[:2]]
                    subprocess.run(["rustfmt", "--edition", "2024", "--emit", "files", files[0]], check=True, capture_output=True)

    def test_what_cannot_be_named_is_refused_and_nothing_written(self):
        with tempfile.TemporaryDirectory() as top:
            self.copy(top)
            for name, transport in (("dns", "udp"), ("match", "udp"), ("Echo", "udp"), ("a/b", "udp"), ("x", "udp"), ("echo", "sctp")):
                with self.assertRaises(ValueError, msg=name):
                    new_protocol.create(top, name, transport)
            self.assertEqual(sorted(os.listdir(os.path.join(top, new_protocol.PROTO))), ["mod.rs"])


class Lab(unittest.TestCase):
    def test_a_password_is_found_in_base64_wherever_it_begins(self):
        secret = "Canari-7f3a-Vigie"
        forms = lab.forms_of(secret)
        for before in range(7):
            for after in range(7):
                coded = base64.b64encode(b"u" * before + secret.encode() + b"z" * after)
                self.assertTrue(any(f in coded for f in forms), (before, after))
        self.assertFalse(any(f in base64.b64encode(b"Canari is a bird") for f in forms))

    def test_an_expectation_fails_on_what_is_missing_wrong_or_false(self):
        about = {"expect": [{"detector": "scan", "attacker": "10.0.0.1", "victim": "10.0.0.2"}], "allowed": ["tor"]}

        def case(detector, attacker="10.0.0.1"):
            return {"title": "t", "detectors": [detector], "entities": [{"role": "attacker", "ip": attacker}, {"role": "victim", "ip": "10.0.0.2"}]}

        self.assertEqual(lab.short_of(about, [case("scan"), case("tor")]), [])
        self.assertIn("no case with scan", lab.short_of(about, [])[0])
        self.assertIn("attacker 10.0.0.1 is not among", lab.short_of(about, [case("scan", "10.0.0.9")])[0])
        self.assertIn("false", lab.short_of(about, [case("scan"), case("brute_force")])[0])

    def test_stamps_move_and_gaps_grow(self):
        with tempfile.TemporaryDirectory() as top:
            source, out = os.path.join(top, "a"), os.path.join(top, "b")
            with open(source, "wb") as f:
                f.write(b"\xd4\xc3\xb2\xa1" + bytes(20))
                for sec, micro in ((100, 900_000), (101, 100_000), (102, 0)):
                    f.write(struct.pack("<IIII", sec, micro, 1, 1) + b"x")
            self.assertEqual(network.move_stamps(source, out, 1000, [(101.5, 60)])[0], 3)
            with open(out, "rb") as f:
                data = f.read()
            stamps = [struct.unpack_from("<II", data, 24 + 17 * n) for n in range(3)]
            self.assertEqual(stamps, [(1000, 0), (1000, 200_000), (1061, 100_000)])
            network.move_stamps(source, out, 1000, [], (0.5, 100))
            with open(out, "rb") as f:
                data = f.read()
            stamps = [struct.unpack_from("<II", data, 24 + 17 * n) for n in range(3)]
            self.assertEqual(stamps, [(1000, 0), (1000, 200_000), (1090, 200_000)])

    def test_two_looks_differ_where_anything_that_matters_does(self):
        def case(count=3, victim="10.0.0.2", points=30):
            return {"title": "t", "severity": "high", "score": points, "detectors": ["scan"], "entities": [{"role": "victim", "ip": victim, "mac": None}],
                    "alerts": [{"detector": "scan", "count": count, "summary": "s"}], "reasons": [{"key": "scan.hosts", "points": points}]}

        self.assertEqual(sensors.differences([case()], [case()]), [])
        for other in (case(count=4), case(victim="10.0.0.3"), case(points=20)):
            self.assertTrue(sensors.differences([case()], [other]))
        self.assertEqual(len(sensors.differences([case()], [])), 1)
        looks = {f"replay, {lab.WORKERS[0]} workers": ([case()], {}), "live": ([case(count=2)], {})}
        self.assertEqual((len(lab.interrupted(looks, 0)), len(lab.interrupted(looks, 1))), (1, 0))
        self.assertEqual(len(lab.interrupted({**looks, "live": ([case(), case()], {})}, 1)), 1)

    def test_each_recording_has_its_expectation(self):
        recorded = {n.rsplit(".", 1)[0] for n in os.listdir(lab.TESTDATA) if n.endswith(".pcap")}
        self.assertTrue(recorded)
        self.assertEqual(recorded - set(lab.scenario_names()), set())
        for name in recorded:
            self.assertTrue(os.path.exists(os.path.join(lab.TESTDATA, name + ".json")), name)


class Fields(unittest.TestCase):
    def test_names_of_certificates(self):
        self.assertEqual(fields.name_pairs("C=FR, O=Bureau, Exemple, CN=www.example"), [("C", "FR"), ("O", "Bureau, Exemple"), ("CN", "www.example")])
        name = bytes.fromhex("310b3009060355040613024652310b300906035504030c025858")
        self.assertEqual(fields.distinguished(name), [("C", "FR"), ("CN", "XX")])
        self.assertEqual(fields.subject_and_issuer(b"\x30\x03\x02\x01\x01"), (None, None))

    def test_rows_are_realigned_where_one_side_has_more(self):
        theirs = [{"http.url": u} for u in "abcd"]
        pairs, alone, more = fields.pair_up("http", theirs, [{"http.url": u} for u in "acd"])
        self.assertEqual([a["http.url"] + b["http.url"] for a, b in pairs], ["aa", "cc", "dd"])
        self.assertEqual((alone, more), (1, 0))

    def test_names_that_are_not_text_compare(self):
        self.assertEqual(fields.dns_name("J\\xe4ger.example"), fields.dns_name("J\ufffdger.example"))
        self.assertEqual(fields.dns_name("<Root>"), fields.dns_name(""))

    def test_a_difference_is_seen(self):
        result = fields.Result("f")
        result.judge("dns.rrname", "a.example", "a.example", "")
        result.judge("dns.rrname", "a.example", None, "")
        result.judge("dns.rrname", None, None, "")
        self.assertEqual((result.equal["dns.rrname"], result.compared["dns.rrname"]), (1, 2))

    @staticmethod
    def layer(*pairs):
        element = xml.Element("proto")
        for name, show in pairs:
            xml.SubElement(element, "field", name=name, show=show)
        return fields.Layer(element)

    def test_pipelined_commands_are_all_read(self):
        side, mails = fields.Side(), {}
        command, parameter = "smtp.req.command", "smtp.req.parameter"
        fields.smtp_row(side, "k", mails, 0, self.layer((command, "MAIL"), (parameter, "FROM: <A@x>"), (command, "rcpt"), (parameter, "TO:<b@x>"), (command, "DATA")))
        self.assertEqual(side.rows["smtp"]["k"], [{"smtp.from": "a@x", "smtp.to": ["b@x"]}])

    def test_answers_that_answer(self):
        side, http = fields.Side(), fields.Exchanges()
        fields.http_row(side, "k", http, self.layer(("http.request.method", "GET"), ("http.request.uri", "/")))
        fields.http_row(side, "k", http, self.layer(("http.response.code", "100")))
        self.assertIsNone(side.rows["http"]["k"][0]["http.status"])
        fields.http_row(side, "k", http, self.layer(("http.response.code", "101")))
        self.assertEqual((side.rows["http"]["k"][0]["http.status"], http.answered, len(http.waiting)), (101, 1, 0))

    @unittest.skipUnless(shutil.which("tshark"), "needs tshark")
    def test_what_tshark_says_of_our_own_recording(self):
        side = fields.from_tshark(os.path.join(lab.TESTDATA, "kali_appears.pcap"))
        kinds = collections.Counter(r["dhcp.type"] for rows in side.rows["dhcp"].values() for r in rows)
        self.assertEqual(set(kinds), {"discover", "offer", "request", "ack"})
        self.assertIn("kali", {r["dhcp.hostname"] for rows in side.rows["dhcp"].values() for r in rows})
        self.assertIn("http.kali.org", {r["dns.rrname"] for rows in side.rows["dns"].values() for r in rows})
        self.assertIn("archive-4.kali.org", {r["tls.sni"] for rows in side.rows["tls"].values() for r in rows})


class Others(unittest.TestCase):
    def test_fingerprints_are_found_by_connection(self):
        event = {"tls": {"ja4": "a", "ja3": {"hash": "x"}}, "vigie": {"ja4_second": "b"}, "quic": [{"ja4": "c"}]}
        self.assertEqual(list(ja4.fingerprints(event)), ["a", "b", "c"])
        self.assertEqual(ja4.ends("::1", "5", "10.0.0.1", 6), ja4.ends("10.0.0.1", "6", "0:0::1", 5))
        self.assertNotEqual(ja4.ends("::1", 5, "10.0.0.1", 6), ja4.ends("::1", 6, "10.0.0.1", 5))

    def test_counters_of_caps_are_told_from_the_rest(self):
        leaves = dict(bench.leaves({"flow": {"evicted": 3, "total": 9}, "events": [{"name": "dns", "count": 4}]}))
        self.assertEqual(leaves, {"flow.evicted": 3, "flow.total": 9, "events.dns": 4})
        self.assertEqual([k for k in leaves if bench.CAP_WORDS.search(k)], ["flow.evicted"])

    def test_survival_is_denied_to_bad_output(self):
        with tempfile.TemporaryDirectory() as out:
            self.assertIn("exit 101", survive.verdict(101, "panicked", out, "x.pcap"))
            self.assertIsNone(survive.verdict(2, "x.pcap: not a capture", out, "/a/x.pcap"))
            self.assertIn("eve.json", survive.verdict(0, "", out, "x.pcap"))
            stats = '{"event_type": "stats", "stats": {"decoder": {"pkts": 3}}, "vigie": {"terminal": [{"name": "a", "count": 2}]}}\n'
            for name in survive.OUTPUTS:
                with open(os.path.join(out, name), "w", encoding="utf-8") as f:
                    f.write(stats if name == "eve.json" else "")
            self.assertIn("add up to 2", survive.verdict(0, "", out, "x.pcap"))


if __name__ == "__main__":
    unittest.main()
