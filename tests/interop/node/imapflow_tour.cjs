// imapflow: two devices that compress, enable all that they can, idle, and come back with QRESYNC.
//
// One argument as the Python scripts have it: a JSON object with host, imaps, user and password.
'use strict';

const assert = require('node:assert/strict');
const { ImapFlow } = require('imapflow');

const target = JSON.parse(process.argv[2]);
const TOP = 'Tour imapflow';
const BOX = `${TOP}/B\u00fccher & \u65e5\u672c\u8a9e`;
const RENAMED = `${TOP}/Gro\u00dfes Archiv`;
const SAVED = `${TOP}/Saved`;
const COUNT = 12;
const DEADLINE = 20_000;

function ok(what, condition, ...seen) {
    assert.ok(condition, `${what} ${seen.map(value => JSON.stringify(value, plain)).join(' ')}`);
    console.log(`ok: ${what}`);
}

function plain(key, value) {
    if (typeof value === 'bigint') return String(value);
    if (value instanceof Set) return [...value];
    if (value instanceof Map) return [...value.keys()];
    return value;
}

function same(what, seen, wanted) {
    assert.deepEqual(seen, wanted, what);
    console.log(`ok: ${what}`);
}

// What the protocol library logs as a warning is an answer that it could not make sense of.
const complaints = [];
function logger(name) {
    const note = level => entry => {
        const text = JSON.stringify(entry, plain);
        if (process.env.TRACE) console.error(name, level, text);
        if (level === 'warn' || level === 'error') complaints.push(`${name}: ${text}`);
    };
    return { trace: note('trace'), debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
}

async function device(name, options = {}) {
    const client = new ImapFlow({
        host: target.host, port: target.imaps, secure: true, tls: { rejectUnauthorized: false },
        auth: { user: target.user, pass: target.password }, logger: logger(name), qresync: true, logRaw: !!process.env.TRACE,
        clientInfo: { name: 'tour', version: '1' }, ...options
    });
    client.on('error', error => complaints.push(`${name}: ${error}`));
    await client.connect();
    return client;
}

function next(client, event, wanted = () => true) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no ${event}`)), DEADLINE);
        const listener = payload => {
            if (!wanted(payload)) return;
            clearTimeout(timer);
            client.off(event, listener);
            resolve(payload);
        };
        client.on(event, listener);
    });
}

const PICTURE = Buffer.from(Array.from({ length: 3000 }, (_, n) => (n * 7) % 256));

function message(n) {
    const lines = [
        'From: "Quill, \\"M\\"" <mara@example.org>', 'To: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>, robin@example.org',
        `Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= ${n}`, `Date: Tue, 03 Nov 2026 10:${String(n % 60).padStart(2, '0')}:00 +0000`,
        `Message-ID: <flow.${n}@example.org>`, ...(n > 1 ? [`In-Reply-To: <flow.1@example.org>`] : []),
        'MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary="edge"', '',
        '--edge', 'Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: quoted-printable', '',
        `Sch=C3=B6ner Text ${n}, Nadelwald.`, '--edge',
        'Content-Type: image/png; name="=?utf-8?q?B=C3=A4r.png?="', 'Content-Disposition: attachment; filename="bild.png"',
        'Content-Transfer-Encoding: base64', '', ...PICTURE.toString('base64').match(/.{1,76}/g), '--edge--', ''
    ];
    return Buffer.from(lines.join('\r\n'));
}

async function read(stream) {
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    return Buffer.concat(chunks);
}

async function mailboxes(a) {
    for (const capability of ['IMAP4rev1', 'IDLE', 'MOVE', 'UIDPLUS', 'SPECIAL-USE', 'CONDSTORE', 'QRESYNC', 'NAMESPACE', 'ID',
        'IMAP4rev2', 'COMPRESS=DEFLATE', 'UTF8=ACCEPT', 'OBJECTID', 'ESEARCH', 'LIST-EXTENDED', 'LIST-STATUS', 'BINARY']) {
        ok(`capability ${capability}`, a.capabilities.has(capability), a.capabilities);
    }
    for (const name of ['CONDSTORE', 'QRESYNC', 'UTF8=ACCEPT', 'IMAP4REV2']) ok(`enabled ${name}`, a.enabled.has(name), a.enabled);
    ok('the traffic is compressed', a._inflate);
    ok('the server names itself', a.serverInfo && a.serverInfo.name, a.serverInfo);
    same('the namespace', [a.namespace.prefix, a.namespace.delimiter], ['', '/']);

    for (const name of [BOX, SAVED]) ok(`created ${name}`, (await a.mailboxCreate(name)).created);
    ok('creating it again is no error of the library', !(await a.mailboxCreate(BOX)).created);
    await a.mailboxSubscribe(BOX);
    const list = await a.list({ statusQuery: { messages: true, unseen: true, uidNext: true, uidValidity: true, highestModseq: true } });
    const entry = list.find(one => one.path === BOX);
    ok('a name beyond ASCII comes back as given', entry && entry.subscribed && entry.delimiter === '/', list);
    ok('status with the list', entry.status && entry.status.messages === 0 && entry.status.uidNext === 1, entry);
    ok('\\HasChildren above it', list.find(one => one.path === TOP).flags.has('\\HasChildren'));
    for (const use of ['\\Inbox', '\\Sent', '\\Drafts', '\\Trash', '\\Junk', '\\Archive']) {
        const found = list.find(one => one.specialUse === use);
        ok(`special use ${use}`, found && (use === '\\Inbox' || found.specialUseSource === 'extension'), list);
    }
}

async function messages(a, b) {
    const opened = await a.mailboxOpen(BOX);
    ok('an empty mailbox has a HIGHESTMODSEQ', opened.highestModseq >= 1n && opened.exists === 0, opened);
    ok('a mailbox has an id', typeof opened.mailboxId === 'string' && opened.mailboxId.length > 0, opened);
    for (let n = 1; n <= COUNT; n++) {
        const done = await a.append(BOX, message(n), n % 2 ? ['\\Seen'] : [], new Date(Date.UTC(2026, 10, 3, 10, n)));
        same(`appended ${n}`, [done.uid, done.seq, done.uidValidity], [n, n, opened.uidValidity]);
    }
    same('the selected mailbox grew', a.mailbox.exists, COUNT);
    const first = await a.fetchOne('1', {
        envelope: true, bodyStructure: true, flags: true, size: true, internalDate: true, threadId: true, source: true, headers: ['Subject']
    });
    same('the source is what was appended', first.source, message(1));
    same('and its size', first.size, message(1).length);
    same('ENVELOPE', [first.envelope.from[0].name, first.envelope.to[0].name, first.envelope.subject, first.envelope.messageId],
        ['Quill, "M"', 'J\u00f6rg', 'Gr\u00fc\u00dfe 1', '<flow.1@example.org>']);
    same('sender and reply-to stand for From', [first.envelope.sender[0].address, first.envelope.replyTo[0].address],
        ['mara@example.org', 'mara@example.org']);
    same('BODYSTRUCTURE', first.bodyStructure.childNodes.map(node => [node.part, node.type, node.encoding]),
        [['1', 'text/plain', 'quoted-printable'], ['2', 'image/png', 'base64']]);
    same('its disposition', [first.bodyStructure.childNodes[1].disposition, first.bodyStructure.childNodes[1].dispositionParameters.filename],
        ['attachment', 'bild.png']);
    same('one header', String(first.headers), 'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= 1\r\n\r\n');
    same('INTERNALDATE', first.internalDate.getTime(), Date.UTC(2026, 10, 3, 10, 1));
    ok('EMAILID and THREADID', first.emailId && first.threadId, first);
    ok('MODSEQ comes along', first.modseq >= 1n);
    const second = await a.fetchOne('2', { threadId: true });
    ok('another message has another EMAILID', second.emailId !== first.emailId);
    same('a reply is of the same thread', second.threadId, first.threadId);

    for (const binary of [false, true]) {
        const { meta, content } = await a.download('3', '2', { uid: true, binary });
        same(`the attachment, decoded ${binary ? 'by the server' : 'here'}`, [meta.contentType, await read(content)], ['image/png', PICTURE]);
    }
    const { content } = await a.download('3', '1', { chunkSize: 10 });
    same('text in chunks of ten octets', String(await read(content)).trim(), 'Sch\u00f6ner Text 3, Nadelwald.');
    const many = await a.downloadMany('4', ['1', '2'], { uid: true });
    same('two parts at once', Object.keys(many).filter(key => /^\d/.test(key)), ['1', '2']);

    same('SEARCH of flags', await a.search({ seen: false }), [2, 4, 6, 8, 10, 12]);
    same('SEARCH of decoded subjects', await a.search({ subject: 'gr\u00fc\u00dfe 1' }, { uid: true }), [1, 10, 11, 12]);
    same('SEARCH of decoded bodies', await a.search({ body: 'sch\u00f6ner text 7' }), [7]);
    same('SEARCH with OR and NOT', await a.search({ or: [{ uid: '2:3' }, { header: { 'message-id': 'flow.9@' } }], not: { seen: true } }), [2]);
    same('ESEARCH', await a.search({ seen: true }, { returnOptions: ['MIN', 'MAX', 'COUNT', 'ALL'] }), { min: 1, max: 11, count: 6, all: '1,3,5,7,9,11' });
    same('ESEARCH that finds nothing', await a.search({ subject: 'nowhere' }, { returnOptions: ['COUNT', 'ALL'] }), { count: 0 });
    same('SEARCH that finds nothing', await a.search({ subject: 'nowhere' }), []);
    same('SEARCH of an EMAILID', await a.search({ emailId: first.emailId }), [1]);
    same('SEARCH of a THREADID', (await a.search({ threadId: first.threadId })).length, COUNT);
    same('SEARCH by day', (await a.search({ on: '2026-11-03', sentSince: '2026-11-03', smaller: 100000 })).length, COUNT);

    const before = (await a.status(BOX, { highestModseq: true })).highestModseq;
    await b.mailboxOpen(BOX);
    const told = next(b, 'flags', update => update.uid === 2 && update.flags.has('\\Flagged'));
    const idling = b.idle();
    ok('flags are stored', await a.messageFlagsAdd('2', ['\\Flagged', '$Later'], { uid: true }));
    const update = await told;
    ok('IDLE tells the other device, with the MODSEQ', update.flags.has('$Later') && update.modseq > before, update);
    const grew = next(b, 'exists');
    await a.append(SAVED, message(50));
    await a.append(BOX, message(51));
    same('IDLE tells of a new message', (await grew).count, COUNT + 1);
    const vanished = next(b, 'expunge');
    ok('a message is deleted', await a.messageDelete(String(COUNT + 1), { uid: true }));
    const gone = await vanished;
    same('IDLE tells what vanished', [gone.uid, gone.vanished, gone.earlier], [COUNT + 1, true, false]);
    await b.noop();
    await idling;
    same('UNCHANGEDSINCE of an old value changes nothing',
        [await a.messageFlagsAdd('2', ['\\Draft'], { uid: true, unchangedSince: before }), (await a.fetchOne('2', { flags: true }, { uid: true })).flags.has('\\Draft')].at(-1), false);
    const changed = [];
    for await (const one of a.fetch('1:*', { flags: true }, { changedSince: before })) changed.push(one.uid);
    same('FETCH of what changed since', changed, [2]);
    return { uidValidity: opened.uidValidity, before };
}

async function moves(a, b) {
    const moved = await a.messageMove('3:4', SAVED, { uid: true });
    same('MOVE pairs the UIDs', [...moved.uidMap], [[3, 2], [4, 3]]);
    const copied = await a.messageCopy({ seen: true }, SAVED);
    same('COPY pairs the UIDs', [...copied.uidMap.keys()], [1, 5, 7, 9, 11]);
    same('STATUS of the other mailbox', (await a.status(SAVED, { messages: true, unseen: true })).messages, 8);
    await b.noop();
    same('the other device has them gone', b.mailbox.exists, COUNT - 2);
    ok('flags are replaced', await a.messageFlagsSet('5', ['$Work'], { uid: true }));
    ok('and taken away', await a.messageFlagsRemove('2', ['\\Flagged'], { uid: true }));
    const flags = await a.fetchAll('1:*', { flags: true }, { uid: true });
    same('what the flags are', [[...flags.find(one => one.uid === 5).flags], flags.find(one => one.uid === 2).flags.has('\\Flagged')], [['$Work'], false]);
}

async function comes_back(known) {
    const c = await device('back');
    const gone = [];
    const changed = [];
    c.on('expunge', one => gone.push(one));
    c.on('flags', one => changed.push(one.uid));
    const opened = await c.mailboxOpen(BOX, { uidValidity: known.uidValidity, changedSince: known.before });
    ok('QRESYNC was taken', opened.qresync, opened);
    same('what vanished', [...new Set(gone.map(one => one.uid))].filter(uid => uid <= COUNT), [3, 4]);
    ok('it is of before', gone.every(one => one.earlier), gone);
    same('what changed', changed.sort((x, y) => x - y), [2, 5]);
    same('and the count is right', c.mailbox.exists, COUNT - 2);
    await c.logout();
}

async function ends(a) {
    await a.mailboxClose();
    same('renamed', (await a.mailboxRename(BOX, RENAMED)).newPath, RENAMED);
    const names = (await a.list()).map(one => one.path);
    ok('under its new name alone', names.includes(RENAMED) && !names.includes(BOX), names);
    const read_only = await a.mailboxOpen(RENAMED, { readOnly: true });
    ok('EXAMINE', read_only.readOnly && read_only.exists === COUNT - 2, read_only);
    await a.mailboxClose();
    const quota = await a.getQuota('INBOX');
    if (target.has_quota) ok('quota', quota && quota.storage, quota);
    for (const name of [RENAMED, SAVED, TOP]) await a.mailboxDelete(name);
    ok('deleted', !(await a.list()).some(one => one.path.startsWith(TOP)));
}

async function main() {
    const a = await device('one');
    const b = await device('two', { disableCompression: true });
    const plain_rev1 = await device('rev1', { disableIMAP4rev2: true, disableAutoEnable: true, qresync: false });
    await mailboxes(a);
    const known = await messages(a, b);
    await moves(a, b);
    await comes_back(known);
    const list = await plain_rev1.list();
    ok('a plain IMAP4rev1 device sees the same names', list.some(one => one.path === BOX), list);
    const lock = await plain_rev1.getMailboxLock(BOX);
    same('and finds the same', await plain_rev1.search({ subject: 'gr\u00fc\u00dfe 10' }, { uid: true }), [10]);
    lock.release();
    await plain_rev1.logout();
    await b.logout();
    await ends(a);
    await a.logout();
    same('the library found nothing to complain of', complaints, []);
}

main().catch(error => {
    console.error(`FAILED: ${error.stack} ${error.response ? JSON.stringify(error.response, plain) : ''} ${complaints.join('\n')}`);
    process.exit(1);
});
