"""Python's zlib under imaplib: COMPRESS=DEFLATE over TLS and after STARTTLS, in IDLE, and ended by UNAUTHENTICATE."""
import imaplib
import zlib

from common import DEADLINE, check, message, target, untrusting_context

BOX = "Tour/Compress"
imaplib.Commands.update(COMPRESS=("AUTH", "SELECTED"), UNAUTHENTICATE=("AUTH", "SELECTED"), ENABLE=("AUTH", "SELECTED"))


class Deflating:
    """Compresses between imaplib and its socket, once told to."""

    packer = None

    def compress(self):
        self.packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        self.unpacker = zlib.decompressobj(-15)
        self.plain, self.wire = b"", 0

    def end(self):
        self.plain += self.unpacker.unused_data
        check(self.unpacker.eof and not self.plain, "the stream ends with the line", self.plain)
        self.packer = None

    def fill(self):
        data = self.sock.recv(65536)
        self.wire += len(data)
        check(data, "the connection lives")
        self.plain += self.unpacker.decompress(data)

    def read(self, size):
        if self.packer is None:
            return super().read(size)
        while len(self.plain) < size:
            self.fill()
        taken, self.plain = self.plain[:size], self.plain[size:]
        return taken

    def readline(self):
        if self.packer is None:
            return super().readline()
        while b"\n" not in self.plain:
            self.fill()
        return self.read(self.plain.index(b"\n") + 1)

    def send(self, data):
        if self.packer is not None:
            data = self.packer.compress(data) + self.packer.flush(zlib.Z_SYNC_FLUSH)
        self.sock.sendall(data)


class OverTls(Deflating, imaplib.IMAP4_SSL):
    pass


class AfterStartTls(Deflating, imaplib.IMAP4):
    pass


def ok(answer, what):
    check(answer[0] == "OK", what, answer)
    return answer[1]


def login(client, t):
    ok(client.login(t.user, t.password), "login")


def main():
    t = target()
    client = AfterStartTls(t.host, t.imap, timeout=DEADLINE)
    check("STARTTLS" in client.capabilities, "STARTTLS is offered", client.capabilities)
    ok(client.starttls(untrusting_context()), "STARTTLS")
    check("STARTTLS" not in client.capabilities and "AUTH=PLAIN" in client.capabilities, "and not again", client.capabilities)
    tour(client, t)
    tour(OverTls(t.host, t.imaps, ssl_context=untrusting_context(), timeout=DEADLINE), t)


def tour(client, t):
    login(client, t)
    ok(client._simple_command("COMPRESS", "DEFLATE"), "COMPRESS DEFLATE")
    client.compress()
    check(client._simple_command("COMPRESS", "DEFLATE")[0] == "NO", "a second COMPRESS is refused")
    ok(client.create('"%s"' % BOX), "CREATE")
    bodies = [message(n, body="Line of message %d.\r\n" % n * 500) for n in range(20)]
    for body in bodies:
        ok(client.append('"%s"' % BOX, None, None, body), "APPEND")
    check(ok(client.select('"%s"' % BOX), "SELECT") == [b"20"], "all are there")
    before = client.wire
    data = ok(client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])"), "FETCH")
    check([part[1] for part in data if isinstance(part, tuple)] == bodies, "the bytes are those appended")
    check((client.wire - before) * 10 < sum(map(len, bodies)), "in a tenth of the octets", client.wire - before)
    client.send(b"i IDLE\r\n")
    check(client.readline().startswith(b"+ "), "IDLE")
    client.send(b"DONE\r\nn NOOP\r\n")
    check(client.readline().startswith(b"i OK") and client.readline().startswith(b"n OK"), "DONE and NOOP together")
    ok(client.delete('"%s"' % BOX), "DELETE")
    ok(client._simple_command("UNAUTHENTICATE"), "UNAUTHENTICATE")
    client.end()
    client.state = "NONAUTH"
    login(client, t)
    ok(client._simple_command("ENABLE", "IMAP4rev2"), "ENABLE IMAP4rev2")
    ok(client.select("INBOX"), "SELECT")
    check(client.response("RECENT")[1] == [None], "nothing is recent in IMAP4rev2")
    client.logout()


if __name__ == "__main__":
    main()
