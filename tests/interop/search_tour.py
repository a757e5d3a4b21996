"""imaplib and IMAPClient: search with results, saved results, sort, thread."""
import datetime

from imapclient import IMAPClient

from common import DEADLINE, check, imaplib_session, target, untrusting_context

BOX = "TourSearch"


def message(n, sender, subject, references=()):
    fields = ["From: %s" % sender, "To: robin@example.org", "Subject: %s" % subject, "Message-ID: <search.%d@example.org>" % n,
              "Date: Tue, 03 Nov 2026 10:%02d:00 +0000" % (30 - n)]
    if references:
        fields.append("References: " + " ".join("<search.%d@example.org>" % r for r in references))
    return ("\r\n".join(fields) + "\r\n\r\nBody %d, caf\u00e9\r\n" % n).encode()


def fill(client):
    client.create_folder(BOX)
    for n, (sender, subject, references) in enumerate([
            ("Zoe <ann@example.org>", "Plans", ()), ("Bert <bert@example.org>", "Re: Plans", (0,)),
            ("carla@example.org", "[list] Apples (fwd)", ()), ("Bert <bert@example.org>", "RE: Re: plans", (0, 1)),
            ("Abe <zed@example.org>", "apples", ())]):
        client.append(BOX, message(n, sender, subject, references),
                      msg_time=datetime.datetime(2026, 11, 3, 10, n, tzinfo=datetime.timezone.utc))
    check(client.select_folder(BOX)[b"EXISTS"] == 5, "five messages")


def sort_and_thread(client):
    uids = client.search("ALL")
    order = lambda found: [uids.index(uid) for uid in found]
    for criteria, want in [("ARRIVAL", [0, 1, 2, 3, 4]), ("REVERSE ARRIVAL", [4, 3, 2, 1, 0]), ("DATE", [4, 3, 2, 1, 0]),
                           ("FROM", [0, 1, 3, 2, 4]), ("DISPLAYFROM", [4, 1, 3, 2, 0]), ("SUBJECT", [2, 4, 0, 1, 3]),
                           ("SUBJECT DATE", [4, 2, 3, 1, 0])]:
        got = order(client.sort(criteria.split()))
        check(got == want, "SORT (%s)" % criteria, got)
    check(order(client.sort("ARRIVAL", ["FROM", "bert"], "UTF-8")) == [1, 3], "SORT of what is found")
    place = lambda tree: tuple(place(x) if isinstance(x, tuple) else uids.index(x) for x in tree)
    threads = sorted(place(tree) for tree in client.thread("REFERENCES"))
    check(threads == [(0, 1, 3), ((4,), (2,))] or threads == sorted([(0, 1, 3), (4, 2)]), "THREAD REFERENCES", threads)
    threads = sorted(place(tree) for tree in client.thread("ORDEREDSUBJECT"))
    check(threads == [(3, (1,), (0,)), (4, 2)], "THREAD ORDEREDSUBJECT", threads)
    check(order(client.search(["BODY", "CAF\u00c9"], "UTF-8")) == [0, 1, 2, 3, 4], "a search in UTF-8")
    check(order(client.search(["BODY", "caf\u00e9", "SUBJECT", "apples"], "ISO-8859-1")) == [2, 4], "and in ISO-8859-1")


def results(client):
    client.select('"%s"' % BOX)
    answer = client.search(None, "RETURN", "(SAVE MIN COUNT)", "SUBJECT", "plans")
    check(answer[0] == "OK", "SEARCH RETURN", answer)
    data = client.response("ESEARCH")[1]
    check(data[0].split(b") ")[1] == b"MIN 1 COUNT 3", "ESEARCH", data)
    answer = client.fetch("$", "(UID)")
    check(answer[0] == "OK" and len(answer[1]) == 3, "FETCH $", answer)
    answer = client.search(None, "OLDER 31536000")
    check(answer[0] == "OK", "SEARCH OLDER", answer)
    answer = client.sort("REVERSE SIZE", "UTF-8", "SUBJECT apples")
    check(answer[0] == "OK" and len(answer[1][0].split()) == 2, "imaplib sorts", answer)
    answer = client.thread("REFERENCES", "UTF-8", "ALL")
    check(answer[0] == "OK" and b"(1 2 4)" in answer[1][0], "imaplib threads", answer)


if __name__ == "__main__":
    where = target()
    device = IMAPClient(where.host, where.imaps, ssl=True, ssl_context=untrusting_context(), timeout=DEADLINE)
    device.login(where.user, where.password)
    for capability in ("SORT", "SORT=DISPLAY", "THREAD=REFERENCES", "THREAD=ORDEREDSUBJECT", "ESEARCH", "SEARCHRES"):
        check(device.has_capability(capability), "capability " + capability)
    fill(device)
    sort_and_thread(device)
    with imaplib_session(where) as session:
        results(session)
    device.delete_folder(BOX)
    device.logout()
