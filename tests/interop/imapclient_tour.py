"""IMAPClient: two devices of one person. What one does, the other sees; IDLE tells within a second."""
import datetime
import time

from imapclient import IMAPClient

from common import DEADLINE, check, imaplib_session, message, target, untrusting_context, wait_until

BOX, MOVED = "Tour IMAPClient/B\u00fccher & \u65e5\u672c\u8a9e", "Tour IMAPClient/Moved"
PUSH_SECONDS = 1.0


def device(t):
    client = IMAPClient(t.host, t.imaps, ssl=True, ssl_context=untrusting_context(), timeout=DEADLINE)
    client.login(t.user, t.password)
    return client


def mailboxes(a):
    for name in (BOX, MOVED):
        a.create_folder(name)
    a.subscribe_folder(BOX)
    names = [name for _, _, name in a.list_folders()]
    check(BOX in names and MOVED in names and "INBOX" in names, "mailbox names beyond ASCII come back as given", names)
    for name in ("Sent", "Trash"):
        if not a.folder_exists(name):  # there from the start with Tributary
            a.create_folder(name)
    special = {flag for flags, _, _ in a.list_folders() for flag in flags}
    check(b"\\Trash" in special and b"\\Sent" in special, "special uses are shown", special)
    for capability in (b"IDLE", b"UIDPLUS", b"MOVE"):
        check(a.has_capability(capability.decode()), "capability %r" % capability, a.capabilities())


def flags_cross(a, b):
    for n in range(4):
        a.append(BOX, message(n), msg_time=datetime.datetime(2026, 11, 3, 10, n, tzinfo=datetime.timezone.utc))
    check(a.select_folder(BOX)[b"EXISTS"] == 4 and b.select_folder(BOX)[b"EXISTS"] == 4, "both devices see four messages")
    uids = a.search("ALL")
    a.add_flags(uids[1], [b"\\Flagged", b"Later"])
    wait_until("a flag set on one device shows on the other",
               lambda: b.noop() and b"\\Flagged" in b.get_flags(uids[1])[uids[1]])
    check(b.search(["KEYWORD", "Later"]) == [uids[1]], "a keyword set on one device is found on the other")
    b.remove_flags(uids[1], [b"\\Flagged"])
    wait_until("taking it away shows too", lambda: a.noop() and b"\\Flagged" not in a.get_flags(uids[1])[uids[1]])
    data = a.fetch(uids[2], ["ENVELOPE", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]", "BODYSTRUCTURE"])[uids[2]]
    check(data[b"ENVELOPE"].subject == b"Message 2", "ENVELOPE parses", data)
    check(data[b"BODY[HEADER.FIELDS (SUBJECT)]"] == b"Subject: Message 2\r\n\r\n", "one header field", data)
    check(a.search(["SUBJECT", "message 1"], "UTF-8") == [uids[1]], "SEARCH with CHARSET UTF-8")
    return uids


def answers_until(client, wanted, seconds):
    """Collects IDLE answers until one satisfies `wanted`; the seconds it took, or None."""
    start = time.monotonic()
    while (left := start + seconds - time.monotonic()) > 0:
        if any(wanted(answer) for answer in client.idle_check(timeout=left)):
            return time.monotonic() - start
    return None


def idle(t, a, b):
    with imaplib_session(t) as third:
        third.select('"INBOX"')
        for client in (a, b):
            client.select_folder(BOX)
            client.idle()
        box = imap_name(BOX)
        third.append(box, None, None, message(9))
        for name, client in (("first", a), ("second", b)):
            took = answers_until(client, lambda x: len(x) > 1 and x[1] == b"EXISTS" and x[0] == 5, PUSH_SECONDS)
            check(took is not None, "the %s IDLE client sees EXISTS within a second" % name)
        third.select(box)
        third.store("1", "+FLAGS", "(\\Answered)")
        for name, client in (("first", a), ("second", b)):
            took = answers_until(client, lambda x: len(x) > 2 and x[1] == b"FETCH" and b"\\Answered" in str(x[2]).encode(), PUSH_SECONDS)
            check(took is not None, "the %s IDLE client sees the flag within a second" % name)
        third.store("5", "+FLAGS", "(\\Deleted)")
        third.expunge()
        for name, client in (("first", a), ("second", b)):
            took = answers_until(client, lambda x: len(x) > 1 and x[1] == b"EXPUNGE" and x[0] == 5, PUSH_SECONDS)
            check(took is not None, "the %s IDLE client sees EXPUNGE within a second" % name)
        for client in (a, b):
            client.idle_done()


def imap_name(name):
    """Modified UTF-7 (RFC 3501 section 5.1.3), quoted."""
    from imapclient.imap_utf7 import encode
    return '"%s"' % encode(name).decode("ascii")


def move_and_delete(a, b, uids):
    a.select_folder(BOX)
    a.move([uids[0]], MOVED)
    wait_until("a moved message leaves the other device's view", lambda: b.noop() and uids[0] not in b.search("ALL"))
    check(b.folder_status(MOVED, ["MESSAGES"])[b"MESSAGES"] == 1, "and is in the new mailbox")
    b.select_folder(BOX)
    b.delete_messages(uids[1:3])
    b.uid_expunge(uids[1])
    check(sorted(b.search("ALL")) == uids[2:], "UID EXPUNGE takes only the UIDs named")
    check(b.search("DELETED") == [uids[2]], "the other stays marked")
    b.close_folder()
    check(b.folder_status(BOX, ["MESSAGES"])[b"MESSAGES"] == 1, "CLOSE expunges what was marked")


if __name__ == "__main__":
    where = target()
    one, two = device(where), device(where)
    mailboxes(one)
    messages = flags_cross(one, two)
    idle(where, one, two)
    move_and_delete(one, two, messages)
    one.close_folder()
    for mailbox in (BOX, MOVED):
        one.delete_folder(mailbox)
    one.logout()
    two.logout()
