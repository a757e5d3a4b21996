"""Compares what poplib retrieves from maildrops with what imaplib fetches from one mailbox, message by message.

Beyond the usual argument: maildrops (a list of host, port, user, password), mailbox (default INBOX). Every message of the
maildrops must be in the mailbox exactly once, byte for byte, and nothing else; UIDs must ascend.
"""
import collections
import hashlib
import poplib
import re

from common import check, imaplib_session, target

# poplib refuses lines over 2,048 bytes; servers deliver longer ones.
poplib._MAXLINE = 10_000_000
CHUNK = 200


def maildrop_hashes(drop):
    client = poplib.POP3(drop["host"], drop["port"], timeout=60)
    client.user(drop["user"])
    client.pass_(drop["password"])
    count = client.stat()[0]
    for n in range(1, count + 1):
        lines = client.retr(n)[1]
        yield hashlib.sha256(b"".join(line + b"\r\n" for line in lines)).hexdigest()
    client.quit()


def mailbox_hashes(client, mailbox):
    count = int(client.select('"%s"' % mailbox, readonly=True)[1][0])
    uids = []
    for first in range(1, count + 1, CHUNK):
        answer = client.fetch("%d:%d" % (first, min(first + CHUNK - 1, count)), "(UID RFC822.SIZE BODY.PEEK[])")[1]
        for part in answer:
            if isinstance(part, tuple):
                uids.append(int(re.search(rb"UID (\d+)", part[0]).group(1)))
                size = int(re.search(rb"RFC822.SIZE (\d+)", part[0]).group(1))
                if size != len(part[1]):
                    check(False, "RFC822.SIZE is the number of bytes of UID %d" % uids[-1], size, len(part[1]))
                yield hashlib.sha256(part[1]).hexdigest()
    check(len(uids) == count, "every message was fetched", len(uids), count)
    check(uids == sorted(set(uids)), "UIDs ascend and none comes twice")


def main():
    t = target()
    want = collections.Counter(h for drop in t.maildrops for h in maildrop_hashes(drop))
    with imaplib_session(t) as client:
        got = collections.Counter(mailbox_hashes(client, getattr(t, "mailbox", "INBOX")))
    check(sum(want.values()) == t.expected, "the maildrops hold %d messages" % t.expected, sum(want.values()))
    missing, extra = want - got, got - want
    check(not missing and not extra, "%d messages are the same byte for byte" % t.expected,
          "missing or altered:", sum(missing.values()), "extra:", sum(extra.values()))


if __name__ == "__main__":
    main()
