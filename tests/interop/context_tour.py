"""imaplib: results that are followed (RFC 5267), parts of results (RFC 9394), batches of UIDs (RFC 10022), on two connections.

With `dovecot` (a port) in the argument, Dovecot is asked the same, and every answer that differs must be among those known.
"""
import imaplib
import re

from common import DEADLINE, check, message, target

BOX = "TourContext"
MESSAGES = 8


class Raw:
    """An imaplib session whose commands are sent, and answers read, line by line."""

    def __init__(self, host, port, user, password):
        self.session = imaplib.IMAP4(host, port, timeout=DEADLINE)
        self.session.login(user, password)
        self.capabilities = self.session.capability()[1][0].decode().split()

    def run(self, tag, command):
        """The untagged responses and the tagged one."""
        self.session.send(("%s %s\r\n" % (tag, command)).encode())
        lines = []
        while True:
            line = self.session.readline().rstrip(b"\r\n").decode()
            if line.startswith(tag + " "):
                return lines, line[len(tag) + 1:]
            lines.append(line)


# Which connection, tag, command. The first follows, the second changes.
STEPS = [
    (0, "A1", "SEARCH RETURN (CONTEXT COUNT) UNDELETED UNKEYWORD $Junk"),
    (0, "A2", "SEARCH RETURN (CONTEXT) FLAGGED"),
    (0, "B1", "UID SEARCH RETURN (UPDATE COUNT) FLAGGED"),
    (0, "B1", "UID SEARCH RETURN (UPDATE COUNT) SEEN"),
    (0, "B2", "SEARCH RETURN (UPDATE ALL) OR SEEN SUBJECT message"),
    (0, "B3", "SEARCH RETURN (UPDATE) UNSEEN"),
    (0, "B4", "UID SEARCH RETURN (UPDATE MIN MAX) BODY body UNDELETED"),
    (1, "x1", "UID STORE 2,3,5 +FLAGS.SILENT (\\Flagged)"),
    (0, "a3", "NOOP"),
    (0, "a4", "STORE 3,4 +FLAGS.SILENT (\\Flagged)"),
    (1, "x2", "UID STORE 1:4 +FLAGS.SILENT (\\Seen)"),
    (0, "a5", "NOOP"),
    (1, "x3", "UID STORE 3 +FLAGS.SILENT (\\Deleted)"),
    (0, "a6", "NOOP"),
    (1, "x4", "UID EXPUNGE 3"),
    (0, "a7", "FETCH 1 (UID)"),
    (0, "a8", "NOOP"),
    (0, "c1", "CANCELUPDATE \"B2\" \"B3\""),
    (0, "c2", "CANCELUPDATE \"B2\""),
    (0, "a9", "STORE 1:2 -FLAGS.SILENT (\\Seen \\Flagged)"),
    (0, "c3", "CANCELUPDATE \"B1\" \"B4\""),
    (0, "a10", "STORE 1 +FLAGS.SILENT (\\Flagged)"),
    (0, "p1", "UID SEARCH RETURN (PARTIAL 1:3) ALL"),
    (0, "p2", "UID SEARCH RETURN (PARTIAL 3:1) ALL"),
    (0, "p3", "UID SEARCH RETURN (PARTIAL 6:9 COUNT) ALL"),
    (0, "p4", "UID SEARCH RETURN (PARTIAL 8:9) ALL"),
    (0, "p5", "UID SEARCH RETURN (PARTIAL -1:-2) ALL"),
    (0, "p6", "UID SEARCH RETURN (PARTIAL 1:2 ALL) ALL"),
    (0, "p7", "UID SEARCH RETURN (PARTIAL 1:2 PARTIAL 3:4) ALL"),
    (0, "p8", "UID SEARCH RETURN (PARTIAL 1:*) ALL"),
    (0, "p9", "UID SORT RETURN (PARTIAL 2:3) (REVERSE ARRIVAL) UTF-8 ALL"),
    (0, "s1", "UID SEARCH RETURN (SAVE PARTIAL 2:3) ALL"),
    (0, "s2", "UID SEARCH RETURN (ALL) $"),
    (0, "s3", "UID SEARCH RETURN (SAVE PARTIAL 2:3 MIN) ALL"),
    (0, "s4", "UID SEARCH RETURN (ALL) $"),
    (0, "s5", "UID SEARCH RETURN (SAVE UPDATE) FLAGGED"),
    (0, "o1", "SORT RETURN (UPDATE COUNT) (ARRIVAL) UTF-8 FLAGGED"),
    (0, "f1", "UID FETCH 1:* (UID) (PARTIAL -1:-2)"),
]

