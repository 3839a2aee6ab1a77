#!/usr/bin/env python3
"""What the store costs: bytes on disk a flow, rows a second in, and how long each page of the console takes to be answered.

usage: store_bench.py --vigie BINARY --month BINARY --scratch DIR [--events N,N...] [--assets N] [--mixed CAPTURE]
                      [--recordings DIR] [--rounds N] [--keep]

First events are only kept, for the rate at which they go in. Then for each N the generator of the lab fills a data directory with a
month of about N events. A server is started on it, and every request that a page of the console makes over the whole month is timed: cold
(each round a fresh server, and the page cache dropped, which needs root) and warm. Pivots ask for values drawn from the month. Where DuckDB
is installed (PyPI: duckdb) it answers the same questions over the same files as a referee: its counts must agree, with sums that are kept of
files as without, its times stand beside; where chdb is, the same flows go into it for its rate.

The last line is `N passed, M failed`: a count that differs, or a p95 over a second, is a failure.
"""
import argparse
import concurrent.futures
import glob
import http.client
import json
import os
import random
import shutil
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

DUE_SECONDS = 1.0
CONNECTIONS = 6  # of a browser to one host
DUE_BYTES = {"mixed": 100, "month": 60}


def run(*command, **more):
    return subprocess.run(command, check=True, text=True, capture_output=True, **more).stdout


# ------------------------------------------------------------------------------------------------ sizes

def sizes(data):
    """Bytes by part, and flows: what stays after merging, the journal left out."""
    manifest = json.load(open(os.path.join(data, "events", "manifest.json"), encoding="utf-8"))
    kinds = {}
    for f in manifest["files"]:
        rows, size, files = kinds.get(f["kind"], (0, 0, 0))
        kinds[f["kind"]] = (rows + f["rows"], size + f["bytes"], files + 1)
    rest = {"manifest": os.path.getsize(os.path.join(data, "events", "manifest.json"))}
    rest["SQLite"] = sum(os.path.getsize(p) for p in glob.glob(os.path.join(data, "vigie.db*")))
    return kinds, rest


def tell_sizes(data, title, due):
    kinds, rest = sizes(data)
    flows = max(1, kinds.get("flow", (0, 0, 0))[0])
    print(f"── Bytes on disk: {title}")
    for kind, (rows, size, files) in sorted(kinds.items(), key=lambda k: -k[1][1])[:12]:
        print(f"  {kind:10} {rows:10,} rows {size:13,} bytes {files:4} files {size / rows:7.1f} a row {size / flows:7.2f} a flow")
    for name, size in rest.items():
        print(f"  {name:10} {'':10}      {size:13,} bytes {'':24} {size / flows:7.2f} a flow")
    whole = sum(k[1] for k in kinds.values()) + sum(rest.values())
    print(f"  {whole / flows:.1f} bytes a flow, all its events included (aim {due}); {flows:,} flows")
    return whole / flows


# ------------------------------------------------------------------------------------------------ requests

