"""Roundcube in PHP's own web server: a person logs in, reads, searches, sorts, moves, writes; what the browser would send."""
import contextlib
import http.cookiejar
import json
import os
import re
import socket
import subprocess
import sys
import threading
import unicodedata
import urllib.error
import urllib.parse
import urllib.request

from common import DEADLINE, check, imaplib_session, message, target, wait_until

HOME = next((path for path in ("/var/lib/roundcube", "/usr/share/roundcube") if os.path.exists(path + "/index.php")), None)
BOX, MOVED = "TourRoundcube", "TourRoundcubeMoved"
COUNT = 60

CONFIG = """<?php
$config = [];
$config['db_dsnw'] = 'sqlite:///{scratch}/roundcube.db?mode=0600';
$config['imap_host'] = ['ssl://{host}:{imaps}'];
$config['imap_conn_options'] = ['ssl' => ['verify_peer' => false, 'verify_peer_name' => false]];
$config['smtp_host'] = '127.0.0.1:{smtp}';
$config['smtp_user'] = '';
$config['smtp_pass'] = '';
$config['des_key'] = 'rcmail-!24ByteDESkey*Str';
$config['log_driver'] = 'file';
$config['log_dir'] = '{scratch}';
$config['temp_dir'] = '{scratch}';
$config['imap_debug'] = true;
$config['imap_cache'] = 'db';
$config['messages_cache'] = 'db';
$config['mail_domain'] = 'example.org';
$config['lock_special_folders'] = false;
$config['check_all_folders'] = true;
$config['plugins'] = [];
"""


class Sink:
    """An SMTP server that takes every message and keeps it."""

    def __init__(self):
        self.kept = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            with contextlib.suppress(OSError), client, client.makefile("rwb") as stream:
                self.talk(stream)

    def talk(self, stream):
        def say(line):
            stream.write(line + b"\r\n")
            stream.flush()

        say(b"220 sink")
        while line := stream.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                say(b"354 go on")
                lines = []
                while (data := stream.readline()) not in (b".\r\n", b""):
                    lines.append(data)
                self.kept.append(b"".join(lines))
                say(b"250 kept")
            else:
                say(b"221 bye" if verb == b"QUIT" else b"250 sink")
                if verb == b"QUIT":
                    return


class Browser:
    """Requests as Roundcube's own JavaScript makes them."""

    def __init__(self, port):
        self.base = "http://127.0.0.1:%d/" % port
        jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        self.token = None

    def request(self, query, form=None, headers=None):
        data = urllib.parse.urlencode(form, doseq=True).encode() if form is not None else None
        url = self.base + ("?" + urllib.parse.urlencode(query) if query else "")
        headers = dict(headers or {}, **({"X-Roundcube-Request": self.token} if self.token else {}))
        try:
            with self.opener.open(urllib.request.Request(url, data, headers), timeout=DEADLINE) as answer:
                return answer.geturl(), answer.read()
        except urllib.error.HTTPError as error:
            return url, b"HTTP %d " % error.code + error.read()

    def page(self, **query):
        return self.request({"_" + name: value for name, value in query.items()})[1].decode()

    def ajax(self, task, action, form=None, **query):
        """What a click does: JSON with variables and with calls to make."""
        names = {"_" + name: value for name, value in dict(query, task=task, action=action).items()}
        fields = None if form is None else {"_" + name: value for name, value in dict(form, remote=1).items()}
        if fields is None:
            names["_remote"] = 1
        _, text = self.request(names, fields, {"X-Requested-With": "XMLHttpRequest"})
        try:
            answer = json.loads(text)
        except ValueError:
            check(False, "%s %s answers JSON" % (task, action), text)
        said = answer.get("exec", "")
        check("'error'" not in said and '"error"' not in said, "%s %s %s" % (task, action, query or ""), said)
        return answer

    def login(self, t):
        page = self.page()
        token = re.search(r'name="_token" value="([^"]+)"', page)
        check(token, "the login page", page[:2000])
        _, page = self.request({"_task": "login"}, {
            "_token": token.group(1), "_task": "login", "_action": "login", "_timezone": "Europe/Berlin", "_url": "", "_user": t.user,
            "_pass": t.password})
        page = page.decode()
        found = re.search(r'"request_token":"([^"]+)"', page)
        check(found and '"task":"mail"' in page, "logged in", page[:3000])
        self.token = found.group(1)
        return page


def rows(answer):
    """The UIDs and the subjects of the rows that a list draws."""
    return [(int(uid), re.search(r'"subject":"((?:[^"\\]|\\.)*)"', rest).group(1).replace("\\/", "/"))
            for uid, rest in re.findall(r'this\.add_message_row\("?(\d+)(?:-\w+")?,(\{.*?\}),', answer["exec"])]


