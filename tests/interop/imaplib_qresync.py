"""Python's imaplib as a QRESYNC client: a cache that comes back again and again, and a second device that changes things."""
import random
import re

from common import check, imaplib_session, message, target

BOX, ELSEWHERE = "TourQresync", "TourQresyncElsewhere"
ROUNDS, CHANGES = 12, 6


class Cache:
    def __init__(self):
        self.uid_validity, self.mod_seq, self.complete_to, self.flags = None, None, 0, {}

    def come_back(self, client, known):
        """SELECT with what is known, then what is new; True if the answer told all changes to known messages."""
        parameter = "(QRESYNC (%s %s%s))" % (self.uid_validity, self.mod_seq, known) if self.uid_validity else "(CONDSTORE)"
        client.untagged_responses = {}
        status, data = client._simple_command("SELECT", BOX, parameter)
        check(status == "OK", "SELECT %s" % parameter, data)
        client.state = "SELECTED"
        answers = dict(client.untagged_responses)
        self.uid_validity = answers["UIDVALIDITY"][0].decode()
        self.mod_seq = int(answers["HIGHESTMODSEQ"][0])
        for line in answers.get("VANISHED", []):
            check(line.startswith(b"(EARLIER) "), "what vanished did so earlier", line)
            for uid in uids(line[10:]):
                self.flags.pop(uid, None)
        self.take(answers.get("FETCH", []), lambda uid: uid <= self.complete_to)
        status, data = client.uid("FETCH", "%d:*" % (self.complete_to + 1), "(UID FLAGS)")
        check(status == "OK", "the new ones are fetched")
        self.take(data, lambda uid: uid > self.complete_to)
        self.complete_to = max([self.complete_to] + list(self.flags))

    def take(self, lines, wanted):
        for line in filter(None, lines):
            uid = int(re.search(rb"UID (\d+)", line).group(1))
            if wanted(uid):
                self.flags[uid] = flags(line)


def uids(data):
    for part in data.split(b","):
        low, _, high = part.partition(b":")
        yield from range(int(low), int(high or low) + 1)


def flags(line):
    return frozenset(re.search(rb"FLAGS \((.*?)\)", line).group(1).split()) - {b"\\Recent"}


def truth(client):
    client.select(BOX, readonly=True)
    lines = filter(None, client.uid("FETCH", "1:*", "(UID FLAGS)")[1])
    return {int(re.search(rb"UID (\d+)", line).group(1)): flags(line) for line in lines}


def change(client, chance):
    client.select(BOX)
    for _ in range(CHANGES):
        present = [int(uid) for uid in client.uid("SEARCH", None, "ALL")[1][0].split()]
        some = ",".join(str(uid) for uid in chance.sample(present, min(2, len(present))))
        what = chance.choice(["append", "append", "flags", "flags", "expunge", "move"])
        if what == "append" or not some:
            client.append(BOX, chance.choice([None, "(\\Seen)"]), None, message(chance.randrange(60)))
        elif what == "flags":
            client.uid("STORE", some, chance.choice("+-") + "FLAGS", chance.choice(["(\\Flagged)", "(todo)"]))
        elif what == "move":
            client.uid("MOVE", some, ELSEWHERE)
        else:
            client.uid("STORE", some, "+FLAGS", "(\\Deleted)")
            client.expunge()


def main():
    t = target()
    chance, cache = random.Random(7162), Cache()
    with imaplib_session(t) as other:
        for name in (BOX, ELSEWHERE):
            other.create(name)
        for n in range(60):
            other.append(BOX, None, None, message(n))
        for n in range(ROUNDS):
            with imaplib_session(t) as client:
                check("QRESYNC" in client.capabilities or b"QRESYNC" in client.capability()[1][0], "QRESYNC is advertised")
                check(client.enable("QRESYNC")[0] == "OK", "ENABLE QRESYNC")
                check(client.response("ENABLED")[1] == [b"QRESYNC"], "and it says so")
                cache.come_back(client, chance.choice(["", " 1:%d" % max(cache.complete_to, 1)]))
                check(cache.flags == truth(other), "round %d: the cache is the mailbox" % n, cache.flags)
                # While it is there it is told by VANISHED.
                other.select(BOX)
                gone = min(cache.flags)
                other.uid("STORE", str(gone), "+FLAGS", "(\\Deleted)")
                other.expunge()
                client.untagged_responses = {}
                client.noop()
                check(client.response("VANISHED")[1] == [b"%d" % gone], "VANISHED of another's EXPUNGE", gone)
                check(client.response("EXPUNGE")[1] == [None], "and no EXPUNGE")
            change(other, chance)
        other.close()
        for name in (BOX, ELSEWHERE):
            other.delete(name)


if __name__ == "__main__":
    main()
