"""aioimaplib: many connections of one person in one event loop; pipelined commands, IDLE as Home Assistant uses it."""
import asyncio
import datetime
import re

import aioimaplib

from common import DEADLINE, check, message, target, untrusting_context

BOX, MOVED = "TourAioimaplib", "TourAioimaplibMoved"
DEVICES, COUNT = 4, 20


async def device(t, tls=True):
    if tls:
        client = aioimaplib.IMAP4_SSL(t.host, t.imaps, timeout=DEADLINE, ssl_context=untrusting_context())
    else:
        client = aioimaplib.IMAP4(t.host, t.imap, timeout=DEADLINE)
    await client.wait_hello_from_server()
    done("LOGIN", await client.login(t.user, t.password))
    return client


def done(what, response):
    check(response.result == "OK", what, response)
    return response.lines


def exists(lines):
    return next(int(line.split()[0]) for line in lines if line.endswith(b" EXISTS"))


async def fills(client):
    for name in (BOX, MOVED):
        done("CREATE", await client.create(name))
    done("SELECT", await client.select(BOX))
    for n in range(COUNT):
        when = datetime.datetime(2026, 11, 3, 10, n, tzinfo=datetime.timezone.utc)
        lines = done("APPEND", await client.append(message(n), BOX, "\\Seen" if n % 2 else None, when))
        check(any(re.search(rb"APPENDUID \d+ %d\]" % (n + 1), line) for line in lines), "APPENDUID", lines)
    lines = done("FETCH of a literal", await client.fetch("3", "(FLAGS INTERNALDATE BODY.PEEK[])"))
    check(message(2) in lines, "the message is what was appended", lines)
    check(b'" 3-Nov-2026 10:02:00 +0000"' in lines[0], "and so is its date", lines)
    lines = done("FETCH of all", await client.uid("fetch", "1:*", "(UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
    check(sum(line.startswith(b"Subject: ") for line in lines) == COUNT, "every message has its subject", lines)


async def pipelines(client):
    """The library sends all at once whatever the server may answer at the same time."""
    answers = await asyncio.gather(
        client.uid_search("UNSEEN", charset=None), client.status(BOX, "(MESSAGES UIDNEXT)"), client.uid_search("SUBJECT", '"Message 1"'),
        client.list('""', "TourAio*"), client.fetch("1", "(FLAGS)"), client.noop(), client.namespace(), client.id(name="tour"))
    lines = [done("a pipelined command", answer) for answer in answers]
    check(len(lines[0][0].split()) == COUNT // 2, "half of them are unseen", lines[0])
    check(b"MESSAGES %d" % COUNT in lines[1][0], "STATUS", lines[1])
    check([int(n) for n in lines[2][0].split()] == [2] + list(range(11, 21)), "SEARCH SUBJECT is of substrings", lines[2])
    check(sum(b"TourAio" in line for line in lines[3]) == 2, "LIST", lines[3])


async def pushed(client, wanted):
    """What IDLE pushes until a line is of the wanted form."""
    async with asyncio.timeout(DEADLINE):
        while True:
            for line in await client.wait_server_push():
                if isinstance(line, bytes) and re.fullmatch(wanted, line):
                    return line


async def idles(devices, actor):
    for client in devices:
        check(exists(done("SELECT", await client.select(BOX))) == COUNT, "every device sees all messages")
    idling = [await client.idle_start(timeout=DEADLINE) for client in devices]
    done("STORE", await actor.uid("store", "5", "+FLAGS", "(\\Flagged)"))
    for client in devices:
        await pushed(client, rb"5 FETCH \(.*\\Flagged.*\)")
    done("MOVE", await actor.uid("move", "1:2", MOVED))
    for client in devices:
        await pushed(client, rb"1 EXPUNGE")
    done("APPEND", await actor.append(message(99), BOX))
    for client in devices:
        line = await pushed(client, rb"\d+ EXISTS")
        check(line == b"%d EXISTS" % (COUNT - 1), "IDLE tells the new count", line)
    for client, future in zip(devices, idling):
        client.idle_done()
        check((await asyncio.wait_for(future, DEADLINE)).result == "OK", "DONE ends IDLE")


async def changes_at_once(devices):
    """Each device sets its own keyword on every message, all at the same time: none is lost."""
    await asyncio.gather(*(client.uid("store", "1:*", "+FLAGS.SILENT", "(Device%d)" % n) for n, client in enumerate(devices)))
    for client in devices:
        lines = done("FETCH", await client.uid("fetch", "1:*", "(FLAGS)"))
        flags = [line for line in lines if b" FETCH (" in line]
        check(all(b"Device%d" % n in line for line in flags[-(COUNT - 1):] for n in range(DEVICES)), "no change is lost", flags)


async def main():
    t = target()
    actor = await device(t, tls=False)
    done("ENABLE", await actor.enable("CONDSTORE"))
    await fills(actor)
    await pipelines(actor)
    devices = await asyncio.gather(*(device(t) for _ in range(DEVICES)))
    await idles(devices, actor)
    await changes_at_once(devices)
    done("STORE", await actor.store("1", "+FLAGS", "(\\Deleted)"))
    lines = done("EXPUNGE", await actor.expunge())
    check(b"1 EXPUNGE" in lines, "EXPUNGE", lines)
    for name in (MOVED, BOX):
        if name == BOX:
            done("CLOSE", await actor.close())
        done("DELETE", await actor.delete(name))
    for client in devices:
        await client.logout()
    done("LOGOUT", await actor.logout())


if __name__ == "__main__":
    asyncio.run(main())
