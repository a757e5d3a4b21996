"""One account on many devices at once: two mbsync, Thunderbird, and a phone (imapflow with QRESYNC and IDLE), with mail
arriving by POP3 meanwhile. Devices go offline for 1,000 changes and come back. In the end all have the same as the server.

Takes `maildrop` besides: the Maildir that is the account's upstream.
"""
import concurrent.futures
import itertools
import os
import time

from common import check, imaplib_session, message, said, target, wait_until
from devices import Mbsync, Phone, append_all, system_only, truth
from thunderbird import Thunderbird

BOXES = ["INBOX", "Work", "Archive", "Trash"]
START, ROUNDS = 60, 3
# Each makes 50 changes: 20 flags, 10 moves, 10 expunges, 10 new messages.
SLICES = 20
CHANGES = SLICES * 50

numbers = itertools.count(1000)


def lf(n):
    return message(n).replace(b"\r\n", b"\n")


class Person:
    """All that is on the account."""

    def __init__(self, t, client):
        self.t, self.client = t, client
        self.one, self.two = Mbsync(t, "one", BOXES), Mbsync(t, "two", BOXES)
        self.phone, self.thunderbird = Phone(t), Thunderbird(t, "thunderbird")

    def arrive(self, count):
        """Mail comes in at the maildrop, which the service polls each second."""
        owner = os.stat(self.t.maildrop)
        for n in itertools.islice(numbers, count):
            path = os.path.join(self.t.maildrop, "tmp", "1700000000.%d.upstream" % n)
            with open(path, "wb") as file:
                file.write(lf(n))
            os.chown(path, owner.st_uid, owner.st_gid)
            os.rename(path, path.replace("/tmp/1700000000", "/new/1700000000"))

    def arrived(self, count):
        wait_until("%d messages in INBOX" % count, lambda: self.client.noop() and len(truth(self.client, "INBOX")) >= count)

    def agree(self, what, mbsyncs, thunderbird=True, phone=True):
        """Every device named comes to hold what the server has, in every mailbox."""
        ends, differ = time.monotonic() + 60, None
        while time.monotonic() < ends:
            for device in mbsyncs:
                device.sync()
            for box in BOXES:
                if thunderbird:
                    self.thunderbird.update(box)
                if phone:
                    self.phone.do("visit", box=box)
            differ = [found for box in BOXES for found in self.differences(box, mbsyncs, thunderbird, phone)]
            if not differ:
                said(what)
                return
        check(False, what, *differ)

    def differences(self, box, mbsyncs, thunderbird, phone):
        seen = truth(self.client, box)
        pictures = [(device.name, device.picture(box), system_only(seen)) for device in mbsyncs]
        if thunderbird:
            pictures.append(("Thunderbird", self.thunderbird.picture(box), seen))
        if phone:
            pictures.append(("phone", self.phone.picture(box), seen))
        return [(box, name, sorted(set(here.items()) ^ set(there.items()), key=str)[:6])
                for name, here, there in pictures if here != there]

    def inbox(self):
        return [name for name, _ in truth(self.client, "INBOX").values()]


