"""offlineimap: two Maildirs in step with the server, both ways, with flags, keywords and names beyond ASCII."""
import os
import subprocess

import maildir
from common import check, imaplib_session, message, target

# The second one as imaplib says it (modified UTF-7), and as it is on disk.
TOP = "TourOfflineimap"
CODED, DECODED = "TourOfflineimap/B&APw-cher &- &ZeVnLIqe-", "TourOfflineimap/B\u00fccher & \u65e5\u672c\u8a9e"

CONFIG = """
[general]
accounts = tour
metadata = {home}/metadata
maxsyncaccounts = 1
ui = quiet
socktimeout = 60

[Account tour]
localrepository = local
remoterepository = remote
utf8foldernames = yes

[Repository local]
type = Maildir
localfolders = {home}/mail
sep = /

[Repository remote]
type = IMAP
remotehost = localhost
remoteport = {port}
remoteuser = {user}
remotepass = {password}
ssl = yes
sslcacertfile = {certificate}
starttls = no
maxconnections = 2
idlefolders = []
usecompression = yes
folderfilter = lambda name: name.startswith('TourOfflineimap')
"""


class Device(maildir.Device):
    """One Maildir and its offlineimap configuration."""

    def __init__(self, t, name):
        super().__init__(t, name, TOP, "offlineimaprc", CONFIG)

    def sync(self, what):
        done = subprocess.run(["offlineimap", "-o", "-c", self.config], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=120, env=dict(os.environ, HOME=self.home, LC_ALL="C.UTF-8"))
        words = done.stdout.decode(errors="replace")
        check(done.returncode == 0 and "ERROR" not in words, "offlineimap: " + what, words)


def main():
    t = target()
    with imaplib_session(t) as client:
        client.create(TOP)
        client.create('"%s"' % CODED)
        for n in range(10):
            client.append(TOP, "(\\Seen)" if n % 2 else None, None, message(n))
        client.append('"%s"' % CODED, None, None, message(77))
        one, two = Device(t, "one"), Device(t, "two")
        one.sync("device one, first time")
        two.sync("device two, first time")
        names = sorted("Message %d" % n for n in range(10))
        check(one.subjects() == names and two.subjects() == names, "both devices hold the ten messages", one.subjects())
        check(one.subjects(DECODED) == ["Message 77"], "and the mailbox with a name beyond ASCII", os.listdir(one.home + "/mail"))
        check(two.flags("Message 1") == "S" and two.flags("Message 2") == "", "flags come along", two.flags("Message 1"))
        with open(one.find("Message 4"), "rb") as file:
            check(file.read() == message(4).replace(b"\r\n", b"\n"), "the bytes are those of the server")

        one.set_flags("Message 0", "FRS")
        one.add(20)
        one.add(22, DECODED)
        os.remove(two.find("Message 3"))
        two.add(21)
        client.select(TOP)
        client.uid("STORE", "6", "+FLAGS", "(\\Answered)")
        one.sync("device one sends flags and two messages")
        two.sync("device two sends a deletion and a message")
        one.sync("device one takes what two sent")
        names = sorted(set(names + ["Message 20", "Message 21"]) - {"Message 3"})
        for device in (one, two):
            check(device.subjects() == names, "a device has all changes", device.subjects())
            check(device.flags("Message 0") == "FRS" and device.flags("Message 5") == "RS", "and all flags", device.flags("Message 5"))
            check(device.subjects(DECODED) == ["Message 22", "Message 77"], "and the other mailbox", device.subjects(DECODED))
        check(client.select(TOP)[1] == [b"11"], "the server holds eleven messages")
        check(client.uid("SEARCH", None, "FLAGGED")[1] == [b"1"], "and one flag")
        uid = client.uid("SEARCH", None, 'SUBJECT "Message 20"')[1][0]
        body = client.uid("FETCH", uid.decode(), "(BODY.PEEK[])")[1][0][1]
        text = [line for line in body.splitlines(True) if not line.lower().startswith(b"x-offlineimap")]
        check(b"".join(text) == message(20), "what a device wrote is kept as written", body)

        before = [os.path.basename(path) for path in one.files()]
        one.sync("nothing to do")
        check([os.path.basename(path) for path in one.files()] == before, "an idle run changes nothing")
        client.close()
        for name in (CODED, TOP):
            check(client.delete('"%s"' % name)[0] == "OK", "deleted")


if __name__ == "__main__":
    main()
