#!/usr/bin/env python3
"""Run the lab's scenarios with Vigie on the mirror port, record them, or hold Vigie to what their recordings must give.

usage: run.py [SCENARIO...]              run live and replay what was recorded meanwhile (root, Debian; all by default)
       run.py --few                      the few of them that ./dev test runs
       run.py --record [SCENARIO...]     record into testdata/ (all scenarios of the test set by default)
       run.py --check [SCENARIO...]      replay the recordings through `vigie` and compare with their expectation
       run.py --list                     name the scenarios

A scenario is a file of lab/scenarios/: TITLE, STORY, START (of its first frame, UTC), EXPECT (a list of detector,
attacker, victim by host name; empty: no case at all), ALLOWED (detectors that may appear too) and run(lab).
Beside NAME.pcap stands NAME.json with the same, the hosts and the origin. Python 3.9+.
"""
import argparse
import base64
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
TESTDATA = os.path.join(os.path.dirname(HERE), "testdata")
LIMIT = 5 * 1024 * 1024  # of all of testdata
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

from catalogue import CANARY, HOSTS  # noqa: E402


def scenario_names():
    return sorted(n[:-3] for n in os.listdir(os.path.join(HERE, "scenarios")) if n.endswith(".py"))


def load(name):
    if name not in scenario_names():
        sys.exit(f"lab: no scenario '{name}'; there are {', '.join(scenario_names())}")
    sys.path.insert(0, os.path.join(HERE, "scenarios"))
    return importlib.import_module(name)


def recorded(name):
    """Whether its recording stands in testdata/, or it is run live alone."""
    return getattr(load(name), "RECORDED", True)


# ------------------------------------------------------------------------------------------------ record

def expectation(scenario):
    """What Vigie must make of it, by addresses."""
    def address(who):
        return HOSTS[who]["ip"] if who in HOSTS else who

    return {"expect": [{k: (address(v) if k in ("attacker", "victim") else v) for k, v in e.items()} for e in scenario.EXPECT],
            "allowed": list(getattr(scenario, "ALLOWED", []))}


def record(name):
    from network import Lab
    scenario = load(name)
    keep = getattr(scenario, "OUTPUT", None)  # a recording for measurement, outside of the repository
    out = keep or os.path.join(TESTDATA, name + ".pcap")
    began = time.monotonic()
    with Lab() as lab:
        scenario.run(lab)
        frames, size = lab.finish(out, scenario.START)
        seen = [n for n in lab.hosts if n in HOSTS]
    print(f"{name}: {frames} frames, {size} bytes, {time.monotonic() - began:.0f} s", flush=True)
    if keep:
        return

    about = {
        "title": scenario.TITLE,
        "story": " ".join(scenario.STORY.split()),
        "origin": f"Recorded by lab/scenarios/{name}.py in network namespaces, with real servers and clients of Debian 12; no traffic of anyone else.",
        "start": scenario.START + " UTC",
        "stamps": "moved as a whole to begin at start; some idle gaps lengthened (lab.skip), nothing else changed",
        "frames": frames,
        "hosts": [{"name": n, **HOSTS[n]} for n in seen],
        **expectation(scenario),
    }
    with open(os.path.join(TESTDATA, name + ".json"), "w", encoding="utf-8") as f:
        json.dump(about, f, indent=1, ensure_ascii=False)
        f.write("\n")


# ------------------------------------------------------------------------------------------------ live

WORKERS = (1, 2, 4)
# Seconds after which a scenario is ended.
LONGEST = 600
# Where the recordings of live runs stand, each beside what was told of it.
KEPT = os.path.join(os.path.dirname(HERE), "target", "lab")
# The scenarios of ./dev test: the quickest that cover most.
FEW = ("sensor_restarts", "tls_on_tor_ports", "own_scanner", "arp_spoofing", "dns_tunnel", "port_scan")


