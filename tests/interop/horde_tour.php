<?php
// Horde_Imap_Client, the IMAP of Horde and of Nextcloud Mail: the extensions that no other client here uses.
//
// One argument as the Python scripts have it: a JSON object with host, imap, user and password.

declare(strict_types=1);

error_reporting(E_ALL & ~E_DEPRECATED);
spl_autoload_register(function (string $class): void {
    $file = stream_resolve_include_path(str_replace(['_', '\\'], '/', $class) . '.php');
    if ($file !== false) {
        require_once $file;
    }
});

const BOX = 'Tour Horde';
const BELOW = "Tour Horde/B\u{00fc}cher & \u{65e5}\u{672c}\u{8a9e}";
const SAVED = 'Tour Horde/Saved';
const COUNT = 12;

function check(bool $condition, string $what, mixed ...$seen): void
{
    if (!$condition) {
        fwrite(STDERR, "FAILED: $what " . print_r($seen, true));
        exit(1);
    }
    echo "ok: $what\n";
}

function same(mixed $seen, mixed $wanted, string $what): void
{
    check($seen === $wanted, $what, $seen, $wanted);
}

function device(object $target): Horde_Imap_Client_Socket
{
    return new Horde_Imap_Client_Socket([
        'username' => $target->user, 'password' => $target->password, 'hostspec' => $target->host, 'port' => $target->imap,
        'secure' => false, 'timeout' => 30, 'debug' => $target->scratch . '/horde.log', 'id' => ['name' => 'tour'],
        'cache' => ['backend' => new Horde_Imap_Client_Cache_Backend_Null()],
    ]);
}

function message(int $n): string
{
    $lines = [
        'From: "Quill, M" <mara@example.org>', 'To: robin@example.org', "Subject: " . ($n % 4 ? 'Re: ' : '') . 'Thema ' . intdiv($n, 4),
        sprintf('Date: Tue, 03 Nov 2026 10:%02d:00 +0000', 59 - $n), "Message-ID: <horde.$n@example.org>",
    ];
    if ($n % 4) {
        $root = $n - $n % 4;
        array_push($lines, "In-Reply-To: <horde.$root@example.org>", "References: <horde.$root@example.org>");
    }
    array_push(
        $lines, 'MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=edge', '', '--edge', 'Content-Type: text/plain; charset=utf-8',
        'Content-Transfer-Encoding: quoted-printable', '', "Sch=C3=B6ner Text $n.", '--edge', 'Content-Type: image/png; name=a.png',
        'Content-Transfer-Encoding: base64', '', chunk_split(base64_encode(str_repeat("\x00\x01\x02\xff", 100)), 76, "\r\n") . '--edge--', ''
    );
    return implode("\r\n", $lines);
}

function ids(array $ids): Horde_Imap_Client_Ids
{
    return new Horde_Imap_Client_Ids($ids);
}