def online_round(person, n):
    """All devices at once: each works on messages of its own, but sets flags of those of the others as well."""
    ids = person.inbox()
    mine, rest = [ids[k * 8:k * 8 + 8] for k in range(4)], ids[32:40]

    def thunderbird():
        device = person.thunderbird
        device.mark("INBOX", mine[0][:2] + rest[:3], "seen")
        device.mark("INBOX", mine[0][1:3] + rest[2:4], "flagged")
        device.tag("INBOX", rest[4:6], "$label%d" % (n + 1))
        device.move("INBOX", mine[0][3:5], "Work")
        device.delete("INBOX", mine[0][5:7])

    def phone():
        device = person.phone
        device.do("flag", box="INBOX", ids=mine[1][:2] + rest[:2], flags=["\\Answered", "Todo%d" % n])
        device.do("move", box="INBOX", ids=mine[1][2:4], to="Archive")
        device.do("expunge", box="INBOX", ids=mine[1][4:6])
        device.do("append", box="Work", message=message(next(numbers)).decode())
        device.do("flag", box="INBOX", ids=mine[1][:1], flags=["\\Answered"], on=False)
        device.do("idle", box="INBOX")

    def mbsync(device, own):
        device.sync()
        device.flag("INBOX", own[:2] + rest[4:], "FS")
        device.move("INBOX", own[2:4], "Work")
        device.flag("INBOX", own[4:6], "T")
        device.add(next(numbers), "Archive")
        device.sync()

    work = [thunderbird, phone, lambda: mbsync(person.one, mine[2]), lambda: mbsync(person.two, mine[3]),
            lambda: person.arrive(10)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for done in [pool.submit(one) for one in work]:
            done.result()


def many_changes(client, between):
    """1,000 changes by another client; `between` lets those that are online do something of their own."""
    for n in range(SLICES):
        client.select("INBOX")
        uids = client.uid("SEARCH", None, "ALL")[1][0].decode().split()
        pick = uids[n % 3::max(len(uids) // 40, 1)][:40]
        for at, flag in ((0, "+FLAGS.SILENT (\\Flagged)"), (10, "+FLAGS.SILENT (\\Seen Later)")):
            client.uid("STORE", ",".join(pick[at:at + 10]), *flag.split(" ", 1))
        client.uid("MOVE", ",".join(pick[20:30]), ("Work", "Archive")[n % 2])
        client.uid("STORE", ",".join(pick[30:]), "+FLAGS.SILENT", "(\\Deleted)")
        client.uid("EXPUNGE", ",".join(pick[30:]))
        client.unselect()
        fill(client, 10)
        between(n)


def push(person):
    """With IDLE running, what one does the other is told within the second."""
    phone, ids = person.phone, person.inbox()
    phone.do("idle", box="INBOX")
    client = person.client
    uid = next(str(uid) for uid, (name, _) in truth(client, "INBOX").items() if name == ids[0])
    client.select("INBOX")
    steps = [
        ("a flag", "flags", lambda: client.uid("STORE", uid, "+FLAGS", "(Urgent)")),
        ("its removal", "flags", lambda: client.uid("STORE", uid, "-FLAGS", "(Urgent)")),
        ("a new message", "exists", lambda: client.append("INBOX", None, None, message(next(numbers)))),
        ("a move away", "expunge", lambda: client.uid("MOVE", uid, "Archive")),
    ]
    for what, event, act in steps:
        phone.forget()
        act()
        check(phone.pushed(lambda one: one["event"] == event, 1.0), "the phone is told within a second: " + what, phone.events)
    # And the other way round: IDLE by hand, which imaplib has not.
    name = min(truth(client, "INBOX").items())[1][0]
    client.select("INBOX")
    tag = client._new_tag()
    client.send(tag + b" IDLE\r\n")
    check(client.readline().startswith(b"+ "), "imaplib idles")
    for flags, on in (("\\Flagged", False), ("Urgent", True)):
        begun = time.monotonic()
        phone.do("flag", box="INBOX", ids=[name], flags=[flags], on=on)
        while b" FETCH " not in (line := client.readline()):
            pass
        check(time.monotonic() - begun < 1.0, "imaplib is told within a second", line)
    client.send(b"DONE\r\n")
    while not client.readline().startswith(tag):
        pass
    client.unselect()
    phone.do("idle", box="INBOX")


def pushed_to_thunderbird(person):
    """Thunderbird begins to idle two seconds after its last work; then it is told without having asked."""
    count = len(person.thunderbird.picture("INBOX"))
    person.client.append("INBOX", None, None, message(next(numbers)))
    wait_until("Thunderbird is told of new mail", lambda: len(person.thunderbird.picture("INBOX")) > count)


def main():
    t = target()
    with imaplib_session(t, tls=False) as client:
        for box in ("Work", "Archive", "Trash"):
            client.create(box)
            client.subscribe(box)
        person = Person(t, client)
        person.arrive(START)
        person.arrived(START)
        person.phone.do("online")
        with person.thunderbird:
            print("Thunderbird", person.thunderbird.version())
            person.thunderbird.discover()
            both = [person.one, person.two]
            person.agree("all devices have the first messages", both)
            for n in range(ROUNDS):
                online_round(person, n)
                person.arrived(1)
                person.agree("round %d: all devices have the same" % n, both)
            push(person)
            pushed_to_thunderbird(person)
            away_with_a_phone(person)
            person.agree("before Thunderbird goes", both)
        away_with_thunderbird(person)
        check(person.phone.do("complaints") == [], "imapflow found nothing to complain of", person.phone.do("complaints"))
        person.phone.end()


def fill(client, count):
    append_all(client, "INBOX", [message(n) for n in itertools.islice(numbers, count)])


def came_back(person, name, begun, **who):
    """Brings a device home and tells what it cost."""
    device = getattr(person, name)
    device.counter.taken()
    begun()
    person.agree("%s comes back to all %d changes" % (name, CHANGES), who.pop("mbsyncs", []), **who)
    print("octets to %s after %d changes: %d" % (name, CHANGES, device.counter.taken()))


def away_with_a_phone(person):
    """The phone and one of the mbsyncs are offline; the rest works on."""
    fill(person.client, 500)
    person.agree("all have 500 messages more", [person.one, person.two])
    person.phone.do("offline")

    def meanwhile(n):
        if n % 5 == 0:
            ids = person.inbox()[-5:]
            person.one.sync()
            person.one.flag("INBOX", ids[:1], "S")
            person.thunderbird.update("INBOX")
            person.arrive(2)

    many_changes(person.client, meanwhile)
    person.one.sync()
    came_back(person, "phone", lambda: person.phone.do("online"), thunderbird=False)
    came_back(person, "two", lambda: None, thunderbird=False, phone=False, mbsyncs=[person.two])
    person.agree("and so have all", [person.one, person.two])


def away_with_thunderbird(person):
    fill(person.client, 300)
    many_changes(person.client, lambda n: None)
    came_back(person, "thunderbird", person.thunderbird.__enter__, phone=False)
    try:
        person.agree("in the end all devices have the same", [person.one, person.two])
    finally:
        person.thunderbird.__exit__()


if __name__ == "__main__":
    main()
