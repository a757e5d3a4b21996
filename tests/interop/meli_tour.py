"""meli under a pseudo-terminal: it lists INBOX, reads a message and idles, with and without compression.

By hand: MELI names the program, see docs/clients.md. It needs m4.
"""
import os
import pty
import re
import signal
import struct
import fcntl
import termios
import threading

from common import check, imaplib_session, message, target, wait_until
from tap import Tap

BOX = "INBOX"  # what it opens at its start
CONFIG = """
[accounts.tour]
root_mailbox = "{box}"
format = "imap"
server_hostname = "127.0.0.1"
server_port = {port}
server_username = "{user}"
server_password = "{password}"
use_starttls = false
use_tls = false
danger_accept_invalid_certs = true
use_deflate = {deflate}
identity = "robin@example.org"
send_mail = "false"
mailboxes."{box}" = {{ subscribe = true, autoload = true }}
"""
COUNT = 15


class Terminal:
    """A program on a screen of its own; what it draws is read and dropped."""

    def __init__(self, arguments, environment):
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
            os.execvpe(arguments[0], arguments, environment)
        self.drawn = b""
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            try:
                data = os.read(self.screen, 65536)
            except OSError:
                return
            if not data:
                return
            self.drawn = (self.drawn + data)[-200_000:]

    def shows(self, text):
        return text in re.sub(rb"\x1b\[[0-9;:?]*[a-zA-Z]|\x1b\([A-Z]", b"", self.drawn)

    def type(self, keys):
        os.write(self.screen, keys.encode())

    def end(self):
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)


def visit(t, tap, client, deflate):
    home = os.path.join(t.scratch, "deflate" if deflate else "plain")
    os.makedirs(home)
    config = os.path.join(home, "config.toml")
    with open(config, "w") as file:
        file.write(CONFIG.format(port=tap.port, user=t.user, password=t.password, box=BOX, deflate=str(deflate).lower()))
    os.chmod(config, 0o600)
    environment = dict(os.environ, HOME=home, XDG_CONFIG_HOME=home, XDG_DATA_HOME=home, XDG_CACHE_HOME=home, TERM="xterm-256color",
                       LC_ALL="C.UTF-8", MELI_CONFIG=config)
    meli = Terminal([os.environ.get("MELI", "meli"), "--config", config], environment)
    try:
        wait_until("it counts the messages", lambda: meli.shows(b"Messages: %d," % (COUNT + deflate)))
        yield meli
    finally:
        meli.end()
        said, answered = tap.heard()
        print("it asked: %s" % sorted(set(re.findall(rb"(?m)^M\d+ ((?:UID )?[A-Z]+)", said))))
        if deflate:
            check(b"COMPRESS DEFLATE" in said, "it compresses", said)
        bad = re.findall(rb"(?m)^\S+ (?:BAD|NO) [^\r]*", answered)
        check(not bad, "nothing was refused", bad)


def unseen(client):
    client.noop()
    return len(client.uid("SEARCH", None, "UNSEEN")[1][0].split())


def main():
    t = target()
    tap = Tap(t.host, t.imap)
    with imaplib_session(t, tls=False) as client:
        for n in range(COUNT):
            client.append(BOX, None, None, message(n))
        client.select(BOX)
        for deflate in (False, True):
            for meli in visit(t, tap, client, deflate):
                meli.type("\r")  # opens the newest
                wait_until("opening reads it", lambda: unseen(client) == COUNT + deflate - 1)
                wait_until("its text is shown", lambda: meli.shows(b"Body of message"))
                client.append(BOX, None, None, message(100 + deflate, "Arrives while it idles"))
                wait_until("IDLE brings a new message", lambda: meli.shows(b"Messages: %d," % (COUNT + deflate + 1)))
                client.uid("STORE", "1:*", "-FLAGS", "(\\Seen)")
        client.store("1:*", "+FLAGS.SILENT", "(\\Deleted)")
        client.close()


if __name__ == "__main__":
    main()
