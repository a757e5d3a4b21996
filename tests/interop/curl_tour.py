"""curl: list mailboxes, append, search, read, flag, delete, over cleartext, STARTTLS and TLS."""
import os
import subprocess

from common import check, message, target


def curl(t, path, *arguments, tls="imaps", data=None):
    port = t.imaps if tls == "imaps" else t.imap
    command = ["curl", "--silent", "--show-error", "--max-time", "30", "--insecure", "--user", "%s:%s" % (t.user, t.password)]
    command += ["--ssl-reqd"] if tls == "starttls" else []
    scheme = "imaps" if tls == "imaps" else "imap"
    done = subprocess.run(command + list(arguments) + ["%s://%s:%d/%s" % (scheme, t.host, port, path)],
                          input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check(done.returncode == 0, "curl %s /%s %s" % (tls, path, " ".join(arguments)), done.stderr)
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
    curl(t, box, "-X", "STORE 1 +FLAGS (\\Flagged)")
    check(b"\\Flagged" in curl(t, box, "-X", "FETCH 1 FLAGS"), "the flag is kept")
    curl(t, box, "-X", "STORE 1:2 +FLAGS.SILENT (\\Deleted)")
    curl(t, box, "-X", "EXPUNGE")
    check(b"MESSAGES 1" in curl(t, "", "-X", "STATUS %s (MESSAGES)" % box), "one message is left")
    curl(t, "", "-X", "DELETE " + box)


if __name__ == "__main__":
    main()
