"""The benign twins of Tor: ordinary TLS on the ports of relays."""
import os

import services

TITLE = "Ordinary TLS on the ports of Tor relays"
START = "2026-11-24 18:30:00"
STORY = """Servers outside with ordinary certificates listen on 443 and 9001: a web server, from which workstations fetch small and large pages over short
connections, and a collector of readings, to which two of them talk over one connection each for half a minute, one with records of a
fixed size as large as a Tor cell."""
EXPECT = []
ALLOWED = []
RECORDED = False


def run(lab):
    inet = lab.internet
    pcs = [lab.host(n) for n in ("pc-labo", "pc-compta", "pc-accueil")]
    services.dns_and_dhcp(lab.gateway, dhcp=False)
    services.outside(lab, pages={"index.html": "<html>Bulletin</html>\n", "grand.bin": os.urandom(700_000), "petit.css": "body{}\n" * 40}, also=9001)
    cert, key = services.certificate(inet, "collecte.fournisseur.example")
    for port in (9002, 9030):
        inet.start("/usr/bin/python3", os.path.join(services.HERE, "servers", "telemetry.py"), port, cert, key)
        inet.wait_port(port)
    # The relay's port of another address of theirs.
    inet.run("nft", "-f", inet.file("nat.nft", """table ip lab {
  chain in {
    type nat hook prerouting priority -100;
    ip daddr 203.0.113.15 tcp dport 9001 redirect to :9002
    ip daddr 203.0.113.16 tcp dport 443 redirect to :9030
  }
}
"""))
    client = os.path.join(services.HERE, "clients", "telemetry.py")
    lab.record()
    talking = [pcs[0].start("/usr/bin/python3", client, "203.0.113.15", 9001, "collecte.fournisseur.example", 30),
               pcs[1].start("/usr/bin/python3", client, "203.0.113.16", 443, "collecte.fournisseur.example", 30, 514)]
    for turn in range(8):
        for pc in pcs:
            for url in ("https://www.meteo.example/petit.css", "https://www.meteo.example:9001/", "https://cdn.meteo.example:9001/petit.css"):
                pc.run("curl", "-s", "-k", "-o", "/dev/null", url)
        if turn % 3 == 0:
            for version in ("1.2", "1.3"):
                pcs[2].run("curl", "-s", "-k", "--tls-max", version, "--limit-rate", "400k", "-o", "/dev/null", "https://img.journal.example:9001/grand.bin", timeout=30)
        lab.pause(1)
    for child in talking:
        child.wait(60)
