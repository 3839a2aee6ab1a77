"""A collector of readings over TLS, as of meters and machines: telemetry.py PORT CERTIFICATE KEY. Each line is acknowledged, some with a task."""
import random
import socket
import ssl
import sys
import threading

port, cert, key = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
rng = random.Random(5)


def talk(connection):
    with context.wrap_socket(connection, server_side=True) as tls:
        for n, line in enumerate(tls.makefile("rb")):
            tls.sendall(b"ok %d" % len(line) + (b" " + b"task " * rng.randint(20, 300) if n % 5 == 4 else b"") + b"\n")


server = socket.create_server(("0.0.0.0", int(port)), backlog=16)
while True:
    threading.Thread(target=talk, args=(server.accept()[0],), daemon=True).start()
