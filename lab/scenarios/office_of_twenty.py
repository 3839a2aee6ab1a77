"""Twenty workstations of an office at work for an hour; nothing of it is a case."""
import random
from concurrent.futures import ThreadPoolExecutor

import services
from catalogue import HOSTS, USERS
from quiet_office import CHROME, FIREFOX, IPP_PRINT_JOB, pages, text

TITLE = "An office of twenty for an hour"
START = "2026-11-26 08:00:00"
STORY = """Twenty people start their machines (DHCP, NTP, look-ups) and work for an hour: news, weather and webmail over HTTP and HTTPS, the intranet, mail read and
sent over TLS, files by SFTP and rsync, printing; three mistype a password, one machine updates itself, some names do not exist and one
site does not answer. Servers and clients are real; live the hour passes in about a minute, its recording is stretched to the hour."""
EXPECT = []
ALLOWED = []
RECORDED = False

PEOPLE = ["pc-accueil", "pc-compta", "pc-labo", "pc-admin"] + [f"poste{n:02}" for n in range(1, 17)]
SITES = ["www.journal.example", "www.meteo.example", "img.journal.example", "webmail.example", "www.fournisseur.example", "api.banque.example"]


def run(lab):
    rng = random.Random(20)
    gw, inet = lab.gateway, lab.internet
    intranet, mail, files, printer = (lab.host(n) for n in ("intranet", "mail", "files", "imprimante"))
    repo = services.apt_repository(inet, "debian-root/debian", {"tzdata": 9000, "base-files": 5000})
    services.outside(lab, pages=pages(rng), roots={"deb.debian.org": repo[:-len("/debian")]})
    services.dns_and_dhcp(gw)
    services.ntp(gw)
    services.web(intranet, pages=pages(rng))
    services.web(printer, names=("imprimante.bureau.example",), pages={"ipp/print": "", "index.html": "<html>Brother HL-L5100DN</html>\n"})
    services.mail(mail)
    services.ssh(files)
    key = services.admin_key(lab)
    people = [lab.host(name, configure=False) for name in PEOPLE]
    lab.record()

    def start(pc, style):
        ip = pc.dhcp(style)
        assert ip == HOSTS[pc.name]["ip"], ip
        pc.run("sh", "-c", "for n in mail intranet.bureau.example files imprimante; do getent ahosts $n; done >/dev/null", check=False)
        services.ask_time(pc, gw.ip)

    def curl(pc, *words):
        pc.run("curl", "-s", "-k", "-m", "20", *words, check=False, timeout=40)

    def work(pc, n, turn, dice):
        agent, user = (FIREFOX, CHROME)[n % 2], list(USERS)[n % 2]
        site, tls = dice.choice(SITES), dice.choice(("https", "https", "http"))
        wanted = ["", "style.css", "app.js", f"img/{dice.randint(0, 3)}.png", f"img/{dice.randint(0, 3)}.png"]
        curl(pc, "--compressed", "-A", agent, *[w for p in wanted for w in (f"{tls}://{site}/{p}", "-o", "/dev/null")])
        curl(pc, "-A", agent, "http://intranet.bureau.example/", "-o", "/dev/null", f"http://intranet/img/{turn % 4}.png", "-o", "/dev/null")
        if turn == 1 and n in (3, 9, 14):
            curl(pc, "--ssl-reqd", "-u", f"{user}:{USERS[user]}x", "imaps://mail/INBOX?NEW")
        curl(pc, "--ssl-reqd", "-u", f"{user}:{USERS[user]}", "imaps://mail/INBOX?NEW")
        what = (n + turn) % 5
        if what == 0:
            letter = pc.file("letter.eml", f"From: {user}@bureau.example\r\nTo: paul@bureau.example\r\nSubject: Compte rendu\r\n\r\n{text(dice, 2500)}\r\n")
            curl(pc, "--ssl-reqd", "-u", f"{user}:{USERS[user]}", "--mail-from", f"{user}@bureau.example", "--mail-rcpt", "paul@bureau.example", "-T", letter,
                 f"smtp://mail:587/{pc.name}")
        elif what == 1:
            job = pc.file("job.ipp", IPP_PRINT_JOB + b"%!PS-Adobe-3.0\n" + b"(page) show\n" * dice.randint(50, 600))
            curl(pc, "-A", "CUPS/2.4.2 IPP/2.0", "-H", "Content-Type: application/ipp", "--data-binary", f"@{job}", f"http://{printer.name}/ipp/print")
        elif what == 2 and n % 3 == 0:
            pc.run("scp", *key, pc.file("releve.bin", dice.randbytes(20000)), f"admin@{files.ip}:{lab.home('admin')}/releve-{pc.name}.bin", check=False)
        elif what == 3 and n % 4 == 0:
            pc.run("rsync", "-a", "-e", "ssh " + " ".join(key), f"admin@{files.ip}:{lab.home('admin')}/", f"{pc.folder}/copie/", check=False)
        elif what == 4:
            pc.run("getent", "ahosts", dice.choice(["wpad.bureau.example", "imprimnate", "anciens-serveur", "www.disparu.example"]), check=False, timeout=20)
        if (n, turn) == (7, 2):
            services.apt(pc, {"deb.debian.org": "/debian"}, "tzdata")
        if (n, turn) == (5, 1):
            curl(pc, "-m", "3", "-o", "/dev/null", "http://203.0.113.14:8443/")

    with ThreadPoolExecutor(5) as pool:
        for at in range(0, 20, 5):
            styles = ("windows", "windows", "networkmanager", "windows", "networkmanager")
            list(pool.map(start, people[at:at + 5], styles))
            lab.skip(rng.randint(60, 150))
        for turn in range(4):
            dice = [random.Random(f"{turn} {n}") for n in range(20)]
            for at in range(0, 20, 5):
                list(pool.map(work, people[at:at + 5], range(at, at + 5), [turn] * 5, dice[at:at + 5]))
                lab.skip(rng.randint(90, 240))
        list(pool.map(services.ask_time, people[:5], [gw.ip] * 5))
