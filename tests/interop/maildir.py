"""A device that keeps Maildirs in step with the server by a program of its own, seen through its files."""
import glob
import os
import ssl

from common import message


def mbsync(account, patterns, channel):
    """The template of a configuration of mbsync: lines that say where the server is, and lines of what to do both ways."""
    return "\n".join(
        ["IMAPAccount server", "User {user}", "Pass {password}", *account, "",
         "IMAPStore remote", "Account server", "",
         "MaildirStore local", "Path {home}/mail/", "Inbox {home}/mail/INBOX", "SubFolders Verbatim", "",
         "Channel all", "Far :remote:", "Near :local:", "Patterns " + patterns, *channel, "SyncState *", ""])


class Device:
    """One home directory with Maildirs in it and a configuration file for the program."""

    def __init__(self, t, name, box, rc, config):
        """`config` is a template; `box` the mailbox that is meant where none is named."""
        self.home, self.box = os.path.join(t.scratch, name), box
        os.makedirs(os.path.join(self.home, "mail"))
        certificate = os.path.join(self.home, "server.pem")
        with open(certificate, "w") as file:
            file.write(ssl.get_server_certificate((t.host, t.imaps)))
        self.config = os.path.join(self.home, rc)
        with open(self.config, "w") as file:
            file.write(config.format(home=self.home, port=t.imaps, user=t.user, password=t.password,
                                     certificate=certificate, box=box))

    def folder(self, box, part):
        return os.path.join(self.home, "mail", box or self.box, part)

    def files(self, box=None):
        return sorted(glob.glob(self.folder(box, os.path.join("cur", "*"))) +
                      glob.glob(self.folder(box, os.path.join("new", "*"))))

    def subjects(self, box=None):
        return sorted(self.subject(path) for path in self.files(box))

    @staticmethod
    def subject(path):
        with open(path, "rb") as file:
            return next(line for line in file if line.startswith(b"Subject: ")).decode().strip()[9:]

    def find(self, subject, box=None):
        return next(path for path in self.files(box) if self.subject(path) == subject)

    def flags(self, subject):
        return os.path.basename(self.find(subject)).partition(":2,")[2]

    def set_flags(self, subject, flags):
        path = self.find(subject)
        base = os.path.basename(path).partition(":2,")[0]
        os.rename(path, os.path.join(self.folder(None, "cur"), "%s:2,%s" % (base, flags)))

    def add(self, n, box=None):
        with open(os.path.join(self.folder(box, "new"), "1700000000.%d.device" % n), "wb") as file:
            file.write(message(n).replace(b"\r\n", b"\n"))
