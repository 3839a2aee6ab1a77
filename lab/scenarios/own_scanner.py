"""A vulnerability scanner of one's own, declared as such."""
import services
from attacks import guess, wordlist

TITLE = "A declared vulnerability scanner at work"
START = "2026-11-24 20:10:00"
STORY = """The site's own scanner, named in `detect.scanners`, scans the ports of two servers and a network of others with nmap and tries a few usual
passwords, as such programs do. Its findings are alerts without a case."""
EXPECT = []
# The server says with or without a scanner that passwords to it can be read.
ALLOWED = ["cleartext_credentials"]
SETTINGS = {"detect.scanners": "10.20.1.40"}
# What must be told all the same, as context: detectors of alerts.
CONTEXT = ["scan", "brute_force"]
RECORDED = False


def run(lab):
    files, intranet, scanner = lab.host("files"), lab.host("intranet"), lab.host("supervision")
    services.ftp(files)
    services.web(intranet)
    others = [lab.host(f"srv{n:02}") for n in range(1, 7)]
    services.ssh(others[0])
    lab.record()
    for host in (files, intranet):
        scanner.run("nmap", "-sS", "-Pn", "-n", "-p", "1-1000", "--max-rate", "800", host.ip, timeout=120)
    scanner.run("nmap", "-sS", "-n", "-p", "22,445,3389", "--max-rate", "300", "10.20.1.64/26", timeout=120)
    guess(scanner, "ftp", files, "admin", wordlist(16), tasks=8)
