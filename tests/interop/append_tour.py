"""What brings messages in: MULTIAPPEND by IMAPClient, CATENATE and REPLACE by imaplib, a large upload by curl."""
import datetime
import imaplib
import os
import subprocess

from imapclient import IMAPClient

from common import DEADLINE, check, imaplib_session, message, target, untrusting_context

BOX = "TourAppend"
LARGE = 20_000_000


def several(t):
    with IMAPClient(t.host, t.imaps, ssl=True, ssl_context=untrusting_context(), timeout=DEADLINE) as client:
        client.login(t.user, t.password)
        for capability in ("MULTIAPPEND", "CATENATE", "REPLACE", "APPENDLIMIT"):
            check(any(c.split(b"=")[0] == capability.encode() for c in client.capabilities()), "capability " + capability)
        client.create_folder(BOX)
        when = datetime.datetime(2026, 11, 3, 10, 0, tzinfo=datetime.timezone.utc)
        plain = [message(n) for n in range(3)]
        dressed = [{"msg": message(3), "flags": [b"\\Seen", b"Later"], "date": when}, {"msg": message(4), "flags": [b"\\Draft"]}]
        client.multiappend(BOX, plain + dressed)
        check(client.select_folder(BOX)[b"EXISTS"] == 5, "five messages by one APPEND")
        uids = client.search("ALL")
        data = client.fetch(uids, ["FLAGS", "INTERNALDATE", "BODY.PEEK[]"])
        check([data[uid][b"BODY[]"] for uid in uids] == [message(n) for n in range(5)], "in their order, octet by octet")
        check({b"\\Seen", b"Later"} <= set(data[uids[3]][b"FLAGS"]), "each with its flags", data[uids[3]][b"FLAGS"])
        check(b"\\Draft" in data[uids[4]][b"FLAGS"] and b"\\Seen" not in data[uids[4]][b"FLAGS"], "and no other's")
        check(data[uids[3]][b"INTERNALDATE"].timestamp() == when.timestamp(), "and its date")
        refused = False
        try:
            client.multiappend(BOX, [message(5), b""])
        except imaplib.IMAP4.error:
            refused = True
        check(refused and client.folder_status(BOX, ["MESSAGES"])[b"MESSAGES"] == 5, "an empty message calls all of it off")


def command(session, name, *arguments):
    """A command that imaplib has no method for."""
    imaplib.Commands.setdefault(name, ("SELECTED",))
    return session._simple_command(name, *arguments)


def parts_and_drafts(t):
    with imaplib_session(t) as session:
        session.select(BOX)
        status, data = session.append(BOX, None, None, message(7))
        check(status == "OK" and b"APPENDUID" in data[0], "APPEND by imaplib", data)
        urls = 'CATENATE (URL "/%s/;UID=1/;SECTION=HEADER" URL "/%s/;UID=2/;SECTION=TEXT")' % (BOX, BOX)
        status, data = command(session, "APPEND", BOX, "(\\Draft)", urls)
        check(status == "OK", "CATENATE of two messages", data)
        header, body = message(0).split(b"\r\n\r\n")[0], message(1).split(b"\r\n\r\n")[1]
        _, data = session.fetch("7", "(BODY.PEEK[])")
        check(data[0][1] == header + b"\r\n\r\n" + body, "is the header of one and the text of the other", data)
        status, data = command(session, "APPEND", BOX, 'CATENATE (URL "/%s/;UID=99")' % BOX)
        check(status == "NO" and data[0].startswith(b"[BADURL /%s/;UID=99]" % BOX.encode()), "a URL of no message", data)
        session.literal = message(8)
        status, data = command(session, "REPLACE", "7", BOX, "(\\Draft)")
        check(status == "OK", "REPLACE of the draft", data)
        _, data = session.uid("FETCH", "1:*", "(UID)")
        check([line.split()[2].rstrip(b")") for line in data] == [b"%d" % n for n in (1, 2, 3, 4, 5, 6, 8)], "the old one is gone", data)
        _, data = session.uid("FETCH", "8", "(BODY.PEEK[])")
        check(data[0][1] == message(8), "and the new one is there")


def large(t):
    path = os.path.join(t.scratch, "large.eml")
    body = b"0123456789abcdefghijklmnopqrstuvwxyz\r\n" * (LARGE // 38)
    with open(path, "wb") as file:
        file.write(message(9) + body)
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", "120", "--insecure", "--user", "%s:%s" % (t.user, t.password),
         "--upload-file", path, "imaps://%s:%d/%s" % (t.host, t.imaps, BOX)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check(done.returncode == 0, "curl uploads 20 MB", done.stderr)
    with imaplib_session(t) as session:
        session.select(BOX, readonly=True)
        _, data = session.fetch("*", "(RFC822.SIZE)")
        check(b"RFC822.SIZE %d" % (len(message(9)) + len(body)) in data[0], "of that size", data)
        _, data = session.fetch("*", "(BODY.PEEK[])")
        check(data[0][1] == message(9) + body, "octet by octet")
        session.close()
        session.delete(BOX)


if __name__ == "__main__":
    where = target()
    several(where)
    parts_and_drafts(where)
    large(where)
