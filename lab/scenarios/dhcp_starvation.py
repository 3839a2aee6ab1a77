"""dhcpstarv takes the leases of the pool, one invented MAC after the other."""
import services

TITLE = "A DHCP starvation"
START = "2026-11-24 10:40:00"
STORY = "A workstation takes its lease; then a small box asks for lease after lease under invented MACs with dhcpstarv, until the pool of 80 is empty."
EXPECT = [{"detector": "dhcp_starvation"}]
ALLOWED = []


def run(lab):
    services.dns_and_dhcp(lab.gateway, pool=("10.20.2.100", "10.20.2.179"), extra=["no-ping"])
    pc, box = lab.host("pc-labo", configure=False), lab.host("boitier")
    lab.record()
    pc.dhcp("windows")
    lab.skip(120)
    child = box.start("dhcpstarv", "-v", "-i", "eth0")
    lab.pause(15)
    lab.stop(child)
