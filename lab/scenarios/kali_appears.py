"""A Kali machine takes a lease, looks up its mirrors and updates itself."""
import services

TITLE = "A Kali machine appears"
START = "2026-11-24 09:02:00"
STORY = """A laptop that names itself kali takes an address by DHCP (with the option list of NetworkManager, which Kali uses), resolves
Kali's mirrors through the office's DNS server, runs apt update and downloads two packages from them."""
EXPECT = [{"detector": "attacker_tool_host", "attacker": "kali"}]
ALLOWED = []


def run(lab):
    gw, inet = lab.gateway, lab.internet
    repo = services.apt_repository(inet, "kali-root/kali", {"hydra": 9000, "kali-defaults": 4000, "responder": 7000})
    root = repo[:-len("/kali")]
    mirrors = ("http.kali.org", "kali.download", "archive-4.kali.org", "cdimage.kali.org")
    services.outside(lab, roots={name: root for name in mirrors})
    services.dns_and_dhcp(gw)
    kali = lab.host("kali", configure=False)
    lab.record()
    ip = kali.dhcp("networkmanager", "kali")
    assert ip == kali.ip, ip
    lab.skip(8)
    kali.run("ping", "-c", "2", gw.ip)
    lab.skip(20)
    services.apt(kali, {"http.kali.org": "/kali"}, "kali-defaults", "hydra")
    lab.skip(40)
    kali.run("curl", "-s", "-o", "/dev/null", "http://kali.download/kali/dists/stable/Release")
    kali.run("curl", "-s", "-k", "-o", "/dev/null", "https://archive-4.kali.org/kali/dists/stable/Release")
