"""What the client scripts share: where the server is, deterministic mail, and checks that name what failed.

Each script takes one argument, a JSON object: host, imap, imaps (ports), user, password, scratch (an empty directory).
It works on mailboxes of its own, so that scripts can share a server, and exits non-zero at the first failed check.
"""
import contextlib
import imaplib
import json
import ssl
import sys
import threading
import time

DEADLINE = 30.0
BEGUN = time.monotonic()

# Python's default of 1 MB is less than one FETCH answer with a big message.
imaplib._MAXLINE = 50_000_000


class Target:
    def __init__(self, text):
        self.__dict__.update(json.loads(text))


def target():
    if len(sys.argv) != 2:
        sys.exit("usage: %s '{\"host\": ..., \"imap\": ..., \"imaps\": ..., \"user\": ..., \"password\": ..., \"scratch\": ...}'" % sys.argv[0])
    return Target(sys.argv[1])


def check(condition, what, *seen):
    if not condition:
        print("FAILED: %s %s" % (what, " ".join(repr(s) for s in seen)), file=sys.stderr)
        sys.exit(1)
    said(what)


def said(what):
    print("ok: %s (%.1f s)" % (what, time.monotonic() - BEGUN))


def wait_until(what, condition, seconds=DEADLINE):
    """Evaluates a condition (which itself waits on the server, as NOOP does) until it holds."""
    pause = threading.Event()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            said(what)
            return value
        pause.wait(0.02)
    check(False, what + " (waited %.0f s)" % seconds)


def untrusting_context():
    """TLS without a check of the certificate: the server under test made its own."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def message(n, subject=None, body=None):
    """A small message with CRLF line ends, a function of its arguments."""
    return ("From: Mara Quill <mara@example.org>\r\nTo: robin@example.org\r\nSubject: %s\r\n"
            "Date: Tue, 03 Nov 2026 10:%02d:00 +0000\r\nMessage-ID: <tour.%d@example.org>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n"
            % (subject or "Message %d" % n, n % 60, n, body or "Body of message %d." % n)).encode()


@contextlib.contextmanager
def imaplib_session(t, tls=True):
    """A logged-in imaplib connection."""
    if tls:
        client = imaplib.IMAP4_SSL(t.host, t.imaps, ssl_context=untrusting_context(), timeout=DEADLINE)
    else:
        client = imaplib.IMAP4(t.host, t.imap, timeout=DEADLINE)
    client.login(t.user, t.password)
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):
            client.logout()
