"""A worm's kind of guessing by Telnet, which finds a password in the end."""
from attacks import telnet_guess, wordlist
from catalogue import CANARY
import services

TITLE = "A Telnet brute force that ends in success"
START = "2026-11-24 17:20:00"
STORY = """A laptop tries 25 passwords for one account of an old server by Telnet, over four connections at once; the last but a few is right,
and opens a shell. Before, an employee logs in by Telnet, mistyping once. Telnet is in the clear: that is told as well."""
EXPECT = [{"detector": "brute_force", "attacker": "kali", "victim": "legacy"}]
ALLOWED = ["cleartext_credentials", "attacker_tool_host"]


def run(lab):
    old, kali, pc = lab.host("legacy"), lab.host("kali"), lab.host("pc-labo")
    services.telnet(old)
    lab.record()
    lines = ["paul", "Orchidee42", "paul", "Orchidee42!", "exit"]
    typed = "; ".join(f"sleep {4 if n == 2 else 1.5}; printf '{line}\\r\\n'" for n, line in enumerate(lines))
    pc.run("sh", "-c", f"({typed}; sleep 1) | telnet {old.ip}", check=False, timeout=60)
    lab.skip(300)
    telnet_guess(kali, old, "marie", wordlist(25, right=CANARY, at=21), tasks=4)
