"""One password, many accounts."""
import services
from attacks import guess

TITLE = "A password spray on FTP"
START = "2026-11-24 14:25:00"
STORY = "A laptop tries two usual passwords on each of 30 accounts of the file server with hydra; no account has them."
EXPECT = [{"detector": "brute_force", "attacker": "kali", "victim": "files"}]
ALLOWED = ["cleartext_credentials", "attacker_tool_host"]

USERS = ["alice", "bruno", "camille", "david", "emma", "farid", "gilles", "helene", "ines", "julien", "karim", "laure", "marc", "nadia", "olivier",
         "pauline", "quentin", "rachid", "sophie", "thomas", "ulysse", "valerie", "william", "xavier", "yasmine", "zoe", "accueil", "compta",
         "direction", "labo"]


def run(lab):
    files, kali = lab.host("files"), lab.host("kali")
    services.ftp(files)
    lab.record()
    guess(kali, "ftp", files, USERS, ["Automne2026!", "Bienvenue1"], tasks=6)
