// A phone: imapflow with QRESYNC and IDLE and a cache of each mailbox, which it believes.
//
// One argument: a JSON object with host, port, user and password. Obeys commands on standard input, one a line and JSON
// (`do` and its arguments), each answered by one line of JSON. What a server pushes while it idles comes as lines {"event"}.
'use strict';

const readline = require('node:readline');
const { ImapFlow } = require('imapflow');

const target = JSON.parse(process.argv[2]);
const caches = new Map();
const complaints = [];
let client = null;

function tell(value) {
    process.stdout.write(`${JSON.stringify(value)}\n`);
}

const silent = () => {};
const logger = { trace: silent, debug: silent, info: silent, warn: entry => complaints.push(entry), error: entry => complaints.push(entry) };

// Every message up to `next`, and no other: flags of later ones are not known before they are fetched.
function cache(box) {
    if (!caches.has(box)) caches.set(box, { uidValidity: null, modseq: null, next: 1, rows: new Map() });
    return caches.get(box);
}

async function online() {
    client = new ImapFlow({
        host: target.host, port: target.port, secure: false, doSTARTTLS: false, disableCompression: true,
        auth: { user: target.user, pass: target.password }, logger, qresync: true, maxIdleTime: 60_000
    });
    client.on('error', error => complaints.push(String(error)));
    client.on('expunge', ({ path, uid }) => {
        if (cache(path).rows.delete(uid)) tell({ event: 'expunge', box: path, uid });
    });
    client.on('flags', ({ path, uid, flags }) => {
        const row = cache(path).rows.get(uid);
        if (row) row.flags = [...flags];
        tell({ event: 'flags', box: path, uid, flags: [...flags] });
    });
    client.on('exists', ({ path, count, prevCount }) => {
        if (count > prevCount) tell({ event: 'exists', box: path, count });
    });
    await client.connect();
    if (!client.enabled.has('QRESYNC')) throw new Error('QRESYNC is not enabled');
}

// The resynchronising SELECT tells what vanished and changed; what is new is fetched.
async function visit(box) {
    const known = cache(box);
    if (client.mailbox && client.mailbox.path === box) {
        await client.noop();
    } else {
        const since = known.modseq ? { uidValidity: known.uidValidity, changedSince: known.modseq } : {};
        const opened = await client.mailboxOpen(box, since);
        if (known.modseq && !opened.qresync) throw new Error(`QRESYNC was not taken in ${box}`);
        known.uidValidity = opened.uidValidity;
        known.modseq = opened.highestModseq;
    }
    if (client.mailbox.exists > known.rows.size) {
        for await (const one of client.fetch(`${known.next}:*`, { uid: true, flags: true, envelope: true }, { uid: true })) {
            if (one.uid < known.next) continue;
            known.rows.set(one.uid, { id: one.envelope.messageId, flags: [...one.flags] });
        }
        known.next = Math.max(known.next, ...[...known.rows.keys()].map(uid => uid + 1));
    }
}

function uids(box, ids) {
    const found = [...cache(box).rows].filter(([, row]) => ids.includes(row.id)).map(([uid]) => uid);
    if (found.length !== ids.length) throw new Error(`${found.length} messages of ${ids.length} in ${box}`);
    return found.join(',');
}

const commands = {
    online,
    async offline() {
        // As a train into a tunnel.
        const closed = new Promise(resolve => client.once('close', resolve));
        client.close();
        await closed;
        client = null;
    },
    visit: ({ box }) => visit(box),
    async idle({ box }) {
        await visit(box);
        client.idle().catch(error => complaints.push(String(error)));
    },
    picture: ({ box }) => [...cache(box).rows].map(([uid, row]) => [uid, row.id, row.flags]),
    async flag({ box, ids, flags, on }) {
        await visit(box);
        const set = uids(box, ids);
        await (on === false ? client.messageFlagsRemove(set, flags, { uid: true }) : client.messageFlagsAdd(set, flags, { uid: true }));
    },
    async move({ box, ids, to }) {
        await visit(box);
        await client.messageMove(uids(box, ids), to, { uid: true });
    },
    async expunge({ box, ids }) {
        await visit(box);
        await client.messageDelete(uids(box, ids), { uid: true });
    },
    append: ({ box, message }) => client.append(box, Buffer.from(message), ['\\Seen']).then(silent),
    complaints: () => complaints
};

async function main() {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const request = JSON.parse(line);
        try {
            tell({ done: (await commands[request.do](request)) ?? null });
        } catch (error) {
            tell({ failed: `${error.stack} ${error.responseText ?? ''}` });
        }
    }
    if (client) client.close();
}

main();
