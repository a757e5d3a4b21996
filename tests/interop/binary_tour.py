"""imaplib: attachments decoded by the server (BINARY), previews, and sections, each against Python's own reading of the mail."""
import base64
import email
import email.policy
import quopri
import random
import re

from common import check, imaplib_session, target

BOX = '"Tour/Binary"'


def attachment(kind, encoding, content):
    return b"--x\r\nContent-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n%s\r\n" % (kind, encoding, content)


def mail(rng):
    """Text, a page, and attachments of every size that a buffer may have."""
    blobs = [b"", b"\0", rng.randbytes(57), rng.randbytes(65_536), rng.randbytes(400_001)]
    parts = [attachment(b"text/plain; charset=utf-8", b"quoted-printable",
                        b"=\r\n".join(quopri.encodestring("Gr\u00fc\u00dfe aus K\u00f6ln".encode()).split(b"=\n"))),
             attachment(b"text/html; charset=utf-8", b"8bit", "<p>Gr\u00fc\u00dfe &amp; mehr</p>".encode())]
    parts += [attachment(b"application/octet-stream", b"base64", base64.encodebytes(b).replace(b"\n", b"\r\n"))
              for b in blobs]
    head = b"Subject: binary\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    return head + b"".join(parts) + b"--x--\r\n"


def fetched(client, number, item):
    """The octets of one item; `""` and NIL are b""."""
    kind, data = client.fetch(number, "(%s)" % item)
    check(kind == "OK", "FETCH %s" % item, data)
    # The last: imaplib keeps what came with a NO for the next answer.
    literals = [part[1] for part in data if isinstance(part, tuple)]
    return literals[-1] if literals else b""


def decoded(client, whole):
    message = email.message_from_bytes(whole, policy=email.policy.default)
    for number, part in enumerate(message.iter_parts(), 1):
        want = part.get_payload(decode=True)
        got = fetched(client, "1", "BINARY.PEEK[%d]" % number)
        check(got == want, "BINARY[%d] is what Python decodes" % number, len(got), len(want))
        size = client.fetch("1", "(BINARY.SIZE[%d])" % number)[1][0]
        check(int(re.search(rb"BINARY\.SIZE\[%d\] (\d+)" % number, size)[1]) == len(want), "and its size", size)
        for offset, count in ((0, 1), (1, 10), (len(want) // 2, 70_000), (len(want), 5)):
            piece = fetched(client, "1", "BINARY.PEEK[%d]<%d.%d>" % (number, offset, count))
            check(piece == want[offset:offset + count], "BINARY[%d]<%d.%d>" % (number, offset, count), len(piece))
    check(fetched(client, "1", "BODY.PEEK[]") == whole, "BODY[] is what was appended")
    check(b"\\Seen" not in client.fetch("1", "(FLAGS)")[1][0], "nothing so far set \\Seen")
    fetched(client, "1", "BINARY[1]")
    check(b"\\Seen" in client.fetch("1", "(FLAGS)")[1][0], "BINARY[1] does")


def previews(client):
    text = fetched(client, "1", "PREVIEW").decode()
    check(text == "Gr\u00fc\u00dfe aus K\u00f6ln", "PREVIEW shows the text", text)
    check(fetched(client, "1", "PREVIEW (LAZY)").decode() == text, "PREVIEW (LAZY) too")


def broken(client):
    whole = b"Subject: broken\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n*broken*\r\n"
    check(client.append(BOX, None, None, whole)[0] == "OK", "APPEND of broken base64")
    client.noop()
    kind, data = client.fetch("1:2", "(UID BINARY.SIZE[1])")
    check(kind == "NO" and b"[UNKNOWN-CTE]" in data[0], "BINARY of what is broken is NO [UNKNOWN-CTE]", data)
    check(fetched(client, "2", "BODY.PEEK[1]") == b"*broken*\r\n", "BODY can be had")


if __name__ == "__main__":
    where = target()
    with imaplib_session(where) as session:
        for capability in ("BINARY", "PREVIEW"):
            check(capability in session.capability()[1][0].decode().split(), "capability %s" % capability)
        session.create(BOX)
        message = mail(random.Random(7))
        check(session.append(BOX, None, None, message)[0] == "OK", "APPEND")
        session.select(BOX)
        decoded(session, message)
        previews(session)
        broken(session)
        session.close()
        session.delete(BOX)
