#!/usr/bin/env python3
"""The Debian package of Vigie: made with dpkg-deb, and tried on a clean system.

  tools/package.py build --vigie BINARY [--out DIR] [--version V]
  tools/package.py test --vigie BINARY [--root DIR] [--former BINARY]

`test` needs root, debootstrap and Debian's packages: it makes a minimal Debian below DIR, installs the package, starts Vigie as its unit
does, upgrades it over a store of a former version (testdata/former_store.tar.xz; with --former that version's own package is installed and
run first), removes and purges it. There is no systemd in that root: units are held to `systemd-analyze`, the scripts have to cope.
"""
import argparse
import gzip
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGING = ROOT / "packaging"
# The exposure that `systemd-analyze security` may tell of the unit at most, in tenths.
EXPOSURE_MAX = 20


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{shlex.join(str(c) for c in command)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def version_of():
    return re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M).group(1)


# ------------------------------------------------------------------------------------------------ build


def put(tree, path, data, mode=0o644):
    target = tree / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data if isinstance(data, bytes) else data.encode())
    target.chmod(mode)


def depends(tree):
    """What the binary needs, as dpkg-shlibdeps sees it."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "debian").mkdir()
        (Path(folder) / "debian/control").write_text("Source: vigie\n\nPackage: vigie\nArchitecture: any\n")
        told = run("dpkg-shlibdeps", "-O", tree / "usr/bin/vigie", cwd=folder)
    return told.strip().removeprefix("shlibs:Depends=")


def man(vigie, *command):
    # An old month would make every build another one.
    return gzip.compress(run(vigie, "man", *command).encode(), 9, mtime=0)


def build(vigie, out, version, pack=("-Zxz",)):
    """Makes the package in a folder; its file."""
    arch = run("dpkg", "--print-architecture").strip()
    with tempfile.TemporaryDirectory(prefix="vigie-package-") as folder:
        tree = Path(folder) / "tree"
        put(tree, "usr/bin/vigie", Path(vigie).read_bytes(), 0o755)
        run("strip", "--strip-unneeded", "--remove-section=.comment", "--remove-section=.note", tree / "usr/bin/vigie")
        put(tree, "usr/lib/systemd/system/vigie.service", (PACKAGING / "vigie.service").read_bytes())
        put(tree, "etc/vigie/vigie.toml", run(vigie, "config"))
        put(tree, "usr/share/man/man1/vigie.1.gz", man(vigie))
        commands = re.findall(r"^  (\w+) ", run(vigie, "--help").split("Commands:")[1].split("Options:")[0], re.M)
        for command in commands:
            if command != "help":
                put(tree, f"usr/share/man/man1/vigie-{command}.1.gz", man(vigie, command))
        shells = {"bash": "bash-completion/completions/vigie", "zsh": "zsh/vendor-completions/_vigie", "fish": "fish/vendor_completions.d/vigie.fish"}
        for shell, path in shells.items():
            put(tree, f"usr/share/{path}", run(vigie, "completions", shell))
        put(tree, "usr/share/doc/vigie/NEWS.gz", gzip.compress((ROOT / "CHANGELOG.md").read_bytes(), 9, mtime=0))
        control = (PACKAGING / "debian/control").read_text()
        maintainer = re.search(r"^Maintainer: (.*)$", control, re.M).group(1)
        when = run("git", "-C", ROOT, "log", "-1", "--format=%cd", "--date=rfc2822").strip()
        changelog = f"vigie ({version}) unstable; urgency=medium\n\n  * See NEWS.gz.\n\n -- {maintainer}  {when}\n"
        put(tree, "usr/share/doc/vigie/changelog.gz", gzip.compress(changelog.encode(), 9, mtime=0))
        for name in sorted(p.name for p in (ROOT / "docs").glob("*.md")):
            put(tree, f"usr/share/doc/vigie/{name}", (ROOT / "docs" / name).read_bytes())
        licence = (PACKAGING / "debian/copyright").read_bytes()
        put(tree, "usr/share/doc/vigie/copyright", licence)
        needs = depends(tree)
        size = sum(p.stat().st_size for p in tree.rglob("*") if p.is_file()) // 1024
        for key, value in {"VERSION": version, "ARCHITECTURE": arch, "SIZE": str(size), "DEPENDS": needs}.items():
            control = control.replace(f"@{key}@", value)
        put(tree, "DEBIAN/control", control)
        put(tree, "DEBIAN/conffiles", "/etc/vigie/vigie.toml\n")
        for script in ("postinst", "prerm", "postrm"):
            put(tree, f"DEBIAN/{script}", (PACKAGING / "debian" / script).read_bytes(), 0o755)
        sums = [f"{run('md5sum', p).split()[0]}  {p.relative_to(tree)}" for p in sorted(tree.rglob("*")) if p.is_file() and "DEBIAN" not in p.parts]
        put(tree, "DEBIAN/md5sums", "\n".join(s for s in sums if " etc/" not in s) + "\n")
        for path in tree.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
        out.mkdir(parents=True, exist_ok=True)
        file = out / f"vigie_{version}_{arch}.deb"
        # The same files give the same package.
        environment = {**os.environ, "SOURCE_DATE_EPOCH": run("git", "-C", ROOT, "log", "-1", "--format=%ct").strip()}
        run("dpkg-deb", "--root-owner-group", *pack, "--build", tree, file, env=environment)
    return file


# ------------------------------------------------------------------------------------------------ test

passed = 0


def holds(condition, what, more=""):
    global passed
    if not condition:
        print(f"FAILED: {what} {more}")
        print(f"{passed} passed, 1 failed")
        sys.exit(1)
    passed += 1
    print(f"ok: {what}", flush=True)


class System:
    """A root of its own."""

    def __init__(self, root):
        self.root = root

    def run(self, command, status=0, given=None):
        done = subprocess.run(["chroot", str(self.root), "sh", "-c", command], capture_output=True, text=True, input=given, timeout=300)
        assert status is None or done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def install(self, file, old_conf=False):
        shutil.copy(file, self.root / "tmp/vigie.deb")
        options = "--force-confold" if old_conf else ""
        return self.run(f"DEBIAN_FRONTEND=noninteractive dpkg {options} -i /tmp/vigie.deb </dev/null")

    def start(self):
        """Vigie with the unit's own line, as its user and with its one capability."""
        unit = (self.root / "usr/lib/systemd/system/vigie.service").read_text()
        line = re.search(r"^ExecStart=(.*)$", unit, re.M).group(1)
        as_user = "setpriv --reuid vigie --regid vigie --clear-groups --no-new-privs --inh-caps=-all,+net_raw --ambient-caps=+net_raw --bounding-set=-all,+net_raw"
        log = open(self.root / "tmp/vigie.log", "w")
        process = subprocess.Popen(["chroot", str(self.root), "sh", "-c", f"cd / && umask 0027 && exec {as_user} {line}"], stdout=log, stderr=log)
        end = time.monotonic() + 30
        while "Vigie is up" not in self.log():
            assert process.poll() is None and time.monotonic() < end, self.log()
            time.sleep(0.1)
        return process

    def log(self):
        return (self.root / "tmp/vigie.log").read_text()

    def stop(self, process):
        process.terminate()
        assert process.wait(60) == 0, self.log()

    def owned(self, user):
        """Files of a user, besides those of the kernel."""
        return self.run(f"find / -xdev -path /proc -prune -o -user {user} -print").split()