class Server:
    """A server on a data directory, and one connection to it."""

    def __init__(self, vigie, data, token):
        self.process = subprocess.Popen([vigie, "up", "--data", data, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        address = urllib.parse.urlparse(line[line.index("https://"):].strip())
        self.context = ssl.create_default_context()
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.address = (address.hostname, address.port)
        self.local = threading.local()
        self.pool = concurrent.futures.ThreadPoolExecutor(CONNECTIONS)
        self.headers = {"Authorization": f"Bearer {token}"}
        self.get("/datasets")

    def get(self, path, **params):
        query = urllib.parse.urlencode({k: v for k, v in params.items() if v is not None})
        connection = getattr(self.local, "connection", None)
        if connection is None:
            connection = self.local.connection = http.client.HTTPSConnection(*self.address, context=self.context, timeout=120)
        try:
            connection.request("GET", "/api/v1" + path + ("?" + query if query else ""), headers=self.headers)
            answer = connection.getresponse()
        except (ConnectionError, http.client.HTTPException):  # closed meanwhile: once more on another
            connection.close()
            connection.request("GET", "/api/v1" + path + ("?" + query if query else ""), headers=self.headers)
            answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} {params}: {answer.status} {body[:300]!r}")
        return json.loads(body)

    def processor(self):
        """Seconds of processor that the server has had."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.pool.shutdown()
        self.process.terminate()
        self.process.wait()


def drop_caches():
    subprocess.run(["sync"], check=True)
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
            f.write("3")
        return True
    except OSError:
        return False


def token_of(vigie, data):
    # There is one already where an earlier run left the directory.
    subprocess.run([vigie, "user", "add", "bench", "--role", "administrator", "--data", data], input="a password of the benchmark\n", text=True,
                   capture_output=True, check=False)
    return run(vigie, "user", "token", "bench", "--data", data).split()[-1]


def explore(**q):
    """What Explore asks for."""
    asked = [("/events", {**q, "limit": 100}), ("/events/histogram", {**q, "buckets": 120})]
    return asked + [("/events/facets", {**q, "field": f, "limit": 6}) for f in ("event_type", "src_ip", "dest_ip", "dest_port", "app_proto", "proto")]


def pages(month):
    """Requests of each page, as the console makes them: name, list of (path, parameters)."""
    within = {"dataset": month["dataset"], "from": month["from"], "to": month["to"]}
    day = {**within, "from": month["day"]}
    asset = f"/assets/{month['asset']}"

    return [
        ("situation, a day", [("/situation", day)]),
        ("situation, the month", [("/situation", within)]),
        ("cases", [("/cases", {"dataset": month["dataset"], "limit": 100})]),
        ("assets", [("/assets", {"dataset": month["dataset"], "limit": 100})]),
        ("an asset, a day", [(asset, {}), (asset + "/peers", day), (asset + "/activity", day)]),
        ("an asset, the month", [(asset, {}), (asset + "/peers", within), (asset + "/activity", within)]),
        ("explore, a day", explore(**day)),
        ("explore, the month", explore(**within)),
        ("map, a day", [("/map", day), ("/events/facets", {**day, "kind": "flow", "field": "app_proto", "limit": 30})]),
        ("map, the month", [("/map", within), ("/events/facets", {**within, "kind": "flow", "field": "app_proto", "limit": 30})]),
    ]


def pivots(month):
    within = {"dataset": month["dataset"], "from": month["from"], "to": month["to"]}
    named = []
    for what in ("ip", "name", "hash", "user", "flow_id"):
        values = month["values"][what]
        if values:
            named.append((f"pivot on {what}", [[("/events", {**within, "q": f'{what}:"{v}"', "limit": 100})] for v in values]))
            named.append((f"Explore on {what}", [explore(**within, q=f'{what}:"{v}"') for v in values[:8]]))
    return named


def spread(times):
    times = sorted(times)
    at = lambda share: times[min(len(times) - 1, int(share * len(times)))]
    return at(0.5), at(0.95)


def timed(server, requests):
    """Seconds until the last of a page's requests is answered, sent as a browser does, and which it was."""
    began = time.perf_counter()

    def one(request):
        path, params = request
        server.get(path, **params)
        return time.perf_counter() - began, f"{path} {params.get('field', '')}"

    slowest = max(server.pool.map(one, requests))
    return slowest[0], slowest


# ------------------------------------------------------------------------------------------------ the month

def look(server, dataset, rng):
    """What to ask for: the month's span, an asset, and values drawn from events all over it."""
    of = next(d for d in server.get("/datasets") if d["name"] == dataset)
    first, last = of["first"], of["last"]
    values = {"ip": set(), "name": set(), "hash": set(), "user": set(), "flow_id": set()}
    days = sorted({day for day in range(30)})
    start = time.mktime(time.strptime(first[:19], "%Y-%m-%dT%H:%M:%S"))
    end = time.mktime(time.strptime(last[:19], "%Y-%m-%dT%H:%M:%S"))

    def stamp(at):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.localtime(at))

    for _ in days:
        at = stamp(rng.uniform(start, end))
        for kind in ("flow", "dns", "tls", "fileinfo", "smtp", "ftp"):
            for event in server.get("/events", dataset=dataset, to=at, limit=1, kind=kind)["items"]:
                values["flow_id"].add(event["flow_id"])
                if kind == "flow":
                    values["ip"].update([event["src_ip"], event["dest_ip"]])
                    values["hash"].add(event["community_id"])
                elif kind == "dns":
                    values["name"].add(event["dns"]["queries"][0]["rrname"])
                elif kind == "fileinfo":
                    values["hash"].add(event["fileinfo"]["sha256"])
                elif kind == "smtp":
                    values["user"].update(event["smtp"].get("rcpt_to", []))
    values = {k: rng.sample(sorted(v), min(20, len(v))) for k, v in values.items()}
    assets = server.get("/assets", dataset=dataset, limit=100)["items"]
    return {
        "dataset": dataset, "from": first, "to": stamp(end + 1), "day": stamp(end - 86_400 * 3.5), "asset": rng.choice(assets)["id"], "values": values,
        "events": of["events"], "flows": of["flows"],
    }


