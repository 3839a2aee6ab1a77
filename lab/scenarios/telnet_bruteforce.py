"""hydra on Telnet."""
import services
from attacks import guess, wordlist

TITLE = "A Telnet brute force"
START = "2026-11-24 17:40:00"
STORY = "A laptop tries some twenty passwords on an old server by Telnet with hydra; none is right."
EXPECT = [{"detector": "brute_force", "attacker": "kali", "victim": "legacy"}]
ALLOWED = ["cleartext_credentials", "attacker_tool_host"]


def run(lab):
    old, kali = lab.host("legacy"), lab.host("kali")
    services.telnet(old)
    lab.record()
    guess(kali, "telnet", old, "paul", wordlist(25), tasks=4, seconds=70)
