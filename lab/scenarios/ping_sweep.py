"""nmap -sn of a part of the network that exists, by ICMP."""

TITLE = "An ICMP sweep across the router"
START = "2026-11-24 14:45:00"
STORY = "A laptop pings 256 addresses of a network behind the router with nmap (-sn -PE), one after the other."
EXPECT = [{"detector": "scan", "attacker": "kali"}]
ALLOWED = ["attacker_tool_host"]


def run(lab):
    kali = lab.host("kali")
    lab.record()
    kali.run("nmap", "-sn", "-PE", "-n", "--max-rate", "100", "--max-retries", "1", "203.0.113.0/24", timeout=120)