def live_one(name, vigie):
    """Runs one scenario with sensors on its mirror port and replays what was recorded there; a list of what falls short."""
    scenario, began = load(name), time.monotonic()
    about, settings = expectation(scenario), getattr(scenario, "SETTINGS", {})
    looks, recordings, stretched, problems, took = watched(name, scenario, vigie, about, settings)
    options = [w for k, v in settings.items() for w in ("--set", f"{k}={v}")]
    for n in WORKERS:
        looks[f"replay, {n} workers"], frames = replayed(vigie, recordings, ["--workers", str(n), *options])
    with open(os.path.join(KEPT, name + ".cases.json"), "w", encoding="utf-8") as f:
        json.dump({look: cases for look, (cases, _) in looks.items()}, f, indent=1, ensure_ascii=False)
    first, (cases, counts) = next(iter(looks.items()))
    problems += [f"{first}: {p}" for p in short_of(about, cases)]
    problems += [f"{look}: no alert of {d}" for look, (_, count) in looks.items() for d in getattr(scenario, "CONTEXT", []) if not count.get(f"alert {d}")]
    in_flight = getattr(scenario, "IN_FLIGHT", None)
    if in_flight is None:
        problems += unlike(looks)
    else:
        problems += interrupted(looks, in_flight)
        for look, (told, _) in looks.items():
            print(f"{name}: {look}: " + ", ".join(f"{a['detector']} {a['count']}" for c in told for a in c["alerts"]))
    if stretched:
        own_time = {f"in its own time, {n} workers": replayed(vigie, [stretched], ["--workers", str(n), *options])[0] for n in WORKERS}
        problems += [f"in its own time: {p}" for p in short_of(about, next(iter(own_time.values()))[0])] + unlike(own_time)
    print(f"{name}: {frames} frames, {sum(counts.values())} events, {len(cases)} cases; told {took:.1f} s after the end; {time.monotonic() - began:.0f} s")
    return problems


def watched(name, scenario, vigie, about, settings):
    """Runs a scenario live. What each sensor says when all is over, the recordings, the one in its own time (None where it is the same), what
    was not told while it ran, and how long that took after the end."""
    from network import Lab
    from sensors import Sensor
    os.makedirs(KEPT, exist_ok=True)
    kept = os.path.join(KEPT, name)
    with Lab(lambda monitor, ports: [Sensor(monitor, vigie, n, ports, settings) for n in WORKERS]) as lab:
        scenario.run(lab)
        ended = time.monotonic()
        while any(missing(about, s.cases()) for s in lab.sensors) and time.monotonic() - ended < 30:
            time.sleep(0.5)
        took = time.monotonic() - ended
        problems = [f"live, {s.workers} workers: {p}, while it ran" for s in lab.sensors for p in missing(about, s.cases())]
        lab.end_recording()
        recordings = [f"{kept}.pcap"] + [f"{kept}.{port}.pcap" for port in lab.ports[1:]]
        for raw, at in zip(lab.raws, recordings):
            shutil.copyfile(raw, at)
        stretch, stretched = getattr(scenario, "STRETCH", None), None
        if lab.skips or stretch:
            stretched = f"{kept}.stretched.pcap"
            lab.write(stretched, scenario.START, stretch)
        looks = {f"live, {s.workers} workers": s.settled() for s in lab.sensors}
    return looks, recordings, stretched, problems, took


def unlike(looks):
    """Where looks at the same frames do not say the same, in sentences."""
    from sensors import differences
    first, (cases, counts) = next(iter(looks.items()))
    problems = []
    for look, (others, count) in looks.items():
        problems += [f"{first} and {look}: {d}" for d in differences(cases, others)]
        other = [f"{k} {counts.get(k, 0)} and {count.get(k, 0)}" for k in sorted({*counts, *count}) if counts.get(k) != count.get(k)]
        if other:
            problems.append(f"events, {first} and {look}: {', '.join(other)}")
    return problems


def interrupted(looks, in_flight):
    """What is wrong where sensors were interrupted: the alerts must be as many, each with its whole count but for what was in flight."""
    def alerts(cases):
        return sorted((c["title"], a["detector"], a["count"]) for c in cases for a in c["alerts"])

    whole = alerts(looks[f"replay, {WORKERS[0]} workers"][0])
    problems = []
    for look, (cases, _) in looks.items():
        have = alerts(cases)
        if [a[:2] for a in have] != [a[:2] for a in whole]:
            problems.append(f"{look}: {have}, whole: {whole}")
        else:
            problems += [f"{look}: {a} of {b}" for a, b in zip(have, whole) if not b[2] - in_flight <= a[2] <= b[2]]
    return problems