def measure(args, data, dataset):
    rng = random.Random(7)
    token = token_of(args.vigie, data)
    server = Server(args.vigie, data, token)
    month = look(server, dataset, rng)
    warm, cold, slow, work = {}, {}, {}, {}
    failed = 0
    for name, requests in pages(month):
        for _ in range(args.rounds + 1):
            before = server.processor()
            seconds, worst = timed(server, requests)
            work.setdefault(name, []).append(server.processor() - before)
            warm.setdefault(name, []).append(seconds)
            slow[name] = max(slow.get(name, (0, "")), worst)
        warm[name] = warm[name][1:]
    for name, each in pivots(month):
        for requests in each:
            timed(server, requests)
            before = server.processor()
            warm.setdefault(name, []).append(timed(server, requests)[0])
            work.setdefault(name, []).append(server.processor() - before)
    server.stop()
    is_cold = drop_caches()
    if is_cold:
        for turn in range(args.rounds):
            for name, requests in pages(month):
                drop_caches()
                server = Server(args.vigie, data, token)
                drop_caches()
                cold.setdefault(name, []).append(timed(server, requests)[0])
                server.stop()
            for name, each in pivots(month):
                for requests in each[turn::args.rounds]:
                    drop_caches()
                    server = Server(args.vigie, data, token)
                    drop_caches()
                    cold.setdefault(name, []).append(timed(server, requests)[0])
                    server.stop()
    busy = os.getloadavg()[0]
    print(f"── Load of the machine meanwhile: {busy:.1f} on {os.cpu_count()} processors (the server itself is a part of it)")
    print(f"── Time to answer, {month['events']:,} events, {month['flows']:,} flows (seconds; due {DUE_SECONDS:g} at p95)")
    print(f"  {'':24} {'warm p50':>9} {'p95':>7} {'processor':>9} {'cold p50':>9} {'p95':>7}")
    for name, times in warm.items():
        p50, p95 = spread(times)
        told = [f"{p50:9.3f}", f"{p95:7.3f}", f"{spread(work[name])[0]:9.2f}"]
        late = p95 > DUE_SECONDS
        if name in cold:
            p50, p95 = spread(cold[name])
            told += [f"{p50:9.3f}", f"{p95:7.3f}"]
            late |= p95 > DUE_SECONDS
        failed += late
        worst = f"  slowest {slow[name][1]} {slow[name][0]:.3f}" if late and name in slow else ""
        print(f"  {name:24} {' '.join(told)}{'  LATE' if late else ''}{worst}")
    return failed, len(warm) - failed, month, token


