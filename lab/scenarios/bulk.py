"""A few large downloads, for the benchmark only: written to memory, never committed."""
import os

import services

TITLE = "Bulk downloads by HTTP and TLS (for measurement)"
START = "2026-11-24 20:00:00"
OUTPUT = os.path.join(os.environ.get("VIGIE_SCRATCH", "/dev/shm"), "vigie-bulk.pcap")
STORY = "Two HTTP downloads of 60 MB and two TLS downloads of 60 MB, two at a time."
EXPECT = []


def run(lab):
    services.dns_and_dhcp(lab.gateway, dhcp=False)
    services.outside(lab)
    lab.internet.file("www/gros.iso", os.urandom(1 << 20) * 60)
    pcs = [lab.host(n) for n in ("pc-labo", "pc-compta")]
    lab.record()
    for scheme in ("http", "https"):  # at a pace that the recorder keeps up with
        running = [pc.start("curl", "-s", "-k", "--limit-rate", "20M", "-o", "/dev/null", f"{scheme}://www.fournisseur.example/gros.iso") for pc in pcs]
        for child in running:
            child.wait(timeout=120)
