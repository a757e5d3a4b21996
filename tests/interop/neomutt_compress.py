"""neomutt with COMPRESS=DEFLATE, over a proxy that listens: it reads, flags and saves, and nothing of it is in clear."""
import os

from common import check, imaplib_session, message, target
from neomutt_batch import RC
from neomutt_qresync import Tap, visit

BOX = "TourNeomuttDeflate"


def main():
    t = target()
    tap = Tap(t.host, t.imap)
    rc = os.path.join(t.scratch, "muttrc")
    with open(rc, "w") as file:
        file.write((RC + "set imap_deflate=yes\n").format(
            host="127.0.0.1", port=tap.port, user=t.user, password=t.password, box=BOX))
    with imaplib_session(t, tls=False) as client:
        client.create(BOX)
        for n in range(20):
            client.append(BOX, None, None, message(n))
        visit(t, rc, "<first-entry><flag-message><next-entry><delete-message><sync-mailbox><quit>")
        said, answered = tap.heard()
        check(b"COMPRESS DEFLATE" in said, "it asks for compression", said)
        check(b"SELECT" not in said and b"EXISTS" not in answered, "everything after it is compressed")
        check(client.select(BOX)[1] == [b"19"], "one message is deleted")
        check(client.uid("SEARCH", None, "FLAGGED")[1] == [b"1"], "one is flagged")
        client.close()
        client.delete(BOX)


if __name__ == "__main__":
    main()
