"""The least of inetd: inetd.py PORT PROGRAM [ARGUMENT...] starts the program for each connection, on its socket."""
import socket
import subprocess
import sys

server = socket.create_server(("0.0.0.0", int(sys.argv[1])), backlog=32)
while True:
    connection, _ = server.accept()
    with connection:
        subprocess.Popen(sys.argv[2:], stdin=connection, stdout=connection, stderr=subprocess.DEVNULL)
