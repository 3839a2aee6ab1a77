"""One log-in each by FTP, Telnet and POP3, in the clear."""
import services
from catalogue import CANARY

TITLE = "Clear-text log-ins"
START = "2026-11-24 13:30:00"
STORY = """An employee logs in by FTP, Telnet, POP3 and IMAP (each as a command and by AUTH PLAIN), HTTP (basic) and SMTP (AUTH PLAIN), each time in the clear and with the right password.
One low case for each server is due, none for each log-in."""
EXPECT = [{"detector": "cleartext_credentials", "victim": "legacy"}, {"detector": "cleartext_credentials", "victim": "mail"}]
ALLOWED = []


def run(lab):
    old, mail, intranet, pc = lab.host("legacy"), lab.host("mail"), lab.host("intranet"), lab.host("pc-labo")
    services.ftp(old)
    services.telnet(old)
    services.mail(mail)
    services.web(intranet, pages={"index.html": "<html>Intranet</html>\n", "prive/notes.txt": "Notes\n"})
    letter = pc.file("letter.eml", "From: marie@bureau.example\r\nTo: paul@bureau.example\r\nSubject: Planning\r\n\r\nBonjour Paul\r\n")
    lab.record()
    pc.run("curl", "-s", "-u", f"marie:{CANARY}", f"ftp://{old.ip}/rapport.txt")
    lab.skip(60)
    typed = f"sleep 1; printf 'marie\\r\\n'; sleep 1; printf '{CANARY}\\r\\n'; sleep 1; printf 'ls -la\\r\\n'; sleep 1; printf 'exit\\r\\n'; sleep 1"
    pc.run("sh", "-c", f"({typed}) | telnet {old.ip}", check=False, timeout=20)
    lab.skip(60)
    pc.run("curl", "-s", "-u", f"marie:{CANARY}", f"pop3://{mail.ip}/1")
    pc.run("/usr/bin/python3", "-c", f"import poplib; p = poplib.POP3('{mail.ip}'); p.user('marie'); p.pass_('{CANARY}'); p.stat(); p.quit()")
    lab.skip(30)
    pc.run("curl", "-s", "-u", f"marie:{CANARY}", f"imap://{mail.ip}/INBOX")
    pc.run("/usr/bin/python3", "-c", f"import imaplib; i = imaplib.IMAP4('{mail.ip}'); i.login('marie', '{CANARY}'); i.select(); i.logout()")
    lab.skip(30)
    pc.run("curl", "-s", "-u", f"marie:{CANARY}", f"http://{intranet.ip}/prive/notes.txt")
    lab.skip(30)
    pc.run("curl", "-s", "-u", f"marie:{CANARY}", "--mail-from", "marie@bureau.example", "--mail-rcpt", "paul@bureau.example", "-T", letter,
           f"smtp://{mail.ip}:587/pc-labo")
