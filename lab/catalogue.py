"""The machines of the lab's office: names, addresses and MACs, the same in every scenario.

The first three bytes of a MAC are a maker's own, so that vendor names are exercised; the rest is invented.
"""

GATEWAY = "gw"
INTERNET = "internet"

HOSTS = {
    # Infrastructure
    "gw": {"ip": "10.20.0.1", "mac": "00:1b:54:20:00:01", "role": "router, DHCP, DNS and NTP (Cisco)"},
    "files": {"ip": "10.20.1.10", "mac": "00:11:32:20:01:10", "role": "file server: FTP, SSH (Synology)"},
    "intranet": {"ip": "10.20.1.20", "mac": "00:14:22:20:01:20", "role": "web server (Dell)"},
    "mail": {"ip": "10.20.1.25", "mac": "00:14:22:20:01:25", "role": "mail server (Dell)"},
    "supervision": {"ip": "10.20.1.40", "mac": "00:50:56:20:01:40", "role": "monitoring server (VMware)"},
    "backup": {"ip": "10.20.1.50", "mac": "00:11:32:20:01:50", "role": "backup server (Synology)"},
    "legacy": {"ip": "10.20.1.60", "mac": "3c:d9:2b:20:01:60", "role": "old server: Telnet, FTP (HP)"},
    "imprimante": {"ip": "10.20.2.50", "mac": "00:80:77:20:02:50", "role": "printer (Brother)"},
    # Workstations
    "pc-admin": {"ip": "10.20.2.5", "mac": "00:21:6a:20:02:05", "role": "administrator's workstation (Intel)"},
    "pc-accueil": {"ip": "10.20.2.11", "mac": "3c:d9:2b:20:02:11", "role": "workstation (HP)"},
    "pc-compta": {"ip": "10.20.2.12", "mac": "00:14:22:20:02:12", "role": "workstation (Dell)"},
    "pc-labo": {"ip": "10.20.2.13", "mac": "54:ee:75:20:02:13", "role": "workstation (Wistron)"},
    # Those who should not be there
    "kali": {"ip": "10.20.3.66", "mac": "00:21:6a:20:03:66", "role": "attacker's laptop (Intel)"},
    "boitier": {"ip": "10.20.3.77", "mac": "b8:27:eb:20:03:77", "role": "a small box somebody plugged in (Raspberry Pi)"},
}
# Twelve plain servers for what touches many hosts.
HOSTS.update({f"srv{n:02}": {"ip": f"10.20.1.{100 + n}", "mac": f"00:50:56:20:01:{100 + n:02x}", "role": "server (VMware)"}
              for n in range(1, 13)})

# The rest of an office of twenty.
MAKERS = ("3c:d9:2b", "00:14:22", "54:ee:75", "00:21:6a")
HOSTS.update({f"poste{n:02}": {"ip": f"10.20.2.{20 + n}", "mac": f"{MAKERS[n % 4]}:20:02:{20 + n:02x}", "role": "workstation"} for n in range(1, 17)})

# Names outside, all of them played by one namespace on documentation addresses.
OUTSIDE = {
    "www.meteo.example": "203.0.113.10",
    "cdn.meteo.example": "203.0.113.11",
    "www.journal.example": "203.0.113.12",
    "img.journal.example": "203.0.113.13",
    "www.fournisseur.example": "203.0.113.14",
    "webmail.example": "203.0.113.15",
    "api.banque.example": "203.0.113.16",
    "deb.debian.org": "203.0.113.80",
    "security.debian.org": "203.0.113.81",
    "http.kali.org": "203.0.113.90",
    "kali.download": "203.0.113.91",
    "archive-4.kali.org": "203.0.113.92",
    "cdimage.kali.org": "203.0.113.93",
}
TUNNEL_DOMAIN = "t.vacances.example"
TUNNEL_SERVER = "198.51.100.53"
PING_SERVER = "192.0.2.2"  # the first address of the namespace outside, the one it answers from

# A password that no output of Vigie may contain: a test searches for it, plain and in base64.
CANARY = "Canari-7f3a-Vigie"

USERS = {"marie": CANARY, "paul": "Orchidee42!", "admin": "Tr3s-L0ng-Et-Sur"}
