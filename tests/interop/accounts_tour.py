"""Python's imaplib on INBOX and the views of two accounts, `one` and `two`, which have `each` messages; INBOX has `inbox`.
Changes flags and nothing else."""
import re

from common import check, imaplib_session, target

VIEWS = {"one": "Accounts/one", "two": "Accounts/two"}


def numbers(client, mailbox):
    """The number of each message (a field of its header) by EMAILID, with its flags."""
    count = int(client.select(mailbox, readonly=True)[1][0])
    if not count:
        return {}
    data = client.fetch("1:*", "(FLAGS EMAILID)")[1]
    found = {}
    for line in data:
        flags = set(re.search(rb"FLAGS \(([^)]*)\)", line).group(1).split())
        found.setdefault(re.search(rb"EMAILID \(([^)]+)\)", line).group(1), []).append(flags)
    check(sum(len(copies) for copies in found.values()) == count, f"every message of {mailbox} has an EMAILID", count)
    return found


def tour(where, client, other):
    lines = client.list('""', "*")[1]
    for view in VIEWS.values():
        check(any(line.endswith(b" " + view.encode()) for line in lines), f"{view} is listed", lines)
    check(not any(b"Accounts" in (line or b"") for line in client.lsub()[1]), "and not subscribed")

    inbox = numbers(client, "INBOX")
    check(sum(map(len, inbox.values())) == where.inbox, "INBOX has all", where.inbox)
    views = {name: numbers(client, view) for name, view in VIEWS.items()}
    for name, found in views.items():
        check(sum(map(len, found.values())) == where.each, f"{name} has its own")
        check(set(found) <= set(inbox), f"what {name} has is in INBOX, under the same EMAILID")
        keyword = f"$Account_{name}".encode()
        check(all(keyword in flags for copies in found.values() for flags in copies), f"marked {keyword}")
        client.select("INBOX", readonly=True)
        marked = client.search(None, "KEYWORD", keyword.decode())[1][0].split()
        check(len(marked) == where.each, f"INBOX finds as many with {keyword}", len(marked))
    both = [flags for copies in inbox.values() for flags in copies if {b"$Account_one", b"$Account_two"} <= flags]
    check(len(both) == 2 * where.each - where.inbox, "what is merged is of both accounts", len(both))

    # A flag set in a view is told to who has INBOX open.
    client.select(VIEWS["two"])
    other.select("INBOX")
    client.store("1", "+FLAGS", "(\\Flagged)")
    other.noop()
    changed = other.response("FETCH")[1]
    check(len(changed) == 1 and b"\\Flagged" in changed[0], "the flag is told in INBOX", changed)
    client.store("1", "-FLAGS", "(\\Flagged)")

    for command, arguments in [
        ("COPY", ("1", VIEWS["one"])),
        ("MOVE", ("1", VIEWS["one"])),
        ("CREATE", (VIEWS["one"] + "/x",)),
        ("DELETE", (VIEWS["one"],)),
        ("RENAME", (VIEWS["one"], "Mine")),
    ]:
        answer, data = client.xatom(command, *arguments)
        check(answer == "NO" and data[0].startswith(b"[CANNOT]"), f"{command} is refused", data)
    answer, data = client.append(VIEWS["one"], None, None, b"Subject: x\r\n\r\nx\r\n")
    check(answer == "NO" and b"[CANNOT]" in data[0], "so is APPEND", data)

    answer, _ = client.xatom("GETMETADATA", VIEWS["two"], "(/shared/vendor/tributary/account)")
    got = client.response("METADATA")[1]
    check(answer == "OK" and got[0].endswith(b'(/shared/vendor/tributary/account "two")'), "provenance", got)


if __name__ == "__main__":
    where = target()
    with imaplib_session(where) as client, imaplib_session(where) as other:
        tour(where, client, other)
