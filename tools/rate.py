#!/usr/bin/env python3
"""The live sensor at rate: a capture sent over a veth pair by tcpreplay, faster in steps, beside `tcpdump -w /dev/null`.

usage: rate.py --vigie BINARY [--set KEY=VALUE]... [--steps PPS,PPS...] [--scratch DIR] [--no-tcpdump] CAPTURE
       rate.py --vigie BINARY --minutes N [--pps N] [--set KEY=VALUE]... CAPTURE
       rate.py --vigie BINARY --drain N,N... [--set KEY=VALUE]... CAPTURE

The sender is pinned to one core, both processes of `vigie up` (or tcpdump) to another; all in a network namespace of its own. For each step:
what the sender reached, frames that the kernel saw and lost, seconds of processor of sensor and server, cost a frame, and the most memory
that each held. Beside them the cost a frame of a replay of the same file. With --minutes: the capture again and again at one rate, with other
addresses each time, and the memory of both processes each minute (twelve times at least); fails where it still grows behind the first third. With
--drain: how fast so many workers read what waits in their rings, on all cores, the sender being done: the sensor is stopped meanwhile. Needs root, iproute2 and tcpreplay. Python 3.9+, no package.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

IN_NAMESPACE = "VIGIE_RATE_NAMESPACE"
WIRE, MIRROR = "wire", "mirror"
# MiB that memory may waver by between two thirds of a run, beside a twentieth.
TOLERANCE = 16
TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def most_memory(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def children(pid):
    return [int(p) for task in pathlib.Path(f"/proc/{pid}/task").iterdir() for p in (task / "children").read_text().split()]


def pinned(core):
    return lambda: os.sched_setaffinity(0, {core})


def send(capture, pps):
    """Frames sent and frames a second reached."""
    command = ["tcpreplay", "-K", "-q", "-i", WIRE, "--pps", str(pps), capture]
    out = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=900, preexec_fn=pinned(1)).stdout
    sent = int(re.search(r"Actual: (\d+) packets", out).group(1))
    return sent, float(re.search(r"([\d.]+) pps", out).group(1))


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def wires():
    """A veth pair whose other end is watched."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "link", "add", WIRE, "type", "veth", "peer", "name", MIRROR], check=True)
    for end in (WIRE, MIRROR):
        pathlib.Path(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6").write_text("1")
        # Frames that receive offload made are up to 64 KiB.
        subprocess.run(["ip", "link", "set", end, "mtu", "65535", "up"], check=True)


def flat(binary, capture, pps, minutes, scratch, settings):
    """Whether memory stops growing."""
    seconds = minutes * 60
    with tempfile.TemporaryDirectory(dir=scratch) as data:
        server = subprocess.Popen([binary, "up", "--data", data, "--listen", "127.0.0.1:0", "-i", MIRROR,
                                   *(f"--set={pair}" for pair in ["store.quota=1gb", *settings])],
                                  stdout=subprocess.PIPE, text=True)
        assert server.stdout.readline().startswith("Vigie is up")
        (sensor,) = children(server.pid)
        sender = subprocess.Popen(
            ["tcpreplay", "-K", "-q", "-i", WIRE, "--loop", "1000000", "--unique-ip", "--pps", str(pps), "--duration", str(round(seconds)), capture],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=pinned(1))
        began, held, every = time.monotonic(), [], min(60, seconds / 12)
        while sender.poll() is None:
            time.sleep(max(0, (len(held) + 1) * every - (time.monotonic() - began)))
            if sender.poll() is None:
                held.append((resident(sensor), resident(server.pid)))
                print(f"  {time.monotonic() - began:6.0f} s: sensor {held[-1][0]:.0f}, server {held[-1][1]:.0f} MiB", flush=True)
        server.send_signal(signal.SIGTERM)
        status = server.wait(timeout=180)
    third = max(1, len(held) // 3)
    good = status == 0 and len(held) >= 6
    for name, all_of_it in zip(("sensor", "server"), zip(*held)):
        first, last = max(all_of_it[third : 2 * third]), max(all_of_it[2 * third :])
        # What the allocator keeps wavers.
        allowed = first * 1.05 + TOLERANCE
        good = good and last <= allowed
        print(f"  {name}: at most {first:.0f} MiB in the second third, {last:.0f} in the last (allowed: {allowed:.0f})")
    print("1 passed, 0 failed" if good else "0 passed, 1 failed")
    return good


def drain(binary, capture, workers, scratch, more):
    """Seconds that the sensor takes for what waits in its rings."""
    ring = (os.path.getsize(capture) * 2 >> 20) + 64
    with tempfile.TemporaryDirectory(dir=scratch) as data:
        server = subprocess.Popen([binary, "up", "--data", data, "--listen", "127.0.0.1:0", "-i", MIRROR, "--workers", str(workers),
                                   "--set", f"capture.ring={ring}mb", *more], stdout=subprocess.PIPE, text=True)
        assert server.stdout.readline().startswith("Vigie is up")
        (sensor,) = children(server.pid)
        time.sleep(1)
        os.kill(sensor, signal.SIGSTOP)
        sent, _ = send(capture, 1_000_000)
        before = cpu(sensor)
        os.kill(sensor, signal.SIGCONT)
        began = last = time.monotonic()
        spent = before
        while time.monotonic() - last < 0.5:
            time.sleep(0.005)
            if (now := cpu(sensor)) > spent:
                spent, last = now, time.monotonic()
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=120)
    took = last - began
    print(f"  {workers} workers: {sent} frames in {took:.2f} s, {sent / took:.0f} a second; {(spent - before) / sent * 1e9:.0f} ns of the sensor a frame",
          flush=True)


def idle(pids):
    """Waits until the processes have nothing to do any more."""
    before = None
    for _ in range(120):
        time.sleep(0.5)
        now = [cpu(p) for p in pids]
        if before is not None and all(a - b < 0.03 for a, b in zip(now, before)):
            return
        before = now


def vigie(binary, capture, pps, scratch, more):
    with tempfile.TemporaryDirectory(dir=scratch) as data:
        server = subprocess.Popen([binary, "up", "--data", data, "--listen", "127.0.0.1:0", "-i", MIRROR, *more], stdout=subprocess.PIPE, text=True,
                                  preexec_fn=pinned(0))
        assert server.stdout.readline().startswith("Vigie is up")
        (sensor,) = children(server.pid)
        time.sleep(1)
        began = [cpu(p) for p in (sensor, server.pid)]
        sent, reached = send(capture, pps)
        idle((sensor, server.pid))
        took = [cpu(p) - b for p, b in zip((sensor, server.pid), began)]
        # `stats` is told every ten seconds.
        sql, row = "SELECT capture_kernel_packets AS seen, capture_kernel_drops AS lost FROM stats ORDER BY ts DESC LIMIT 1", {}
        for _ in range(40):
            out = subprocess.run([binary, "query", "--data", data, "--format", "json", sql], capture_output=True, text=True).stdout
            row = json.loads(out.splitlines()[0]) if out.strip() else {}
            if row.get("seen", 0) >= sent:
                break
            time.sleep(0.5)
        memory = [most_memory(p) for p in (sensor, server.pid)]
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=120)
    frames = max(sent, 1)
    print(f"  vigie    {reached:9.0f} frames/s sent: {row.get('lost')} of {row.get('seen')} lost; sensor {took[0]:.2f} s, server {took[1]:.2f} s, "
          f"{sum(took) / frames * 1e9:.0f} ns a frame ({took[0] / frames * 1e9:.0f} the sensor); at most {memory[0]:.0f} and {memory[1]:.0f} MiB", flush=True)
    return sum(took) / frames


