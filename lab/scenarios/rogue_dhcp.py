"""A second DHCP server answers beside the office's own."""
import services

TITLE = "A rogue DHCP server"
START = "2026-11-24 10:10:00"
STORY = """Two workstations take leases from the router. Then a small box that somebody plugged in begins to serve DHCP too, naming itself as
gateway and DNS server; later clients are answered by both."""
EXPECT = [{"detector": "rogue_dhcp", "attacker": "boitier"}]
ALLOWED = []


def run(lab):
    services.dns_and_dhcp(lab.gateway)
    first = [lab.host(n, configure=False) for n in ("pc-accueil", "pc-admin")]
    later = [lab.host(n, configure=False) for n in ("pc-compta", "pc-labo")]
    box = lab.host("boitier")
    lab.record()
    for pc, style in zip(first, ("windows", "busybox")):
        pc.dhcp(style)
        lab.skip(200)
    services.dns_and_dhcp(box, pool=("10.20.2.200", "10.20.2.220"), known=False, extra=["no-ping"])
    lab.skip(120)
    for pc, style in zip(later, ("windows", "networkmanager")):
        pc.dhcp(style)
        lab.skip(300)
    first[1].run("ip", "addr", "flush", "dev", "eth0")
    first[1].dhcp("busybox")
