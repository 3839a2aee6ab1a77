"""hydra guesses a password of the FTP server, then a person logs in with it and takes a file."""
from attacks import guess, wordlist
from catalogue import CANARY
import services

TITLE = "An FTP brute force that ends in success"
START = "2026-11-24 09:15:00"
STORY = """A laptop tries 60 passwords for one account of the file server with hydra; the last but a few is right. A minute later
the same laptop logs in with it and downloads a report. Before, an employee made one ordinary log-in, mistyping once."""
EXPECT = [{"detector": "brute_force", "attacker": "kali", "victim": "files"}]
ALLOWED = ["cleartext_credentials", "attacker_tool_host"]


def run(lab):
    files, kali, pc = lab.host("files"), lab.host("kali"), lab.host("pc-accueil")
    services.ftp(files)
    lab.record()
    pc.run("curl", "-s", "-u", "paul:Orchidee42", f"ftp://{files.ip}/", check=False)
    lab.skip(9)
    pc.run("curl", "-s", "-u", "paul:Orchidee42!", f"ftp://{files.ip}/")
    lab.skip(60)
    guess(kali, "ftp", files, "marie", wordlist(60, right=CANARY, at=54), tasks=6)
    lab.skip(70)
    kali.run("curl", "-s", "-u", f"marie:{CANARY}", f"ftp://{files.ip}/")
    kali.run("curl", "-s", "-u", f"marie:{CANARY}", f"ftp://{files.ip}/rapport.txt", "-o", "/dev/null")
