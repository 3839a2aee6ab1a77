"""A mail server: port 25 for servers, port 587 with log-in; STARTTLS on both. Messages are taken and forgotten."""
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

name, cert, key, users_file = sys.argv[1:5]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
with open(users_file, encoding="utf-8") as f:
    users = dict(line.strip().replace("{PLAIN}", "").split(":", 1) for line in f)


class Take:
    async def handle_DATA(self, server, session, envelope):
        return "250 2.0.0 Ok: queued as LAB"


def known(server, session, envelope, mechanism, data):
    login, password = data.login.decode(), data.password.decode()
    return AuthResult(success=users.get(login) == password, handled=False)


for port in (25, 587):
    Controller(Take(), hostname="0.0.0.0", port=port, server_hostname=name, tls_context=context, authenticator=known,
               auth_require_tls=False, ident="ESMTP").start()
threading.Event().wait()
