"""Python's imaplib with a quota: what the server tells of it, what it refuses, and that EXPUNGE makes room."""
import re

from common import check, imaplib_session, message, target

ROOT = '"User quota"'


def storage(client):
    """Usage and limit of the quota root of INBOX, in units of 1024 octets."""
    answer, (roots, quotas) = client.getquotaroot("INBOX")
    check(answer == "OK" and roots == [b'INBOX "User quota"'], "GETQUOTAROOT names the root", answer, roots)
    found = re.fullmatch(rb'"User quota" \(STORAGE (\d+) (\d+)\)', quotas[0])
    check(found, "usage and limit are told", quotas)
    check(client.getquota(ROOT) == ("OK", quotas), "GETQUOTA tells the same")
    return int(found[1]), int(found[2])


def tour(client, limit):
    capabilities = client.capability()[1][0].split()
    check(b"QUOTA" in capabilities and b"QUOTA=RES-STORAGE" in capabilities, "QUOTA is advertised", capabilities)
    check(b"QUOTASET" not in capabilities, "setting quotas is not", capabilities)
    check(storage(client) == (0, limit // 1024), "nothing is used at first")
    answer, data = client.setquota(ROOT, "(STORAGE 999999)")
    check(answer == "NO" and data[0].startswith(b"[NOPERM]"), "SETQUOTA is refused", answer, data)
    answer, data = client.getquota('"nothing"')
    check(answer == "NO", "an unknown root is refused", data)

    large = message(0, body="x" * (limit - len(message(0, body="x")) + 1))
    check(len(large) == limit, "a message as large as the quota")
    check(client.append("INBOX", None, None, large + b"\r\n")[0] == "NO", "one past it is refused")
    check(client.append("INBOX", None, None, large)[0] == "OK", "it fits exactly")
    check(storage(client) == (limit // 1024, limit // 1024), "the quota is full")
    answer, data = client.append("INBOX", None, None, message(1))
    check(answer == "NO" and data[0].startswith(b"[OVERQUOTA]"), "APPEND is refused", answer, data)
    client.select("INBOX")
    answer, data = client.copy("1", "Archive")
    check(answer == "NO" and data[0].startswith(b"[OVERQUOTA]"), "COPY is refused", answer, data)
    check(client.uid("MOVE", "1", "Archive")[0] == "OK", "MOVE is not")

    client.select("Archive")
    client.store("1", "+FLAGS", "(\\Deleted)")
    answer, data = client.status("Archive", "(DELETED DELETED-STORAGE)")
    check(b"(DELETED 1 DELETED-STORAGE %d)" % limit in data[0], "STATUS tells what EXPUNGE gives back", data)
    client.expunge()
    check(storage(client) == (0, limit // 1024), "EXPUNGE makes room")
    check(client.append("INBOX", None, None, message(1))[0] == "OK", "and APPEND goes on")
    check(storage(client)[0] == 1, "usage is rounded up")


if __name__ == "__main__":
    where = target()
    with imaplib_session(where) as session:
        tour(session, where.quota)
