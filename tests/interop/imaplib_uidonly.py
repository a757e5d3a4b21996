"""Python's imaplib with ENABLE UIDONLY (RFC 9586), which it knows nothing of: it passes every response on as it came."""
import re

from common import check, imaplib_session, message, target

BOX, ELSEWHERE = "TourUidOnly", "TourUidOnlyElsewhere"


def run(client, name, *arguments):
    """A UID command: its status and what it answered, by the name of the response."""
    client.untagged_responses = {}
    status, _ = client._simple_command("UID", name, *arguments)
    answers, client.untagged_responses = client.untagged_responses, {}
    return status, answers


def refused(client, name, *arguments):
    try:
        client._simple_command(name, *arguments)
    except client.error as error:
        return "[UIDREQUIRED]" in str(error)
    return False


def main():
    t = target()
    with imaplib_session(t) as client, imaplib_session(t) as other:
        for box in (BOX, ELSEWHERE):
            check(client.create(box)[0] == "OK", "CREATE")
        for n in range(1, 7):
            check(client.append(BOX, None, None, message(n))[0] == "OK", "APPEND")
        other.select(BOX)
        other.store("1,3", "+FLAGS.SILENT", "(\\Deleted)")
        other.expunge()
        check("UIDONLY" not in client.capabilities, "it is not told of")
        client._simple_command("ENABLE", "UIDONLY")
        check(client.response("ENABLED")[1] == [b"UIDONLY"], "and enabled all the same")
        status, data = client.select(BOX)
        check((status, data) == ("OK", [b"4"]), "SELECT")
        check("UNSEEN" not in client.untagged_responses, "no number of the first unseen message")
        for command in (("FETCH", "1", "(FLAGS)"), ("STORE", "1", "+FLAGS", "(\\Seen)"), ("COPY", "1", BOX),
                        ("SEARCH", "ALL"), ("SORT", "(DATE)", "UTF-8", "ALL"), ("UID", "SEARCH", "1:2")):
            check(refused(client, *command), "refused: " + " ".join(command))
        status, answers = run(client, "FETCH", "1:*", "(RFC822.SIZE BODY.PEEK[])")
        check(status == "OK" and "FETCH" not in answers, "no FETCH", list(answers))
        parts = [part for part in answers["UIDFETCH"] if isinstance(part, tuple)]
        for (head, octets), n in zip(parts, (2, 4, 5, 6), strict=True):
            check(head == b"%d (RFC822.SIZE %d BODY[] {%d}" % (n, len(octets), len(octets)), "the UID comes first", head)
            check(octets == message(n), "and the message is whole")
        status, answers = run(client, "STORE", "4", "+FLAGS", "(\\Flagged)")
        check(re.fullmatch(rb"4 \(FLAGS \(\\Flagged[^()]*\)\)", answers["UIDFETCH"][0]), "STORE", answers)
        status, answers = run(client, "SEARCH", "UID", "3:5")
        check(answers["SEARCH"] == [b"4 5"], "SEARCH", answers)
        other.uid("STORE", "5", "+FLAGS", "(\\Deleted $Work)")
        other.expunge()
        client.untagged_responses = {}
        client.noop()
        check(client.untagged_responses.get("VANISHED") == [b"5"], "an expunge elsewhere", client.untagged_responses)
        status, answers = run(client, "MOVE", "4", ELSEWHERE)
        check(answers.get("VANISHED") == [b"4"] and b" 4 1" in answers["COPYUID"][0], "MOVE", answers)
        status, answers = run(client, "FETCH", "1:*", "(UID)")
        check(answers["UIDFETCH"] == [b"2 (UID 2)", b"6 (UID 6)"], "what is left", answers)


if __name__ == "__main__":
    main()
