"""nmap on one host's ports, then on one port of many hosts."""
import services

TITLE = "A port scan, vertical then horizontal"
START = "2026-11-24 09:07:00"
STORY = """A laptop scans 1000 TCP ports of the file server with nmap's SYN scan, then looks for SSH, SMB and RDP on a /26 of the servers,
of which sixteen machines exist."""
EXPECT = [{"detector": "scan", "attacker": "kali", "victim": "files"}]
ALLOWED = ["attacker_tool_host"]


def run(lab):
    files, kali = lab.host("files"), lab.host("kali")
    others = [lab.host(f"srv{n:02}") for n in range(1, 13)] + [lab.host(n) for n in ("intranet", "mail", "supervision")]
    services.ftp(files)
    services.ssh(files)
    services.web(lab.hosts["intranet"])
    services.ssh(others[0])
    lab.record()
    kali.run("nmap", "-sS", "-Pn", "-n", "-p", "1-1000", "--max-rate", "400", files.ip, timeout=120)
    lab.skip(45)
    kali.run("nmap", "-sS", "-n", "-p", "22,445,3389", "--max-rate", "200", "10.20.1.64/26", "10.20.1.0/26", timeout=180)
