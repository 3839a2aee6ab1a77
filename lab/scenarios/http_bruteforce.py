"""hydra on a page behind basic authentication and on a log-in form."""
import services
from attacks import guess, wordlist
from catalogue import CANARY

TITLE = "HTTP brute forces: basic authentication, then a form"
START = "2026-11-24 16:50:00"
STORY = """A laptop tries 50 passwords on a page of the intranet that asks for basic authentication (none is right), then 50 on its log-in form,
of which the forty-first is right. An employee logs in once by each way before."""
EXPECT = [{"detector": "brute_force", "attacker": "kali", "victim": "intranet"}]
ALLOWED = ["cleartext_credentials", "attacker_tool_host"]


def run(lab):
    intranet, kali, pc = lab.host("intranet"), lab.host("kali"), lab.host("pc-compta")
    services.web(intranet, form=True, pages={"index.html": "<html>Intranet</html>\n", "prive/notes.txt": "Notes\n"})
    lab.record()
    pc.run("curl", "-s", "-u", "paul:Orchidee42!", f"http://{intranet.ip}/prive/notes.txt")
    pc.run("curl", "-s", "-d", "utilisateur=paul&motdepasse=Orchidee42!", f"http://{intranet.ip}/connexion")
    lab.skip(60)
    guess(kali, "http-get", intranet, "admin", wordlist(50), tasks=8, extra=("/prive/notes.txt",))
    lab.skip(90)
    guess(kali, "http-post-form", intranet, "marie", wordlist(50, right=CANARY, at=41), tasks=8,
          extra=("/connexion:utilisateur=^USER^&motdepasse=^PASS^:Identifiants incorrects",))
