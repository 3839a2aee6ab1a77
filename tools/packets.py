#!/usr/bin/env python3
"""Packets kept of live traffic, through the binary: recordings of the lab sent over a veth pair, taken back from flows, alerts and cases.

Needs root and iproute2; says in one line that it is skipped where it cannot make a namespace. Prints each figure that it measures.
"""
import argparse
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import live

IN_NAMESPACE = "VIGIE_PACKETS_NAMESPACE"
RECORDING = "ftp_bruteforce_success"
FLOWS = "SELECT flow_id, pkts_toserver + pkts_toclient AS pkts, bytes_toserver + bytes_toclient AS bytes FROM flow WHERE dataset = 'live'"


def vigie(*words):
    return subprocess.run([live.VIGIE, *map(str, words)], capture_output=True, text=True, timeout=120)


def get(server, path, token):
    """Status and body of a resource, asked for by a script."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=60)
    connection.request("GET", f"/api/v1{path}", headers={"Authorization": f"Bearer {token}"})
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply.status, body


def filler(interface, megabytes, port, ends=(bytes([10, 30, 0, 7]), bytes([10, 30, 0, 8]))):
    """Sends one UDP flow of large datagrams."""
    payload, number = bytes(1400), 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
        s.bind((interface, 0))
        for number in range(megabytes * 750):
            udp = struct.pack(">HHHH", 40000, port, 8 + len(payload), 0) + payload
            head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), number & 0xFFFF, 0, 64, 17, 0, *ends)
            total = sum(struct.unpack(">10H", head))
            check = ~(total % 0xFFFF) & 0xFFFF
            s.send(bytes.fromhex("020000000008020000000007") + b"\x08\x00" + head[:10] + struct.pack(">H", check) + head[12:] + udp)
            if number % 200 == 199:
                time.sleep(0.01)


def settings(*pairs):
    return [word for pair in pairs for word in ("--set", pair)]


class Packets(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.data = pathlib.Path(self.folder.name) / "data"
        subprocess.run(["ip", "link", "add", "pk0", "type", "veth", "peer", "name", "pk0s"], check=True)
        for end in ("pk0", "pk0s"):
            pathlib.Path(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6").write_text("1")
            subprocess.run(["ip", "link", "set", end, "up"], check=True)

    def tearDown(self):
        subprocess.run(["ip", "link", "del", "pk0"], check=False)
        self.folder.cleanup()

    def up(self, *pairs, more=()):
        return live.up(str(self.data), "-i", "pk0s", *settings(*pairs), *more)

    def taken(self, *what):
        """What is taken, as a file; none and why where there is nothing."""
        out = pathlib.Path(self.folder.name) / "taken.pcapng"
        out.unlink(missing_ok=True)
        done = vigie("export", "packets", *what, "--data", self.data, "-o", out)
        return (out, None) if done.returncode == 0 else (None, done.stderr)

    def seen(self, file):
        """The flows that a replay of a file sees, each with its packets."""
        with tempfile.TemporaryDirectory() as out:
            subprocess.run([live.VIGIE, "replay", "-q", "-l", out, file], check=True, capture_output=True)
            lines = (pathlib.Path(out) / "eve.json").read_text().splitlines()
        flows = [e for e in map(json.loads, lines) if e["event_type"] == "flow"]
        return {f["flow_id"]: f["flow"]["pkts_toserver"] + f["flow"]["pkts_toclient"] for f in flows}

    def written(self, server, count=1, seconds=20):
        """Waits until so many packets are written."""
        live.until(lambda: server.metrics()["vigie_packets_written_total"] >= count, seconds)

    def kept(self):
        return sorted((self.data / "packets").glob("*"))

    def test_nothing_is_kept_unless_it_is_asked_for(self):
        with self.up() as v:
            live.send("pk0", RECORDING)
            v.until(live.ALERTS, lambda rows: "brute_force" in live.found(rows))
            case = v.sql("SELECT DISTINCT case_id FROM alert WHERE detector = 'brute_force'")[0]["case_id"]
            file, why = self.taken("--case", case)
            self.assertIsNone(file)
            self.assertIn("packets.keep is off", why)
            self.assertEqual(len(why.splitlines()), 1)
            self.assertEqual(v.metrics()["vigie_packets_written_total"], 0)
            v.stop()
        self.assertFalse((self.data / "packets").exists())

    def test_the_beginning_of_each_flow_is_kept_with_any_number_of_workers(self):
        for workers in ("1", "2"):
            with self.subTest(workers=workers):
                self.data = pathlib.Path(self.folder.name) / f"data{workers}"
                with self.up("packets.keep=first", "packets.first=2kb", "flow-timeouts.tcp.closed=1", more=("--workers", workers)) as v:
                    live.send("pk0", RECORDING)
                    filler("pk0", 1, 9999)
                    v.until(live.ALERTS, lambda rows: "brute_force" in live.found(rows))
                    v.until(FLOWS, lambda rows: len(rows) > 10)
                    self.written(v, 100)
                    flows = {r["flow_id"]: r for r in v.sql(FLOWS)}
                    whole = part = 0
                    for flow_id, flow in list(flows.items())[:40]:
                        file, why = self.taken("--flow", flow_id)
                        self.assertIsNotNone(file, why)
                        # The same flow, to its identifier.
                        seen = self.seen(file)
                        self.assertEqual(list(seen), [flow_id])
                        if flow["bytes"] <= 2048:
                            self.assertEqual(seen[flow_id], flow["pkts"])
                            whole += 1
                        else:
                            self.assertTrue(0 < seen[flow_id] <= flow["pkts"])
                            part += seen[flow_id] < flow["pkts"]
                    metrics = v.metrics()
                    self.assertEqual(metrics['vigie_packets_dropped_total{place="server"}'] + metrics['vigie_packets_dropped_total{place="sensor"}'], 0)
                    print(f"first, {workers} workers: {metrics['vigie_packets_written_total']:.0f} packets of {len(flows)} flows over, {whole} whole, {part} cut")
                    self.assertEqual(v.stop(), "")
                self.assertTrue(any(p.suffix == ".index" for p in self.kept()))

    def test_the_flows_of_a_case_are_kept_from_before_it_until_after(self):
        for workers in ("1", "2"):
            with self.subTest(workers=workers):
                self.data = pathlib.Path(self.folder.name) / f"data{workers}"
                with self.up("packets.keep=cases", "packets.after=3600", "flow-timeouts.tcp.closed=1", more=("--workers", workers)) as v:
                    live.send("pk0", "dns_tunnel", stop=50)
                    time.sleep(1)
                    self.assertEqual(v.metrics()["vigie_packets_written_total"], 0, "nothing before there is a case")
                    began = time.monotonic()
                    sent = live.send("pk0", RECORDING)
                    v.until(live.ALERTS, lambda rows: "brute_force" in live.found(rows))
                    self.written(v, 10)
                    # All that was between the two: the tries before the case was told, and what came after.
                    self.written(v, 0.9 * sent)
                    print(f"cases, {workers} workers: {v.metrics()['vigie_packets_written_total']:.0f} of {sent} packets kept {time.monotonic() - began:.1f} s after the first was sent")
                    case = v.sql("SELECT DISTINCT case_id FROM alert WHERE detector = 'brute_force'")[0]["case_id"]
                    v.until(FLOWS + " AND dest_port = 21", lambda rows: len(rows) > 15)
                    csv = pathlib.Path(self.folder.name) / "flows.csv"
                    self.assertEqual(vigie("export", "flows", case, "--data", self.data, "-o", csv).returncode, 0)
                    head, *rows = [line.split(",") for line in csv.read_text().splitlines()]
                    rows = [dict(zip(head, row)) for row in rows]
                    self.assertGreater(len(rows), 10)
                    file, why = self.taken("--case", case)
                    self.assertIsNotNone(file, why)
                    seen = self.seen(file)
                    told = {int(r["flow_id"]): int(r["pkts_toserver"]) + int(r["pkts_toclient"]) for r in rows}
                    self.assertLessEqual(set(told), set(seen))
                    self.assertEqual({f: seen[f] for f in told}, told, "whole flows, also those before")
                    if shutil.which("tshark"):
                        done = subprocess.run(["tshark", "-n", "-r", file, "-T", "fields", "-e", "tcp.stream", "-Y", "tcp.dstport == 21"], capture_output=True, text=True)
                        self.assertEqual(done.returncode, 0, done.stderr)
                        self.assertGreaterEqual(len(set(done.stdout.split())), len(told))
                    alert = v.sql("SELECT DISTINCT alert_id FROM alert WHERE detector = 'brute_force'")[0]["alert_id"]
                    file, why = self.taken("--alert", alert)
                    self.assertIsNotNone(file, why)
                    self.assertLessEqual(set(self.seen(file)), set(seen))
                    # Another flow is not kept, and that is said with the setting.
                    other = v.sql("SELECT flow_id FROM dns WHERE dataset = 'live' LIMIT 1")[0]["flow_id"]
                    self.assertIn("packets.keep", self.taken("--flow", other)[1])
                    self.assertEqual(v.stop(), "")
        # The case is open still: what its machines say after a restart is kept, whatever it is.
        attempt = next(f for _, f in live.frames(live.ROOT / "testdata" / f"{RECORDING}.pcap") if f[12:14] == b"\x08\x00" and f[36:38] == b"\x00\x15")
        with self.up("packets.keep=cases", "packets.after=3600") as v:
            time.sleep(2)
            filler("pk0", 1, 7, ends=(attempt[26:30], attempt[30:34]))
            self.written(v, 700)
            self.assertEqual(v.stop(), "")

    def test_packets_are_for_analysts_and_each_download_is_in_the_trail(self):
        with self.up("packets.keep=first", "flow-timeouts.tcp.closed=1") as v:
            live.send("pk0", RECORDING, stop=300)
            flow = v.until(FLOWS, lambda rows: len(rows) > 0)[0][0]["flow_id"]
            self.written(v)
            tokens = {}
            for name, role in (("vera", "viewer"), ("anna", "analyst"), ("otto", "administrator")):
                made = subprocess.run([live.VIGIE, "user", "add", name, "--role", role, "--data", self.data], input="a long password of chance 7\n", capture_output=True, text=True)
                self.assertEqual(made.returncode, 0, made.stderr)
                tokens[name] = vigie("user", "token", name, "--data", self.data).stdout.strip()
            path = f"/events/{flow}/packets"
            self.assertEqual(get(v, path, tokens["vera"])[0], 403)
            self.assertEqual(get(v, path, "none")[0], 401)
            self.assertEqual(get(v, f"{path}?probe=true", tokens["anna"]), (204, b""))
            trail = lambda: json.loads(get(v, "/audit?action=read.packets&limit=100", tokens["otto"])[1])["items"]
            self.assertEqual(trail(), [])
            status, body = get(v, path, tokens["anna"])
            self.assertEqual((status, body[:4]), (200, b"\x0a\x0d\x0d\x0a"))
            self.assertEqual([(r["who"], r["object"]) for r in trail()], [("anna", f"flow {flow}")])
            status, body = get(v, "/events/1/packets", tokens["anna"])
            self.assertEqual(status, 404)
            self.assertIn("packets.keep", json.loads(body)["error"]["message"])
            # Nobody else reads them in the folder.
            self.assertEqual((self.data / "packets").stat().st_mode & 0o077, 0)
            v.stop()

    def test_packets_go_first_where_the_quota_is_full_and_the_oldest_before_the_others(self):
        # The smallest quota that there is, and more packets than it holds.
        with self.up("packets.keep=first", "packets.first=1gb", "store.quota=200mb") as v:
            live.questions("pk0", 2000, pause=0.1)
            v.until("SELECT count(*) AS n FROM dns", lambda r: r[0]["n"] == 2000)
            self.written(v, 2000)
            began = time.monotonic()
            filler("pk0", 400, 9000)
            live.until(lambda: sum(p.stat().st_size for p in self.kept()) > 60 << 20, 60)
            most = 0
            for _ in range(20):
                used = sum(f.stat().st_size for f in self.data.rglob("*") if f.is_file())
                most = max(most, used)
                time.sleep(0.1)
            self.assertLess(most, 200 << 20)
            metrics = v.metrics()
            written, lost = metrics["vigie_packets_written_total"], [metrics[f'vigie_packets_dropped_total{{place="{p}"}}'] for p in ("server", "sensor")]
            print(f"quota: 400 MB of frames under a quota of 200 MB in {time.monotonic() - began:.1f} s: {most >> 20} MB used at most, "
                  f"{written:.0f} packets written, dropped by server and sensor: {lost}")
            # No event went for them, and the first packets did.
            self.assertEqual(v.sql("SELECT count(*) AS n FROM dns")[0]["n"], 2000)
            first = v.sql("SELECT flow_id FROM dns ORDER BY ts LIMIT 1")[0]["flow_id"]
            self.assertIn("store.quota", self.taken("--flow", first)[1])
            stats, _ = v.until("SELECT * FROM stats ORDER BY ts DESC LIMIT 1", lambda r: r and r[0].get("packets_kept"))
            self.assertEqual(stats[0]["capture_kernel_drops"], 0)
            v.stop()

    def test_what_a_kill_leaves_is_kept_and_what_is_torn_is_said(self):
        with self.up("packets.keep=first", "flow-timeouts.tcp.closed=1") as v:
            live.send("pk0", RECORDING, stop=400)
            flow = v.until(FLOWS, lambda rows: len(rows) > 0)[0][0]
            self.written(v, 300)
            v.process.send_signal(signal.SIGKILL)
            v.process.communicate()
        (file,) = self.kept()
        with file.open("ab") as f:
            f.write(b"\x06\0\0\0\x00\x01\0\0torn")
        with self.up("packets.keep=first") as v:
            kept, why = self.taken("--flow", flow["flow_id"])
            self.assertIsNotNone(kept, why)
            self.assertEqual(self.seen(kept), {flow["flow_id"]: flow["pkts"]})
            said = v.stop()
        self.assertIn(f"{file}: its last 12 bytes were torn and are cut off", said)

    def test_a_change_of_what_is_kept_is_taken_without_a_restart(self):
        conf = pathlib.Path(self.folder.name) / "vigie.toml"
        conf.write_text("")
        with self.up(more=("--config", str(conf))) as v:
            before = v.sensor()
            conf.write_text('[packets]\nkeep = "first"\n')
            v.process.send_signal(signal.SIGHUP)
            live.until(lambda: v.sensor() not in (None, before))
            live.send("pk0", RECORDING, stop=300)
            self.written(v, 100)
            os.kill(v.sensor(), signal.SIGKILL)
            live.until(lambda: v.sensor() is not None)
            count = v.metrics()["vigie_packets_written_total"]
            time.sleep(1)
            live.send("pk0", "dns_tunnel", stop=300)
            self.written(v, count + 100)
            self.assertIn("packets.keep", v.stop())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vigie", required=True)
    options, rest = parser.parse_known_args()
    live.VIGIE = os.path.abspath(options.vigie)
    if os.environ.get(IN_NAMESPACE) != "1":
        probe = subprocess.run(["unshare", "--net", "ip", "link", "set", "lo", "up"], capture_output=True)
        if probe.returncode != 0:
            print("SKIPPED packets: needs root, unshare and ip to make a network namespace")
            return 0
        command = ["unshare", "--net", sys.executable, __file__, "--vigie", live.VIGIE, *rest]
        return subprocess.run(command, env={**os.environ, IN_NAMESPACE: "1"}).returncode
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return not unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful()


if __name__ == "__main__":
    sys.exit(main())
