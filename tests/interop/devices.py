"""The devices of one person: each behind a proxy that counts, and each with a picture of every mailbox, {UID: (Message-ID, flags)}."""
import json
import os
import re
import subprocess
import threading

import maildir
from common import DEADLINE, check
from tap import Tap

SYSTEM = {"\\answered", "\\flagged", "\\deleted", "\\seen", "\\draft"}
LETTERS = {"D": "\\draft", "F": "\\flagged", "R": "\\answered", "S": "\\seen", "T": "\\deleted"}


def folded(flags):
    """Keywords compare case-insensitively; \\Recent is of the session."""
    return frozenset(flag.lower() for flag in flags) - {"\\recent"}


class Mbsync(maildir.Device):
    """Maildirs kept by mbsync."""

    def __init__(self, t, name, boxes):
        self.counter = Tap(t.host, t.imap)
        account = ["Host 127.0.0.1", "Port %d" % self.counter.port, "SSLType None", "Timeout 60"]
        config = maildir.mbsync(account, " ".join(boxes), ["Create Near", "Expunge Both"])
        super().__init__(t, name, "INBOX", "mbsyncrc", config)
        self.name, self.known, self.added = name, {}, 0

    def sync(self):
        done = subprocess.run(["mbsync", "--config", self.config, "--all", "--quiet"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120, env=dict(os.environ, HOME=self.home))
        if done.returncode or done.stdout:
            check(False, "mbsync of %s" % self.name, done.returncode, done.stdout.decode(errors="replace"))

    def message_id(self, path):
        name = os.path.basename(path).partition(":2,")[0]
        if name not in self.known:
            with open(path, "rb") as file:
                self.known[name] = re.search(rb"(?im)^Message-ID: (<.*?>)", file.read()).group(1).decode()
        return self.known[name]

    def paths(self, box):
        return {self.message_id(path): path for path in self.files(box)}

    def picture(self, box):
        """What lies in the Maildir, under the UIDs that the state of the sync pairs it with."""
        far = {}
        with open(os.path.join(self.home, "mail", box, ".mbsyncstate")) as file:
            for line in file.read().partition("\n\n")[2].splitlines():
                theirs, ours, *_ = line.split(" ")
                far[int(ours)] = int(theirs)
        seen = {}
        for path in self.files(box):
            base, _, letters = os.path.basename(path).partition(":2,")
            number = re.search(r",U=(\d+)", base)
            if not number or int(number.group(1)) not in far:
                return {0: (path, frozenset(["not synced"]))}
            seen[far[int(number.group(1))]] = self.message_id(path), frozenset(LETTERS[letter] for letter in letters)
        return seen

    def flag(self, box, ids, letters):
        for path in map(self.paths(box).get, ids):
            base, _, old = os.path.basename(path).partition(":2,")
            name = "%s:2,%s" % (base, "".join(sorted(set(old + letters))))
            os.rename(path, os.path.join(self.folder(box, "cur"), name))

    def move(self, box, ids, to):
        """As mail programs move files: without the UID of the old place."""
        for path in map(self.paths(box).get, ids):
            name = re.sub(r",U=\d+", "", os.path.basename(path))
            os.rename(path, os.path.join(self.folder(to, "cur"), name))


class Phone:
    """The process of node/phone.cjs."""

    def __init__(self, t):
        self.counter, self.lock = Tap(t.host, t.imap), threading.Lock()
        argument = json.dumps({"host": "127.0.0.1", "port": self.counter.port, "user": t.user, "password": t.password})
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node", "phone.cjs")
        self.process = subprocess.Popen(["node", script, argument], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.events, self.answers, self.moved = [], [], threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            value = json.loads(line)
            with self.moved:
                (self.events if "event" in value else self.answers).append(value)
                self.moved.notify_all()
        with self.moved:
            self.answers.append({"failed": "the phone has ended"})
            self.moved.notify_all()

    def do(self, what, **arguments):
        with self.lock:
            self.process.stdin.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
            self.process.stdin.flush()
            with self.moved:
                check_quietly(self.moved.wait_for(lambda: self.answers, DEADLINE), "the phone answers", what)
                answer = self.answers.pop(0)
        check_quietly("done" in answer, "the phone does", what, answer)
        return answer["done"]

    def pushed(self, wanted, seconds):
        """Waits for an event since the last [`Phone::forget`]."""
        with self.moved:
            return self.moved.wait_for(lambda: next(filter(wanted, self.events), None), seconds)

    def forget(self):
        with self.moved:
            self.events.clear()

    def picture(self, box):
        return {uid: (name, folded(flags)) for uid, name, flags in self.do("picture", box=box)}

    def end(self):
        self.process.stdin.close()
        self.process.wait(DEADLINE)


def check_quietly(condition, *what):
    if not condition:
        check(False, *what)


def append_all(client, box, messages):
    """One MULTIAPPEND (RFC 3502), which imaplib has not: one commit."""
    tag = client._new_tag()
    client.send(tag + b" APPEND " + box.encode() + b"".join(b" {%d+}\r\n%s" % (len(one), one) for one in messages) + b"\r\n")
    while not (line := client.readline()).startswith(tag):
        pass
    check_quietly(line.startswith(tag + b" OK"), "MULTIAPPEND", line)


def truth(client, box):
    """The same of the server, by imaplib."""
    check_quietly(client.select(box, readonly=True)[0] == "OK", "EXAMINE", box)
    status, data = client.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
    check_quietly(status == "OK", "FETCH", data)
    seen = {}
    for line, header in (item for item in data if isinstance(item, tuple)):
        flags = re.search(rb"FLAGS \((.*?)\)", line).group(1).decode().split()
        name = re.search(rb"(?i)Message-ID: (<.*?>)", header).group(1).decode()
        seen[int(re.search(rb"UID (\d+)", line).group(1))] = name, folded(flags)
    client.unselect()
    return seen


def system_only(picture):
    return {uid: (name, flags & SYSTEM) for uid, (name, flags) in picture.items()}
