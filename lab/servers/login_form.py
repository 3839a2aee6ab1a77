"""A log-in page behind nginx: the form again, with a word, for a wrong pair, a redirect and a cookie for a right one."""
import http.server
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from catalogue import USERS  # noqa: E402

FORM = b"<html><body><form method=post action=/connexion><input name=utilisateur><input name=motdepasse type=password></form>%s</body></html>"


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, code, body, **headers):
        self.send_response(code)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200, FORM % b"")

    def do_POST(self):
        fields = urllib.parse.parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        user, password = (fields.get(k, [""])[0] for k in ("utilisateur", "motdepasse"))
        if password and USERS.get(user) == password:
            self.answer(302, b"", Location="/", Set_Cookie="session=lab; HttpOnly")
        else:
            self.answer(200, FORM % b"Identifiants incorrects")


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