function mailboxes(Horde_Imap_Client_Socket $a): void
{
    foreach (['ENABLE', 'ESEARCH', 'SORT', 'LIST-EXTENDED', 'LIST-STATUS', 'SPECIAL-USE', 'CREATE-SPECIAL-USE', 'CATENATE', 'MULTIAPPEND', 'METADATA',
        'BINARY', 'CONDSTORE', 'QRESYNC', 'UIDPLUS', 'MOVE', 'WITHIN', 'SEARCHRES', 'QUOTA', 'ID', 'NAMESPACE', 'UNSELECT', 'ESORT'] as $name) {
        check($a->capability->query($name), "capability $name");
    }
    check($a->capability->query('THREAD', 'REFERENCES') && $a->capability->query('THREAD', 'ORDEREDSUBJECT'), 'both kinds of threads');
    $a->createMailbox(BOX);
    $a->createMailbox(BELOW);
    $a->createMailbox(SAVED, ['special_use' => [Horde_Imap_Client::SPECIALUSE_ARCHIVE]]);
    $a->subscribeMailbox(BELOW);
    $list = $a->listMailboxes('*', Horde_Imap_Client::MBOX_ALL_SUBSCRIBED, [
        'attributes' => true, 'children' => true, 'special_use' => true, 'status' => Horde_Imap_Client::STATUS_ALL | Horde_Imap_Client::STATUS_HIGHESTMODSEQ,
    ]);
    check(isset($list[BELOW]) && in_array('\\subscribed', $list[BELOW]['attributes']), 'LIST says what is subscribed', $list);
    check(in_array('\\archive', $list[SAVED]['attributes']) && in_array('\\haschildren', $list[BOX]['attributes']), 'its use, and what has children');
    same($list[BELOW]['status']['messages'], 0, 'with the status of each');
    check(in_array('\\trash', $list['Trash']['attributes']), 'special uses');
    $list = $a->listMailboxes('Tour%', Horde_Imap_Client::MBOX_SUBSCRIBED, ['recursivematch' => true, 'attributes' => true]);
    check(isset($list[BOX]) && !in_array('\\subscribed', $list[BOX]['attributes']), 'RECURSIVEMATCH tells of what is below', $list);
    $all = $a->status([BOX, SAVED, 'INBOX'], Horde_Imap_Client::STATUS_MESSAGES | Horde_Imap_Client::STATUS_UIDNEXT);
    same(count($all), 3, 'STATUS of three mailboxes');
    $a->setMetadata(BOX, ['/private/comment' => "F\u{00fc}r sp\u{00e4}ter", '/shared/comment' => "two\r\nlines"]);
    $seen = $a->getMetadata(BOX, ['/private/comment', '/shared/comment']);
    same($seen[BOX]['/private/comment'], "F\u{00fc}r sp\u{00e4}ter", 'METADATA beyond ASCII');
    same($seen[BOX]['/shared/comment'], "two\r\nlines", 'METADATA of two lines');
    $a->setMetadata(BOX, ['/private/comment' => null]);
    check(!isset($a->getMetadata(BOX, ['/private/comment'])[BOX]['/private/comment']), 'METADATA taken away');
}

function appends(Horde_Imap_Client_Socket $a): void
{
    $messages = [];
    for ($n = 0; $n < COUNT; $n++) {
        $messages[] = ['data' => message($n), 'flags' => $n % 3 ? [] : ['\\seen', 'Later'], 'internaldate' => new DateTime("2026-11-03 10:$n:00 UTC")];
    }
    same($a->append(BOX, $messages)->ids, range(1, COUNT), 'MULTIAPPEND gives all UIDs');
    $validity = $a->status(BOX, Horde_Imap_Client::STATUS_UIDVALIDITY)['uidvalidity'];
    $url = '/' . rawurlencode(BOX) . ";UIDVALIDITY=$validity/;UID=3/;SECTION=2";
    $made = $a->append(SAVED, [['data' => [
        ['t' => 'text', 'v' => "From: mara@example.org\r\nSubject: made of parts\r\nMIME-Version: 1.0\r\nContent-Type: image/png\r\n"
            . "Content-Transfer-Encoding: base64\r\n\r\n"],
        ['t' => 'url', 'v' => $url],
    ]]]);
    same($made->ids, [1], 'CATENATE makes a message of a part of another');
    $query = new Horde_Imap_Client_Fetch_Query();
    $query->bodyText(['peek' => true]);
    $text = $a->fetch(SAVED, $query)->first()->getBodyText();
    same(base64_decode($text), str_repeat("\x00\x01\x02\xff", 100), 'and the part is whole');
    $binary = "From: mara@example.org\r\nSubject: bytes\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
        . "Content-Transfer-Encoding: binary\r\n\r\na\0b\xff";
    same($a->append(SAVED, [['data' => $binary]])->ids, [2], 'a message with a NUL is appended as literal8');
    $query = new Horde_Imap_Client_Fetch_Query();
    $query->bodyPart('1', ['decode' => true, 'peek' => true]);
    $query->bodyPartSize('1');
    $one = $a->fetch(SAVED, $query, ['ids' => ids([2])])->first();
    same($one->getBodyPart('1'), "a\0b\xff", 'and read as binary');
}

