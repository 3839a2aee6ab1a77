#!/usr/bin/env python3
"""The live sensor through the binary: recordings of the lab sent over a veth pair, in a network namespace of its own.

Needs root and iproute2; says in one line that it is skipped where it cannot make a namespace. Prints each figure that it measures.
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
VIGIE = "vigie"
IN_NAMESPACE = "VIGIE_LIVE_NAMESPACE"
# How much faster than recorded frames are sent.
SPEED = 20


def frames(path):
    """Time and bytes of each frame of a pcap file as the lab records them."""
    data = path.read_bytes()
    magic = struct.unpack_from("<I", data)[0]
    fraction = {0xA1B2C3D4: 1e6, 0xA1B23C4D: 1e9}[magic]
    at = 24
    while at + 16 <= len(data):
        secs, part, captured, _ = struct.unpack_from("<IIII", data, at)
        yield secs + part / fraction, data[at + 16 : at + 16 + captured]
        at += 16 + captured


def tagged(frame, vlan):
    return frame[:12] + struct.pack(">HH", 0x8100, vlan) + frame[12:]


def ipv4(data, protocol, number, offset=0, more=False):
    """A packet between two tunnel ends."""
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(data), number & 0xFFFF, more << 13 | offset // 8, 64, protocol, 0, b"\x0a\x63\x00\x01", b"\x0a\x63\x00\x02")
    check = ~(sum(struct.unpack(">10H", head)) % 0xFFFF) & 0xFFFF
    return bytes.fromhex("0200000063020200000063010800") + head[:10] + struct.pack(">H", check) + head[12:] + data


def tunnelled(frame, number=iter(range(1 << 30))):
    """A frame in VXLAN, in fragments where it is long."""
    inner = struct.pack(">II", 0x08000000, 42 << 8) + frame
    n = next(number)
    udp = struct.pack(">HHHH", 49152 + n % 64, 4789, 8 + len(inner), 0) + inner
    return [ipv4(udp[at : at + 480], 17, n, at, at + 480 < len(udp)) for at in range(0, len(udp), 480)]


def send(interface, name, speed=SPEED, change=lambda f: f, skip=0, stop=None):
    """Sends a recording, each frame as `change` makes it (several where it gives a list); how many of the recording."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
        s.bind((interface, 0))
        began, first, sent = time.monotonic(), None, 0
        for n, (at, frame) in enumerate(frames(ROOT / "testdata" / f"{name}.pcap")):
            if n < skip:
                continue
            if stop is not None and n >= stop:
                break
            first = at if first is None else first
            wait = (at - first) / speed - (time.monotonic() - began)
            if wait > 0:
                time.sleep(wait)
            made = change(frame)
            for piece in made if isinstance(made, list) else [made]:
                s.send(piece)
            sent += 1
        return sent


