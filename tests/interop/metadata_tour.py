"""Python's imaplib with annotations (RFC 5464, RFC 9590) and object identifiers (RFC 8474): what it has no methods for it
sends all the same, and reads what comes back as responses of any other kind."""
import re

from common import check, imaplib_session, message, target


def ask(client, kind, command, *arguments):
    """The untagged responses of this kind to a command that must succeed."""
    answer, data = client.xatom(command, *arguments)
    check(answer == "OK", f"{command} succeeds", arguments, data)
    _, lines = client.response(kind)
    return [line for line in lines if line is not None]


def tour(client):
    capabilities = client.capability()[1][0].split()
    for name in (b"METADATA", b"LIST-METADATA", b"OBJECTID"):
        check(name in capabilities, f"{name} is advertised", capabilities)
    ask(client, "METADATA", "SETMETADATA", "INBOX", '(/private/comment "Mine" /shared/vendor/x/y "a \\"b\\"")')
    got = ask(client, "METADATA", "GETMETADATA", "INBOX", "(/private/comment /shared/vendor/x/y /private/none)")
    check(got == [b'INBOX (/private/comment "Mine" /shared/vendor/x/y "a \\"b\\"" /private/none NIL)'], "values", got)
    answer, data = client.xatom("GETMETADATA", "(MAXSIZE 3)", "INBOX", "/private/comment")
    check(answer == "OK" and data[0].startswith(b"[METADATA LONGENTRIES 4]"), "long values are told", data)
    got = ask(client, "METADATA", "GETMETADATA", "(DEPTH infinity)", "INBOX", "/shared")
    check(got == [b'INBOX (/shared/vendor/x/y "a \\"b\\"")'], "what is below", got)
    got = ask(client, "METADATA", "GETMETADATA", '""', "(/shared/comment)")
    check(got == [b'"" (/shared/comment NIL)'], "the server", got)
    answer, data = client.xatom("SETMETADATA", '""', '(/shared/comment "x")')
    check(answer == "NO" and data[0].startswith(b"[NOPERM]"), "what is the administrator's", data)
    got = ask(client, "METADATA", "LIST", '""', "INBOX", "RETURN (METADATA (/private/comment))")
    check(got == [b'INBOX (/private/comment "Mine")'], "LIST returns it", got)

    answer, data = client.create("box")
    made = re.match(rb"\[MAILBOXID \(([\w-]+)\)\]", data[0])
    check(answer == "OK" and made, "CREATE names the mailbox", data)
    client.rename("box", "other")
    answer, data = client.status("other", "(MAILBOXID)")
    check(data == [b"other (MAILBOXID (%s))" % made[1]], "RENAME keeps its name", data)
    client.append("other", None, None, message(1))
    client.select("other")
    answer, data = client.fetch("1", "(EMAILID THREADID SAVEDATE)")
    found = re.fullmatch(rb'1 \(EMAILID \((\w+)\) THREADID \((\w+)\) SAVEDATE ".{26}"\)', data[0])
    check(found, "identifiers and date of a message", data)
    check(client.search(None, "EMAILID", found[1].decode()) == ("OK", [b"1"]), "found by its identifier")
    check(client.search(None, "NOT", "THREADID", found[2].decode()) == ("OK", [b""]), "and by its conversation")
    client.copy("1", "Archive")
    client.select("Archive")
    answer, data = client.fetch("1", "(EMAILID)")
    check(data == [b"1 (EMAILID (%s))" % found[1]], "a copy has the same", data)


if __name__ == "__main__":
    with imaplib_session(target()) as session:
        tour(session)