def replayed(vigie, recordings, options):
    """Cases and events by kind of a replay, and how many frames it read."""
    from sensors import NOT_COUNTED
    with tempfile.TemporaryDirectory() as out:
        done = subprocess.run([vigie, "replay", "-q", "-l", out, *options, *recordings], stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        if done.returncode != 0:
            raise ValueError(f"replay: exit {done.returncode}: {done.stderr.decode('utf-8', 'replace')[-400:]}")
        counts, frames = {}, 0
        for event in lines_of(os.path.join(out, "eve.json")):
            kind = event["event_type"]
            if kind == "stats":
                frames = event["stats"]["decoder"]["pkts"]
            if kind == "alert":
                kind = f"alert {event['vigie']['detector']}"
            if kind not in NOT_COUNTED:
                counts[kind] = counts.get(kind, 0) + 1
        return (lines_of(os.path.join(out, "cases.json")), counts), frames


def live_all(names, vigie, jobs):
    """Runs scenarios, `jobs` at a time, each in a process of its own (its namespaces are named by it)."""
    results, waiting, running, ends = {}, list(names), {}, {}
    while waiting or running:
        while waiting and len(running) < jobs:
            name = waiting.pop(0)
            running[name] = subprocess.Popen([sys.executable, __file__, "--one", name, "--vigie", vigie], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            ends[name] = time.monotonic() + LONGEST
        for name, child in list(running.items()):
            try:
                said, _ = child.communicate(timeout=0.2)
            except subprocess.TimeoutExpired:
                if time.monotonic() > ends[name]:
                    child.send_signal(signal.SIGINT)  # so that it takes its namespaces with it
                    ends[name] = float("inf")
                continue
            del running[name]
            results[name] = child.returncode
            print(said, end="", flush=True)
    bad = [name for name, code in results.items() if code]
    print(f"{len(results) - len(bad)} passed, {len(bad)} failed")
    return 1 if bad else 0


def live_process(name, vigie):
    """The process of one scenario: says what falls short of it."""
    try:
        problems = live_one(name, vigie)
    except Exception as why:  # a scenario that cannot be run is told as the others that fail
        problems = [f"NOT RUN: {type(why).__name__}: {why}"]
    for problem in problems:
        print(f"WRONG {name}: {problem}")
    return 1 if problems else 0


# ------------------------------------------------------------------------------------------------ check

# Who did it and to whom, whatever role the case's kind gives them.
ROLES = {"attacker": {"attacker", "client", "subject"}, "victim": {"victim", "server"}}


def forms_of(secret):
    """The secret plain, in an URL, and in base64 at each of its three alignments, without the bytes a neighbour changes."""
    raw = secret.encode()
    forms = {raw, urllib.parse.quote(secret, safe="").encode(), raw.hex().encode()}
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + raw)
        forms.add(coded[4 if before else 0:len(coded) - 4])
    return forms


def lines_of(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


def short_of(about, cases):
    """What the cases lack or have too many, in sentences."""
    due = {*about["allowed"], *(e["detector"] for e in about["expect"])}
    problems = missing(about, cases)
    for c in cases:
        false = [d for d in c.get("detectors", []) if d not in due]
        if false:
            problems.append(f"false: {c.get('title')} ({', '.join(false)}, score {c.get('score')})")
    return problems


def missing(about, cases):
    """What of the expectation the cases lack."""
    problems = []
    for e in about["expect"]:
        having = [c for c in cases if e["detector"] in c.get("detectors", [])]
        if not having:
            problems.append(f"no case with {e['detector']}")
            continue
        entities = [(x.get("role"), v) for c in having for x in c.get("entities", []) for v in (x.get("ip"), x.get("mac")) if v]
        for side, roles in ROLES.items():
            if e.get(side) and not any(role in roles and who == e[side] for role, who in entities):
                problems.append(f"{e['detector']}: {side} {e[side]} is not among {sorted(set(entities))}")
        words = json.dumps(having, ensure_ascii=False)
        problems += [f"{e['detector']}: the case does not say '{w}'" for w in e.get("says", []) if w not in words]
    return problems


def check(name, vigie):
    """None, or what falls short."""
    pcap = os.path.join(TESTDATA, name + ".pcap")
    with open(os.path.join(TESTDATA, name + ".json"), encoding="utf-8") as f:
        about = json.load(f)
    with tempfile.TemporaryDirectory() as out:
        story = subprocess.run([vigie, "replay", pcap], stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        files = subprocess.run([vigie, "replay", "-l", out, pcap], stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        for done in (story, files):
            if done.returncode != 0:
                return f"exit {done.returncode}: {done.stderr.decode('utf-8', 'replace')[-400:]}"
        written = {"the story": story.stdout + story.stderr, "what it said": files.stdout + files.stderr}
        for file in sorted(os.listdir(out)):
            with open(os.path.join(out, file), "rb") as f:
                written[file] = f.read()
        problems = [f"{where} holds the password" for where, text in written.items() if any(x in text for x in forms_of(CANARY))]
        problems += short_of(about, lines_of(os.path.join(out, "cases.json")))
        frames = [e["stats"]["decoder"]["pkts"] for e in lines_of(os.path.join(out, "eve.json")) if e.get("event_type") == "stats"]
        if not frames or frames[-1] != about["frames"]:
            problems.append(f"frames {frames[-1:]}, recorded {about['frames']}")
    return "; ".join(problems) or None


def check_all(names, vigie):
    size = sum(os.path.getsize(os.path.join(d, n)) for d, _, files in os.walk(TESTDATA) for n in files)
    results = {"size of testdata": None if size <= LIMIT else f"{size} bytes, at most {LIMIT}"}
    if not os.access(vigie, os.X_OK):
        print(f"SKIPPED the recordings: {vigie} is not built")
    else:
        for name in names:
            if os.path.exists(os.path.join(TESTDATA, name + ".pcap")):
                try:
                    results[name] = check(name, vigie)
                except (OSError, ValueError, KeyError, subprocess.TimeoutExpired) as why:
                    results[name] = f"{type(why).__name__}: {why}"
    for name, why in results.items():
        print(f"{name}: {why or 'ok'}")
    bad = sum(1 for why in results.values() if why)
    print(f"{len(results) - bad} passed, {bad} failed")
    return 1 if bad else 0


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("scenarios", nargs="*", metavar="SCENARIO")
    ap.add_argument("--check", action="store_true")
    ap.add_argument("--list", action="store_true")
    ap.add_argument("--few", action="store_true")
    ap.add_argument("--record", action="store_true")
    ap.add_argument("--one", metavar="SCENARIO", help=argparse.SUPPRESS)
    ap.add_argument("--jobs", type=int, default=3, help="scenarios at once (default %(default)s)")
    ap.add_argument("--vigie", default=os.path.join(os.path.dirname(HERE), "target", "release", "vigie"))
    a = ap.parse_args()
    if a.list:
        for name in scenario_names():
            print(f"{name:24} {load(name).TITLE}")
        return 0
    names = a.scenarios or [n for n in scenario_names() if a.check or not hasattr(load(n), "OUTPUT") and (not a.record or recorded(n))]
    if a.check:
        return check_all(names, a.vigie)
    if a.one:
        return live_process(a.one, a.vigie)
    if not a.record:
        if any(hasattr(load(n), "OUTPUT") for n in names):
            sys.exit("lab: bulk is for measurement: run it with --record")
        return live_all(FEW if a.few else names, a.vigie, a.jobs)
    os.makedirs(TESTDATA, exist_ok=True)
    failed = []
    for name in names:
        try:
            record(name)
        except Exception as why:  # one scenario that fails must not keep the others from being recorded
            failed.append(name)
            print(f"{name}: NOT RECORDED: {why}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