def referee(args, data, month, token):
    """DuckDB over the same files: its counts must agree, its times stand beside."""
    try:
        import duckdb
    except ImportError:
        print("SKIPPED the referee: DuckDB is not here (pip install duckdb)")
        return 0, 0
    server = Server(args.vigie, data, token)
    within = {"dataset": month["dataset"], "from": month["from"], "to": month["to"]}
    files = os.path.join(data, "events", "data", "*", "{}", "*.parquet")
    db = duckdb.connect(config={"threads": 2})
    ip, name = month["values"]["ip"][:5], month["values"]["name"][:5]
    passed = failed = 0
    print("── DuckDB over the same files")

    def check(what, ours, sql):
        nonlocal passed, failed
        began = time.perf_counter()
        a = ours()
        mine, began = time.perf_counter() - began, time.perf_counter()
        b = db.sql(sql).fetchall()[0][0]
        theirs = time.perf_counter() - began
        same = a == b
        passed, failed = passed + same, failed + (not same)
        print(f"  {what:40} {a:12,} in {mine:6.3f} s; DuckDB {b:12,} in {theirs:6.3f} s{'' if same else '  DIFFERS'}")

    files_of_flows = f"read_parquet('{files.format('flow')}', union_by_name=true)"
    for turn in ("read", "kept"):
        check(f"flows of Situation, {turn}", lambda: sum(sum(s["flows"]) for s in server.get("/situation", **within)["traffic"]["series"]),
              f"SELECT count(*) FROM {files_of_flows}")
        check(f"flows of the map, {turn}", lambda: sum(c["flows"] for c in server.get("/map", **within)["cells"]),
              f"SELECT count(*) FROM {files_of_flows} WHERE src_ip IS NOT NULL AND dest_ip IS NOT NULL")
        check(f"bytes of TLS on the map, {turn}", lambda: sum(c["bytes"] for c in server.get("/map", **within, app_proto="tls")["cells"]),
              f"SELECT sum(bytes_toserver + bytes_toclient)::BIGINT FROM {files_of_flows} WHERE app_proto = 'tls' AND src_ip IS NOT NULL")
        check(f"callers, {turn}", lambda: server.get("/events/facets", **within, kind="flow", field="src_ip", limit=1)["distinct"],
              f"SELECT count(DISTINCT src_ip) FROM {files_of_flows}")
    own = server.get(f"/assets/{month['asset']}")["addresses"]
    own = ", ".join("'" + a["ip"] + "'" for a in own)
    check("flows of an asset", lambda: sum(sum(s["flows"]) for s in server.get(f"/assets/{month['asset']}/activity", **within)["series"]),
          f"SELECT count(*) FROM {files_of_flows} WHERE src_ip IN ({own}) OR dest_ip IN ({own})")

    def facet(field, value, **more):
        for v in server.get("/events/facets", **within, **more, field=field, limit=100)["values"]:
            if v["value"] == value:
                return v["count"]
        return 0

    check("flows", lambda: facet("event_type", "flow"), f"SELECT count(*) FROM read_parquet('{files.format('flow')}', union_by_name=true)")
    check("flows of TLS", lambda: facet("app_proto", "tls", kind="flow"),
          f"SELECT count(*) FROM read_parquet('{files.format('flow')}', union_by_name=true) WHERE app_proto = 'tls'")
    for v in ip:
        q = f"src_ip:{v} or dest_ip:{v}"
        check(f"flows of {v}", lambda q=q: facet("event_type", "flow", q=q, kind="flow"),
              f"SELECT count(*) FROM read_parquet('{files.format('flow')}', union_by_name=true) WHERE src_ip = '{v}' OR dest_ip = '{v}'")
    for v in name:
        check(f"questions for {v}"[:40], lambda v=v: facet("event_type", "dns", q=f'dns.queries.rrname:"{v}"', kind="dns"),
              f"SELECT count(*) FROM read_parquet('{files.format('dns')}', union_by_name=true) WHERE list_contains(queries_rrname, '{v}')")
    server.stop()
    return failed, passed


