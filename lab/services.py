"""Real servers, set up and started on a host of the lab; each function returns when the server listens."""
import os
import subprocess

from catalogue import HOSTS, OUTSIDE, TUNNEL_DOMAIN, TUNNEL_SERVER, USERS

# Before a server that notes log-ins: a /var/log of its own (each process on a host has its own mounts), not the machine's.
OWN_LOGS = ("sh", "-c", 'mount -t tmpfs none /var/log && exec "$@"', "sh")
HERE = os.path.dirname(os.path.abspath(__file__))


def certificate(host, name):
    """A self-signed certificate and its key; gives both paths."""
    cert, key = os.path.join(host.folder, f"{name}.crt"), os.path.join(host.folder, f"{name}.key")
    if not os.path.exists(cert):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "365",
                        "-subj", f"/C=FR/O=Bureau Exemple/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                        "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def dns_and_dhcp(host, dhcp=True, pool=("10.20.2.150", "10.20.2.199"), known=True, extra=()):
    """dnsmasq: names of the lab inside and outside, leases with reserved addresses."""
    lines = ["no-resolv", "no-hosts", "no-daemon", "bind-interfaces", "interface=eth0", "user=root", "group=root",
             "domain=bureau.example", "local=/bureau.example/", "local=/in-addr.arpa/", "no-poll", "local-ttl=300",
             f"pid-file={host.folder}/dnsmasq.pid", f"server=/{TUNNEL_DOMAIN}/{TUNNEL_SERVER}"]
    lines += [f"host-record={name},{name}.bureau.example,{about['ip']}" for name, about in HOSTS.items()]
    lines += [f"host-record={name},{ip}" for name, ip in OUTSIDE.items()]
    # Nothing is asked of a server beyond: what is not known does not exist.
    lines += [f"local=/{domain}/" for domain in ("example", "org", "download")]
    if dhcp:
        lines += [f"dhcp-range={pool[0]},{pool[1]},255.255.0.0,12h", "dhcp-authoritative",
                  f"dhcp-leasefile={host.folder}/leases", f"dhcp-option=3,{host.ip}", f"dhcp-option=6,{host.ip}",
                  "dhcp-option=15,bureau.example", f"dhcp-option=42,{host.ip}"]
        if known:
            lines += [f"dhcp-host={about['mac']},{about['ip']}" for about in HOSTS.values()]
    lines += extra
    conf = host.file("dnsmasq.conf", "\n".join(lines) + "\n")
    child = host.start("dnsmasq", "-C", conf)
    host.wait_port(53, "udp")
    return child


def ntp(host):
    """chronyd as a server that trusts its own clock and never sets it."""
    conf = host.file("chrony.conf", f"local stratum 3\nallow all\ncmdport 0\nbindcmdaddress /\npidfile {host.folder}/chronyd.pid\n"
                     f"driftfile {host.folder}/drift\nuser root\n")
    child = host.start("chronyd", "-d", "-x", "-f", conf)
    host.wait_port(123, "udp")
    return child


def ask_time(host, server):
    """One NTP exchange of a few packets; the clock is not touched."""
    conf = host.file("chrony-client.conf", f"server {server} iburst maxsamples 2\ncmdport 0\npidfile {host.folder}/chrony-client.pid\nuser root\n")
    host.run("chronyd", "-Q", "-t", "6", "-f", conf, check=False, timeout=15)


def ftp(host, anonymous=False):
    """vsftpd with the lab's accounts, or for anybody."""
    for user in USERS:
        home = host.lab.home(user)
        path = os.path.join(home, "rapport.txt")
        if not os.path.exists(path):
            with open(path, "w", encoding="utf-8") as f:
                f.write("Rapport trimestriel\n" + "Les chiffres du service sont stables.\n" * 40)
    empty = os.path.join(host.folder, "empty")
    os.makedirs(empty, exist_ok=True)
    public = os.path.join(host.folder, "public")
    os.makedirs(public, exist_ok=True)
    host.file("public/notice.txt", "Notice\n" * 100)
    conf = host.file("vsftpd.conf", f"anonymous_enable={'YES' if anonymous else 'NO'}\nanon_root={public}\nftp_username=paul\n"
                     "listen=YES\nlisten_ipv6=NO\nlocal_enable=YES\nwrite_enable=YES\nchroot_local_user=YES\nallow_writeable_chroot=YES\n"
                     f"seccomp_sandbox=NO\npam_service_name=vsftpd\nsecure_chroot_dir={empty}\nbackground=NO\n"
                     "pasv_min_port=40000\npasv_max_port=40100\nuse_localtime=NO\nxferlog_enable=NO\n"
                     "connect_from_port_20=YES\nftpd_banner=Serveur de fichiers du bureau\n")
    child = host.start("vsftpd", conf)
    host.wait_port(21)
    return child