def mail(n):
    """Message n, in threads of ten, the one with UID 7 with an attachment."""
    thread = "" if n % 10 == 0 else "In-Reply-To: <tour.%d@example.org>\r\nReferences: <tour.%d@example.org>\r\n" % (n - n % 10, n - n % 10)
    if n != 6:
        body = "Gr\u00fc\u00dfe aus dem Wald, Nummer %d." % n
        text = message(n, "%sThema %02d" % ("Re: " if thread else "", n // 10), body).decode("utf-8")
        return text.replace("MIME-Version", thread + "MIME-Version", 1).replace("charset=utf-8\r\n", "charset=utf-8\r\n"
                                                                              "Content-Transfer-Encoding: 8bit\r\n").encode("utf-8")
    return ("From: mara@example.org\r\nTo: robin@example.org\r\nSubject: =?utf-8?b?w4RwZmVsIHVuZCBCaXJuZW4=?=\r\n"
            "Date: Tue, 03 Nov 2026 10:07:00 +0000\r\nMessage-ID: <tour.6@example.org>\r\n" + thread +
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/alternative; "
            "boundary=y\r\n\r\n--y\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            "=C4pfel sind reif.\r\n--y\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            "PHA+w4RwZmVsIHNpbmQgPGI+cmVpZjwvYj4uPC9wPg==\r\n--y--\r\n--x\r\nContent-Type: application/octet-stream\r\n"
            "Content-Disposition: attachment; filename=\"daten.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            "AAECAwQFBgcICQoLDA0ODw==\r\n--x--\r\n").encode()


def reads(b, client):
    page = b.page(task="mail", mbox=BOX)
    boxes = json.loads(re.search(r'"mailboxes":(\{.*?\}\})[,}]', page).group(1))
    check(BOX in boxes and boxes["INBOX"].get("class") == "inbox", "the folders are listed", list(boxes))
    check({"drafts", "sent", "junk", "trash"} <= {box.get("class") for box in boxes.values()}, "the special ones by their use", boxes)
    listed = b.ajax("mail", "list", mbox=BOX, page=1)
    seen = rows(listed)
    check(listed["env"]["messagecount"] == COUNT and len(seen) == 50, "the first page of two", listed["env"], len(seen))
    check([uid for uid, _ in seen] == list(range(COUNT, COUNT - 50, -1)), "newest first", seen)
    check([uid for uid, _ in rows(b.ajax("mail", "list", mbox=BOX, page=2))] == list(range(10, 0, -1)), "the second page")
    page = b.page(task="mail", action="show", uid=7, mbox=BOX)
    check("\u00c4pfel und Birnen" in page and "<b>reif</b>" in page and "daten.bin" in page, "a message with an attachment is shown", page[-3000:])
    _, data = b.request({"_task": "mail", "_action": "get", "_mbox": BOX, "_uid": 7, "_part": 2, "_download": 1})
    check(data == bytes(range(16)), "the attachment is what it was", data)
    page = b.page(task="mail", action="show", uid=11, mbox=BOX)
    check("Gr\u00fc\u00dfe aus dem Wald, Nummer 10." in page, "8-bit text is shown", page[-3000:])
    client.select(BOX)
    check(client.uid("SEARCH", None, "SEEN")[1] == [b"7 11"], "reading marks as read")
    source = b.request({"_task": "mail", "_action": "viewsource", "_mbox": BOX, "_uid": 3})[1]
    check(source.splitlines() == mail(2).splitlines(), "its source is what was appended", source)


def searches(b):
    def search(text, **more):
        answer = b.ajax("mail", "search", q=text, mbox=BOX, **more)
        return sorted(uid for uid, _ in rows(answer))

    check(search("thema 03", headers="subject") == list(range(31, 41)), "search in subjects")
    check(search("mara@example.org", headers="from,to") == list(range(11, COUNT + 1)), "search in addresses, a page of it")
    check(search("nummer 42", headers="body") == [43], "search in texts")
    check(search("gr\u00fc\u00dfe aus dem wald, nummer 41", headers="text") == [42], "search beyond ASCII, whatever the case")
    check(search("", headers="subject", filter="UNSEEN", page=2) and search("", filter="SEEN", headers="subject") == [7, 11], "filters")
    check(search("birnen", headers="subject", scope="all") == [7], "search in all folders")
    check(len(search("thema", headers="subject", interval="1W")) == 50, "search in what came within a week")


def sorts_and_threads(b):
    by_subject = rows(b.ajax("mail", "list", mbox=BOX, page=1, sort="subject_ASC"))
    bare = [re.sub(r"^(Re: )+", "", subject) for _, subject in by_subject]
    check(bare == sorted(bare, key=lambda text: unicodedata.normalize("NFD", text.casefold())), "sorted by subject, without Re:", bare)
    by_size = rows(b.ajax("mail", "list", mbox=BOX, page=1, sort="size_DESC"))
    check(by_size[0][0] == 7, "sorted by size", by_size[:3])
    b.ajax("mail", "list", mbox=BOX, page=1, sort="arrival_DESC")
    b.request({"_task": "settings", "_action": "save-folder"}, {
        "_token": b.token, "_task": "settings", "_action": "save-folder", "_framed": 1, "_mbox": BOX, "_name": BOX, "_parent": "", "_viewmode": 1})
    threads = b.ajax("mail", "list", mbox=BOX, page=1)
    check(threads["env"]["threading"], "the folder shows threads", threads["env"])
    drawn = re.findall(r"this\.add_message_row\((\d+),(.*)", threads["exec"])
    roots = [uid for uid, rest in drawn if '"has_children":true' in rest and '"depth"' not in rest]
    check(sorted(map(int, roots)) == [1, 11, 21, 31, 41, 51], "six threads of ten", roots)


def changes(b, client):
    def uids(criterion, box=BOX):
        client.select(box, True)
        return [int(uid) for uid in client.uid("SEARCH", None, criterion)[1][0].split()]

    b.ajax("mail", "mark", {"uid": "1,2,3", "flag": "read", "mbox": BOX})
    b.ajax("mail", "mark", {"uid": "7", "flag": "unread", "mbox": BOX})
    b.ajax("mail", "mark", {"uid": "5", "flag": "flagged", "mbox": BOX})
    check(uids("SEEN") == [1, 2, 3, 11] and uids("FLAGGED") == [5], "marked read, unread and flagged")
    b.ajax("mail", "copy", {"uid": "8,9", "mbox": BOX, "target_mbox": MOVED})
    b.ajax("mail", "move", {"uid": "12,14,16", "mbox": BOX, "target_mbox": MOVED})
    check(uids("ALL", MOVED) == [1, 2, 3, 4, 5] and not set(uids("ALL")) & {12, 14, 16}, "copied and moved")
    b.ajax("mail", "move", {"uid": "20,22", "mbox": BOX, "target_mbox": "Trash"})
    b.ajax("mail", "delete", {"uid": "1", "mbox": "Trash"})
    check(not {20, 22} & set(uids("ALL")) and uids("ALL", "Trash") == [2], "deleted: two into the trash, one of them for good")
    b.ajax("mail", "mark", {"uid": "*", "flag": "read", "mbox": MOVED})
    check(uids("UNSEEN", MOVED) == [], "all marked read")
    client.select(BOX)
    client.append(BOX, None, None, mail(80))
    client.uid("STORE", "30", "+FLAGS", "(\\Deleted)")
    client.expunge()
    client.uid("STORE", "31", "+FLAGS", "(\\Answered)")
    b.ajax("mail", "check-recent", mbox=BOX, list=1)
    listed = b.ajax("mail", "list", mbox=BOX, page=1, refresh=1)
    check(listed["env"]["exists"] == COUNT - 5, "what another device did shows: one more, one less", listed["env"])
    check(30 not in (shown := [uid for uid, _ in rows(listed)]) and COUNT + 1 in shown, "in the list as well", shown)
    b.ajax("mail", "purge", {"mbox": "Trash"})
    check(uids("ALL", "Trash") == [], "the trash is emptied")


def folders(b, client):
    def save(name, old="", parent=""):
        return b.request({"_task": "settings", "_action": "save-folder"}, {
            "_token": b.token, "_task": "settings", "_action": "save-folder", "_framed": 1, "_mbox": old, "_name": name, "_parent": parent})[1].decode()

    def names(kind="list"):
        return b"\n".join(getattr(client, kind)()[1])

    save("B\u00fccher & mehr", parent=BOX)
    check(b'"%s/B&APw-cher &- mehr"' % BOX.encode() in names(), "a folder with a name beyond ASCII", names())
    check(b"B&APw-cher" in names("lsub"), "subscribed to", names("lsub"))
    b.ajax("settings", "folder-unsubscribe", {"mbox": BOX + "/B&APw-cher &- mehr"})
    check(b"B&APw-cher" not in names("lsub"), "and no more")
    b.ajax("settings", "folder-subscribe", {"mbox": BOX + "/B&APw-cher &- mehr"})
    save("B\u00fccher", old=BOX + "/B&APw-cher &- mehr", parent=BOX)
    check(b"B&APw-cher" in names() and b"mehr" not in names(), "renamed", names())
    check(BOX + "/B" in b.page(task="settings", action="folders"), "the settings show it")
    b.ajax("settings", "folder-size", {"mbox": BOX})
    b.ajax("settings", "folder-delete", {"mbox": BOX + "/B&APw-cher"})
    check(b"B&APw-cher" not in names(), "deleted")


def writes(b, client, sink):
    def compose(**query):
        url, page = b.request(dict({"_task": "mail", "_action": "compose"}, **query))
        identity = re.search(r'<select name="_from".*?<option value="(\d+)"', page.decode(), re.S)
        return re.search(r"_id=(\w+)", url).group(1), identity.group(1), page.decode()

    def send(number, identity, draft, **form):
        fields = {"_token": b.token, "_task": "mail", "_action": "send", "_id": number, "_from": identity, "_draft": draft, "_to": "mara@example.org",
                  "_is_html": 0, "_framed": 1}
        page = b.request({"_task": "mail", "_action": "send"}, dict(fields, **form))[1].decode()
        check("sent_successfully" in page or "remove_alert" in page or "set_draft_id" in page or "update_draft" in page or "saved" in page
              or "sent" in page, "the page that ends it", page)
        return page

    number, identity, _ = compose(_to="mara@example.org")
    send(number, identity, 1, _subject="Entwurf \u00fcber B\u00e4ume", _message="Noch nicht fertig \u2026")
    client.select("Drafts", True)
    check(client.uid("SEARCH", None, "ALL")[1] == [b"1"], "a draft is kept")
    number, identity, page = compose(_draft_uid="1", _mbox="Drafts")
    check("Noch nicht fertig \u2026" in page, "and is opened again")
    number, identity, page = compose(_reply_uid="3", _mbox=BOX)
    check("Nummer 2" in page, "an answer quotes the message")
    send(number, identity, "", _subject="Re: Thema", _message="Danke \u2026", _store_target="Sent")
    wait_until("the message is sent", lambda: sink.kept)
    client.select("Sent", True)
    check(client.uid("SEARCH", None, "ALL")[1] == [b"1"], "a copy is kept in Sent")
    client.select(BOX, True)
    check(b"3" in client.uid("SEARCH", None, "ANSWERED")[1][0].split(), "the message is marked as answered")


def main():
    t = target()
    sink = Sink()
    with open(os.path.join(t.scratch, "config.inc.php"), "w") as file:
        file.write(CONFIG.replace("{scratch}", t.scratch).replace("{host}", t.host).replace("{imaps}", str(t.imaps))
                   .replace("{smtp}", str(sink.port)))
    for name in ("defaults.inc.php", "mimetypes.php"):
        os.symlink(os.path.join("/etc/roundcube", name), os.path.join(t.scratch, name))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = dict(os.environ, ROUNDCUBE_CONFIG_DIR=t.scratch, PHP_CLI_SERVER_WORKERS="2")
    log = open(os.path.join(t.scratch, "php.log"), "wb")
    server = subprocess.Popen(["php", "-d", "display_errors=0", "-S", "127.0.0.1:%d" % port, "-t", HOME], stdout=log, stderr=log, env=environment)
    try:
        def answers():
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True

        wait_until("the web server listens", answers)
        with imaplib_session(t) as client:
            for name in (BOX, MOVED):
                client.create(name)
                client.subscribe(name)
            for n in range(COUNT):
                client.append(BOX, None, None, mail(n))
            browser = Browser(port)
            browser.login(t)
            try:
                reads(browser, client)
                searches(browser)
                sorts_and_threads(browser)
                changes(browser, client)
                folders(browser, client)
                writes(browser, client, sink)
            except SystemExit:
                for name in ("errors.log", "imap.log", "imap"):
                    with contextlib.suppress(OSError), open(os.path.join(t.scratch, name)) as file:
                        print(name, file.read()[-4000:], file=sys.stderr)
                raise
            with open(os.path.join(t.scratch, "imap.log")) as file:
                said = file.read()
            for command in ("UID SORT", "UID THREAD REFERENCES", "ENABLE QRESYNC", "(CHANGEDSINCE "):
                check(command in said, "it used " + command)
            refused = re.findall(r"S: A\d+ (?:BAD|NO) .*", said)
            check(not refused, "and nothing was refused", refused)
            client.close()
            for name in (BOX, MOVED):
                client.delete(name)
    finally:
        server.terminate()
        server.wait()
        log.close()


if __name__ == "__main__":
    main()