def unit_checks():
    if not shutil.which("systemd-analyze"):
        print("SKIPPED the unit's exposure: no systemd-analyze")
        return
    told = run("systemd-analyze", "security", "--offline=yes", PACKAGING / "vigie.service")
    exposure = re.search(r"exposure level for vigie.service: (\d+)\.(\d)", told)
    tenths = int(exposure.group(1)) * 10 + int(exposure.group(2))
    holds(tenths <= EXPOSURE_MAX, f"exposure of the unit is {tenths / 10} (at most {EXPOSURE_MAX / 10})")
    done = subprocess.run(["systemd-analyze", "verify", str(PACKAGING / "vigie.service")], capture_output=True, text=True)
    wrong = [l for l in done.stderr.splitlines() if "vigie.service:" in l and "not executable" not in l and "man vigie" not in l]
    holds(not wrong, "systemd reads all of the unit", wrong)


def test(vigie, root, former):
    unit_checks()
    work = Path(tempfile.mkdtemp(prefix="vigie-package-test-"))
    version = version_of()
    # To pack well takes minutes, and changes nothing here.
    fast = ("-Zgzip", "-z1")
    now = build(vigie, work, version, fast)
    before = build(former or vigie, work, f"{version}~before", fast)
    subprocess.run(["mount", "-t", "proc", "proc", str(root / "proc")], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    system = System(root)
    try:
        lives(system, before, now, bool(former))
    finally:
        subprocess.run(["umount", str(root / "proc")], check=False)
        shutil.rmtree(work)


def bootstrap(root):
    """A minimal system of this Debian, from where this one is installed from."""
    suite = re.search(r"^VERSION_CODENAME=(.*)$", Path("/etc/os-release").read_text(), re.M).group(1)
    told = run("apt-cache", "policy")
    mirror = re.search(rf"(http\S+) {suite}/main", told)
    began = time.monotonic()
    run("debootstrap", "--variant=minbase", suite, root, *([mirror.group(1)] if mirror else []))
    print(f"debootstrap: {time.monotonic() - began:.0f} s", flush=True)


def lives(system, before, now, is_former):
    had = set(system.run("dpkg-query -W -f '${Package}\\n'").split())
    holds("vigie" not in had, "the root is clean")
    files = set(system.run("find / -xdev -path /proc -prune -o -path /tmp -prune -o -print").split("\n"))

    system.install(before)
    holds(system.run("id -un vigie").strip() == "vigie", "a user of its own is made")
    holds(system.run("stat -c '%U %a' /var/lib/vigie").split() == ["vigie", "700"], "its data is its own")
    holds("vigie " in system.run("vigie --version"), "the program runs on a minimal system")
    holds("ERROR" not in system.run("dpkg --audit") and not system.run("dpkg --audit").strip(), "dpkg finds nothing amiss")
    holds(system.run("dpkg --verify vigie").strip() == "", "files are as packed")

    process = system.start()
    holds("First log-in: admin" in system.log(), "it starts as its unit says, and tells the first log-in")
    if not is_former:
        caps = re.search(r"^CapEff:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text(), re.M).group(1)
        holds(int(caps, 16) == 0, "it holds no capability any more")
    told = system.run("vigie status --data /var/lib/vigie")
    holds("0 events" in told, "root asks it by the command", told)
    system.stop(process)

    # The store of a former version: that one's own run, else the sample.
    system.run("rm -rf /var/lib/vigie/* /var/lib/vigie/.[!.]*")
    if is_former:
        for name in ("ftp_bruteforce_success", "dns_tunnel"):
            shutil.copy(ROOT / f"testdata/{name}.pcap", system.root / "tmp")
        as_user = "setpriv --reuid vigie --regid vigie --clear-groups"
        system.run(f"cd /tmp && {as_user} vigie replay --quiet --data /var/lib/vigie --dataset demo ftp_bruteforce_success.pcap dns_tunnel.pcap")
    else:
        run("tar", "-C", system.root / "var/lib/vigie", "-xf", ROOT / "testdata/former_store.tar.xz")
        system.run("chown -R vigie:vigie /var/lib/vigie")
    process = system.start()
    line = lambda: next(l for l in system.run("vigie status --data /var/lib/vigie").splitlines() if l.startswith("  demo:"))
    kept = line()
    if is_former:
        system.run("vigie query --data /var/lib/vigie 'SELECT count(*) FROM flow'")
    system.stop(process)

    conf = system.root / "etc/vigie/vigie.toml"
    ours = conf.read_text() + '\n[capture]\ninterfaces = ["lo"]\n\n[output.eve]\nfile = "/var/log/vigie/eve.json"\n'
    conf.write_text(ours)
    system.install(now, old_conf=True)
    holds(conf.read_text() == ours, "an upgrade leaves the configuration as it was set")
    process = system.start()
    holds(line() == kept, "an upgrade keeps what was found: " + kept.strip())
    holds("Capturing from lo" in system.log(), "it captures without root", system.log())
    query = "vigie query --data /var/lib/vigie --format json"
    holds('"n":0' not in system.run(f"{query} \"SELECT count(*) AS n FROM flow WHERE dataset = 'demo'\""), "a former store is asked")
    process.send_signal(1)
    end = time.monotonic() + 10
    while "nothing changed" not in system.log() and time.monotonic() < end:
        time.sleep(0.1)
    holds("nothing changed" in system.log(), "a reload is told")
    holds((system.root / "var/log/vigie/eve.json").exists(), "events are written where packages log")
    stray = [f for f in system.owned("vigie") if not f.startswith(("/var/lib/vigie", "/var/log/vigie", "/proc/"))]
    holds(not stray, "it writes nowhere else", stray)
    system.stop(process)
    holds("former" in system.run("vigie user list --data /var/lib/vigie") or is_former, "its users are there still")

    system.run("dpkg -r vigie")
    holds(not (system.root / "usr/bin/vigie").exists() and conf.exists(), "removal takes the program, and leaves the configuration")
    holds((system.root / "var/lib/vigie/vigie.db").exists(), "and what was found")
    system.install(now, old_conf=True)
    process = system.start()
    holds(line() == kept, "installed again, it goes on")
    system.stop(process)
    system.run("dpkg --purge vigie")
    left = set(system.run("find / -xdev -path /proc -prune -o -path /tmp -prune -o -print").split("\n")) - files
    logs = {f for f in left if f.startswith(("/var/log/", "/var/lib/dpkg", "/var/cache/", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid", "/etc/subgid"))}
    holds(not [f for f in left - logs if f], "a purge leaves nothing", sorted(left - logs))
    holds(system.run("getent passwd vigie", status=None).strip() == "", "nor its user")
    print(f"{passed} passed, 0 failed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["build", "test"])
    parser.add_argument("--vigie", type=Path, default=ROOT / "target/release/vigie")
    parser.add_argument("--out", type=Path, default=ROOT / "target/package")
    parser.add_argument("--version", default=version_of())
    parser.add_argument("--root", type=Path)
    parser.add_argument("--former", type=Path)
    args = parser.parse_args()
    vigie = args.vigie.resolve()
    if args.what == "build":
        file = build(vigie, args.out.resolve(), args.version)
        print(f"{os.path.relpath(file)}: {file.stat().st_size / 1e6:.1f} MB; apt install ./{os.path.relpath(file)}")
        return
    if os.environ.get("VIGIE_PACKAGE_NAMESPACE") == "1":
        test(vigie, args.root.resolve(), args.former and args.former.resolve())
        return
    root = (args.root or Path(tempfile.mkdtemp(prefix="vigie-package-root-"))).resolve()
    # A root directory that others may enter, as every system has.
    root.mkdir(exist_ok=True)
    root.chmod(0o755)
    try:
        if not (root / "usr/bin/dpkg").exists():
            bootstrap(root)
        # Mounts, and the loopback that is captured from, of its own.
        again = ["unshare", "--mount", "--net", sys.executable, __file__, *sys.argv[1:], "--root", root]
        status = subprocess.run(list(map(str, again)), env={**os.environ, "VIGIE_PACKAGE_NAMESPACE": "1"}).returncode
    finally:
        if not args.root:
            shutil.rmtree(root, ignore_errors=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
