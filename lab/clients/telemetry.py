"""Sends readings over one long TLS connection: telemetry.py ADDRESS PORT NAME SECONDS [SIZE]; SIZE: each of so many bytes, as of a fixed record."""
import json
import random
import socket
import ssl
import sys
import time

address, port, name, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
size = int(sys.argv[5]) if len(sys.argv) > 5 else None
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
rng = random.Random(name)
with context.wrap_socket(socket.create_connection((address, port)), server_hostname=name) as tls:
    answers, end = tls.makefile("rb"), time.monotonic() + seconds
    while time.monotonic() < end:
        line = json.dumps({"at": time.time(), "values": [round(rng.random(), 4) for _ in range(rng.randint(3, 40))]})
        tls.sendall((line if size is None else line[: size - 1].ljust(size - 1)).encode() + b"\n")
        answers.readline()
        time.sleep(rng.uniform(0.1, 0.5))
