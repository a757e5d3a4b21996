"""IMAPClient, imaplib and curl: mailboxes by name, in deep hierarchies and beyond ASCII, and LIST with all its options."""
import subprocess

from imapclient import IMAPClient
from imapclient.imapclient import SENT

from common import DEADLINE, check, imaplib_session, message, target, untrusting_context

ROOT = "Tour mailboxes"
NAMES = ["B\u00fccher", "\u65e5\u672c\u8a9e/\u53f0\u5317", "\U0001f38b", "R & D", "say \"hi\"", "back\\slash", "50%", "a*b"]


def named(client, **options):
    return sorted(name for _, _, name in client.list_folders(directory=ROOT + "/", **options))


def names(client):
    for name in NAMES:
        client.create_folder("%s/%s" % (ROOT, name))
        client.subscribe_folder("%s/%s" % (ROOT, name))
    levels = ["%s/%s" % (ROOT, "\u65e5\u672c\u8a9e")]
    every = sorted(["%s/%s" % (ROOT, name) for name in NAMES] + levels)
    check(named(client) == every, "every name comes back as given, with the level between", named(client))
    top = [name for name in every if name.count("/") == 1]
    check(named(client, pattern="%") == top, "% stops at the delimiter", named(client, pattern="%"))
    subscribed = sorted(name for _, _, name in client.list_sub_folders(directory=ROOT + "/"))
    check(subscribed == sorted(set(every) - set(levels)), "LSUB shows what is subscribed to", subscribed)
    for name in every:
        check(client.folder_exists(name), "%r is there" % name)
        client.select_folder(name)
        check(client.folder_status(name, ["MESSAGES", "UIDNEXT", "SIZE"])[b"MESSAGES"] == 0, "its STATUS", name)
    client.close_folder()


def renaming(client):
    old, new = ROOT + "/\u65e5\u672c\u8a9e", ROOT + "/Moved/\u65e5\u672c\u8a9e"
    client.append(old + "/\u53f0\u5317", message(1))
    validity = client.folder_status(old + "/\u53f0\u5317", ["UIDVALIDITY"])
    client.rename_folder(old, new)
    check(not client.folder_exists(old) and client.folder_exists(new + "/\u53f0\u5317"), "RENAME takes children along")
    check(client.folder_status(new + "/\u53f0\u5317", ["UIDVALIDITY"]) == validity, "and keeps UIDVALIDITY")
    client.delete_folder(new)
    check(client.folder_exists(new + "/\u53f0\u5317"), "DELETE leaves children")
    flags = {name: flags for flags, _, name in client.list_folders(directory=ROOT + "/Moved/", pattern="%")}
    check(b"\\Noselect" in flags[new], "and the level above them", flags)


def special_uses(client):
    check(client.find_special_folder(SENT) == "Sent", "IMAPClient finds the mailbox for sent mail")


def extended(t):
    with imaplib_session(t) as client:
        def listing(*arguments):
            client.untagged_responses = {}
            kind, text = client._simple_command("LIST", *arguments)
            check(kind == "OK", "LIST %s" % " ".join(arguments), text)
            return (client.untagged_responses.get("LIST", []), client.untagged_responses.get("STATUS", []))
        lists, statuses = listing('""', '("INBOX" "%s/%%")' % ROOT, "RETURN", "(SUBSCRIBED CHILDREN STATUS (MESSAGES SIZE))")
        noselect = sum(b"\\NonExistent" in line for line in lists)
        check(len(lists) == len(statuses) + noselect > 1, "a STATUS for each mailbox", lists, statuses)
        check(any(b"\\Subscribed" in line and b"\\HasNoChildren" in line for line in lists), "with what was asked", lists)
        lists, _ = listing("(SUBSCRIBED RECURSIVEMATCH)", '""', '"%s"' % ROOT)
        check(len(lists) == 1 and b'("CHILDINFO" ("SUBSCRIBED"))' in lists[0], "CHILDINFO of the parent", lists)
        lists, _ = listing("(SPECIAL-USE)", '""', '"*"')
        check(len(lists) == 5, "five special uses", lists)


def curl(t):
    command = ["curl", "-sS", "--fail", "--max-time", "30", "-u", "%s:%s" % (t.user, t.password),
               "imap://%s:%d/" % (t.host, t.imap), "-X", 'LIST "" "%s/*" RETURN (STATUS (MESSAGES))' % ROOT]
    shown = subprocess.run(command, capture_output=True, check=True).stdout
    check(b"* LIST (" in shown and shown.count(b"* LIST") > len(NAMES), "curl lists with options", shown)


def main():
    t = target()
    client = IMAPClient(t.host, t.imaps, ssl=True, ssl_context=untrusting_context(), timeout=DEADLINE)
    client.login(t.user, t.password)
    names(client)
    renaming(client)
    special_uses(client)
    extended(t)
    curl(t)
    for _, _, name in reversed(sorted(client.list_folders(directory=ROOT, pattern="*"), key=lambda found: found[2])):
        if client.folder_exists(name):
            client.unsubscribe_folder(name)
            client.delete_folder(name)
    check(named(client) == [], "all is gone", named(client))
    client.logout()


main()
