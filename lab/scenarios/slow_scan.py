"""A patient scan: a port every few minutes, for hours."""
import services

TITLE = "A slow scan, over hours"
START = "2026-11-25 00:10:00"
STORY = """A laptop tries 45 ports of the file server, one after the other. The recording is stretched: gaps of a tenth of a second and more become 1,200 times
longer, so that a port is tried about every six minutes, for more than four hours."""
EXPECT = [{"detector": "scan", "attacker": "kali", "victim": "files"}]
ALLOWED = ["attacker_tool_host"]
STRETCH = (0.1, 1200)
RECORDED = False


def run(lab):
    files, kali = lab.host("files"), lab.host("kali")
    services.ftp(files)
    services.ssh(files)
    lab.record()
    kali.run("nmap", "-sS", "-Pn", "-n", "--scan-delay", "300ms", "--max-retries", "0", "-p", "20-64", files.ip, timeout=60)
