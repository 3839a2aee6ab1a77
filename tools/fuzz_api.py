#!/usr/bin/env python3
"""The API fuzzed from its own OpenAPI document, once in each role: no answer is a 5xx, nobody gets what is another role's, the server lives on.

Schemathesis makes the requests; it is fetched from PyPI into a private environment (target/schemathesis) where it is not there yet.
The server is one of its own, filled from the demo captures: an administrator's requests change and remove things.

Usage: tools/fuzz_api.py --vigie BINARY [--seconds N] (of each role, 20 by default) [--seed N]
"""
import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import api
from api import PASSWORD, ROOT, Client, Server, demo_captures, vigie

ENVIRONMENT = ROOT / "target/schemathesis"
PACKAGE = "schemathesis>=4.32,<5"
# What cannot be fuzzed alike: news never end, and a token that is revoked is the one that asks.
LEFT_OUT = ["/api/v1/live", "/api/v1/tokens/{id}", "/api/v1/users/{name}"]
# From so many seconds on, the edges of every schema are tried before chance is.
COVERAGE_SECONDS = 60
# Fewer requests in a run are no fuzzing.
REQUESTS_MIN = 60
ROLES = ["none", "viewer", "analyst", "administrator"]
FAILURES = ("panicked", "an answer failed")


def tool():
    program = ENVIRONMENT / "bin/schemathesis"
    if not program.exists():
        venv.create(ENVIRONMENT, with_pip=True)
        pip = [str(ENVIRONMENT / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", PACKAGE]
        subprocess.run(pip, check=True)
    return str(program)


def fuzz(server, role, token, seconds, seed, document):
    """One run; the lines that say what is wrong."""
    with tempfile.TemporaryDirectory(prefix="vigie-fuzz-") as folder:
        report = Path(folder) / "report.ndjson"
        command = [tool(), "run", str(document), "--url", f"https://127.0.0.1:{server.port}", "--tls-verify", "false"]
        # The cases that the schema's own edges give take longer than a short run has.
        phases = "fuzzing" if seconds < COVERAGE_SECONDS else "coverage,fuzzing"
        command += ["--phases", phases, "--checks", "not_a_server_error", "--max-time", str(seconds), "--seed", str(seed)]
        command += ["--max-failures", "20", "--continue-on-failure", "--request-timeout", "30", "--warnings", "off", "--suppress-health-check", "all"]
        command += ["--report", "ndjson", "--report-ndjson-path", str(report), "--mode", "all"]
        for path in LEFT_OUT:
            command += ["--exclude-path", path]
        if token:
            command += ["--header", f"Authorization: Bearer {token}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds * 4 + 300, cwd=folder)
        asked, statuses, wrong = counted(report, document, role)
    print(f"{role}: {asked} requests, " + ", ".join(f"{n} x {status}" for status, n in sorted(statuses.items())))
    if done.returncode != 0:
        wrong.append(f"schemathesis ends with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}")
    if asked < REQUESTS_MIN:
        wrong.append(f"only {asked} requests were made: the fuzzing did not fuzz\n{done.stdout[-2000:]}")
    return wrong


def counted(report, document, role):
    """Requests by status, and those that a role got through and may not."""
    least = {}
    for path, methods in json.loads(document.read_text())["paths"].items():
        for method, route in methods.items():
            least[(method.upper(), path)] = route["x-role"]
    statuses, wrong, asked = {}, [], 0
    for method, path, status in exchanges(report):
        asked += 1
        statuses[status] = statuses.get(status, 0) + 1
        needed = least.get((method, path))
        if needed is None or status >= 400:
            continue
        may = role != "none" if needed == "local" else ROLES.index(role) >= ROLES.index(needed)
        if not may or needed == "local":
            wrong.append(f"{role} got {status} of {method} {path}, which is of {needed}")
    return asked, statuses, wrong


def exchanges(report):
    """(method, path of the document, status) of every request that was answered."""
    for line in report.read_text().splitlines() if report.exists() else []:
        event = json.loads(line)
        found = event.get("ScenarioFinished")
        if not found:
            continue
        recorder = found["recorder"]
        method, _, path = recorder["label"].partition(" ")
        for interaction in recorder.get("interactions", {}).values():
            response = interaction.get("response")
            # Some cases try another method on purpose: they are no request of the route.
            if response and interaction["request"]["method"].upper() == method:
                yield method, path, response["status_code"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vigie", type=Path, default=api.VIGIE)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    api.VIGIE = args.vigie.resolve()
    wrong = []
    with tempfile.TemporaryDirectory(prefix="vigie-fuzz-") as folder:
        data, document = Path(folder) / "data", Path(folder) / "openapi.json"
        filled = vigie("replay", "--data", data, "--dataset", "demo", *demo_captures())
        assert filled.returncode == 0, filled.stderr
        document.write_text(vigie("docs", "openapi").stdout)
        server = Server(data, log=Path(folder) / "log")
        for role in ROLES:
            token = None
            if role != "none":
                added = vigie("user", "add", role, "--role", role, "--data", data, given=PASSWORD + "\n")
                assert added.returncode == 0, added.stderr
                token = vigie("user", "token", role, "--data", data).stdout.strip()
            wrong += [f"{role}: {line}" for line in fuzz(server, role, token, args.seconds, args.seed, document)]
            alive = Client(server)
            if alive.ask("GET", "/api/v1/status").status != 401:
                wrong.append(f"{role}: the server does not answer as before")
        if server.stop() != 0:
            wrong.append("the server did not end well")
        log = (Path(folder) / "log").read_text()
        wrong += [line for line in log.splitlines() if any(f in line for f in FAILURES)]
    for line in wrong:
        print(line)
    print(f"{len(ROLES) - bool(wrong)} passed, {int(bool(wrong))} failed")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
