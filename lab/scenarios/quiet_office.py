"""An hour of ordinary work in a small office; nothing of it is a case."""
import os
import random

import services
from catalogue import USERS

TITLE = "A quiet office hour"
START = "2026-11-24 08:30:00"
STORY = """Four people start their machines (DHCP, NTP, look-ups), read the news and the weather over HTTP and HTTPS, use the intranet, read and
send mail over TLS (one mistypes a password once), copy files by SFTP, print; one machine updates itself from Debian's mirrors, one
name does not exist, one site does not answer. Some fifty idle minutes are skipped, not waited for."""
EXPECT = []
ALLOWED = []

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"


def ipp(tag, name, value):
    return bytes([tag]) + len(name).to_bytes(2, "big") + name + len(value).to_bytes(2, "big") + value


# IPP 2.0, Print-Job, request 1 (RFC 8011 section 4.2.1), its document behind it.
IPP_PRINT_JOB = (b"\x02\x00\x00\x02\x00\x00\x00\x01\x01" + ipp(0x47, b"attributes-charset", b"utf-8") + ipp(0x48, b"attributes-natural-language", b"fr")
                 + ipp(0x45, b"printer-uri", b"ipp://imprimante/ipp/print") + ipp(0x42, b"requesting-user-name", b"paul") + b"\x03")


def text(rng, size):
    words = "le service du matin a noté que la réunion est reportée au lendemain pour les équipes de garde".split()
    out = []
    while size > 0:
        out.append(rng.choice(words))
        size -= len(out[-1]) + 1
    return " ".join(out)


def pages(rng):
    made = {"index.html": "<!doctype html><html><head><link rel=stylesheet href=style.css></head><body><p>" + text(rng, 6000) + "</body></html>\n",
            "style.css": "body{font:16px sans-serif}\n" * 60, "app.js": "function f(a){return a+1}\n" * 150,
            "api/previsions.json": '{"jour":"mardi","temps":[' + ",".join(str(rng.randint(2, 12)) for _ in range(200)) + "]}\n"}
    for n in range(4):
        made[f"img/{n}.png"] = b"\x89PNG\r\n\x1a\n" + rng.randbytes(rng.randint(2000, 9000))
    made["doc/guide.pdf"] = b"%PDF-1.4\n" + rng.randbytes(14000)
    return made


