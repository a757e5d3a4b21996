"""Thunderbird without a window: a profile of its own with one IMAP account, driven by Marionette in its own JavaScript."""
import json
import os
import signal
import socket
import subprocess

from common import DEADLINE, wait_until
from tap import Tap

# A first start may read half a gigabyte of program from a cold disk on busy processors.
START_SECONDS = 120.0

PREFERENCES = {
    "mail.accountmanager.accounts": "account1,account2",
    "mail.accountmanager.defaultaccount": "account2",
    "mail.accountmanager.localfoldersserver": "server1",
    "mail.account.account1.server": "server1",
    "mail.account.account2.server": "server2",
    "mail.account.account2.identities": "id1",
    "mail.server.server1.type": "none",
    "mail.server.server1.hostname": "Local Folders",
    "mail.server.server1.userName": "nobody",
    "mail.server.server2.type": "imap",
    "mail.server.server2.authMethod": 3,
    "mail.server.server2.socketType": 0,
    "mail.server.server2.use_idle": True,
    "mail.server.server2.use_condstore": True,
    "mail.server.server2.check_new_mail": False,
    "mail.server.server2.login_at_startup": False,
    "mail.identity.id1.fullName": "Robin",
    "mail.identity.id1.useremail": "robin@example.org",
    "mail.identity.id1.valid": True,
    "mail.biff.play_sound": False,
    "mail.biff.show_alert": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mail.winsearch.firstRunDone": True,
    "mailnews.start_page.enabled": False,
    "mailnews.start_page_override.mstone": "ignore",
    "app.donation.eoy.version.viewed": 999,
    "app.update.enabled": False,
    "browser.dom.window.dump.enabled": True,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.type": 0,
    "services.settings.server": "data:,",
    "toolkit.telemetry.server": "data:,",
    "marionette.port": 0,
}

PRELUDE = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const server = MailServices.accounts.getIncomingServer("server2");
const done = arguments[arguments.length - 1];
const fail = error => done({ failed: `${error} ${error.stack ?? ""}` });
function folder(path) {
    let found = server.rootFolder;
    for (const name of path.split("/")) {
        const next = found.subFolders.find(one => one.name.toLowerCase() === name.toLowerCase() || one.onlineName === path);
        if (!next) return null;
        found = next;
    }
    return found.QueryInterface(Ci.nsIMsgImapMailFolder);
}
function headers(of, ids) {
    const found = [...of.msgDatabase.enumerateMessages()].filter(one => !ids || ids.includes(`<${one.messageId}>`));
    if (ids && found.length !== ids.length) throw new Error(`${found.length} messages of ${ids.length} in ${of.name}`);
    return found;
}
function url_ends(begin) {
    return new Promise((resolve, reject) => begin({
        OnStartRunningUrl() {},
        OnStopRunningUrl(url, status) { Components.isSuccessCode(status) ? resolve() : reject(new Error(`${url.spec}: ${status}`)); },
        QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
    }));
}
function copy_ends(begin) {
    return new Promise((resolve, reject) => begin({
        onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
        onStopCopy(status) { Components.isSuccessCode(status) ? resolve() : reject(new Error(`copy: ${status}`)); },
        QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]),
    }));
}
"""


class Marionette:
    """The protocol in the clear: each packet is its length, a colon, and JSON."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE + 10)
        self.file, self.number = self.socket.makefile("rb"), 0
        self.packet()

    def packet(self):
        length = b""
        while not length.endswith(b":"):
            octet = self.file.read(1)
            if not octet:
                raise RuntimeError("Thunderbird has ended")
            length += octet
        return json.loads(self.file.read(int(length[:-1])))

    def command(self, name, **parameters):
        self.number += 1
        text = json.dumps([0, self.number, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(text), text))
        kind, number, error, result = self.packet()
        if error or (kind, number) != (1, self.number):
            raise RuntimeError("%s: %s" % (name, error))
        return result