# Where Dovecot 2.3 answers otherwise; docs/imap-choices.md has the reasons.
DIFFERENT = {
    "x2",  # a change by another client, told by UID STORE: with the UID or without
    "a7", "a8",  # an expunged message leaves at once, or with its EXPUNGE
    "p3",  # COUNT before PARTIAL, or after it
    "p5", "f1",  # RFC 9394 is younger than this Dovecot
}


def fill(raw):
    raw.session.create(BOX)
    for n in range(MESSAGES):
        raw.session.append(BOX, None, '" 3-Nov-2026 10:%02d:00 +0000"' % n, message(n))


def normal(lines, tagged):
    """What of an answer can be compared: the order of what happened is free, and so are words."""
    kept = [line for line in lines if not re.match(r"\* (\d+ RECENT|FLAGS|OK \[(HIGHESTMODSEQ|PERMANENTFLAGS))", line)]
    flags = lambda m: "FLAGS (%s)" % " ".join(sorted(f for f in m.group(1).split() if f != "\\Recent"))
    kept = sorted(re.sub(r"FLAGS \(([^)]*)\)", flags, line) for line in kept)
    return kept, re.match(r"\w+( \[[A-Z]+)?", tagged).group(0)


def walk(host, port, user, password):
    connections = [Raw(host, port, user, password) for _ in range(2)]
    fill(connections[1])
    for raw in connections:
        raw.session.select(BOX)
    answers = {}
    for connection, tag, command in STEPS:
        answers.setdefault((tag, command), normal(*connections[connection].run(tag, command)))
    return connections, answers


def main():
    at = target()
    connections, answers = walk(at.host, at.imap, at.user, at.password)
    answer = {tag: value for (tag, _), value in answers.items()}
    for name in ["CONTEXT=SEARCH", "CONTEXT=SORT", "PARTIAL", "UIDBATCHES", "ESORT"]:
        check(name in connections[0].capabilities, "%s is offered" % name)
    check(answer["a3"][0][-1] == '* ESEARCH (TAG "B1") UID ADDTO (0 2:3,5)', "what another client flags is added", answer["a3"])
    check('* ESEARCH (TAG "B1") UID REMOVEFROM (0 3)' in answer["a7"][0], "and what it expunges removed", answer["a7"])
    check(not any("EXPUNGE" in line for line in answer["a7"][0]), "before EXPUNGE can be told")
    check(answer["a8"][0] == ["* 3 EXPUNGE"], "which it then is", answer["a8"])
    check(answer["a10"][0] == [], "nothing is told after CANCELUPDATE", answer["a10"])
    check(answer["p5"][0] == ['* ESEARCH (TAG "p5") UID PARTIAL (-1:-2 7:8)'], "the last two", answer["p5"])
    check(answer["f1"][0] == ["* 6 FETCH (UID 7)", "* 7 FETCH (UID 8)"], "UID FETCH of the last two", answer["f1"])
    lines, tagged = connections[0].run("u1", "UIDBATCHES 500")
    check(lines == ['* UIDBATCHES (TAG "u1") 8:1'] and tagged.startswith("OK"), "one batch", lines, tagged)
    check(connections[0].run("u2", "UIDBATCHES 499")[1].startswith("NO [TOOFEW]"), "500 is the least")
    if not hasattr(at, "dovecot"):
        return
    _, theirs = walk(at.host, at.dovecot, at.dovecot_user, at.dovecot_password)
    different = set()
    for (tag, command), ours in answers.items():
        if theirs[tag, command] != ours:
            different.add(tag)
            print("%s %s\n  ours    %s\n  dovecot %s" % (tag, command, ours, theirs[tag, command]))
    check(different == DIFFERENT, "what differs from Dovecot is known", sorted(different ^ DIFFERENT))


main()
