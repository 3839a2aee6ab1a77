"""Both sides of a router that translates addresses, on one sensor."""
import os

import services

TITLE = "A scan through a router with NAT, seen on both sides"
START = "2026-11-25 10:05:00"
STORY = """The router hides the office behind its own address outside; the sensor has a mirror of each side. Workstations read pages outside, so that each
connection is seen twice, with another client; then a laptop looks for SSH and remote desktops on 64 addresses outside."""
EXPECT = [{"detector": "scan", "attacker": "kali"}]
ALLOWED = ["attacker_tool_host"]
RECORDED = False


def run(lab):
    services.dns_and_dhcp(lab.gateway, dhcp=False)
    services.outside(lab, pages={"index.html": "<html>Bulletin</html>\n", "grand.bin": os.urandom(200_000)})
    lab.translate()
    lab.mirror_outside()
    kali = lab.host("kali")
    pcs = [lab.host(n) for n in ("pc-labo", "pc-compta", "pc-accueil")]
    lab.record()
    for _ in range(6):
        for pc in pcs:
            pc.run("curl", "-s", "-k", "-o", "/dev/null", "http://www.meteo.example/grand.bin", "-o", "/dev/null", "https://www.journal.example/")
        lab.pause(0.5)
    kali.run("nmap", "-sS", "-Pn", "-n", "-p", "22,3389", "--max-rate", "100", "198.51.100.64/26", timeout=120)
