"""curl: list mailboxes, append, search, sort, read by IMAP URLs, flag, delete, over cleartext, STARTTLS and TLS."""
import os
import subprocess

from common import check, message, target


def curl(t, path, *arguments, tls="imaps", fails=False):
    port = t.imaps if tls == "imaps" else t.imap
    command = ["curl", "--silent", "--show-error", "--max-time", "30", "--insecure", "--user", "%s:%s" % (t.user, t.password)]
    command += ["--ssl-reqd"] if tls == "starttls" else []
    scheme = "imaps" if tls == "imaps" else "imap"
    done = subprocess.run(command + list(arguments) + ["%s://%s:%d/%s" % (scheme, t.host, port, path)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check((done.returncode != 0) == fails, "curl %s /%s %s" % (tls, path, " ".join(arguments)), done.stdout, done.stderr)
    return done.stdout


def main():
    t = target()
    box = "TourCurl"
    curl(t, "", "-X", "CREATE " + box)
    for tls in ("none", "starttls", "imaps"):
        check(box.encode() in curl(t, "", tls=tls), "the mailbox is listed over " + tls)
    for n in range(3):
        path = os.path.join(t.scratch, "%d.eml" % n)
        with open(path, "wb") as file:
            file.write(message(n))
        curl(t, box, "--upload-file", path)
    check(b"3 EXISTS" in curl(t, "", "-X", "EXAMINE " + box), "three messages exist")
    check(curl(t, box + "?SUBJECT%20%22Message%201%22").split() == [b"*", b"SEARCH", b"2"], "SEARCH by URL")
    check(curl(t, box + ";MAILINDEX=2") == message(1), "a message by number")
    uid = curl(t, box, "-X", "UID SEARCH SUBJECT \"Message 2\"").split()[2].decode()
    check(curl(t, "%s;UID=%s" % (box, uid)) == message(2), "a message by UID")
    check(curl(t, "%s;UID=%s;SECTION=TEXT" % (box, uid)) == b"Body of message 2.\r\n", "a section of it")
    check(curl(t, box + ";MAILINDEX=1;SECTION=HEADER.FIELDS%20(Subject%20X)") == b"Subject: Message 0\r\n\r\n", "fields by number and section")
    header = message(0).split(b"\r\n\r\n")[0] + b"\r\n\r\n"
    check(curl(t, box + ";MAILINDEX=1;SECTION=HEADER") == header, "a header by number and section")
    validity = curl(t, "", "-X", "STATUS %s (UIDVALIDITY)" % box).split(b"UIDVALIDITY ")[1].split(b")")[0].decode()
    check(curl(t, "%s;UIDVALIDITY=%s;UID=1" % (box, validity)) == message(0), "a message of this UIDVALIDITY")
    curl(t, "%s;UIDVALIDITY=%d;UID=1" % (box, int(validity) - 1), fails=True)
    curl(t, box + ";UID=99", fails=True)
    curl(t, box + ";MAILINDEX=1;SECTION=NONSENSE", fails=True)
    check(b"COUNT 3" in curl(t, box, "-X", "UID SEARCH RETURN (COUNT MIN) ALL"), "ESEARCH")
    check(b"SORT 3 2 1" in curl(t, box, "-X", "SORT (REVERSE SUBJECT) UTF-8 ALL"), "SORT")
    check(b"THREAD (1)(2)(3)" in curl(t, box, "-X", "THREAD REFERENCES UTF-8 ALL"), "THREAD")
    check(b"STATUS " + box.encode() in curl(t, "", "-X", 'LIST "" "TourC*" RETURN (STATUS (MESSAGES))').replace(b'"', b""), "LIST-STATUS")
    check(b"BINARY.SIZE[1] 21" in curl(t, box, "-X", "FETCH 1 BINARY.SIZE[1]"), "BINARY.SIZE")
    curl(t, box, "-X", "STORE 1 +FLAGS (\\Flagged)")
    check(b"\\Flagged" in curl(t, box, "-X", "FETCH 1 FLAGS"), "the flag is kept")
    curl(t, box, "-X", "STORE 1:2 +FLAGS.SILENT (\\Deleted)")
    curl(t, box, "-X", "EXPUNGE")
    check(b"MESSAGES 1" in curl(t, "", "-X", "STATUS %s (MESSAGES)" % box), "one message is left")
    curl(t, "", "-X", "DELETE " + box)
    coded, by_url = '"Tour Curl &- B&APw-cher"', "Tour%20Curl%20%26-%20B%26APw-cher"
    curl(t, "", "-X", "CREATE " + coded)
    curl(t, by_url, "--upload-file", os.path.join(t.scratch, "0.eml"))
    check(curl(t, by_url + ";MAILINDEX=1") == message(0), "a mailbox with a name beyond ASCII, by its URL")
    curl(t, "", "-X", "DELETE " + coded)


if __name__ == "__main__":
    main()
