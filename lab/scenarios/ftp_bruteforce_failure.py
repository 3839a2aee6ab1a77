"""hydra guesses in vain."""
from attacks import guess, wordlist
import services

TITLE = "An FTP brute force that fails"
START = "2026-11-24 14:05:00"
STORY = "A laptop tries 50 passwords for one account of the file server with hydra; none is right."
EXPECT = [{"detector": "brute_force", "attacker": "kali", "victim": "files"}]
ALLOWED = ["cleartext_credentials", "attacker_tool_host"]


def run(lab):
    files, kali = lab.host("files"), lab.host("kali")
    services.ftp(files)
    lab.record()
    guess(kali, "ftp", files, "paul", wordlist(50), tasks=4)