function reads(Horde_Imap_Client_Socket $a): void
{
    $query = new Horde_Imap_Client_Fetch_Query();
    $query->structure();
    $query->envelope();
    $query->flags();
    $query->size();
    $query->imapDate();
    $query->modseq();
    $query->headers('some', ['Subject', 'Message-ID'], ['peek' => true, 'cache' => false]);
    $query->bodyPart('1', ['decode' => true, 'peek' => true]);
    $query->bodyPart('2', ['decode' => true, 'peek' => true, 'start' => 2, 'length' => 10]);
    $query->bodyPartSize('2');
    $query->mimeHeader('2', ['peek' => true]);
    $results = $a->fetch(BOX, $query);
    same(count($results), COUNT, 'all messages are fetched');
    $five = $results[5];
    same($five->getSize(), strlen(message(4)), 'the size');
    same($five->getEnvelope()->subject, 'Thema 1', 'the ENVELOPE');
    same((string) $five->getEnvelope()->from[0]->bare_address, 'mara@example.org', 'its From');
    same($five->getImapDate()->getTimestamp(), strtotime('2026-11-03 10:04:00 UTC'), 'INTERNALDATE');
    same($five->getStructure()->getPart('2')->getType(), 'image/png', 'the structure');
    same(trim($five->getBodyPart('1')), "Sch\u{00f6}ner Text 4.", 'a part decoded by the server');
    same($five->getBodyPartDecode('1'), '8bit', 'it is decoded');
    same($five->getBodyPart('2'), "\x02\xff\x00\x01\x02\xff\x00\x01\x02\xff", 'octets out of a decoded part');
    same((int) $five->getBodyPartSize('2'), 400, 'BINARY.SIZE');
    check(str_contains($five->getMimeHeader('2'), 'image/png'), 'the MIME header of a part');
    check($five->getModSeq() > 0, 'MODSEQ');
}

function searches(Horde_Imap_Client_Socket $a): void
{
    $query = new Horde_Imap_Client_Search_Query();
    $query->headerText('subject', 'thema 1');
    $found = $a->search(BOX, $query, ['results' => [Horde_Imap_Client::SEARCH_RESULTS_MATCH, Horde_Imap_Client::SEARCH_RESULTS_COUNT,
        Horde_Imap_Client::SEARCH_RESULTS_MIN, Horde_Imap_Client::SEARCH_RESULTS_MAX, Horde_Imap_Client::SEARCH_RESULTS_SAVE]]);
    same([$found['match']->ids, $found['count'], $found['min'], $found['max'], $found['save']], [[5, 6, 7, 8], 4, 5, 8, true], 'ESEARCH with SAVE');
    $query = new Horde_Imap_Client_Search_Query();
    $query->previousSearch();
    $query->flag(Horde_Imap_Client::FLAG_SEEN, true);
    same($a->search(BOX, $query)['match']->ids, [7], 'a search in what was found before');
    $query = new Horde_Imap_Client_Search_Query();
    $query->text("sch\u{00f6}ner text 9", true);
    $query->charset('UTF-8', false);
    same($a->search(BOX, $query)['match']->ids, [10], 'a search in decoded texts');
    $query = new Horde_Imap_Client_Search_Query();
    $query->intervalSearch(86400 * 36500, Horde_Imap_Client_Search_Query::INTERVAL_YOUNGER);
    same($a->search(BOX, $query)['count'], COUNT, 'YOUNGER');
    $sorted = $a->search(BOX, null, ['sort' => [Horde_Imap_Client::SORT_DATE]]);
    same($sorted['match']->ids, range(COUNT, 1), 'sorted by Date');
    $sorted = $a->search(BOX, null, ['sort' => [Horde_Imap_Client::SORT_REVERSE, Horde_Imap_Client::SORT_SUBJECT, Horde_Imap_Client::SORT_ARRIVAL]]);
    same($sorted['match']->ids, [9, 10, 11, 12, 5, 6, 7, 8, 1, 2, 3, 4], 'sorted by subject in reverse, then by arrival');
    $sorted = $a->search(BOX, null, ['sort' => [Horde_Imap_Client::SORT_DISPLAYFROM], 'results' => [Horde_Imap_Client::SEARCH_RESULTS_COUNT]]);
    same($sorted['count'], COUNT, 'ESORT');
    foreach ([Horde_Imap_Client::THREAD_REFERENCES, Horde_Imap_Client::THREAD_ORDEREDSUBJECT] as $kind) {
        $threads = $a->thread(BOX, ['criteria' => $kind]);
        same(count($threads->getThread(5)), 4, "threads by $kind");
    }
}

