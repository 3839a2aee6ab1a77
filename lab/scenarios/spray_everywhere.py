"""One usual password, many accounts, on each protocol that has log-ins."""
from concurrent.futures import ThreadPoolExecutor

import services
from attacks import guess, telnet_guess

TITLE = "Password sprays on each protocol"
START = "2026-11-24 15:05:00"
STORY = """A laptop tries one usual password on each of 20 accounts by FTP, SSH, Telnet, HTTP (basic, and a form), POP3, IMAP and SMTP, each on its server;
no account has it. One employee logs in by each way, one of them mistyping once."""
EXPECT = [{"detector": "brute_force", "attacker": "kali", "victim": victim, "says": [f"failed {protocol} log-ins from 10.20.3.66"]} for protocol, victim in (
    ("FTP", "files"), ("SSH", "srv01"), ("Telnet", "legacy"), ("HTTP", "intranet"), ("POP3", "mail"), ("IMAP", "mail"), ("SMTP", "mail"))]
ALLOWED = ["cleartext_credentials", "attacker_tool_host"]
RECORDED = False

USERS = ["alice", "bruno", "camille", "david", "emma", "farid", "gilles", "helene", "ines", "julien", "karim", "laure", "marc", "nadia", "olivier",
         "pauline", "quentin", "rachid", "sophie", "thomas"]
WORD = ["Automne2026!"]


def run(lab):
    files, server, old, intranet, mail, kali, pc = (lab.host(n) for n in ("files", "srv01", "legacy", "intranet", "mail", "kali", "pc-labo"))
    services.ftp(files)
    services.ssh(server)
    services.telnet(old)
    services.web(intranet, form=True, pages={"index.html": "<html>Intranet</html>\n", "prive/notes.txt": "Notes\n"})
    services.mail(mail)
    key = services.admin_key(lab)
    lab.record()
    for url in (f"ftp://{files.ip}/", f"http://{intranet.ip}/prive/notes.txt", f"pop3://{mail.ip}/", f"imap://{mail.ip}/INBOX"):
        pc.run("curl", "-s", "-o", "/dev/null", "-u", "paul:Orchidee42!", url, check=False)
    pc.run("curl", "-s", "-o", "/dev/null", "-u", "paul:Orchidee42", f"imap://{mail.ip}/INBOX", check=False)
    pc.run("ssh", *key, f"admin@{server.ip}", "uptime")
    lab.skip(60)
    with ThreadPoolExecutor(4) as pool:
        form = "/connexion:utilisateur=^USER^&motdepasse=^PASS^:Identifiants incorrects"
        running = [pool.submit(*call) for call in (
            (guess, kali, "ssh", server, USERS, WORD, 4),
            (telnet_guess, kali, old, ",".join(USERS), WORD, 4),
            (guess, kali, "ftp", files, USERS, WORD, 6),
            (guess, kali, "smtp", mail, USERS, WORD, 6, 587),
            (guess, kali, "imap", mail, USERS, WORD, 6),
            (guess, kali, "pop3", mail, USERS, WORD, 6),
            (guess, kali, "http-get", intranet, USERS, WORD, 4, None, ("/prive/notes.txt",)),
            (guess, kali, "http-post-form", intranet, USERS, WORD, 4, None, (form,)),
        )]
        for one in running:
            one.result()