def questions(interface, count, pause=0.01):
    """Sends so many DNS questions, each a flow of its own: two events a frame. The time that took."""
    query = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04name\x07example\x00\x00\x01\x00\x01"
    began = time.monotonic()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
        s.bind((interface, 0))
        for n in range(count):
            udp = struct.pack(">HHHH", 10000 + n % 50000, 53, 8 + len(query), 0) + query
            head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), n & 0xFFFF, 0, 64, 17, 0, bytes([10, 20, 1 + n // 50000, 7]), bytes([10, 20, 0, 53]))
            total = sum(struct.unpack(">10H", head))
            check = ~(total % 0xFFFF) & 0xFFFF
            s.send(bytes.fromhex("020000000053020000000007") + b"\x08\x00" + head[:10] + struct.pack(">H", check) + head[12:] + udp)
            if n % 500 == 499:
                time.sleep(pause)
    return time.monotonic() - began


def events(path):
    """The events of an EVE file and of those that it was rotated into, oldest first."""
    rotated = sorted(path.parent.glob(path.name + ".*"), key=lambda p: -int(p.suffix[1:]))
    return [json.loads(line) for file in [*rotated, path] if file.exists() for line in file.read_text().splitlines()]


class Up:
    """A running `vigie up`."""

    def __init__(self, data, *options):
        command = [VIGIE, "up", "--data", data, "--listen", "127.0.0.1:0", *options]
        self.data, self.token = data, None
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("Vigie is up"), (line, self.process.stderr.read() if not line else "")
        self.port = int(line.rsplit(":", 1)[1].strip().strip("/"))

    def sql(self, text):
        out = subprocess.run([VIGIE, "query", "--data", self.data, "--format", "json", text], capture_output=True, text=True, timeout=60)
        assert out.returncode == 0, out.stderr
        return [json.loads(line) for line in out.stdout.splitlines()]

    def until(self, text, holds, seconds=30):
        """The rows of a query, once `holds` of them; the time that took."""
        began = time.monotonic()
        while True:
            rows = self.sql(text)
            if holds(rows):
                return rows, time.monotonic() - began
            assert time.monotonic() - began < seconds, f"{text}: {rows}"
            time.sleep(0.2)

    def sensor(self):
        """The process of the sensor; none between two."""
        found = [int(p) for tid in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir() for p in (tid / "children").read_text().split()]
        return found[0] if found else None

    def metrics(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=60)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return {l.rsplit(" ", 1)[0]: float(l.rsplit(" ", 1)[1]) for l in lines if not l.startswith("#")}

    def api(self, path):
        """What the API answers an analyst."""
        if self.token is None:
            add = [VIGIE, "user", "add", "tester", "--role", "analyst", "--data", self.data]
            subprocess.run(add, input="a password of the tests\n", text=True, capture_output=True, check=False)
            made = subprocess.run([VIGIE, "user", "token", "tester", "--data", self.data], capture_output=True, text=True, check=True)
            self.token = made.stdout.split()[-1]
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=60)
        connection.request("GET", "/api/v1" + path, headers={"Authorization": f"Bearer {self.token}"})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == 200, (path, answer.status, body)
        return json.loads(body)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, (self.process.returncode, err)
        return err


@contextlib.contextmanager
def up(data, *options):
    server = Up(data, *options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()


def until(holds, seconds=30):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never held"
        time.sleep(0.05)


def found(rows):
    return {r["detector"] for r in rows}


ALERTS = "SELECT DISTINCT detector FROM alert WHERE dataset = 'live'"


def wire(pair):
    """A veth pair of which one end is watched."""
    subprocess.run(["ip", "link", "add", pair, "type", "veth", "peer", "name", f"{pair}s"], check=True)
    for end in (pair, f"{pair}s"):
        # No talk of the kernel's own on a wire that is only watched.
        pathlib.Path(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6").write_text("1")
        subprocess.run(["ip", "link", "set", end, "up"], check=True)


class Live(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.data = self.folder.name
        wire("tap0")
        wire("tap1")

    def cases(self):
        """What `vigie status` says of open cases."""
        said = subprocess.run([VIGIE, "status", "--data", self.data], capture_output=True, text=True, check=True).stdout
        return [part for part in said.split(", ") if part.endswith("open cases")]

    def tearDown(self):
        for pair in ("tap0", "tap1"):
            subprocess.run(["ip", "link", "del", pair], check=False)
        self.folder.cleanup()

    def replayed(self, name):
        """The detectors that a replay of a recording alerts, and how many TCP flows it sees both sides of."""
        with tempfile.TemporaryDirectory() as out:
            subprocess.run([VIGIE, "replay", "-q", "-l", out, ROOT / "testdata" / f"{name}.pcap"], check=True)
            lines = (pathlib.Path(out) / "eve.json").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        flows = [e["flow"] for e in events if e["event_type"] == "flow" and e["proto"] == "TCP"]
        both = sum(f["pkts_toserver"] > 0 and f["pkts_toclient"] > 0 for f in flows)
        return {e["vigie"]["detector"] for e in events if e["event_type"] == "alert"}, both

    def test_an_attack_becomes_an_alert_while_it_happens_with_any_number_of_workers(self):
        want, _ = self.replayed("ftp_bruteforce_success")
        self.assertIn("brute_force", want)
        for workers in ("1", "2", "4"):
            with self.subTest(workers=workers), tempfile.TemporaryDirectory() as data, up(data, "-i", "tap0s", "--workers", workers) as v:
                sent = send("tap0", "ftp_bruteforce_success")
                _, took = v.until(ALERTS, lambda rows: found(rows) == want)
                print(f"live, {workers} workers: {sent} frames, all alerts {took:.1f} s after the last")
                # Told every ten seconds.
                rows, _ = v.until("SELECT * FROM stats ORDER BY ts DESC LIMIT 1", lambda r: r and r[0]["decoder_pkts"] >= sent)
                self.assertEqual(rows[0]["capture_kernel_drops"], 0)
                self.assertEqual(v.stop(), "")

    def test_a_clean_stop_loses_no_frame_that_came_before(self):
        count = 5_000
        with up(self.data, "-i", "tap0s", "tap1s", "--workers", "2") as v:
            questions("tap0", count, pause=0)
            v.stop()
        with up(self.data) as v:
            self.assertEqual(v.sql("SELECT count(*) AS n FROM dns")[0]["n"], count)

    def test_two_sides_of_a_tap_are_one_wire(self):
        want, both = self.replayed("ftp_bruteforce_success")
        with up(self.data, "-i", "tap0s", "tap1s", "--workers", "4") as v:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as a, socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as b:
                a.bind(("tap0", 0))
                b.bind(("tap1", 0))
                first, began = None, time.monotonic()
                for at, frame in frames(ROOT / "testdata" / "ftp_bruteforce_success.pcap"):
                    first = at if first is None else first
                    time.sleep(max(0, (at - first) / SPEED - (time.monotonic() - began)))
                    # By sender: the lower address on one side, the higher on the other.
                    (a if frame[6:12] < frame[:6] else b).send(frame)
            v.until(ALERTS, lambda rows: found(rows) == want)
            v.stop()
        with up(self.data) as v:
            rows = v.sql("SELECT count(*) AS n FROM flow WHERE pkts_toserver > 0 AND pkts_toclient > 0 AND proto = 'TCP'")
            self.assertEqual(rows[0]["n"], both)

    def test_what_is_in_a_tunnel_and_in_fragments_is_told_by_the_worker_that_owns_it(self):
        want, both = self.replayed("ftp_bruteforce_success")
        with up(self.data, "-i", "tap0s", "--workers", "4") as v:
            sent = send("tap0", "ftp_bruteforce_success", change=tunnelled)
            v.until(ALERTS, lambda rows: found(rows) == want)
            rows, _ = v.until("SELECT * FROM stats ORDER BY ts DESC LIMIT 1", lambda r: r and r[0]["decoder_pkts"] >= sent)
            self.assertGreater(rows[0]["handed_over"], 0)
            v.stop()
        with up(self.data) as v:
            rows = v.sql("SELECT count(*) AS n FROM flow WHERE pkts_toserver > 0 AND pkts_toclient > 0 AND proto = 'TCP' AND tunnel = 'vxlan'")
            self.assertEqual(rows[0]["n"], both)

    def test_a_tag_that_the_card_took_out_is_known(self):
        with up(self.data, "-i", "tap0s") as v:
            send("tap0", "ftp_bruteforce_success", change=lambda f: tagged(f, 42), stop=200)
            v.stop()
        with up(self.data) as v:
            rows = v.sql("SELECT DISTINCT vlan FROM flow WHERE proto = 'TCP'")
            self.assertEqual([r["vlan"] for r in rows], [[42]])

    def test_a_session_that_is_open_at_the_start_is_picked_up_and_a_restart_loses_no_case(self):
        with up(self.data, "-i", "tap0s") as v:
            send("tap0", "ftp_bruteforce_success")
            v.until(ALERTS, lambda rows: "brute_force" in found(rows))
            v.stop()
        before = self.cases()
        self.assertTrue(before)
        with up(self.data, "-i", "tap0s") as v:
            # From the middle on: the control sessions of that moment have no beginning here.
            send("tap0", "ftp_bruteforce_success", skip=5)
            v.stop()
        with up(self.data) as v:
            midstream = v.sql("SELECT count(*) AS n FROM flow WHERE midstream AND app_proto = 'ftp'")
            self.assertGreater(midstream[0]["n"], 0)
        # What came after the restart joined them.
        self.assertEqual(self.cases(), before)

    def test_an_interface_that_goes_and_comes_back_is_followed(self):
        # Another one of its name: its number is new.
        with up(self.data, "-i", "tap0s", "--workers", "2") as v:
            subprocess.run(["ip", "link", "del", "tap0"], check=True)
            time.sleep(1.5)
            wire("tap0")
            time.sleep(1.5)
            send("tap0", "ftp_bruteforce_success")
            v.until(ALERTS, lambda rows: "brute_force" in found(rows))
            v.stop()

    def test_a_sensor_that_dies_is_replaced_and_an_attack_stays_one_alert(self):
        total = sum(1 for _ in frames(ROOT / "testdata" / "ftp_bruteforce_success.pcap"))
        with up(self.data, "-i", "tap0s") as v:
            before = v.sensor()
            send("tap0", "ftp_bruteforce_success", stop=total // 2)
            v.until(ALERTS, lambda rows: "brute_force" in found(rows))
            os.kill(before, signal.SIGKILL)
            began = time.monotonic()
            while v.sensor() in (None, before):
                self.assertLess(time.monotonic() - began, 20)
                time.sleep(0.05)
            print(f"live: a new sensor {time.monotonic() - began:.2f} s after the old one was killed")
            send("tap0", "ftp_bruteforce_success", skip=total // 2)
            time.sleep(2)
            said = v.stop()
        self.assertIn(f"the sensor (process {before}) ended", said)
        with up(self.data) as v:
            tries = "SELECT DISTINCT alert_id FROM alert WHERE dataset = 'live' AND detector = 'brute_force'"
            self.assertEqual(len(v.sql(tries)), 1)

    def test_an_attack_that_goes_on_over_a_restart_stays_one_alert_with_its_whole_count(self):
        total = sum(1 for _ in frames(ROOT / "testdata" / "ftp_bruteforce_failure.pcap"))
        counted = "SELECT DISTINCT alert_id FROM alert WHERE dataset = 'live' AND detector = 'brute_force'"
        failed = "SELECT sum(tries) AS n FROM login WHERE dataset = 'live' AND outcome = 'failure'"
        for how in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(how=how), tempfile.TemporaryDirectory() as data:
                with up(data, "-i", "tap0s") as v:
                    send("tap0", "ftp_bruteforce_failure", stop=total // 2)
                    v.until(counted, lambda rows: rows)
                    # What was counted is kept a second later.
                    time.sleep(1.5)
                    v.process.send_signal(how)
                    v.process.communicate(timeout=60)
                    before = v.sql(failed)[0]["n"]
                with up(data, "-i", "tap0s") as v:
                    send("tap0", "ftp_bruteforce_failure", skip=total // 2)
                    v.until(failed, lambda rows: rows[0]["n"] > before)
                    time.sleep(1)
                    v.stop()
                with up(data) as v:
                    self.assertEqual(len(v.sql(counted)), 1)
                    alerts = [a for case in v.api("/cases")["items"] for a in v.api(f"/cases/{case['id']}")["alerts"] if a["detector"] == "brute_force"]
                    self.assertEqual([a["count"] for a in alerts], [v.sql(failed)[0]["n"]])

    def test_a_reload_in_the_middle_of_an_attack_leaves_it_one_alert_and_cases_go_on_being_filed(self):
        conf = pathlib.Path(self.data) / "vigie.toml"
        conf.write_text("")
        total = sum(1 for _ in frames(ROOT / "testdata" / "ftp_bruteforce_failure.pcap"))
        with up(self.data, "-i", "tap0s", "--config", str(conf)) as v:
            before = v.sensor()
            send("tap0", "ftp_bruteforce_failure", stop=total // 2)
            v.until(ALERTS, lambda rows: "brute_force" in found(rows))
            half = v.sql("SELECT sum(tries) AS n FROM login WHERE dataset = 'live' AND outcome = 'failure'")[0]["n"]
            conf.write_text("[stream]\nmidstream = true\n")
            v.process.send_signal(signal.SIGHUP)
            until(lambda: v.sensor() not in (None, before))
            send("tap0", "ftp_bruteforce_failure", skip=total // 2)

            def grows():
                """One alert, filed with more than the first half."""
                filed = [a["count"] for case in v.api("/cases")["items"] for a in v.api(f"/cases/{case['id']}")["alerts"] if a["detector"] == "brute_force"]
                return len(filed) == 1 and filed[0] > half

            until(grows)
            v.stop()

    def test_another_configuration_loses_no_frame(self):
        conf = pathlib.Path(self.data) / "vigie.toml"
        conf.write_text("[detect.brute_force]\nfailures = 1000\n")
        count = 20_000
        with up(self.data, "-i", "tap0s", "--config", str(conf)) as v:
            before = v.sensor()
            sending = threading.Thread(target=lambda: questions("tap0", count, pause=0.1))
            sending.start()
            time.sleep(1)
            conf.write_text("[detect.brute_force]\nfailures = 10\n[stream]\nmidstream = true\n")
            v.process.send_signal(signal.SIGHUP)
            until(lambda: v.sensor() not in (None, before))
            sending.join()
            v.until("SELECT count(*) AS n FROM dns", lambda r: r[0]["n"] == count, seconds=60)
            send("tap0", "ftp_bruteforce_success")
            v.until(ALERTS, lambda rows: "brute_force" in found(rows))
            self.assertIn("under the new configuration", v.stop())

    def test_what_the_processes_may_still_do(self):
        with up(self.data, "-i", "tap0s", "tap1s") as v:
            pid = v.sensor()
            status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
            self.assertEqual(status["Uid"].split(), ["65534"] * 4)
            for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                self.assertEqual(int(status[capabilities], 16), 0, capabilities)
            self.assertEqual((status["NoNewPrivs"].strip(), status["Seccomp"].strip()), ("1", "2"))
            files = [os.readlink(f.path) for f in os.scandir(f"/proc/{pid}/fd")]
            # The stream to the server, and a socket to ask with beside one for each interface.
            self.assertEqual(len({f for f in files if f.startswith("socket:")}), 1 + 1 + 2, files)
            self.assertFalse([f for f in files if f.startswith(self.data)], files)
            server = dict(
                line.split(":\t", 1) for line in pathlib.Path(f"/proc/{v.process.pid}/status").read_text().splitlines() if ":\t" in line
            )
            raw = 1 << 13
            self.assertEqual(int(server["CapEff"], 16) & raw, 0)
            self.assertEqual((server["NoNewPrivs"].strip(), server["Seccomp"].strip()), ("1", "2"))
            v.stop()

    def test_a_slow_reader_costs_lines_and_the_sensor_goes_on(self):
        eve, path, count = pathlib.Path(self.data) / "out.json", pathlib.Path(self.data) / "eve.sock", 50_000
        reader = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        reader.bind(str(path))
        reader.listen()
        self.addCleanup(reader.close)
        told = ["output.eve.file=" + str(eve), "output.eve.rotate_size=20mb", "output.eve.rotate_keep=50", "output.eve.socket=" + str(path)]
        told += ["flow-timeouts.udp.new=1"]
        with up(self.data, "-i", "tap0s", *(word for pair in told for word in ("--set", pair))) as v:
            peer, _ = reader.accept()
            self.addCleanup(peer.close)
            took = questions("tap0", count)
            # All of it is judged and in the file while nobody reads the socket.
            v.until("SELECT count(*) AS n FROM dns", lambda r: r[0]["n"] == count, seconds=60)
            v.until("SELECT count(*) AS n FROM flow", lambda r: r[0]["n"] == count, seconds=60)
            # `stats` is told every ten seconds, and says what did not fit.
            v.until("SELECT max(ts) AS t FROM stats WHERE decoder_pkts >= %d" % count, lambda r: r[0]["t"], seconds=30)
            got, metrics = [], v.metrics()
            taking = threading.Thread(target=lambda: got.extend(iter(lambda: peer.recv(1 << 20), b"")))
            taking.start()
            self.assertEqual(v.stop(), "")
            taking.join()
        lines = b"".join(got).split(b"\n")
        self.assertEqual(lines.pop(), b"", "whole lines")
        of_socket, of_file = [json.loads(line) for line in lines], events(eve)
        dropped = metrics['vigie_output_dropped_total{output="eve_socket"}']
        self.assertGreater(dropped, 1000)
        self.assertEqual(metrics['vigie_output_dropped_total{output="eve_file"}'], 0)
        count_of = lambda all, kind: sum(e["event_type"] == kind for e in all)
        self.assertEqual((count_of(of_file, "dns"), count_of(of_file, "flow")), (count, count))
        stats = [e for e in of_file if e["event_type"] == "stats"]
        self.assertEqual(max(s["stats"]["capture"]["kernel_drops"] for s in stats), 0)
        caps = {c["name"]: c["count"] for c in stats[-1]["vigie"]["caps_reached"]}
        self.assertGreaterEqual(caps["output.eve.socket"], dropped)
        self.assertEqual(len(of_socket) + caps["output.eve.socket"], len(of_file), "each line was read, or counted as dropped")
        sizes = [p.stat().st_size for p in eve.parent.glob("out.json*")]
        self.assertTrue(len(sizes) > 1 and max(sizes) <= 20 << 20, sizes)
        print(f"live: {len(of_file)} events to a file ({sum(sizes) >> 20} MB in {len(sizes)}), {count} frames in {took:.1f} s; "
              f"a reader that stands still cost it {dropped:.0f} lines and the sensor no frame")

    def test_a_log_that_is_moved_away_is_opened_anew_and_outputs_follow_the_configuration(self):
        eve, conf = pathlib.Path(self.data) / "out.json", pathlib.Path(self.data) / "vigie.toml"
        conf.write_text(f"[output.eve]\nfile = '{eve}'\nrotate_size = 0\nrotate_hours = 0\n")
        with up(self.data, "-i", "tap0s", "--config", str(conf)) as v:
            send("tap0", "ftp_bruteforce_success")
            v.until(ALERTS, lambda rows: "brute_force" in found(rows))
            moved, other = eve.with_name("moved.json"), eve.with_name("other.json")
            eve.rename(moved)
            v.process.send_signal(signal.SIGHUP)
            until(eve.exists)
            before = len(events(moved))
            self.assertGreater(before, 100)
            self.assertTrue(any(e["event_type"] == "alert" for e in events(moved)))
            send("tap0", "dns_tunnel")
            until(lambda: any(e["event_type"] == "dns" for e in events(eve)))
            self.assertEqual(len(events(moved)), before)
            # Another file from now on, without a restart.
            conf.write_text(conf.read_text().replace(str(eve), str(other)))
            v.process.send_signal(signal.SIGHUP)
            until(other.exists)
            send("tap0", "icmp_tunnel")
            until(lambda: any(e["event_type"] == "alert" for e in events(other)))
            # No other folder can be written to any more: what was asked for before goes on.
            conf.write_text(conf.read_text().replace(str(other), "/var/tmp/elsewhere.json"))
            v.process.send_signal(signal.SIGHUP)
            time.sleep(1)
            self.assertFalse(pathlib.Path("/var/tmp/elsewhere.json").exists())
            said = v.stop()
            self.assertIn('output.eve.file: "/var/tmp/elsewhere.json": holds after a restart', said)
            self.assertIn("nothing changed", said)
            self.assertIn("output.eve.file", said)
            self.assertIn("holds now", said)
        with up(self.data) as v:
            kept = v.sql("SELECT count(*) AS n FROM events")[0]["n"]
        self.assertEqual(sum(len(events(f)) for f in (moved, eve, other)), kept, "each event is in one file, once")

    def test_an_output_that_cannot_be_written_is_one_line(self):
        out = subprocess.run([VIGIE, "up", "--data", self.data, "-i", "tap0s", "--set", "output.eve.file=/no/such/folder/eve.json"],
                             capture_output=True, text=True, timeout=30)
        self.assertEqual((out.returncode, len(out.stderr.splitlines())), (1, 1), out.stderr)
        self.assertIn("output.eve.file: /no/such/folder/eve.json", out.stderr)

    def test_what_harms_is_said_with_the_command_that_mends_it(self):
        subprocess.run(["ethtool", "-K", "tap0s", "gro", "on"], check=True, capture_output=True)
        command = [VIGIE, "check", "-i", "tap0s", "nosuch0"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        self.assertIn("nosuch0: no such interface", told)
        mends = [l.split("mend it with: ")[1] for l in told.splitlines() if "mend it with" in l]
        self.assertTrue(mends and all(m.startswith("ethtool ") for m in mends), told)
        for mend in mends:
            subprocess.run(mend.split(), check=True, capture_output=True)
        told = subprocess.run([VIGIE, "check", "-i", "tap0s"], capture_output=True, text=True, check=True).stdout
        self.assertIn("No setting that harms was found.", told)
        self.assertIn("capture.rings", told)
        self.assertIn("packet sockets", told)

    def test_what_cannot_be_captured_from_is_one_line(self):
        out = subprocess.run([VIGIE, "up", "--data", self.data, "-i", "nosuch0"], capture_output=True, text=True, timeout=30)
        self.assertNotEqual(out.returncode, 0)
        self.assertEqual(len(out.stderr.splitlines()), 1, out.stderr)
        self.assertIn("nosuch0: no such interface; there are: lo, tap0, tap0s", out.stderr)


def main():
    global VIGIE
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vigie", required=True)
    options, rest = parser.parse_known_args()
    VIGIE = os.path.abspath(options.vigie)
    if os.environ.get(IN_NAMESPACE) != "1":
        probe = subprocess.run(["unshare", "--net", "ip", "link", "set", "lo", "up"], capture_output=True)
        if probe.returncode != 0:
            print("SKIPPED live: needs root, unshare and ip to make a network namespace")
            return 0
        command = ["unshare", "--net", sys.executable, __file__, "--vigie", VIGIE, *rest]
        return subprocess.run(command, env={**os.environ, IN_NAMESPACE: "1"}).returncode
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return not unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful()


if __name__ == "__main__":
    sys.exit(main())
