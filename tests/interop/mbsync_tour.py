"""mbsync (isync): two devices keep Maildirs in step with the server, both ways, and with each other through it."""
import os
import subprocess

import maildir
from common import check, imaplib_session, message, target

BOX = "TourMbsync"

CONFIG = maildir.mbsync(
    ["Host localhost", "Port {port}", "SSLType IMAPS", "SystemCertificates no", "CertificateFile {certificate}", "Timeout 30"],
    "{box} {box}/*", ["Create Both", "Remove Both", "Expunge Both"])


class Device(maildir.Device):
    """One Maildir and its mbsync configuration."""

    def __init__(self, t, name):
        super().__init__(t, name, BOX, "mbsyncrc", CONFIG)

    def sync(self, what):
        done = subprocess.run(["mbsync", "--config", self.config, "--all"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120, env=dict(os.environ, HOME=self.home))
        check(done.returncode == 0, "mbsync: " + what, done.stdout.decode(errors="replace"))


def main():
    t = target()
    with imaplib_session(t) as client:
        client.create(BOX)
        client.create('"%s/Sub box"' % BOX)
        for n in range(10):
            client.append(BOX, "(\\Seen)" if n % 2 else None, None, message(n))
        client.append('"%s/Sub box"' % BOX, None, None, message(77))
        one, two = Device(t, "one"), Device(t, "two")
        one.sync("device one, first time")
        two.sync("device two, first time")
        names = sorted("Message %d" % n for n in range(10))
        check(one.subjects() == names and two.subjects() == names, "both devices hold the ten messages", one.subjects())
        check(one.subjects(BOX + "/Sub box") == ["Message 77"], "and the mailbox below it")
        with open(one.find("Message 4"), "rb") as file:
            body = [line for line in file.read().splitlines(True) if not line.startswith(b"X-TUID")]
        check(b"".join(body) == message(4).replace(b"\r\n", b"\n"), "the bytes are those of the server", body)
        one.set_flags("Message 0", "FS")
        one.add(20)
        two.set_flags("Message 3", "ST")
        two.add(21)
        one.sync("device one sends a flag and a message")
        two.sync("device two sends a deletion and a message")
        one.sync("device one takes what two sent")
        names = sorted(set(names + ["Message 20", "Message 21"]) - {"Message 3"})
        check(one.subjects() == names, "device one has all changes", one.subjects())
        check(two.subjects() == names, "device two has all changes", two.subjects())
        check(set(two.flags("Message 0")) >= {"F", "S"}, "the flag went from one device to the other", two.flags("Message 0"))
        count = client.select(BOX)[1]
        check(count == [b"11"], "the server holds eleven messages", count)
        subjects = client.search(None, "FLAGGED")[1][0].split()
        check(len(subjects) == 1, "and one flag", subjects)
        before = [os.path.basename(p) for p in one.files()]
        one.sync("nothing to do")
        check([os.path.basename(p) for p in one.files()] == before, "an idle run changes nothing")
        client.close()
        client.delete('"%s/Sub box"' % BOX)
        client.delete(BOX)


if __name__ == "__main__":
    main()
