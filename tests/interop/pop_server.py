"""A real POP3 server of another make, for one test: started, filled and looked at by this driver.

Argument: JSON {"tools": directory of pop_servers.py, "kind": its name there}. Prints one JSON line when the server lets
its user in, then obeys commands on standard input, one a line, each answered by one JSON line:
  put COUNT     delivers messages 0 to COUNT - 1, each with its number in the field X-Number
  numbers       logs in by POP3 as any client does and tells the numbers of the messages that are there, in order
  compare PORT USER PASSWORD
                likewise fetches each message and compares it with what the IMAP server at that port has in INBOX; what a
                server writes into messages by itself is left out where it is known to do so
Stops the server when standard input ends.
"""

import imaplib
import json
import poplib
import re
import socket
import sys
import time

# Some servers send lines longer than the library's limit of 2,048.
poplib._MAXLINE = 1 << 20


def message(number):
    """Lines that dot-stuffing, mbox and bare-LF handling are about, and a body of varying size."""
    body = "".join(f"line {n} of {number}\r\n" for n in range(number % 40))
    return (
        f"From: sender@example.org\r\nTo: popu@example.net\r\nSubject: number {number}\r\n"
        f"Message-ID: <{number}@pop-server.example>\r\nX-Number: {number}\r\n"
        f"Date: Mon, 02 Jan 2023 03:{number // 60 % 60:02}:{number % 60:02} +0000\r\n\r\n"
        f".dot\r\n..two\r\n.\r\nFrom the start of a line\r\n8-bit: \xe9\r\n{body}the end\r\n"
    ).encode("latin-1")


def put(server, count):
    if server.style in ("imap", "lmtp"):
        with imaplib.IMAP4("127.0.0.1", server.imap_port, timeout=30) as client:
            client.login(server.user, server.password)
            for number in range(count):
                status, answer = client.append("INBOX", None, None, message(number))
                if status != "OK":
                    raise RuntimeError(f"APPEND: {answer}")
    else:
        for number in range(count):
            server.put(message(number))
    return {"put": count}


class Prompt(poplib.POP3):
    """Acknowledges at once: some of these servers write small pieces and wait for that."""

    def _getline(self):
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return super()._getline()


def session(server, work):
    """Runs `work` in a session of its own; the maildrop may be locked by one that has just ended."""
    for attempt in range(60):
        client = Prompt("127.0.0.1", server.port, timeout=30)
        try:
            client.user(server.user)
            client.pass_(server.password)
        except poplib.error_proto as error:
            client.close()
            if attempt == 59:
                raise RuntimeError(f"login: {error}") from error
            time.sleep(0.5)
            continue
        try:
            return work(client)
        finally:
            client.quit()
    return None


def number_of(lines):
    found = re.search(rb"(?im)^X-Number: (\d+)\r?$", b"\n".join(lines))
    return int(found.group(1)) if found else -1


def numbers(client):
    count = client.stat()[0]
    return {"numbers": [number_of(client.top(n, 0)[1]) for n in range(1, count + 1)]}


# What these servers add to a message at a login, and so between two sessions.
ADDED = {"mailutils": re.compile(rb"(?im)^(X-UIDL|X-UID|X-IMAPbase|X-IMAP|Status): [^\r\n]*\r\n")}


def imap_messages(port, user, password):
    with imaplib.IMAP4("127.0.0.1", int(port), timeout=30) as client:
        client.login(user, password)
        client.select("INBOX", readonly=True)
        _, answer = client.fetch("1:*", "(BODY.PEEK[])")
        return [part[1] for part in answer if isinstance(part, tuple)]


def compare(server, arguments):
    added = ADDED.get(server.kind)
    plain = (lambda octets: added.sub(b"", octets)) if added else (lambda octets: octets)
    here = {}
    for octets in imap_messages(*arguments):
        number = number_of(octets.split(b"\r\n"))
        if number in here:
            raise RuntimeError(f"{number} is in INBOX twice")
        here[number] = plain(octets)

    def work(client):
        differ = []
        count = client.stat()[0]
        for n in range(1, count + 1):
            lines = client.retr(n)[1]
            number = number_of(lines)
            if here.get(number) != plain(b"".join(line + b"\r\n" for line in lines)):
                differ.append(number)
        return {"compared": count, "differ": differ}

    return session(server, work)


def main():
    argument = json.loads(sys.argv[1])
    sys.path.insert(0, argument["tools"])
    import pop_servers

    server = pop_servers.start(argument["kind"])
    try:
        # A greeting may come from a part that is up before the one that knows the passwords.
        session(server, numbers)
        ready = {"port": server.port, "tls_port": server.tls_port, "user": server.user, "password": server.password,
                 "certificate": server.cert}
        print(json.dumps(ready), flush=True)
        for line in sys.stdin:
            word, *rest = line.split()
            if word == "put":
                answer = put(server, int(rest[0]))
            elif word == "compare":
                answer = compare(server, rest)
            else:
                answer = session(server, numbers)
            print(json.dumps(answer), flush=True)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