def tcpdump(capture, pps):
    dump = subprocess.Popen(["tcpdump", "-i", MIRROR, "-n", "-w", "/dev/null", "-Z", "root"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            text=True, preexec_fn=pinned(0))
    time.sleep(2)
    _, reached = send(capture, pps)
    time.sleep(2)
    dump.send_signal(signal.SIGINT)
    said = dump.communicate(timeout=60)[1]
    seen = re.search(r"(\d+) packets received", said)
    lost = re.search(r"(\d+) packets dropped by kernel", said)
    print(f"  tcpdump  {reached:9.0f} frames/s sent: {lost and lost.group(1)} of {seen and seen.group(1)} lost", flush=True)


def replayed(binary, capture, scratch):
    with tempfile.TemporaryDirectory(dir=scratch) as out:
        child = subprocess.Popen([binary, "replay", "-q", "-l", out, capture], stdout=subprocess.DEVNULL, preexec_fn=pinned(0))
        _, _, usage = os.wait4(child.pid, 0)
        child.returncode = 0
        last = ""
        with open(os.path.join(out, "eve.json"), encoding="utf-8") as lines:
            for line in lines:
                if '"event_type":"stats"' in line:
                    last = line
    frames = json.loads(last)["stats"]["decoder"]["pkts"]
    took = usage.ru_utime + usage.ru_stime
    print(f"  replay   {frames / took:9.0f} frames/s of one core, {took / frames * 1e9:.0f} ns a frame", flush=True)
    return took / frames


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vigie", required=True)
    parser.add_argument("--steps", default="100000,200000,300000,400000,500000,700000")
    parser.add_argument("--scratch", default="/dev/shm")
    parser.add_argument("--no-tcpdump", action="store_true")
    parser.add_argument("--minutes", type=float, help="memory over time in place of rates")
    parser.add_argument("--drain", metavar="N,N...", help="reading of what waits, by numbers of workers, in place of rates")
    parser.add_argument("--pps", type=int, default=50_000)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a key of the configuration of `vigie up`")
    parser.add_argument("capture")
    options = parser.parse_args()
    binary = os.path.abspath(options.vigie)
    if os.environ.get(IN_NAMESPACE) != "1":
        if subprocess.run(["unshare", "--net", "ip", "link", "set", "lo", "up"], capture_output=True).returncode != 0 or not shutil.which("tcpreplay"):
            print("SKIPPED rate: needs root, unshare, ip and tcpreplay")
            return 0
        return subprocess.run(["unshare", "--net", sys.executable, __file__, *sys.argv[1:]], env={**os.environ, IN_NAMESPACE: "1"}).returncode
    wires()
    if options.minutes:
        print(f"{options.capture}: {options.pps} frames a second for {options.minutes:g} minutes")
        return 0 if flat(binary, options.capture, options.pps, options.minutes, options.scratch, options.set) else 1
    more = [word for pair in options.set for word in ("--set", pair)]
    if options.drain:
        print(f"{options.capture}: read from rings on {os.cpu_count()} cores")
        for workers in options.drain.split(","):
            drain(binary, options.capture, int(workers), options.scratch, more)
        return 0
    print(f"{options.capture}: sender on core 1, sensor and server on core 0")
    base = replayed(binary, options.capture, options.scratch)
    for pps in map(int, options.steps.split(",")):
        cost = vigie(binary, options.capture, pps, options.scratch, more)
        print(f"           {cost / base:.2f} of a replay's cost a frame (due: at most 1.3)", flush=True)
        if not options.no_tcpdump and shutil.which("tcpdump"):
            tcpdump(options.capture, pps)
    return 0


if __name__ == "__main__":
    sys.exit(main())
