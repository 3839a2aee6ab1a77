"""Anonymous FTP: a password travels in the clear and is nobody's secret."""
import services

TITLE = "Anonymous FTP"
START = "2026-11-24 13:50:00"
STORY = "Three workstations fetch a notice from an old server's public FTP area, as anonymous; nothing is to be said of it."
EXPECT = []
ALLOWED = []


def run(lab):
    old = lab.host("legacy")
    services.ftp(old, anonymous=True)
    pcs = [lab.host(n) for n in ("pc-accueil", "pc-compta", "pc-labo")]
    lab.record()
    for pc in pcs:
        for _ in range(3):
            pc.run("curl", "-s", "-o", "/dev/null", f"ftp://{old.ip}/notice.txt")
            lab.skip(25)
