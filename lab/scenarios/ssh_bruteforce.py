"""hydra on OpenSSH, in vain."""
import services
from attacks import guess, wordlist

TITLE = "An SSH brute force that fails"
START = "2026-11-24 16:10:00"
STORY = "The administrator works on a server by SSH; a laptop tries 40 passwords on it with hydra, none is right."
EXPECT = [{"detector": "brute_force", "attacker": "kali", "victim": "srv01"}]
ALLOWED = ["attacker_tool_host"]


def run(lab):
    server, kali, admin = lab.host("srv01"), lab.host("kali"), lab.host("pc-admin")
    key = services.admin_key(lab)
    services.ssh(server)
    lab.record()
    admin.run("ssh", *key, f"admin@{server.ip}", "ls -l /etc | head -40")
    lab.skip(30)
    guess(kali, "ssh", server, "admin", wordlist(40), tasks=4)