def ssh(host, passwords=True):
    """OpenSSH with the lab's accounts; the administrator's key is accepted."""
    key = os.path.join(host.folder, "hostkey")
    if not os.path.exists(key):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, capture_output=True)
    os.makedirs("/run/sshd", exist_ok=True)  # where sshd shuts its unprivileged half in
    conf = host.file("sshd_config", f"HostKey {key}\nUsePAM no\nPasswordAuthentication {'yes' if passwords else 'no'}\n"
                     f"StrictModes no\nAuthorizedKeysFile {host.lab.folder}/admin-key.pub\nPidFile none\nMaxAuthTries 6\nMaxStartups 30\n"
                     "UseDNS no\nSubsystem sftp internal-sftp\n")
    child = host.start(*OWN_LOGS, "/usr/sbin/sshd", "-D", "-e", "-f", conf)
    host.wait_port(22)
    return child


def admin_key(lab):
    """The administrator's private key; gives the options that make ssh and scp use it."""
    key = os.path.join(lab.folder, "admin-key")
    if not os.path.exists(key):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "admin", "-f", key], check=True, capture_output=True)
    return ["-i", key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-F", "/dev/null"]


def web(host, names=("intranet.bureau.example",), pages=None, auth=False, form=False, roots=None, also=None):
    """nginx over HTTP and HTTPS. `pages` are path -> content; `auth` guards /prive/, `form` adds a log-in page."""
    default = os.path.join(host.folder, "www")
    os.makedirs(default, exist_ok=True)
    for path, content in (pages or {"index.html": "<html><body>Bienvenue</body></html>\n"}).items():
        host.file(os.path.join("www", path), content)
    os.system(f"chmod -R a+rX {default}")
    tls = "".join(f"""
  server {{
    listen 80; listen 443 ssl;{f' listen {also} ssl;' if also else ''} server_name {name}; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {certificate(host, name)[0]}; ssl_certificate_key {certificate(host, name)[1]};
    root {(roots or {}).get(name, default)};
    location / {{ try_files $uri $uri/index.html =404; }}
    location /prive/ {{ auth_basic "Espace prive"; auth_basic_user_file {host.folder}/htpasswd; try_files $uri =404; }}
    location /connexion {{ proxy_pass http://127.0.0.1:8080; }}
  }}""" for name in names)
    hashed = "".join(f"{u}:" + subprocess.run(["openssl", "passwd", "-apr1", "-salt", "vigielab", p], capture_output=True, text=True, check=True).stdout
                     for u, p in USERS.items())
    host.file("htpasswd", hashed)
    temp = "".join(f"  {what}_temp_path {host.folder}/{what};\n" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    conf = host.file("nginx.conf", f"""user root; daemon off; worker_processes 1; pid {host.folder}/nginx.pid; error_log {host.folder}/nginx-error.log;
events {{ worker_connections 256; }}
http {{
  include /etc/nginx/mime.types; default_type application/octet-stream; access_log off; sendfile off;
  keepalive_timeout 20; gzip on; gzip_types text/plain text/css application/javascript application/json; gzip_min_length 256;
{temp}{tls}
}}
""")
    if form:
        host.start("/usr/bin/python3", os.path.join(HERE, "servers", "login_form.py"), "8080")
        host.wait_port(8080)
    child = host.start("nginx", "-c", conf, "-p", host.folder, "-e", os.path.join(host.folder, "nginx-error.log"))
    host.wait_port(443)
    return child


def mail(host):
    """SMTP with STARTTLS and log-in (aiosmtpd), IMAP and POP3 with and without TLS (dovecot)."""
    name = "mail.bureau.example"
    cert, key = certificate(host, name)
    users = "".join(f"{u}:{{PLAIN}}{p}\n" for u, p in USERS.items())
    passdb = host.file("dovecot-users", users)
    boxes = os.path.join(host.folder, "boxes")
    for user in USERS:
        for sub in ("new", "cur", "tmp"):
            os.makedirs(os.path.join(boxes, user, sub), exist_ok=True)
    with open(os.path.join(boxes, "marie", "new", "1.lab"), "w", encoding="utf-8") as f:
        f.write("From: paul@bureau.example\r\nTo: marie@bureau.example\r\nSubject: Ordre du jour\r\nMessage-ID: <1@bureau.example>\r\n\r\nReunion a dix heures.\r\n")
    os.system(f"chown -R 2001:2001 {boxes}")
    conf = host.file("dovecot.conf", f"""base_dir = {host.folder}/dovecot
protocols = imap pop3
listen = *
log_path = {host.folder}/dovecot-main.log
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 1 s
passdb {{
  driver = passwd-file
  args = {passdb}
}}
userdb {{
  driver = static
  args = uid=2001 gid=2001 home={boxes}/%n
}}
mail_location = maildir:{boxes}/%n
first_valid_uid = 100
service anvil {{
  chroot =
}}
""")
    host.start("dovecot", "-F", "-c", conf)
    host.start("/usr/bin/python3", os.path.join(HERE, "servers", "smtp.py"), name, cert, key, passdb)
    host.wait_port(143)
    host.wait_port(110)
    host.wait_port(25)
    host.wait_port(587)


def telnet(host):
    """inetutils-telnetd, started for each connection as inetd would."""
    child = host.start(*OWN_LOGS, "/usr/bin/python3", os.path.join(HERE, "servers", "inetd.py"), "23", "/usr/sbin/telnetd", "-h")
    host.wait_port(23)
    return child


def outside(lab, pages=None, roots=None, form=False, also=None):
    """The web servers of the names outside, all in one nginx; `also` is a port beside 443 for HTTPS."""
    return web(lab.internet, names=list(OUTSIDE), pages=pages, roots=roots, form=form, also=also)


def apt_repository(host, folder, packages):
    """A small Debian repository below the host's folder; gives its path. `packages` are name -> size of a payload."""
    import gzip
    import hashlib
    base = os.path.join(host.folder, folder)
    text = ""
    for name, size in packages.items():
        data = os.urandom(size)
        path = f"pool/main/{name[0]}/{name}/{name}_1.0_all.deb"
        os.makedirs(os.path.dirname(os.path.join(base, path)), exist_ok=True)
        with open(os.path.join(base, path), "wb") as f:
            f.write(data)
        text += (f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: Lab <lab@bureau.example>\nFilename: {path}\nSize: {size}\n"
                 f"SHA256: {hashlib.sha256(data).hexdigest()}\nDescription: {name}\n\n")
    packed = gzip.compress(text.encode(), mtime=0)
    dist = os.path.join(base, "dists", "stable", "main", "binary-amd64")
    os.makedirs(dist, exist_ok=True)
    with open(os.path.join(dist, "Packages.gz"), "wb") as f:
        f.write(packed)
    with open(os.path.join(base, "dists", "stable", "Release"), "w", encoding="ascii") as f:
        f.write("Origin: Lab\nSuite: stable\nCodename: stable\nDate: Tue, 24 Nov 2026 06:00:00 UTC\nArchitectures: amd64\nNo-Support-for-Architecture-all: Packages\nComponents: main\nSHA256:\n"
                f" {hashlib.sha256(packed).hexdigest()} {len(packed)} main/binary-amd64/Packages.gz\n"
                f" {hashlib.sha256(text.encode()).hexdigest()} {len(text)} main/binary-amd64/Packages\n")
    os.system(f"chmod -R a+rX {base}")
    return base


def apt(host, sources, *packages):
    """Real apt on the host: `update` from the sources (name -> path), then the download of some packages."""
    root = os.path.join(host.folder, "apt")
    for sub in ("state/lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d", "dpkg"):
        os.makedirs(os.path.join(root, sub), exist_ok=True)
    open(os.path.join(root, "dpkg", "status"), "a").close()
    lines = "".join(f"deb [trusted=yes] http://{name}{path} stable main\n" for name, path in sources.items())
    with open(os.path.join(root, "etc", "sources.list"), "w", encoding="ascii") as f:
        f.write(lines)
    conf = host.file("apt.conf", f'Dir::State "{root}/state"; Dir::Cache "{root}/cache"; Dir::Etc "{root}/etc"; Dir::State::status "{root}/dpkg/status";\n'
                     'Dir::Etc::sourceparts "-"; APT::Sandbox::User "root"; Acquire::Languages "none"; APT::Architecture "amd64"; Acquire::Check-Date "false"; Acquire::Retries "0";\n'
                     'Acquire::http::Proxy "false";\n')
    env = ["env", "-u", "http_proxy", "-u", "https_proxy", f"APT_CONFIG={conf}"]
    out = host.run(*env, "apt-get", "update", check=False)
    if packages:
        out += host.run(*env, "apt-get", "download", *packages, check=False)
    return out
