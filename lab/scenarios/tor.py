"""A private Tor network of real relays, and a workstation that uses it."""
import os
import subprocess

import services

TITLE = "A workstation uses Tor"
START = "2026-11-24 18:10:00"
STORY = """Five real tor relays outside form a test network of their own, unknown to any relay list (three of them its directory authorities). A
workstation starts tor, builds circuits and downloads two pages through them; beforehand it reads a page by HTTPS as usual."""
EXPECT = [{"detector": "tor", "attacker": "pc-labo"}]
ALLOWED = []

AUTHORITIES = {f"aut{n}": f"198.51.100.{10 + n}" for n in (1, 2, 3)}
RELAYS = {**AUTHORITIES, **{f"rel{n}": f"198.51.100.{20 + n}" for n in (1, 2)}}
# As short as a test network allows, so that the first consensus stands within half a minute.
NETWORK = """TestingTorNetwork 1
AssumeReachable 1
PathsNeededToBuildCircuits 0.5
TestingDirAuthVoteExit *
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
TestingMinExitFlagThreshold 0
V3AuthNIntervalsValid 2
AddressDisableIPv6 1
Log notice stdout
"""
AUTHORITY = """AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
ContactInfo lab@bureau.example
V3AuthVotingInterval 20
V3AuthVoteDelay 4
V3AuthDistDelay 4
TestingV3AuthInitialVotingInterval 20
TestingV3AuthInitialVoteDelay 4
TestingV3AuthInitialDistDelay 4
"""


def relay_conf(host, name, ip, authorities):
    folder = os.path.join(host.folder, name)
    os.makedirs(os.path.join(folder, "keys"), mode=0o700, exist_ok=True)
    os.chmod(folder, 0o700)
    return host.file(f"{name}.torrc", NETWORK + f"DataDirectory {folder}\nNickname {name}\nAddress {ip}\nORPort {ip}:9001 IPv4Only\nSocksPort 0\n"
                     f"OutboundBindAddress {ip}\nExitRelay 1\nExitPolicy accept *:*\nExitPolicyRejectPrivate 0\n"
                     + (AUTHORITY + f"DirPort {ip}:7000 IPv4Only\n" if name in AUTHORITIES else "") + authorities)


def authority_line(host, name, ip):
    """Makes an authority's keys; gives the line by which all others know it."""
    conf = relay_conf(host, name, ip, f"DirAuthority none orport=1 v3ident={'0' * 40} 127.0.0.1:1 {'F' * 40}\n")
    keys = os.path.join(host.folder, name, "keys")
    subprocess.run(["tor-gencert", "--create-identity-key", "-m", "12", "-a", f"{ip}:7000", "--passphrase-fd", "0"], input=b"lab\n",
                   cwd=keys, check=True, capture_output=True)
    with open(os.path.join(keys, "authority_certificate"), encoding="ascii") as f:
        identity = next(line.split()[1] for line in f if line.startswith("fingerprint "))
    listed = host.run("tor", "--quiet", "--list-fingerprint", "-f", conf).split("\n")
    fingerprint = "".join(listed[0].split()[1:])
    return f"DirAuthority {name} orport=9001 v3ident={identity} {ip}:7000 {fingerprint}\n"


def run(lab):
    inet, pc = lab.internet, lab.host("pc-labo")
    services.dns_and_dhcp(lab.gateway, dhcp=False)
    services.outside(lab)
    authorities = "".join(authority_line(inet, name, ip) for name, ip in AUTHORITIES.items())
    for name, ip in RELAYS.items():
        inet.start("tor", "-f", relay_conf(inet, name, ip, authorities))
    data = os.path.join(pc.folder, "tor")
    os.makedirs(data, mode=0o700)
    conf = pc.file("torrc", NETWORK + f"DataDirectory {data}\nSocksPort 9050\nClientUseIPv6 0\n" + authorities)
    lab.pause(50)
    lab.record()
    pc.run("curl", "-s", "-k", "-o", "/dev/null", "https://www.meteo.example/")
    lab.skip(60)
    child = pc.start("tor", "-f", conf)
    for _ in range(90):
        lab.pause(1)
        if "Bootstrapped 100%" in pc.logs():
            break
    for url in ("http://www.journal.example/", "https://www.meteo.example/"):
        pc.run("curl", "-s", "-k", "-m", "30", "-o", "/dev/null", "--socks5", "127.0.0.1:9050", url, timeout=40)
    lab.pause(2)
    lab.stop(child)
