"""neomutt with a header cache and QRESYNC: it comes back to a mailbox that others have changed, over a proxy that listens."""
import os
import re

from common import check, imaplib_session, message, target
from neomutt_batch import RC, run_in_terminal
from tap import Tap

BOX, SAVED = "TourNeomuttQresync", "TourNeomuttQresyncSaved"
MORE = """
set header_cache="{cache}"
set imap_condstore=yes
set imap_qresync=yes
set mark_old=no
"""
COUNT = 30


def tapped(t, box, more):
    """A tap before the server, and a configuration that goes through it, with a header cache and `more`."""
    tap = Tap(t.host, t.imap)
    cache = os.path.join(t.scratch, "headers")
    os.mkdir(cache)
    rc = os.path.join(t.scratch, "muttrc")
    with open(rc, "w") as file:
        values = {"host": "127.0.0.1", "port": tap.port, "user": t.user, "password": t.password, "box": box, "cache": cache}
        file.write((RC.replace('set header_cache=""\n', "") + more).format(**values))
    return tap, rc


def visit(t, rc, keys, program="neomutt"):
    environment = dict(os.environ, HOME=t.scratch, TERM="xterm", LC_ALL="C.UTF-8")
    code, drawn = run_in_terminal([program, "-n", "-F", rc, "-e", "push '%s'" % keys], environment)
    check(code == 0, program + " ran its keys and quit", code, drawn)


def main():
    t = target()
    tap, rc = tapped(t, BOX, MORE)
    with imaplib_session(t, tls=False) as client:
        for name in (BOX, SAVED):
            client.create(name)
        for n in range(COUNT):
            client.append(BOX, None, None, message(n))
        visit(t, rc, "<quit>")
        said, _ = tap.heard()
        check(b"ENABLE" in said and b"QRESYNC" in said, "it enables QRESYNC", said)
        headers = len(re.findall(rb" FETCH [^\r]*HEADER", said))
        check(headers > 0, "the first visit fetches headers")

        client.select(BOX)
        client.uid("STORE", "3", "+FLAGS", "(\\Flagged)")
        client.uid("STORE", "5,%d" % COUNT, "+FLAGS", "(\\Deleted)")
        client.expunge()
        client.append(BOX, None, None, message(COUNT + 1))

        # What it finds flagged it saves; message 6 of those left is UID 7; the last one is the new one.
        visit(t, rc, "<tag-pattern>~F<enter><tag-prefix><copy-message>=%s<enter><first-entry><jump>6<enter><flag-message>"
              "<last-entry><delete-message><sync-mailbox><quit>" % SAVED)
        said, answered = tap.heard()
        asked = re.search(rb"UID FETCH [^\r]* \(CHANGEDSINCE \d+ VANISHED\)", said)
        check(asked, "the second visit asks for what changed and vanished", said)
        vanished = re.search(rb"\* VANISHED \(EARLIER\) ([0-9,:]+)", answered)
        check(vanished and b"5" in vanished.group(1).split(b","), "it is told what vanished", answered)
        check(b"* VANISHED %d\r\n" % (COUNT + 1) in answered, "its own expunge is answered by VANISHED", answered)
        check(not re.search(rb"\* \d+ EXPUNGE", answered), "and not by EXPUNGE")
        changed = re.findall(rb"FETCH \(UID (\d+) FLAGS \([^)]*\) MODSEQ", answered.split(b" OK UID FETCH completed")[0])
        check(changed == [b"3"], "and what changed, nothing else", changed)
        fetched = re.findall(rb" FETCH (\S+) [^\r]*HEADER", said)
        # neomutt asks again for the message that now has the number of one that vanished.
        check(len(fetched) <= 2 and not any(b":" in numbers for numbers in fetched), "no header is fetched again", fetched)
        client.select(BOX)
        check(client.uid("SEARCH", None, "FLAGGED")[1] == [b"3 7"], "it knew which message is which")
        check(client.uid("SEARCH", None, "UID", "5,%d:*" % COUNT)[1] == [b"%d" % (COUNT - 1)], "the last one is deleted")
        check(client.select(SAVED)[1] == [b"1"], "one was flagged")
        check(client.fetch("1", "(BODY.PEEK[])")[1][0][1] == message(2), "the one that another device had flagged")
        client.close()
        for name in (BOX, SAVED):
            client.delete(name)


if __name__ == "__main__":
    main()
