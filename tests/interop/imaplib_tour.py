"""Python's imaplib: log in (cleartext, STARTTLS, TLS), list, append, read, flag, search, copy, move, delete."""
import imaplib
import re

from common import DEADLINE, check, imaplib_session, message, target, untrusting_context

BOX, OTHER = "Tour/Imaplib", "Tour/Imaplib copies"


def ok(answer, what):
    check(answer[0] == "OK", what, answer)
    return answer[1]


def quoted(name):
    return '"%s"' % name


def numbers(data):
    return [int(x) for x in data[0].split()]


def logins(t):
    client = imaplib.IMAP4(t.host, t.imap, timeout=DEADLINE)
    ok(client.starttls(untrusting_context()), "STARTTLS")
    try:
        client.login(t.user, t.password + "x")
        check(False, "a wrong password is refused")
    except imaplib.IMAP4.error as error:
        check("BYE" not in str(error), "a wrong password is refused and the connection stays", error)
    ok(client.login(t.user, t.password), "login after STARTTLS")
    client.logout()
    client = imaplib.IMAP4_SSL(t.host, t.imaps, ssl_context=untrusting_context(), timeout=DEADLINE)
    check("IMAP4REV1" in client.capabilities, "IMAP4rev1 is advertised", client.capabilities)
    ok(client.authenticate("PLAIN", lambda _: ("\0%s\0%s" % (t.user, t.password)).encode()), "AUTHENTICATE PLAIN")
    client.logout()


def append_and_read(client):
    ok(client.create(quoted(BOX)), "CREATE")
    ok(client.subscribe(quoted(BOX)), "SUBSCRIBE")
    names = b"\n".join(x for x in ok(client.list(), "LIST") if isinstance(x, bytes))
    check(BOX.encode() in names and b"INBOX" in names, "the new mailbox is listed", names)
    for n in range(5):
        flags = "(\\Seen)" if n == 0 else None
        data = ok(client.append(quoted(BOX), flags, '"13-Nov-2026 10:0%d:00 +0000"' % n, message(n)), "APPEND %d" % n)
        check(re.search(rb"APPENDUID \d+ \d+", data[0]), "APPEND tells the UID", data)
    check(ok(client.select(quoted(BOX)), "SELECT") == [b"5"], "five messages exist")
    data = ok(client.fetch("3", "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"), "FETCH BODY.PEEK[]")
    check(data[0][1] == message(2), "the bytes are those appended", data)
    check(b"RFC822.SIZE %d" % len(message(2)) in data[0][0] + data[1], "RFC822.SIZE is their number", data)
    check(b'"13-Nov-2026 10:02:00 +0000"' in data[0][0] + data[1], "INTERNALDATE is the one given", data)
    check(b"\\Seen" not in data[0][0] + data[1], "PEEK leaves \\Seen alone", data)
    ok(client.fetch("3", "(BODY[TEXT])"), "FETCH BODY[TEXT]")
    check(b"\\Seen" in ok(client.fetch("3", "(FLAGS)"), "FETCH FLAGS")[0], "BODY[] sets \\Seen")
    data = ok(client.fetch("4", "(ENVELOPE BODYSTRUCTURE)"), "FETCH ENVELOPE BODYSTRUCTURE")[0]
    for part in (b'"Message 3"', b'"Mara Quill" NIL "mara" "example.org"', b"<tour.3@example.org>", b'"text" "plain"'):
        check(part.lower() in data.lower(), "ENVELOPE and BODYSTRUCTURE hold %r" % part, data)


def flag_and_search(client):
    ok(client.store("2", "+FLAGS", "(\\Flagged $Tour)"), "STORE +FLAGS")
    ok(client.store("1", "-FLAGS.SILENT", "(\\Seen)"), "STORE -FLAGS.SILENT")
    for criteria, want in [("FLAGGED", [2]), ("KEYWORD $Tour", [2]), ("UNSEEN", [1, 2, 4, 5]), ("SUBJECT \"message 3\"", [4]),
                           ("BODY \"of message 4\"", [5]), ("OR FROM quill NOT ALL", [1, 2, 3, 4, 5]), ("LARGER 10000", []),
                           ("SENTSINCE 3-Nov-2026 2:4", [2, 3, 4]), ("HEADER Message-ID tour.1@", [2])]:
        got = numbers(ok(client.search(None, criteria), "SEARCH " + criteria))
        check(got == want, "SEARCH %s finds %s" % (criteria, want), got)


def copy_move_delete(client):
    ok(client.create(quoted(OTHER)), "CREATE the second mailbox")
    ok(client.copy("1:2", quoted(OTHER)), "COPY")
    ok(client.uid("MOVE", "*", quoted(OTHER)), "UID MOVE")
    check(client.response("EXPUNGE")[1] == [b"5"], "MOVE tells that the message left")
    check(numbers(ok(client.search(None, "ALL"), "SEARCH ALL")) == [1, 2, 3, 4], "the moved message is gone here")
    ok(client.store("1,3", "+FLAGS", "(\\Deleted)"), "STORE \\Deleted")
    gone = [int(x) for x in ok(client.expunge(), "EXPUNGE")]
    check(gone in ([1, 2], [3, 1]), "each EXPUNGE number counts what has gone before it", gone)
    data = ok(client.status(quoted(OTHER), "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN)"), "STATUS")[0]
    check(b"MESSAGES 3" in data, "three messages are in the second mailbox", data)
    ok(client.select(quoted(OTHER)), "SELECT the second mailbox")
    check(b"$Tour" in ok(client.fetch("2", "(FLAGS)"), "FETCH FLAGS of a copy")[0], "a copy keeps its keywords")
    ok(client.close(), "CLOSE")
    ok(client.rename(quoted(OTHER), quoted(OTHER + " 2")), "RENAME")
    for name in (OTHER + " 2", BOX):
        ok(client.delete(quoted(name)), "DELETE " + name)
    check(client.select(quoted(BOX))[0] == "NO", "a deleted mailbox cannot be selected")


if __name__ == "__main__":
    where = target()
    logins(where)
    with imaplib_session(where) as session:
        append_and_read(session)
        flag_and_search(session)
        copy_move_delete(session)
