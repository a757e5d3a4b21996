"""interimap: keeps the mailboxes of two servers in step, both ways, by QRESYNC alone; it gives up at any broken answer."""
import os
import subprocess
import time

from common import Target, check, imaplib_session, message, target

BOX, BELOW = "TourInterimap", '"TourInterimap/Sub &- more"'
COUNT = 30

CONFIG = """
database = {scratch}/interimap.db
list-mailbox = "TourInterimap*"

[local]
type = imap
host = 127.0.0.1
port = {local}
username = {user}
password = {password}
STARTTLS = NO
auth = PLAIN LOGIN
compress = YES

[remote]
type = imap
host = 127.0.0.1
port = {remote}
username = {user}
password = {password}
STARTTLS = NO
auth = PLAIN LOGIN
compress = YES
"""


class Pair:
    def __init__(self, t):
        self.config = os.path.join(t.scratch, "interimaprc")
        self.environment = dict(os.environ, HOME=t.scratch, LC_ALL="C.UTF-8")
        with open(self.config, "w") as file:
            file.write(CONFIG.format(scratch=t.scratch, local=t.imap, remote=t.other, user=t.user, password=t.password))

    def sync(self, what):
        done = subprocess.run(["interimap", "--config", self.config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                              env=self.environment)
        words = done.stdout.decode(errors="replace")
        check(done.returncode == 0 and "WARNING" not in words and "ERROR" not in words, "interimap: " + what, words)
        return words


    def watch(self, one, two):
        """By NOTIFY: what happens at one side is at the other long before it would look by itself."""
        with open(self.config + ".log", "w+") as log:
            watching = subprocess.Popen(["interimap", "--config", self.config, "--notify", "--watch=600"], stdout=log, stderr=log,
                                        env=self.environment)
            try:
                for sender, receiver in ((one, two), (two, one), (one, two)):
                    before = len(held(sender))
                    sender.append(BOX, None, None, message(200 + before))
                    receiver.select(BOX)
                    end = time.monotonic() + 100
                    while int(receiver.untagged_responses["EXISTS"][-1]) <= before:
                        check(time.monotonic() < end and watching.poll() is None, "interimap is told of new mail by NOTIFY")
                        receiver.noop()
                    receiver.close()
            finally:
                watching.terminate()
                watching.wait(60)
            log.seek(0)
            words = log.read()
        check("WARNING" not in words and "ERROR" not in words, "interimap takes what NOTIFY tells", words)


def held(client, box=BOX):
    """What a mailbox holds: the flags by the Message-ID."""
    client.select(box, True)
    rows = {}
    data = client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1] if client.uid("SEARCH", None, "ALL")[1][0] else []
    for row in data:
        if isinstance(row, tuple):
            name = row[1].split(b"<")[1].split(b"@")[0].decode()
            flags = row[0].split(b"FLAGS (")[1].split(b")")[0].split()
            rows[name] = frozenset(flag for flag in flags if flag != b"\\Recent")
    client.close()
    return rows


def names(client, command="list"):
    return sorted(row.split(b'"/" ')[1].strip(b'"') for row in getattr(client, command)('""', "TourInterimap*")[1] if row)


def main():
    t = target()
    other = Target("{}")
    other.__dict__.update(t.__dict__, imap=t.other)
    with imaplib_session(t, tls=False) as one, imaplib_session(other, tls=False) as two:
        one.create(BOX)
        one.create(BELOW)
        one.subscribe(BELOW)
        for n in range(COUNT):
            one.append(BOX, "(\\Seen Later)" if n % 3 == 0 else None, None, message(n))
        two.create(BOX)
        for n in range(COUNT, COUNT + 5):
            two.append(BOX, "(\\Flagged)", None, message(n))
        pair = Pair(t)
        pair.sync("the first time")
        both = held(one)
        check(len(both) == COUNT + 5 and held(two) == both, "both hold all messages, with their flags", both)
        check(names(two) == names(one) and names(two, "lsub") == names(one, "lsub"), "mailboxes and subscriptions as well", names(two))

        pair.sync("what it has written itself")
        one.select(BOX)
        one.store("1:5", "+FLAGS", "(\\Deleted)")
        one.expunge()
        one.store("1", "+FLAGS", "(\\Answered)")
        two.select(BOX)
        two.uid("STORE", "12:*", "-FLAGS", "(Later)")  # UID 11 is the one with \\Answered, those before are gone
        two.store("20:22", "+FLAGS", "(\\Deleted)")
        two.expunge()
        for n in range(100, 110):
            one.append(BOX, None, None, message(n))
            two.append(BELOW, None, None, message(n + 100))
        pair.sync("after changes on both sides")
        both = held(one)
        check(held(two) == both, "both are the same again", set(held(two).items()) ^ set(both.items()))
        check(len(both) == COUNT + 5 - 8 + 10, "what was deleted is gone on both, what came is on both", sorted(both))
        check(not any(b"Later" in flags for flags in both.values()), "a keyword taken away is away", both)
        check(len(held(one, BELOW)) == 10 and held(one, BELOW) == held(two, BELOW), "the mailbox below it too")
        pair.sync("what it has written itself")
        words = pair.sync("nothing to do")
        check("Added" not in words and "Updated" not in words, "an idle run changes nothing", words)
        pair.watch(one, two)
        for client in (one, two):
            for box in (BELOW, BOX):
                client.delete(box)


if __name__ == "__main__":
    main()