class Thunderbird:
    """One running Thunderbird; use it in a `with`."""

    def __init__(self, t, name):
        self.counter = Tap(t.host, t.imap)
        self.home, self.password = os.path.join(t.scratch, name), t.password
        self.profile = os.path.join(self.home, "profile")
        os.makedirs(self.profile)
        own = {"mail.server.server2.hostname": "127.0.0.1", "mail.server.server2.port": self.counter.port,
               "mail.server.server2.userName": t.user}
        with open(os.path.join(self.profile, "user.js"), "w") as file:
            for key, value in {**PREFERENCES, **own}.items():
                file.write("user_pref(%s, %s);\n" % (json.dumps(key), json.dumps(value)))

    def __enter__(self):
        port_file = os.path.join(self.profile, "MarionetteActivePort")
        if os.path.exists(port_file):
            os.remove(port_file)
        self.log = open(os.path.join(self.home, "log"), "ab")
        environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "DBUS_SESSION_BUS_ADDRESS")}
        environment.update(HOME=self.home, MOZ_CRASHREPORTER_DISABLE="1", LC_ALL="C.UTF-8")
        if os.environ.get("IMAP_LOG"):
            environment.update(MOZ_LOG="IMAP:5,timestamp", MOZ_LOG_FILE=os.path.join(self.home, "imap"))
        self.process = subprocess.Popen(
            ["thunderbird", "--headless", "--no-remote", "--profile", self.profile, "--marionette", "--remote-allow-system-access"],
            env=environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            wait_until("Thunderbird listens", lambda: self.alive() and os.path.exists(port_file) and open(port_file).read(),
                       START_SECONDS)
            self.marionette = Marionette(int(open(port_file).read()))
            self.marionette.command("WebDriver:NewSession")
            self.marionette.command("WebDriver:SetTimeouts", script=int(DEADLINE * 1000))
            self.marionette.command("Marionette:SetContext", value="chrome")
            self.script("server.password = arguments[0]; done({});", self.password)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # Its own process group: nothing that it started stays behind.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()

    def alive(self):
        if self.process.poll() is not None:
            with open(os.path.join(self.home, "log"), errors="replace") as file:
                raise RuntimeError("Thunderbird ended with %s: %s" % (self.process.returncode, file.read()[-2000:]))
        return True

    def script(self, text, *arguments):
        body = PRELUDE + "(async () => {" + text.replace("arguments[", "argument[") + "})().catch(fail);"
        body = "const argument = arguments;" + body
        result = self.marionette.command("WebDriver:ExecuteAsyncScript", script=body, args=list(arguments), sandbox="system",
                                         newSandbox=True)["value"]
        if isinstance(result, dict) and "failed" in result:
            raise RuntimeError(result["failed"])
        return result

    def version(self):
        return self.script("done(Services.appinfo.version);")

    def discover(self):
        """Lists the mailboxes, as at a start; it takes those that are subscribed."""
        self.script("""
            await url_ends(listener => MailServices.imap.discoverAllFolders(server.rootFolder, listener, null));
            done({});""")

    def update(self, box):
        """Asks for the folder anew: SELECT, flags of all, headers of what is new. What comes shows in the picture later:
        it puts this off while it is busy with the folder, and then tells nobody when it is done."""
        self.script("try { folder(arguments[0]).updateFolder(null); } catch (error) {} done({});", box)

    def picture(self, box):
        """What its database has, which is nothing before it has heard of the folder."""
        rows = self.script("""
            if (!folder(arguments[0])) return done([]);
            const names = [[1, "\\\\Seen"], [2, "\\\\Answered"], [4, "\\\\Flagged"], [0x200000, "\\\\Deleted"]];
            done(headers(folder(arguments[0])).map(one => [one.messageKey, one.messageId,
                names.filter(([bit]) => one.flags & bit).map(([, name]) => name),
                one.getStringProperty("keywords").split(" ").filter(Boolean)]));""", box)
        return {uid: ("<%s>" % message_id, frozenset(flag.lower() for flag in flags + keywords)) for uid, message_id, flags, keywords in rows}

    def mark(self, box, ids, what, on=True):
        call = {"seen": "markMessagesRead", "flagged": "markMessagesFlagged"}[what]
        self.script("const of = folder(arguments[0]); of[arguments[2]](headers(of, arguments[1]), arguments[3]); done({});",
                    box, ids, call, on)

    def tag(self, box, ids, keyword):
        self.script("const of = folder(arguments[0]); of.addKeywordsToMessages(headers(of, arguments[1]), arguments[2]); done({});",
                    box, ids, keyword)

    def move(self, box, ids, to):
        self.script("""
            const of = folder(arguments[0]);
            await copy_ends(listener => MailServices.copy.copyMessages(
                of, headers(of, arguments[1]), folder(arguments[2]), true, listener, null, false));
            done({});""", box, ids, to)

    def delete(self, box, ids):
        """As the key does: into the Trash."""
        self.script("""
            const of = folder(arguments[0]);
            await copy_ends(listener => of.deleteMessages(headers(of, arguments[1]), null, false, false, listener, false));
            done({});""", box, ids)