function changes(Horde_Imap_Client_Socket $a, Horde_Imap_Client_Socket $b): void
{
    $token = $a->getSyncToken(BOX);
    $before = $a->status(BOX, Horde_Imap_Client::STATUS_HIGHESTMODSEQ)['highestmodseq'];
    $b->store(BOX, ['add' => ['\\flagged', '$Label1'], 'ids' => ids([2, 3])]);
    $failed = $a->store(BOX, ['add' => ['Never'], 'ids' => ids([2, 4]), 'unchangedsince' => $before]);
    same($failed->ids, [2], 'UNCHANGEDSINCE tells what has changed');
    $moved = $b->copy(BOX, SAVED, ['ids' => ids([6, 7]), 'move' => true, 'force_map' => true]);
    same($moved, [6 => 3, 7 => 4], 'MOVE pairs the UIDs');
    $copied = $b->copy(BOX, BELOW, ['ids' => ids([1, 12]), 'force_map' => true]);
    same($copied, [1 => 1, 12 => 2], 'COPY too');
    $b->append(BOX, [['data' => message(50)]]);
    $b->store(BOX, ['add' => ['\\deleted'], 'ids' => ids([8])]);
    $b->expunge(BOX, ['ids' => ids([8])]);
    same($a->vanished(BOX, (int) $before)->ids, [6, 7, 8], 'VANISHED');
    $sync = $a->sync(BOX, $token);
    same([$sync->newmsgsuids->ids, $sync->vanisheduids->ids], [[COUNT + 1], [6, 7, 8]], 'a sync tells what is new and what has gone');
    $flags = $sync->flagsuids->ids;
    check(count(array_intersect([2, 3, 4], $flags)) === 3, 'and where flags have changed', $flags);
    $a->store(BOX, ['replace' => ['\\seen'], 'ids' => ids([2])]);
    $query = new Horde_Imap_Client_Fetch_Query();
    $query->flags();
    same(array_values(array_diff($b->fetch(BOX, $query, ['ids' => ids([2])])->first()->getFlags(), ['\\recent'])), ['\\seen'], 'flags are replaced');
    $since = $b->fetch(BOX, $query, ['changedsince' => $before]);
    check(!in_array(1, $since->ids()) && in_array(2, $since->ids()), 'CHANGEDSINCE', $since->ids());
    $a->renameMailbox(BELOW, SAVED . "/Gr\u{00f6}\u{00df}e");
    check(count($a->listMailboxes(SAVED . '/*')) === 1, 'renamed');
    check(is_array($a->getQuotaRoot('INBOX')), 'GETQUOTAROOT');
}

$target = json_decode($argv[1]);
$log = $target->scratch . '/horde.log';
try {
    $a = device($target);
    $b = device($target);
    $a->login();
    $b->login();
    mailboxes($a);
    appends($a);
    reads($a);
    searches($a);
    changes($a, $b);
    foreach ([SAVED . "/Gr\u{00f6}\u{00df}e", SAVED, BOX] as $name) {
        $a->deleteMailbox($name);
    }
    $b->logout();
    $a->logout();
} catch (Throwable $error) {
    fwrite(STDERR, 'FAILED: ' . $error . "\n" . (isset($error->raw_msg) ? $error->raw_msg : '') . substr((string) @file_get_contents($log), -3000));
    exit(1);
}
$said = file_get_contents($log);
foreach (['COMPRESS', 'CATENATE', 'RECURSIVEMATCH', 'BINARY.PEEK', 'SETMETADATA', 'RETURN (SAVE', 'UNCHANGEDSINCE', 'VANISHED', 'UID MOVE', 'LIST-STATUS'] as $word) {
    if (!str_contains($said, $word)) {
        echo "not used: $word\n";
    }
}
check(!preg_match_all('/^S: \d+ (BAD .*)$/m', $said, $bad), 'nothing was BAD', $bad ?? null);
