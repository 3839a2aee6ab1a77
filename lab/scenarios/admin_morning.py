"""An administrator's busy morning; it looks like a scan and like a worm, and is neither."""
import services

TITLE = "An administrator's busy morning"
START = "2026-11-25 07:30:00"
STORY = """The administrator opens SSH on twelve servers one after the other with a key (one takes two tries), copies a file to each, and runs a command.
A monitoring server pings all machines and connects to their SSH, web and mail ports every three minutes for an hour, one of its
checks always refused and one machine always down. A backup server fetches files from five servers by rsync over SSH."""
EXPECT = []
ALLOWED = []


def run(lab):
    servers = [lab.host(f"srv{n:02}") for n in range(1, 13)]
    intranet, files, mail = (lab.host(n) for n in ("intranet", "files", "mail"))
    admin, probe, backup = (lab.host(n) for n in ("pc-admin", "supervision", "backup"))
    key = services.admin_key(lab)
    services.dns_and_dhcp(lab.gateway, dhcp=False)
    for s in servers:
        services.ssh(s)
    services.web(intranet)
    services.web(servers[0], names=("srv01.bureau.example",))
    services.mail(mail)
    services.ssh(files)
    data = lab.home("admin") + "/data"
    for n in range(8):
        files.file(f"{data}/dossier-{n}.txt", f"Dossier {n}\n" * 400)
    lab.record()

    def poll():
        """What a monitoring server asks in one round: ping, a connection to each service, a page."""
        watched = [(s, 22) for s in servers] + [(files, 22), (files, 445), (mail, 25), (mail, 143)]
        probe.run("sh", "-c", "; ".join([f"ping -c 1 -W 1 {h.ip} >/dev/null" for h in [*servers, files, mail, intranet]]
                                       + ["ping -c 1 -W 1 10.20.1.200 >/dev/null || true"]), check=False)
        probe.run("bash", "-c", "; ".join(f"(exec 3<>/dev/tcp/{h.ip}/{port} && timeout 0.2 head -n 1 <&3) >/dev/null 2>&1" for h, port in watched) + "; true")
        for h in (intranet, servers[0]):
            probe.run("curl", "-s", "-k", "-A", "check_http/v2.3.3 (monitoring-plugins 2.3.3)", "-o", "/dev/null", f"http://{h.ip}/", f"https://{h.ip}/", "-o", "/dev/null", check=False)

    parcel = admin.file("paquet.tar", b"\0" * 2000 + bytes(range(256)) * 20)
    for turn in range(20):
        poll()
        if 1 <= turn <= 12:
            s = servers[turn - 1]
            admin.run("getent", "ahosts", s.name)
            if turn == 4:
                admin.run("ssh", *key[2:], "-o", "BatchMode=yes", f"admin@{s.ip}", "true", check=False)
                lab.skip(6)
            admin.run("ssh", *key, f"admin@{s.ip}", "uname -a; uptime; df -h | head -5")
            lab.skip(25)
            admin.run("scp", *key, parcel, f"admin@{s.ip}:{lab.home('admin')}/paquet-{s.name}.tar")
        if turn == 13:
            for s in servers:  # all at once: a loop over the list
                admin.run("ssh", *key, f"admin@{s.ip}", "systemctl is-active cron; tail -n 5 /etc/services")
        if 14 <= turn <= 18:
            s = servers[turn - 14]
            backup.run("rsync", "-a", "-e", "ssh " + " ".join(key), f"admin@{s.ip}:{data}/", f"{backup.folder}/{s.name}/", timeout=60)
        lab.skip(170)
