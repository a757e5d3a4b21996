"""neomutt under a pseudo-terminal: open the mailbox, flag and tag, delete, save to another mailbox, quit."""
import os
import pty
import select
import signal
import time

from common import check, imaplib_session, message, target

BOX, SAVED = "TourNeomutt", "TourNeomuttSaved"
RC = """
set folder="imap://{host}:{port}/"
set spoolfile="imap://{host}:{port}/{box}"
set imap_user="{user}"
set imap_pass="{password}"
set ssl_starttls=no
set ssl_force_tls=no
set header_cache=""
set confirmappend=no
set confirmcreate=no
set delete=yes
set quit=yes
set move=no
set sleep_time=0
set record=""
set postponed=""
set mail_check=0
set wait_key=no
"""
SECONDS = 60


def run_in_terminal(arguments, environment):
    """Runs a program that wants a screen; its exit code and the last of what it drew."""
    pid, screen = pty.fork()
    if pid == 0:
        os.execvpe(arguments[0], arguments, environment)
    drawn = b""
    end = time.monotonic() + SECONDS
    while True:
        ready, _, _ = select.select([screen], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            os.kill(pid, signal.SIGKILL)
            break
        try:
            data = os.read(screen, 65536)
        except OSError:
            break
        if not data:
            break
        drawn = (drawn + data)[-4000:]
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), drawn


def main():
    t = target()
    with imaplib_session(t, tls=False) as client:
        client.create(BOX)
        client.create(SAVED)
        for n in range(4):
            client.append(BOX, None, None, message(n))
        rc = os.path.join(t.scratch, "muttrc")
        with open(rc, "w") as file:
            file.write(RC.format(host=t.host, port=t.imap, user=t.user, password=t.password, box=BOX))
        keys = "<first-entry><flag-message><first-entry><next-entry><delete-message>" \
               "<last-entry><save-message>=%s<enter><sync-mailbox><quit>" % SAVED
        environment = dict(os.environ, HOME=t.scratch, TERM="xterm", LC_ALL="C.UTF-8")
        code, drawn = run_in_terminal(["neomutt", "-n", "-F", rc, "-e", "push '%s'" % keys], environment)
        check(code == 0, "neomutt ran its keys and quit", code, drawn)
        check(client.select(BOX)[1] == [b"2"], "one message deleted, one saved elsewhere")
        check(len(client.search(None, "FLAGGED")[1][0].split()) == 1, "one flagged")
        check(client.select(SAVED)[1] == [b"1"], "the saved one is in its mailbox")
        check(client.fetch("1", "(BODY.PEEK[])")[1][0][1] == message(3), "unaltered")
        client.close()
        client.delete(BOX)
        client.delete(SAVED)


if __name__ == "__main__":
    main()
