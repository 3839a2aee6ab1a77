"""hydra on POP3, IMAP and SMTP."""
import services
from attacks import guess, wordlist
from catalogue import CANARY

TITLE = "Brute forces on POP3, IMAP and SMTP"
START = "2026-11-24 17:10:00"
STORY = """A laptop tries 30 passwords by POP3, then 30 by IMAP, then 30 by SMTP (AUTH LOGIN) on the mail server with hydra; only by IMAP does it find
the right one."""
EXPECT = [{"detector": "brute_force", "attacker": "kali", "victim": "mail"}]
ALLOWED = ["cleartext_credentials", "attacker_tool_host"]


def run(lab):
    mail, kali = lab.host("mail"), lab.host("kali")
    services.mail(mail)
    lab.record()
    guess(kali, "pop3", mail, "paul", wordlist(30), tasks=6)
    lab.skip(60)
    guess(kali, "imap", mail, "marie", wordlist(30, right=CANARY, at=24), tasks=6)
    lab.skip(60)
    guess(kali, "smtp", mail, "paul", wordlist(30), tasks=6, port=587)
