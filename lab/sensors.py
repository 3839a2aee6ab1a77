"""Vigie on the lab's mirror port (or ports): the sensors of a scenario, and what their API says.

Several sensors stand on the same port, each with a number of workers of its own, so that one run shows all. Each is a
`vigie up` in the monitor's namespace, asked over HTTPS with a token, as a script of a user would ask it.
"""
import ctypes
import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import threading
import time

CLONE_NEWNET = 0x40000000
# Small tables: several sensors share one machine, and a scenario has a few thousand flows. Not the ring: on a busy machine what waits in it
# is counted in blocks that are handed over every 20 ms, however empty.
SMALL = {"flow.max": 65536}


class LiveError(Exception):
    """A sensor that did not do what it must."""


def connect_inside(namespace, port):
    """A TCP connection to the loopback of a network namespace: made by a thread that goes there, and ends there."""
    made = []

    def go():
        try:
            with open(f"/run/netns/{namespace}", "rb") as f:
                if ctypes.CDLL(None, use_errno=True).setns(f.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.create_connection(("127.0.0.1", port), timeout=30))
        except OSError as why:
            made.append(why)

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


class Inside(http.client.HTTPSConnection):
    """HTTPS to a server in a namespace; its certificate is its own."""

    def __init__(self, namespace, port):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        super().__init__("127.0.0.1", port, timeout=30, context=context)
        self.namespace, self.settings = namespace, context

    def connect(self):
        self.sock = self.settings.wrap_socket(connect_inside(self.namespace, self.port))


class Sensor:
    """One `vigie up` at the mirror port."""

    def __init__(self, host, vigie, workers, ports=("eth0",), settings=()):
        self.host, self.vigie, self.workers, self.ports, self.settings = host, vigie, workers, list(ports), dict(settings)
        self.data = os.path.join(host.folder, f"vigie-{workers}")
        os.mkdir(self.data)
        self.conf = host.file(f"vigie-{workers}.toml", "")
        self.process, self.token = None, None
        self.log = os.path.join(host.folder, f"vigie-{workers}.log")

    def start(self, capture=True):
        """Starts it; gives no sooner than it captures."""
        words = [self.vigie, "up", "--data", self.data, "--listen", "127.0.0.1:0", "--config", self.conf, "--workers", self.workers]
        for key, value in {**SMALL, **self.settings}.items():
            words += ["--set", f"{key}={value}"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.host._command(words + (["-i", *self.ports] if capture else [])), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        return self

    def ready(self):
        line = self.process.stdout.readline()
        if not line.startswith("Vigie is up"):
            raise LiveError(f"{self.workers} workers: not up: {line}{self.said()}")
        self.port = int(line.rsplit(":", 1)[1].strip().strip("/"))
        # What it prints later (the first log-in) must not fill the pipe.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        if self.token is None:
            made = self.host.run(self.vigie, "user", "token", "admin", "--data", self.data, "--purpose", "lab")
            self.token = made.strip().splitlines()[-1].split()[-1]
        return self

    def said(self):
        return pathlib.Path(self.log).read_text(encoding="utf-8", errors="replace")[-2000:]

    def get(self, path):
        connection = Inside(self.host.ns, self.port)
        try:
            connection.request("GET", f"/api/v1/{path}", headers={"Authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise LiveError(f"{path}: {answer.status} {body[:300]}")
        return json.loads(body)

    def send(self, method, path, body, kind="application/json"):
        connection = Inside(self.host.ns, self.port)
        try:
            connection.request(method, f"/api/v1/{path}", body, {"Authorization": f"Bearer {self.token}", "Content-Type": kind})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status not in (200, 201, 204):
            raise LiveError(f"{path}: {answer.status} {text[:300]}")
        return json.loads(text) if text else None

    def cases(self):
        """All cases as reports, alerts included."""
        rows = self.get("cases?limit=100")
        if rows["total"] > len(rows["items"]):
            raise LiveError(f"{rows['total']} cases, more than a page")
        return [self.get(f"cases/{row['id']}") for row in rows["items"]]

    def sensor(self):
        """The process that captures; None between two."""
        found = []
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            found += [int(p) for p in (task / "children").read_text().split()]
        return found[0] if found else None

    def replaced(self, before, seconds=20):
        """Waits for another process to capture."""
        end = time.monotonic() + seconds
        while self.sensor() in (None, before):
            if time.monotonic() > end:
                raise LiveError(f"{self.workers} workers: no new sensor: {self.said()}")
            time.sleep(0.02)

    def kill(self):
        """Kills the process that captures, and waits for the next one."""
        before = self.sensor()
        os.kill(before, signal.SIGKILL)
        self.replaced(before)

    def reload(self, text):
        """Gives it another configuration, and waits until a sensor works under it."""
        before = self.sensor()
        pathlib.Path(self.conf).write_text(text, encoding="utf-8")
        self.process.send_signal(signal.SIGHUP)
        self.replaced(before)

    def stop(self):
        """A clean stop: what is open is told."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise LiveError(f"{self.workers} workers: does not stop: {self.said()}") from None
        if code != 0:
            raise LiveError(f"{self.workers} workers: exit {code}: {self.said()}")

    def settled(self):
        """Stops it, and gives what its store and catalog hold: cases, and events by kind."""
        self.stop()
        self.start(capture=False).ready()
        try:
            return self.cases(), self.count()
        finally:
            self.stop()

    def count(self):
        """Events by kind, alerts by detector, without those that the clock makes."""
        def ask(sql):
            return map(json.loads, self.host.run(self.vigie, "query", "--data", self.data, "--format", "json", sql).splitlines())

        lost = [row["lost"] for row in ask("SELECT max(capture_kernel_drops) AS lost FROM stats")]
        if lost[0]:
            raise LiveError(f"{self.workers} workers: {lost[0]} frames were lost in the ring")
        counts = {row["event_type"]: row["n"] for row in ask("SELECT event_type, count(*) AS n FROM events GROUP BY event_type")}
        alerts = {f"alert {row['detector']}": row["n"] for row in ask("SELECT detector, count(*) AS n FROM alert GROUP BY detector")}
        return {kind: n for kind, n in {**counts, **alerts}.items() if kind not in NOT_COUNTED}


# Events that follow from how long a sensor ran, not from what passed; and alerts, which are counted by detector.
NOT_COUNTED = {"stats", "alert"}


def essence(cases):
    """What must be the same of two looks at the same traffic: cases, whom they name, what led to them and how often."""
    made = []
    for c in cases:
        who = sorted((e["role"], e["ip"] or "", e["mac"] or "") for e in c["entities"])
        alerts = sorted((a["detector"], a["count"], a["summary"]) for a in c["alerts"])
        reasons = sorted((r["key"], r["points"]) for r in c["reasons"])
        made.append({"title": c["title"], "severity": c["severity"], "score": c["score"], "detectors": sorted(c["detectors"]), "entities": who, "alerts": alerts,
                     "reasons": reasons})
    return sorted(made, key=lambda c: json.dumps(c, ensure_ascii=False))


def differences(left, right):
    """What two looks do not share, in sentences; empty where they are the same."""
    a, b = ({c["title"]: c for c in essence(x)} for x in (left, right))
    said = [f"only the first has '{t}'" for t in a if t not in b] + [f"only the second has '{t}'" for t in b if t not in a]
    for title in a.keys() & b.keys():
        said += [f"'{title}': {key} {a[title][key]} and {b[title][key]}" for key in a[title] if a[title][key] != b[title][key]]
    return said