def peer(data):
    """The rate at which ClickHouse takes the same flows in."""
    try:
        import chdb
    except ImportError:
        print("SKIPPED the peer: chdb is not here (pip install chdb)")
        return
    files = os.path.join(data, "events", "data", "*", "flow", "*.parquet")
    where = os.path.join(data, "..", "chdb")
    shutil.rmtree(where, ignore_errors=True)
    db = chdb.session.Session(where)
    db.query("CREATE DATABASE IF NOT EXISTS v")
    source = f"file('{files}', Parquet, 'ts DateTime64(6), flow_id Nullable(UInt64), src_ip String, dest_ip String, src_port Nullable(UInt16), dest_port Nullable(UInt16), proto String, app_proto Nullable(String), start DateTime64(6), bytes_toserver UInt64, bytes_toclient UInt64, pkts_toserver UInt32, pkts_toclient UInt32, state String')"
    db.query(f"CREATE TABLE v.flow ENGINE = MergeTree ORDER BY ts SETTINGS allow_nullable_key = 1 AS SELECT * FROM {source} LIMIT 0")
    began, cpu = time.perf_counter(), time.process_time()
    db.query(f"INSERT INTO v.flow SELECT * FROM {source} SETTINGS max_insert_threads = 1, max_threads = 1")
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    n = int(str(db.query("SELECT count() FROM v.flow")).strip())
    size = int(str(db.query("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'v'")).strip())
    print(f"── ClickHouse (chdb): {n:,} flows in {seconds:.1f} s ({n / cpu:,.0f} a second of processor), {size / n:.1f} bytes a flow (14 columns)")
    db.close()
    shutil.rmtree(where, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--vigie", required=True)
    parser.add_argument("--month", required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--events", default="5000000,20000000")
    parser.add_argument("--assets", default="25000")
    parser.add_argument("--recordings", default="testdata")
    parser.add_argument("--mixed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="use what an earlier run left, and leave it")
    args = parser.parse_args()
    passed = failed = 0
    if args.mixed:
        data = os.path.join(args.scratch, "mixed")
        shutil.rmtree(data, ignore_errors=True)
        run(args.vigie, "replay", "--quiet", "--data", data, "--dataset", "mixed", args.mixed)
        token = token_of(args.vigie, data)
        server = Server(args.vigie, data, token)
        # The server merges by itself: until it has nothing more to do.
        before = None
        while (now := sum(k[2] for k in sizes(data)[0].values())) != before:
            before = now
            time.sleep(35)
        server.stop()
        fits = tell_sizes(data, "the mixed capture", DUE_BYTES["mixed"]) <= DUE_BYTES["mixed"]
        passed, failed = passed + fits, failed + (not fits)
        shutil.rmtree(data)
    counts = args.events.split(",")
    if not args.keep:
        data = os.path.join(args.scratch, "rate")
        shutil.rmtree(data, ignore_errors=True)
        said = run(args.month, "--events", counts[0], "--assets", args.assets, "--data", data, "--keep-only")
        print(f"── Ingestion, a month of {int(counts[0]):,} events")
        for line in said.splitlines():
            if line.startswith(("packed", "and merged")):
                print(f"  {line}")
        shutil.rmtree(data)
    for events in counts:
        data = os.path.join(args.scratch, f"month-{events}")
        if not (args.keep and os.path.exists(data)):
            shutil.rmtree(data, ignore_errors=True)
            print(f"── A month of {int(events):,} events")
            sys.stdout.flush()
            made = subprocess.run([args.month, "--events", events, "--assets", args.assets, "--data", data, "--recordings", args.recordings],
                                  check=False, text=True, stdout=subprocess.PIPE)
            print("\n".join(f"  {line}" for line in made.stdout.splitlines() if not line.startswith("day ")))
            failed += made.returncode != 0
        fits = tell_sizes(data, f"a month of {int(events):,} events", DUE_BYTES["month"]) <= DUE_BYTES["month"]
        passed, failed = passed + fits, failed + (not fits)
        bad, good, month, token = measure(args, data, "month")
        passed, failed = passed + good, failed + bad
        bad, good = referee(args, data, month, token)
        passed, failed = passed + good, failed + bad
        peer(data)
        if not args.keep:
            shutil.rmtree(data)
        sys.stdout.flush()
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
