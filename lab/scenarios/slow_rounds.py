"""The benign twin of a slow scan: rounds of a monitoring server and of a backup, for hours."""
import services

TITLE = "Rounds of monitoring and backup, over hours"
START = "2026-11-25 00:10:00"
STORY = """A monitoring server connects to the services of fourteen machines in turn: most answer, one check is always refused, one machine is always down. A
workstation asks a printer that is switched off again and again. The recording is stretched as that of the slow scan: a round takes two
hours, and there are three."""
EXPECT = []
ALLOWED = []
STRETCH = (0.1, 1200)
RECORDED = False


def run(lab):
    servers = [lab.host(f"srv{n:02}") for n in range(1, 13)]
    intranet, files, probe, pc = (lab.host(n) for n in ("intranet", "files", "supervision", "pc-labo"))
    for s in servers[:8]:
        services.ssh(s)
    services.web(intranet)
    services.ftp(files)
    watched = [*((s.ip, 22) for s in servers[:8]), *((s.ip, 8443) for s in servers[8:11]), (intranet.ip, 80), (intranet.ip, 443), (files.ip, 21),
               (files.ip, 445), ("10.20.1.200", 22)]
    lab.record()
    for _ in range(3):
        for ip, port in watched:
            probe.run("bash", "-c", f"timeout 0.2 bash -c 'exec 3<>/dev/tcp/{ip}/{port} && head -n 1 <&3' >/dev/null 2>&1 || true")
            lab.pause(0.15)
        pc.run("bash", "-c", "timeout 0.2 bash -c 'exec 3<>/dev/tcp/10.20.2.99/9100' 2>/dev/null || true")
