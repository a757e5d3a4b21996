"""mutt with COMPRESS, CONDSTORE and QRESYNC at once: what it said is read out of the deflate streams."""
import re
import zlib

from common import check, imaplib_session, message, target
from neomutt_qresync import tapped, visit

BOX, SAVED = "TourMutt", "TourMuttSaved"
MORE = """
set header_cache="{cache}"
set imap_condstore=yes
set imap_qresync=yes
set imap_deflate=yes
set mark_old=no
"""
COUNT = 40


def inflated(said, answered):
    """Both directions of one connection, inflated from where COMPRESS took hold (RFC 4978 section 3)."""
    asked = re.search(rb"(\S+) COMPRESS DEFLATE\r\n", said)
    check(asked, "it compresses", said)
    taken = re.search(rb"(?m)^%s OK [^\r]*\r\n" % re.escape(asked.group(1)), answered)
    check(taken, "COMPRESS is taken", answered)
    for name, data, end in (("said", said, asked.end()), ("answered", answered, taken.end())):
        plain = zlib.decompressobj(-15).decompress(data[end:])
        print("%s: %d octets for %d" % (name, len(data) - end, len(plain)))
        yield plain


def main():
    t = target()
    tap, rc = tapped(t, BOX, MORE)
    with imaplib_session(t, tls=False) as client:
        for name in (BOX, SAVED):
            client.create(name)
        for n in range(COUNT):
            client.append(BOX, None, None, message(n))
        visit(t, rc, "<quit>", "mutt")
        raw = tap.heard()
        said, answered = inflated(*raw)
        check(b"ENABLE" in said + raw[0] and b"QRESYNC" in said + raw[0], "it enables QRESYNC", said)
        check(answered.count(b" FETCH (") >= COUNT, "the first visit fetches headers", answered)
        check(len(raw[1]) < len(answered) // 2, "in less than half the octets", len(raw[1]), len(answered))

        client.select(BOX)
        client.uid("STORE", "3", "+FLAGS", "(\\Flagged)")
        client.uid("STORE", "5,%d" % COUNT, "+FLAGS", "(\\Deleted)")
        client.expunge()
        client.append(BOX, None, None, message(COUNT + 1))
        visit(t, rc, "<tag-pattern>~F<enter><tag-prefix><copy-message>=%s<enter><last-entry><delete-message><sync-mailbox><quit>" % SAVED, "mutt")
        said, answered = inflated(*tap.heard())
        vanished = re.search(rb"\* VANISHED \(EARLIER\) ([0-9,:]+)", answered)
        check(vanished and b"5" in vanished.group(1).split(b","), "it is told what vanished", said, answered)
        check(b"* VANISHED %d\r\n" % (COUNT + 1) in answered, "its own expunge is answered by VANISHED", answered)
        client.select(BOX)
        check(client.uid("SEARCH", None, "UID", "%d:*" % (COUNT + 1))[1][0].split() == [b"%d" % (COUNT - 1)], "the last one is deleted")
        check(client.select(SAVED)[1] == [b"1"], "one was flagged")
        check(client.fetch("1", "(BODY.PEEK[])")[1][0][1] == message(2), "the one that another device had flagged")
        client.close()
        for name in (BOX, SAVED):
            client.delete(name)


if __name__ == "__main__":
    main()
