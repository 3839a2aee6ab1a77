"""A small office network in network namespaces, and what a mirror port of its switch sees.

One bridge whose address table forgets at once (a hub) joins all hosts, so that a monitor port receives every frame
once. Beyond the gateway stands one namespace that plays the Internet, on documentation addresses. The hosts, their
MACs and addresses are those of `catalogue.py` and the same in every scenario, so that recordings can be replayed
together as one capture point.

Idle time is not waited for: `skip(seconds)` notes that a gap is to be that much longer, and the recorder moves the
stamps of all later frames. Nothing else of the recording is changed: what happens between two skips keeps its own
pace, and what servers write into their payload (HTTP dates, NTP stamps) keeps the time of the recording.
"""
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from datetime import datetime, timezone

from catalogue import GATEWAY, HOSTS, INTERNET, USERS

BRIDGE = "br0"
GATEWAY_WAN = "192.0.2.1"
INTERNET_WAN = "192.0.2.2"


class LabError(Exception):
    """A step of a scenario that could not be done."""


def sh(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Host:
    """One machine: a network namespace with its own files of /etc."""

    def __init__(self, lab, name, ip=None, mac=None):
        self.lab, self.name, self.ip, self.mac = lab, name, ip, mac
        self.ns = f"{lab.prefix}-{name}"
        self.folder = os.path.join(lab.folder, name)
        os.mkdir(self.folder)
        os.chmod(self.folder, 0o755)
        sh("ip", "netns", "add", self.ns)
        lab.hosts[name] = self
        os.makedirs(self.etc_folder, exist_ok=True)
        self.etc("resolv.conf", f"search bureau.example\nnameserver {HOSTS[GATEWAY]['ip']}\n")
        self.etc("hostname", name + "\n")
        self.etc("issue.net", "Debian GNU/Linux 12\n")
        self.etc("motd", "")
        os.makedirs(os.path.join(self.etc_folder, "update-motd.d"), exist_ok=True)  # empty: nothing of the machine below
        self.etc("hosts", f"127.0.0.1 localhost {name}\n")
        lab.give_users(self)
        self.run("ip", "link", "set", "lo", "up")

    @property
    def etc_folder(self):
        return os.path.join("/etc/netns", self.ns)

    def etc(self, name, text, mode=0o644):
        """A file of this host's own /etc: `ip netns exec` lays it over the machine's."""
        path = os.path.join(self.etc_folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)

    def file(self, name, content):
        """A file in the host's own folder; gives its path."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return path

    def _command(self, words):
        # Its own host name too: servers greet with it.
        return ["ip", "netns", "exec", self.ns, "unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"', self.name, *[str(w) for w in words]]

    def run(self, *words, timeout=60, check=True, text=None):
        """Runs a command to its end on this host, within `timeout` seconds; gives what it printed."""
        child = subprocess.Popen(self._command(words), stdin=subprocess.PIPE if text is not None else subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.folder, start_new_session=True)
        try:
            out, _ = child.communicate(text.encode() if text is not None else None, timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            out, _ = child.communicate()
            raise LabError(f"{self.name}: {' '.join(map(str, words))}: ran past {timeout} s\n{out.decode('utf-8', 'replace')[-800:]}")
        out = out.decode("utf-8", "replace")
        if check and child.returncode != 0:
            raise LabError(f"{self.name}: {' '.join(map(str, words))}: exit {child.returncode}\n{out[-1500:]}")
        return out

    def start(self, *words):
        """Starts a process that lives until `stop` or the end of the scenario."""
        log = open(os.path.join(self.folder, f"{os.path.basename(str(words[0]))}.log"), "ab")
        with log:
            child = subprocess.Popen(self._command(words), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     cwd=self.folder, start_new_session=True)
        self.lab.processes.append(child)
        return child

    def wait_port(self, port, proto="tcp", seconds=15):
        """Waits until something listens on a port of this host."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for table in (f"/proc/net/{proto}", f"/proc/net/{proto}6"):
                for line in self.run("cat", table).splitlines()[1:]:
                    words = line.split()
                    if int(words[1].split(":")[1], 16) == port and words[3] in ("0A", "07"):
                        return
            time.sleep(0.05)
        raise LabError(f"{self.name}: nothing listens on {proto} port {port}\n{self.logs()}")

    def logs(self):
        parts = []
        for name in sorted(os.listdir(self.folder)):
            if name.endswith(".log"):
                with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as f:
                    parts.append(f"{name}: {f.read()[-800:]}")
        return "\n".join(parts)

    def address(self, ip):
        self.run("ip", "addr", "add", f"{ip}/16", "brd", "+", "dev", "eth0")
        if self.name != GATEWAY:
            self.run("ip", "route", "replace", "default", "via", HOSTS[GATEWAY]["ip"])

    def dhcp(self, style="networkmanager", name=None, timeout=30):
        """Takes an address by DHCP as a client of the given style does; gives the address."""
        name = name or self.name
        script = os.path.join(os.path.dirname(__file__), "servers", "dhcp-script")
        if style == "busybox":
            self.run("busybox", "udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "5", "-x", f"hostname:{name}", "-s", script, timeout=timeout)
        elif style == "windows":
            wanted = [w for code in (1, 3, 6, 15, 31, 33, 43, 44, 46, 47, 119, 121, 249, 252) for w in ("-O", str(code))]
            self.run("busybox", "udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "5", "-o", *wanted, "-V", "MSFT 5.0",
                     "-x", f"hostname:{name}", "-s", script, timeout=timeout)
        elif style == "networkmanager":
            conf = self.file("dhclient.conf", DHCLIENT_AS_NETWORKMANAGER % name)
            self.run("dhclient", "-1", "-4", "-cf", conf, "-sf", script, "-lf", os.path.join(self.folder, "leases"),
                     "-pf", os.path.join(self.folder, "dhclient.pid"), "eth0", timeout=timeout)
            pid, end = os.path.join(self.folder, "dhclient.pid"), time.monotonic() + 10
            while not (os.path.exists(pid) and os.path.getsize(pid)):  # written by the child that goes on
                if time.monotonic() > end:
                    raise LabError(f"{self.name}: dhclient does not go on")
                time.sleep(0.05)
            with open(pid, encoding="ascii") as f:
                self.lab.pids.append(int(f.read()))
        else:
            raise LabError(f"no DHCP client style {style}")
        for word in self.run("ip", "-4", "-o", "addr", "show", "dev", "eth0").split():
            if "/" in word:
                return word.split("/")[0]
        raise LabError(f"{self.name}: no address by DHCP")


# The options, in their order, that NetworkManager's own client asks for on Debian and its kin.
DHCLIENT_AS_NETWORKMANAGER = """
option rfc3442-routes code 121 = array of unsigned integer 8;
option ms-routes code 249 = array of unsigned integer 8;
option wpad code 252 = text;
send host-name "%s";
send dhcp-client-identifier = hardware;
send dhcp-max-message-size 576;
request subnet-mask, time-offset, domain-name-servers, host-name, domain-name, interface-mtu, broadcast-address,
  rfc3442-routes, routers, static-routes, nis-domain, nis-servers, ntp-servers, domain-search, ms-routes, wpad, root-path;
timeout 20;
"""


class Lab:
    """The network of one scenario; a context that leaves nothing behind."""

    def __init__(self, sensors=lambda monitor, ports: []):
        """`sensors` makes what watches the monitor's ports beside the recorder: a list of `sensors.Sensor`."""
        self.make_sensors, self.sensors, self.ports, self.raws = sensors, [], ["eth0"], []
        self.prefix = f"vl{os.getpid()}"
        self.folder = tempfile.mkdtemp(prefix="vigie-lab-")
        os.chmod(self.folder, 0o755)
        self.hosts, self.processes, self.pids, self.skips, self.recorders = {}, [], [], [], []
        self._users = None

    def __enter__(self):
        try:
            self.switch = Host(self, "switch")
            self.switch.run("ip", "link", "add", BRIDGE, "type", "bridge", "ageing_time", "0")
            self._quiet(self.switch, "all")
            self.switch.run("ip", "link", "set", BRIDGE, "up")
            self.monitor = Host(self, "monitor")
            self.mirror = self._plug(self.monitor, "02:00:00:00:00:fe")
            self._quiet(self.monitor, "eth0")
            gateway = self.host(GATEWAY)
            gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
            internet = Host(self, INTERNET)
            sh("ip", "link", "add", "wan0", "netns", gateway.ns, "type", "veth", "peer", "name", "eth0", "netns", internet.ns)
            gateway.run("ip", "addr", "add", f"{GATEWAY_WAN}/30", "dev", "wan0")
            internet.run("ip", "addr", "add", f"{INTERNET_WAN}/30", "dev", "eth0")
            for h, dev in ((gateway, "wan0"), (internet, "eth0")):
                h.run("ethtool", "-K", dev, "tx", "off", "tso", "off", "gso", "off", "gro", "off", check=False)
                h.run("ip", "link", "set", dev, "up")
            for net in ("203.0.113.0/24", "198.51.100.0/24"):
                internet.run("ip", "route", "add", "local", net, "dev", "lo")
                gateway.run("ip", "route", "add", net, "via", INTERNET_WAN)
            internet.run("ip", "route", "add", "10.20.0.0/16", "via", GATEWAY_WAN)
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for sensor in self.sensors:
            if sensor.process is not None and sensor.process.poll() is None:
                sensor.process.kill()
                sensor.process.wait()
        for child in reversed(self.processes):
            self.stop(child)
        for pid in self.pids:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        for h in self.hosts.values():
            # Whatever a server left running inside the namespace, by its own pid.
            left = subprocess.run(["ip", "netns", "pids", h.ns], capture_output=True, text=True).stdout.split()
            for pid in left:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            subprocess.run(["ip", "netns", "del", h.ns], capture_output=True)
            shutil.rmtree(h.etc_folder, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            os.rmdir("/etc/netns")
        except OSError:
            pass  # absent, or another's

    @property
    def internet(self):
        return self.hosts[INTERNET]

    @property
    def gateway(self):
        return self.hosts[GATEWAY]

    def _quiet(self, host, dev):
        host.run("sysctl", "-qw", f"net.ipv6.conf.{dev}.disable_ipv6=1", check=False)

    def _plug(self, host, mac):
        """A cable from the host's eth0 to the switch, without any offload: frames on it are what a wire carries."""
        port = f"p{len(self.hosts)}"
        sh("ip", "link", "add", "eth0", "netns", host.ns, "address", mac, "type", "veth", "peer", "name", port, "netns", self.switch.ns)
        host.run("ethtool", "-K", "eth0", "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off", "sg", "off", check=False)
        self._quiet(self.switch, port)
        self.switch.run("ip", "link", "set", port, "master", BRIDGE, "up")
        host.run("ip", "link", "set", "eth0", "up")
        return port

    def host(self, name, configure=True):
        """A host of the catalogue, made when first asked for; without its address where `configure` is false."""
        if name in self.hosts:
            return self.hosts[name]
        about = HOSTS[name]
        host = Host(self, name, about["ip"], about["mac"])
        self._plug(host, about["mac"])
        if configure:
            host.address(about["ip"])
        return host

    def mirror_outside(self):
        """Mirrors the gateway's other side, too, onto the monitor's second port (a switch's mirror of one of its ports, by `tc`)."""
        gateway = self.gateway
        sh("ip", "link", "add", "mirror0", "netns", gateway.ns, "type", "veth", "peer", "name", "eth1", "netns", self.monitor.ns)
        for host, dev in ((gateway, "mirror0"), (self.monitor, "eth1")):
            self._quiet(host, dev)
            host.run("ip", "link", "set", dev, "up")
        self.ports.append("eth1")

    def plug_mirrors(self, on):
        """Begins or ends what comes at the monitor's ports."""
        self.switch.run("ip", "link", "set", self.mirror, *(("master", BRIDGE) if on else ("nomaster",)))
        if len(self.ports) > 1:
            self.gateway.run("tc", "qdisc", "add" if on else "del", "dev", "wan0", "clsact", check=on)
            for way in ("ingress", "egress") if on else ():
                self.gateway.run("tc", "filter", "add", "dev", "wan0", way, "protocol", "all", "u32", "match", "u32", "0", "0",
                                 "action", "mirred", "egress", "mirror", "dev", "mirror0")

    def translate(self):
        """The gateway hides the office behind its own address outside."""
        self.gateway.run("nft", "-f", self.gateway.file("nat.nft", """table ip lab {
  chain out {
    type nat hook postrouting priority 100;
    oifname "wan0" masquerade
  }
}
"""))

    def give_users(self, host):
        """The lab's accounts, in the host's own passwd and shadow."""
        if self._users is None:
            passwd = open("/etc/passwd", encoding="utf-8").read()
            shadow = "root:!:19000:0:99999:7:::\n"
            group = open("/etc/group", encoding="utf-8").read()
            for number, (user, password) in enumerate(USERS.items()):
                home = os.path.join(self.folder, "home-" + user)
                os.mkdir(home)
                os.chown(home, 2001 + number, 2001 + number)
                hashed = subprocess.run(["openssl", "passwd", "-6", "-salt", "vigielab", password], capture_output=True, text=True, check=True).stdout.strip()
                passwd += f"{user}:x:{2001 + number}:{2001 + number}::{home}:/bin/sh\n"
                group += f"{user}:x:{2001 + number}:\n"
                shadow += f"{user}:{hashed}:19000:0:99999:7:::\n"
            self._users = passwd, shadow, group
        passwd, shadow, group = self._users
        host.etc("passwd", passwd)
        host.etc("shadow", shadow, 0o600)
        host.etc("group", group)

    def home(self, user):
        return os.path.join(self.folder, "home-" + user)

    def stop(self, child, seconds=3):
        """Ends a process that `start` began, by its own process group."""
        if child.poll() is not None:
            return
        try:
            os.killpg(child.pid, signal.SIGTERM)
            child.wait(seconds)
        except (subprocess.TimeoutExpired, ProcessLookupError):
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()

    # ------------------------------------------------ time and recording

    def record(self):
        """Begins the recording at the monitor port. Until the recorder and the sensors that stand there are ready the port carries nothing,
        so that all of them see the same frames."""
        self.plug_mirrors(False)
        self.sensors = [sensor.start() for sensor in self.make_sensors(self.monitor, self.ports)]
        for sensor in self.sensors:
            sensor.ready()
        for port in self.ports:
            raw = os.path.join(self.folder, f"{port}.pcap")
            self.raws.append(raw)
            self.recorders.append(self.monitor.start("tcpdump", "-i", port, "-n", "-U", "--immediate-mode", "-s", "0", "-B", "65536", "-Z", "root", "-w", raw))
            end = time.monotonic() + 10
            while not (os.path.exists(raw) and os.path.getsize(raw) >= 24):
                if time.monotonic() > end:
                    raise LabError("tcpdump does not record: " + self.monitor.logs())
                time.sleep(0.02)
        time.sleep(0.3)
        self.plug_mirrors(True)

    def pause(self, seconds):
        """Really waits."""
        time.sleep(seconds)

    def skip(self, seconds):
        """An idle gap of about `seconds`, not waited for: later frames are stamped that much later."""
        time.sleep(0.05)
        self.skips.append((time.time(), seconds))
        time.sleep(0.01)

    def end_recording(self):
        """Ends the recording; what came at each port stands in one of `raws`."""
        time.sleep(1)
        self.plug_mirrors(False)
        time.sleep(0.2)
        for recorder in self.recorders:
            self.stop(recorder)
        said = self.monitor.logs()
        if said.count("\n0 packets dropped by kernel") != len(self.recorders):
            raise LabError("frames were lost while recording: " + said)

    def finish(self, out, start):
        """Ends the recording and writes it with its first frame at `start` (UTC); gives frames and bytes."""
        self.end_recording()
        return self.write(out, start)

    def write(self, out, start, stretch=None):
        """Writes what was recorded as `move_stamps` does; gives frames and bytes."""
        first = datetime.strptime(start, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
        return move_stamps(self.raws[0], out, first, self.skips, stretch)


def move_stamps(source, out, first, skips, stretch=None):
    """Copies a pcap with its stamps moved so that it begins at `first`, each skip added from its moment on. `stretch` is (seconds, factor):
    gaps of at least so long become so many times longer, what is closer together keeps its pace."""
    with open(source, "rb") as f:
        data = f.read()
    if data[:4] != b"\xd4\xc3\xb2\xa1":
        raise LabError(f"{source}: not a little-endian microsecond pcap")
    at, shift, frames, before, longer = 24, None, 0, None, 0
    least, factor = (int(stretch[0] * 1e6), stretch[1]) if stretch else (0, 1)
    skips = [(int(when * 1e6), int(seconds * 1e6)) for when, seconds in skips]
    with open(out, "wb") as f:
        f.write(data[:24])
        while at + 16 <= len(data):
            sec, micro, cap, wire = struct.unpack_from("<IIII", data, at)
            if at + 16 + cap > len(data):
                break
            t = sec * 1_000_000 + micro
            if shift is None:
                shift = int(first * 1e6) - t
                skips = [s for s in skips if s[0] >= t]
            if before is not None and t - before >= least:
                longer += (t - before) * (factor - 1)
            before = t
            moved = t + shift + longer + sum(length for when, length in skips if when <= t)
            f.write(struct.pack("<IIII", moved // 1_000_000, moved % 1_000_000, cap, wire))
            f.write(data[at + 16:at + 16 + cap])
            at += 16 + cap
            frames += 1
        size = f.tell()
    return frames, size