def run(lab):
    rng = random.Random(8)
    gw, inet = lab.gateway, lab.internet
    intranet, mail, files, printer = (lab.host(n) for n in ("intranet", "mail", "files", "imprimante"))
    repo = services.apt_repository(inet, "debian-root/debian", {"tzdata": 9000, "base-files": 5000})
    security = services.apt_repository(inet, "security-root/debian-security", {"openssl": 12000})
    services.outside(lab, pages=pages(rng), roots={"deb.debian.org": os.path.dirname(repo), "security.debian.org": os.path.dirname(security)})
    services.dns_and_dhcp(gw)
    services.ntp(gw)
    services.web(intranet, pages=pages(rng))
    services.web(printer, names=("imprimante.bureau.example",), pages={"ipp/print": "", "index.html": "<html>Brother HL-L5100DN</html>\n"})
    services.mail(mail)
    services.ssh(files)
    key = services.admin_key(lab)
    accueil, compta, labo, admin = (lab.host(n, configure=False) for n in ("pc-accueil", "pc-compta", "pc-labo", "pc-admin"))
    lab.record()

    def browse(pc, site, tls, agent, *paths):
        base = ("https" if tls else "http") + "://" + site + "/"
        pc.run("curl", "-s", "-k", "--compressed", "-A", agent, "-H", "Accept-Language: fr", *[w for p in paths for w in (base + p, "-o", "/dev/null")],
               check=False, timeout=30)

    def look_up(pc, *names):
        for name in names:
            pc.run("getent", "ahosts", name, check=False, timeout=20)

    def read_mail(pc, user, password=None):
        pc.run("curl", "-s", "-k", "-m", "15", "--ssl-reqd", "-u", f"{user}:{password or USERS[user]}", "imaps://mail/INBOX?NEW", check=False)

    def send_mail(pc, user, to, size):
        body = pc.file("letter.eml", f"From: {user}@bureau.example\r\nTo: {to}@bureau.example\r\nSubject: Compte rendu\r\nMIME-Version: 1.0\r\n"
                       "Content-Type: text/plain; charset=utf-8\r\n\r\n" + text(rng, size) + "\r\n")
        pc.run("curl", "-s", "-k", "-m", "15", "--ssl-reqd", "-u", f"{user}:{USERS[user]}", "--mail-from", f"{user}@bureau.example",
               "--mail-rcpt", f"{to}@bureau.example", "-T", body, f"smtp://mail:587/{pc.name}", check=False)

    def print_page(pc):
        job = pc.file("job.ipp", IPP_PRINT_JOB + b"%!PS-Adobe-3.0\n" + b"(page) show\n" * 300)
        pc.run("curl", "-s", "-m", "15", "-A", "CUPS/2.4.2 IPP/2.0", "-H", "Content-Type: application/ipp", "--data-binary", f"@{job}",
               f"http://{printer.name}/ipp/print", check=False)

    # 08:30, the machines start.
    for pc, style in ((accueil, "windows"), (compta, "windows"), (labo, "networkmanager"), (admin, "networkmanager")):
        pc.dhcp(style)
        look_up(pc, "mail", "intranet.bureau.example", "files")
        services.ask_time(pc, gw.ip)
        lab.skip(rng.randint(60, 150))
    # 08:37, mail and news.
    for pc, user in ((accueil, "paul"), (compta, "marie")):
        if user == "marie":
            read_mail(pc, user, "Canarie")  # mistyped once
            lab.skip(9)
        read_mail(pc, user)
        browse(pc, "www.journal.example", True, FIREFOX, "", "style.css", "app.js", "img/0.png", "img/1.png")
        browse(pc, "img.journal.example", True, FIREFOX, "img/2.png", "img/3.png")
        lab.skip(rng.randint(90, 160))
    browse(labo, "www.meteo.example", False, CHROME, "", "style.css", "api/previsions.json", "img/1.png")
    browse(labo, "cdn.meteo.example", True, CHROME, "img/0.png", "app.js")
    look_up(labo, "imprimnate.bureau.example")  # a slip of the finger
    # Ordinary rounds until half past nine.
    for turn in range(6):
        lab.skip(rng.randint(320, 460))
        for pc, user, agent in ((accueil, "paul", FIREFOX), (compta, "marie", FIREFOX), (labo, "marie", CHROME)):
            browse(pc, rng.choice(["intranet.bureau.example", "intranet"]), False, agent, "", "style.css", f"img/{turn % 4}.png")
            if turn % 2 == 0:
                read_mail(pc, user)
            browse(pc, rng.choice(["www.fournisseur.example", "webmail.example", "www.journal.example", "api.banque.example"]), True, agent, "",
                   f"img/{rng.randint(0, 3)}.png")
            lab.skip(rng.randint(10, 40))
        if turn == 1:
            services.apt(labo, {"deb.debian.org": "/debian", "security.debian.org": "/debian-security"}, "tzdata", "openssl")
        if turn == 2:
            send_mail(compta, "marie", "paul", 3000)
            print_page(accueil)
        if turn == 3:
            bundle = admin.file("releve.bin", rng.randbytes(30000))
            admin.run("scp", *key, bundle, f"admin@{files.ip}:{lab.home('admin')}/releve.bin")
            admin.run("ping", "-c", "3", gw.ip)
        if turn == 4:
            send_mail(accueil, "paul", "marie", 6000)
            print_page(compta)
            browse(labo, "www.fournisseur.example", False, CHROME, "doc/guide.pdf")
            accueil.run("curl", "-s", "-m", "2", "-o", "/dev/null", "http://203.0.113.14:8443/", check=False)
        if turn == 5:
            for pc in (accueil, compta, labo, admin):
                services.ask_time(pc, gw.ip)
