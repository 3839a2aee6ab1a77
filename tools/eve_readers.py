#!/usr/bin/env python3
"""Vigie's `eve.json` read by two that know Suricata's: jq, with the questions of Suricata's manual, and SuricataLog.

SuricataLog (https://pypi.org/project/SuricataLog/) reads what Suricata writes; it is fetched from PyPI into a private environment
(target/suricatalog). Both must find the same, and every event.

Usage: tools/eve_readers.py --vigie BINARY
"""
import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import api
from api import ROOT, demo_captures, vigie

ENVIRONMENT = ROOT / "target/suricatalog"
PACKAGE = "SuricataLog>=1.1,<2"
# Questions as Suricata's manual asks them of jq ("Eve JSON 'jq' Examples").
JQ = {
    "events": "length",
    "nxdomain": 'map(select(.dns.rcode=="NXDOMAIN")) | length',
    "flows": 'map(select(.event_type=="flow" and has("dest_port")) | "\\(.proto) \\(.dest_port)") | group_by(.) | map({key: .[0], value: length}) | from_entries',
    "agents": "map(.http.http_user_agent // empty) | group_by(.) | map({key: .[0], value: length}) | from_entries",
}
# The same, of SuricataLog's own reader, filters and reports.
SURICATALOG = """
import asyncio, datetime, json, sys
from suricatalog.filter import NXDomainFilter, TimestampFilter
from suricatalog.log import EveLogHandler
from suricatalog.report import AggregatedFlowProtoReport, TopUserAgents

since = TimestampFilter()
since.timestamp = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)
read = lambda chosen: EveLogHandler().get_events(eve_files=[sys.argv[1]], data_filter=chosen)

async def main():
    flows, agents, events = AggregatedFlowProtoReport(), TopUserAgents(), 0
    for event in read(since):
        await flows.ingest_data(event)
        await agents.ingest_data(event)
        events += 1
    by_port = {f"{proto} {port}": n for (proto, port), n in flows.port_proto_count.items()}
    nxdomain = sum(1 for _ in read(NXDomainFilter()))
    print(json.dumps({"events": events, "nxdomain": nxdomain, "flows": by_port, "agents": agents.agents}))

asyncio.run(main())
"""


def suricatalog(eve):
    python = ENVIRONMENT / "bin/python"
    if not (ENVIRONMENT / "bin/eve_json").exists():
        venv.create(ENVIRONMENT, with_pip=True)
        subprocess.run([str(ENVIRONMENT / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", PACKAGE], check=True)
    done = subprocess.run([str(python), "-c", SURICATALOG, str(eve)], capture_output=True, text=True, timeout=120)
    if done.returncode != 0 or done.stderr:
        sys.exit(f"SuricataLog does not read {eve}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vigie", type=Path, default=api.VIGIE)
    args = parser.parse_args()
    api.VIGIE = args.vigie.resolve()
    with tempfile.TemporaryDirectory(prefix="vigie-eve-") as folder:
        written = vigie("replay", "-q", "-l", folder, *demo_captures())
        assert written.returncode == 0, written.stderr
        eve = Path(folder) / "eve.json"
        lines = len(eve.read_text().splitlines())
        by_jq = {name: json.loads(subprocess.run(["jq", "-s", text, str(eve)], capture_output=True, check=True).stdout) for name, text in JQ.items()}
        by_log = suricatalog(eve)
    wrong = [f"{name}: jq says {by_jq[name]}, SuricataLog {by_log[name]}" for name in JQ if by_jq[name] != by_log[name]]
    if by_jq["events"] != lines or not by_jq["flows"] or not by_jq["agents"]:
        wrong.append(f"{lines} lines were written, and jq finds {by_jq['events']} events, {len(by_jq['flows'])} services, {len(by_jq['agents'])} agents")
    for line in wrong:
        print(line)
    print(f"{lines} events, {by_jq['nxdomain']} names that are not there, {len(by_jq['flows'])} services, {len(by_jq['agents'])} user agents: jq and SuricataLog agree")
    print(f"{len(JQ) - len(wrong)} passed, {len(wrong)} failed")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
