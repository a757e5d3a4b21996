//! Commands that are read, and as what.

use super::*;

#[test]
fn commands_without_arguments_in_any_case_and_with_trailing_spaces() {
    for (text, want) in [
        ("CAPABILITY", Command::Capability),
        ("noop", Command::Noop),
        ("Logout", Command::Logout),
        ("STARTTLS", Command::StartTls),
        ("NAMESPACE", Command::Namespace),
        ("IDLE", Command::Idle),
        ("CHECK", Command::Check),
        ("CLOSE", Command::Close),
        ("UNSELECT", Command::Unselect),
        ("EXPUNGE", Command::Expunge(None)),
    ] {
        assert_eq!(command(text), want);
        assert_eq!(command(&format!("{text}  ")), want);
        assert_eq!(command(&text.to_lowercase()), want);
        assert!(read(&format!("a1 {text} x"), false).is_err());
        assert!(read(&format!("a1 {text}x"), false).is_err());
    }
}

#[test]
fn authentication() {
    let login = |user: &str, password: &str| Command::Login { user: user.into(), password: Secret::new(password) };
    assert_eq!(command("LOGIN bob secret"), login("bob", "secret"));
    assert_eq!(command(r#"login "b\"o\\b" "s e c""#), login("b\"o\\b", "s e c"));
    assert_eq!(command("LOGIN {3}\r\nbob {5+}\r\na\r\n b"), login("bob", "a\r\n b"));
    assert_eq!(command("LOGIN a] \"\""), login("a]", ""));
    assert_eq!(command("LOGIN \"\u{e9}\" \"\u{e9}\""), login("\u{e9}", "\u{e9}"));
    let auth = |initial: Option<&[u8]>| Command::Authenticate {
        mechanism: "PLAIN".into(),
        initial: initial.map(<[u8]>::to_vec),
    };
    assert_eq!(command("AUTHENTICATE plain"), auth(None));
    assert_eq!(command("AUTHENTICATE PLAIN ="), auth(Some(b"")));
    assert_eq!(command("AUTHENTICATE PLAIN AGJvYgBwdw=="), auth(Some(b"\0bob\0pw")));
    assert_eq!(command("ENABLE condstore X-Y"), Command::Enable(strings(&["CONDSTORE", "X-Y"])));
    assert_eq!(command("ID nil"), Command::Id(None));
    assert_eq!(command("ID ()"), Command::Id(Some(Vec::new())));
    let pairs = vec![(b"name".to_vec(), Some(b"x".to_vec())), (b"os".to_vec(), None)];
    assert_eq!(command(r#"ID ("name" "x" "os" NIL)"#), Command::Id(Some(pairs)));
}

#[test]
fn create_with_special_uses_and_other_spellings() {
    let create = |n: &str, supplied: Option<&str>, special_use| {
        Command::Create(CreateArgs { mailbox: name(n), supplied: supplied.map(str::to_owned), special_use })
    };
    assert_eq!(command("CREATE a/"), create("a", None, Use::None));
    assert_eq!(command("CREATE inbox"), create("INBOX", None, Use::None));
    assert_eq!(command("CREATE inbox/a"), create("INBOX/a", Some("inbox/a"), Use::None));
    assert_eq!(command("CREATE \"e&AwE-\""), create("\u{e9}", Some("e\u{301}"), Use::None));
    assert_eq!(command("CREATE S (USE (\\sent))"), create("S", None, Use::One(SpecialUse::Sent)));
    assert_eq!(command("CREATE S (USE (\\Sent \\Sent) use (\\SENT))"), create("S", None, Use::One(SpecialUse::Sent)));
    assert_eq!(command("CREATE S (USE ())"), create("S", None, Use::None));
    for uses in ["\\All", "\\Flagged", "\\Important", "\\Sent \\Trash", "\\Sent \\X", "\\X \\Sent"] {
        assert_eq!(command(&format!("CREATE S (USE ({uses}))")), create("S", None, Use::Unsupported), "{uses}");
    }
    let renamed = |from: &str, to: &str, supplied: Option<&str>| {
        Command::Rename(name(from), name(to), supplied.map(str::to_owned))
    };
    assert_eq!(command("RENAME a e&AwE-"), renamed("a", "\u{e9}", Some("a")));
    assert_eq!(command("RENAME e&AwE- a"), renamed("\u{e9}", "a", Some("e\u{301}")));
    assert_eq!(command("DELETE Inbox/a"), Command::Delete(name("INBOX/a"), Some("Inbox/a".to_owned())));
    assert_eq!(command("DELETE a/"), Command::Delete(name("a"), None));
}

#[test]
fn mailboxes() {
    let select = |n: &str, condstore| SelectArgs { mailbox: name(n), denormalized: None, condstore, qresync: None };
    assert_eq!(command("SELECT inBOX"), Command::Select(select("INBOX", false)));
    assert_eq!(command("SELECT \"a b\" (CONDSTORE)"), Command::Select(select("a b", true)));
    assert_eq!(command("EXAMINE {1+}\r\nx (condstore)"), Command::Examine(select("x", true)));
    assert_eq!(command("DELETE R&AOk-sum&AOk-"), Command::Delete(name("R\u{e9}sum\u{e9}"), None));
    assert_eq!(command("DELETE a&b"), Command::Delete(Name::Impossible, None));
    assert_eq!(command("DELETE \"\""), Command::Delete(Name::Impossible, None));
    assert_eq!(command("RENAME a {1}\r\nb"), Command::Rename(name("a"), name("b"), None));
    assert_eq!(command("SUBSCRIBE NIL"), Command::Subscribe(name("NIL")));
    assert_eq!(command("UNSUBSCRIBE &-"), Command::Unsubscribe(name("&")));
    let utf8 = |text: &str| read(text, true).map(|tagged| tagged.command);
    assert_eq!(utf8("a SELECT a&b"), Ok(Command::Select(select("a&b", false))));
    assert_eq!(utf8("a DELETE \"\u{e9}\""), Ok(Command::Delete(name("\u{e9}"), None)));
    assert_eq!(command("DELETE \"\u{e9}\""), Command::Delete(Name::Impossible, None));
}

#[test]
fn quick_resynchronization() {
    let select = |condstore, mod_seq, known, matches| {
        let uid_validity = NonZeroU32::new(67_890_007).expect("not zero");
        let qresync = Some(Qresync { uid_validity, mod_seq: ModSeq(mod_seq), known, matches });
        SelectArgs { mailbox: name("INBOX"), denormalized: None, condstore, qresync }
    };
    let known = || Some(set(&[(41, 41), (43, 211)]));
    let matches = || Some((set(&[(5, 5), (9, 11)]), set(&[(50, 50), (90, 92)])));
    for (text, want) in [
        ("67890007 1", select(false, 1, None, None)),
        ("67890007 0", select(false, 0, None, None)),
        ("67890007 9223372036854775807 41,43:211", select(false, i64::MAX as u64, known(), None)),
        ("67890007 7 41,43:211 (5,9:11 50,90:92)", select(false, 7, known(), matches())),
        ("67890007 7 (5,9:11 50,90:92)", select(false, 7, None, matches())),
    ] {
        assert_eq!(command(&format!("SELECT INBOX (QRESYNC ({text}))")), Command::Select(want.clone()));
        assert_eq!(command(&format!("examine inbox (qresync ({text}))")), Command::Examine(want.clone()));
        let both = SelectArgs { condstore: true, ..want };
        assert_eq!(command(&format!("SELECT INBOX (CONDSTORE QRESYNC ({text}))")), Command::Select(both.clone()));
        assert_eq!(command(&format!("SELECT INBOX (QRESYNC ({text}) CONDSTORE)")), Command::Select(both));
    }
}

#[test]
fn status() {
    use StatusItem::*;
    let all =
        "STATUS b (messages RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ MESSAGES deleted-storage)";
    let items = vec![Messages, Recent, UidNext, UidValidity, Unseen, Deleted, Size, HighestModSeq, DeletedStorage];
    assert_eq!(command(all), Command::Status(name("b"), items));
}

#[test]
fn quotas() {
    assert_eq!(command("GETQUOTA \"\""), Command::GetQuota(Vec::new()));
    assert_eq!(command("getquota \"User quota\" "), Command::GetQuota(b"User quota".to_vec()));
    assert_eq!(command("GETQUOTA {3+}\r\na\r\n"), Command::GetQuota(b"a\r\n".to_vec()));
    assert_eq!(command("GETQUOTAROOT inBox"), Command::GetQuotaRoot(name("INBOX")));
    assert_eq!(command("GETQUOTAROOT a&b"), Command::GetQuotaRoot(Name::Impossible));
    let set = |root: &str| Command::SetQuota(root.into());
    assert_eq!(command("SETQUOTA \"\" ()"), set(""));
    assert_eq!(command("setquota root (storage 512 X-NEW 9223372036854775807)"), set("root"));
}

#[test]
fn list_basic_and_extended() {
    let basic = ListArgs { patterns: strings(&["*"]), ..ListArgs::default() };
    assert_eq!(command("LIST \"\" *"), Command::List(basic.clone()));
    assert_eq!(command("LSUB \"\" \"*\""), Command::Lsub(basic.clone()));
    assert_eq!(command("list {0}\r\n {1}\r\n*"), Command::List(basic.clone()));
    let empty = ListArgs { patterns: strings(&[""]), ..ListArgs::default() };
    assert_eq!(command("LIST \"\" \"\""), Command::List(empty));
    let named = ListArgs { reference: "a/".into(), patterns: strings(&["\u{e9}%]*"]), ..ListArgs::default() };
    assert_eq!(command("LIST a/ &AOk-%]*"), Command::List(named));
    assert_eq!(command("LIST \"\" &"), Command::List(ListArgs::default()));
    assert_eq!(command("LIST & *"), Command::List(ListArgs::default()));
    let extended = ListArgs { extended: true, ..basic };
    assert_eq!(command("LIST () \"\" *"), Command::List(extended.clone()));
    assert_eq!(command("LIST \"\" (*)"), Command::List(extended.clone()));
    assert_eq!(command("LIST \"\" * RETURN ()"), Command::List(extended.clone()));
    let full = ListArgs {
        patterns: strings(&["INBOX", "a/%"]),
        select_subscribed: true,
        select_special_use: true,
        recursive_match: true,
        select_remote: true,
        return_subscribed: true,
        return_children: true,
        return_special_use: true,
        return_status: Some(vec![StatusItem::Messages, StatusItem::Unseen]),
        ..extended
    };
    let text = "LIST (SUBSCRIBED special-use RECURSIVEMATCH REMOTE) \"\" (INBOX \"a/%\") \
                RETURN (SUBSCRIBED CHILDREN SPECIAL-USE STATUS (MESSAGES UNSEEN))";
    assert_eq!(command(text), Command::List(full));
}

fn message(flags: FlagList, date: Option<InternalDate>, size: u64) -> AppendMessage {
    AppendMessage { flags, date, parts: vec![AppendPart::Literal(size)], catenated: false }
}

fn append_args(messages: Vec<AppendMessage>) -> AppendArgs {
    AppendArgs { mailbox: name("INBOX"), messages }
}

#[test]
fn append() {
    let date = InternalDate { unix: 837_596_665, offset_minutes: -420 };
    let args = |list, date, size| Command::Append(append_args(vec![message(list, date, size)]));
    let seen = flags(Flags::SEEN, &["$x"]);
    assert_eq!(command("APPEND inbox {3}\r\na\r\n"), args(FlagList::default(), None, 3));
    assert_eq!(command("APPEND INBOX (\\Seen \\recent $X) {1+}\r\na"), args(seen.clone(), None, 1));
    assert_eq!(command("APPEND {5}\r\nINBOX () ~{0}\r\n"), args(FlagList::default(), None, 0));
    assert_eq!(command("APPEND INBOX ~{3+}\r\n\0\r\0"), args(FlagList::default(), None, 3));
    let full = "append \"INBOX\" (\\Seen $x) \"17-Jul-1996 02:44:25 -0700\" {13+}\r\na1 LOGOUT\r\n\r\n  ";
    assert_eq!(command(full), args(seen, Some(date), 13));
    let padded = "append INBOX \" 7-jul-1996 00:00:00 +0130\" UTF8 (~{2}\r\n{})";
    let date = InternalDate { unix: 836_692_200, offset_minutes: 90 };
    assert_eq!(command(padded), args(FlagList::default(), Some(date), 2));
}

#[test]
fn append_several() {
    let date = InternalDate { unix: 837_596_665, offset_minutes: -420 };
    let several = "APPEND INBOX (\\Seen) {3}\r\nabc {2+}\r\n\r\n \"17-Jul-1996 02:44:25 -0700\" UTF8 (~{1}\r\n))  ";
    let plain = |date, size| message(FlagList::default(), date, size);
    let want = vec![message(flags(Flags::SEEN, &[]), None, 3), plain(None, 2), plain(Some(date), 1)];
    assert_eq!(command(several), Command::Append(append_args(want)));
    let spaced = Command::Append(append_args(vec![plain(None, 1), plain(None, 2)]));
    assert_eq!(command("APPEND INBOX {1}\r\nx  {2+}\r\nyz"), spaced);
}

#[test]
fn append_catenated() {
    let text = AppendPart::Literal;
    let url = |url: &str| AppendPart::Url(url.into());
    let catenated = |parts: &[AppendPart]| AppendMessage {
        parts: parts.to_vec(),
        catenated: true,
        ..message(FlagList::default(), None, 0)
    };
    let one = |parts: &[AppendPart]| Command::Append(append_args(vec![catenated(parts)]));
    assert_eq!(command("APPEND INBOX CATENATE (URL \"/a/;UID=1\")"), one(&[url("/a/;UID=1")]));
    assert_eq!(command("append INBOX catenate (url /a/;UID=1 url {2}\r\nx( )"), one(&[url("/a/;UID=1"), url("x(")]));
    let mixed = "APPEND INBOX CATENATE (TEXT {3}\r\n)\r\n URL {9+}\r\n/b/;UID=2 text ~{1+}\r\n\0 UTF8 (~{2}\r\nxx) TEXT {0}\r\n)";
    assert_eq!(command(mixed), one(&[text(3), url("/b/;UID=2"), text(1), text(2), text(0)]));
    let several = "APPEND INBOX CATENATE (TEXT {1}\r\nx) {2}\r\nyy (\\Seen) CATENATE (URL z)";
    let last = AppendMessage { flags: flags(Flags::SEEN, &[]), ..catenated(&[url("z")]) };
    let want = vec![catenated(&[text(1)]), message(FlagList::default(), None, 2), last];
    assert_eq!(command(several), Command::Append(append_args(want)));
    // A mailbox of that name.
    let want = AppendArgs { mailbox: name("URL"), messages: vec![message(FlagList::default(), None, 1)] };
    assert_eq!(command("APPEND URL {1}\r\nx"), Command::Append(want.clone()));
    assert_eq!(command("APPEND {3}\r\nURL {1}\r\nx"), Command::Append(want));
}

#[test]
fn replace() {
    let replace = |uid, message, new| Command::Replace(ReplaceArgs { uid, message, append: append_args(vec![new]) });
    let four = NonZeroU32::new(4).map_or(SetNumber::Star, SetNumber::Number);
    let seen = message(flags(Flags::SEEN, &[]), None, 3);
    assert_eq!(command("REPLACE 4 INBOX (\\Seen) {3}\r\nabc"), replace(false, four, seen));
    let plain = message(FlagList::default(), None, 3);
    assert_eq!(command("uid replace * {5}\r\nINBOX ~{3+}\r\nabc"), replace(true, SetNumber::Star, plain));
    let parts = vec![AppendPart::Url("/a/;UID=1".into()), AppendPart::Literal(1)];
    let catenated = AppendMessage { parts, catenated: true, ..message(FlagList::default(), None, 0) };
    let text = "UID REPLACE 4 INBOX CATENATE (URL {9}\r\n/a/;UID=1 TEXT {1+}\r\nx)";
    assert_eq!(command(text), replace(true, four, catenated));
}

#[test]
fn sets_store_copy_move_expunge() {
    let copy = |uid, set, n: &str| CopyArgs { uid, set, mailbox: name(n) };
    assert_eq!(command("COPY 1:*,3,*:5 x"), Command::Copy(copy(false, set(&[(1, 0), (3, 3), (0, 5)]), "x")));
    assert_eq!(command("UID MOVE 4294967295 x"), Command::Move(copy(true, set(&[(u32::MAX, u32::MAX)]), "x")));
    assert_eq!(command("MOVE $ x"), Command::Move(copy(false, SequenceSet::SavedResult, "x")));
    assert_eq!(command("uid copy 1 x"), Command::Copy(copy(true, set(&[(1, 1)]), "x")));
    assert_eq!(command("UID EXPUNGE 1:2"), Command::Expunge(Some(set(&[(1, 2)]))));
    let store = |uid, op, silent, list, since: Option<u64>| {
        let unchanged_since = since.map(ModSeq);
        Command::Store(StoreArgs { uid, set: set(&[(1, 1)]), op, silent, list, unchanged_since })
    };
    let list = || flags(Flags::SEEN | Flags::DELETED, &["a"]);
    assert_eq!(command("STORE 1 FLAGS (\\seen \\Deleted a A)"), store(false, FlagOp::Replace, false, list(), None));
    assert_eq!(command("STORE 1 +flags.silent \\Seen \\Deleted a"), store(false, FlagOp::Add, true, list(), None));
    let none = FlagList::default;
    assert_eq!(command("UID STORE 1 -FLAGS ()"), store(true, FlagOp::Remove, false, none(), None));
    assert_eq!(command("UID STORE 1 -FLAGS \\Recent "), store(true, FlagOp::Remove, false, none(), None));
    let text = "STORE 1 (UNCHANGEDSINCE 0) FLAGS.SILENT ()";
    assert_eq!(command(text), store(false, FlagOp::Replace, true, none(), Some(0)));
}

#[test]
fn fetch() {
    use FetchItem::*;
    let fetch = |items| {
        Command::Fetch(FetchArgs {
            uid: false,
            set: set(&[(1, 1)]),
            items,
            changed_since: None,
            vanished: false,
            partial: None,
        })
    };
    let section = |path: &[u32], text, partial, peek| Section {
        section: crate::imap::codec::command::Section { path: path.into(), text },
        partial,
        peek,
    };
    assert_eq!(command("FETCH 1 all"), fetch(vec![Flags, InternalDate, Size, Envelope]));
    assert_eq!(command("FETCH 1 FULL"), fetch(vec![Flags, InternalDate, Size, Envelope, Body]));
    assert_eq!(command("FETCH 1 FAST"), fetch(vec![Flags, InternalDate, Size]));
    assert_eq!(command("FETCH 1 (UID flags UID)"), fetch(vec![Uid, Flags]));
    let all = "FETCH 1 (INTERNALDATE RFC822.SIZE MODSEQ ENVELOPE BODY BODYSTRUCTURE RFC822 RFC822.HEADER RFC822.TEXT)";
    let items = vec![InternalDate, Size, ModSeq, Envelope, Body, BodyStructure, Rfc822, Rfc822Header, Rfc822Text];
    assert_eq!(command(all), fetch(items));
    let whole = || SectionText::Whole;
    assert_eq!(command("FETCH 1 RFC822.PEEK"), fetch(vec![section(&[], whole(), None, true)]));
    assert_eq!(command("FETCH 1 BODY[]"), fetch(vec![section(&[], whole(), None, false)]));
    assert_eq!(
        command("FETCH 1 BODY.PEEK[1]<0.393216>"),
        fetch(vec![section(&[1], whole(), Some((0, 393_216)), true)])
    );
    assert_eq!(command("FETCH 1 body[1.2.text]"), fetch(vec![section(&[1, 2], SectionText::Text, None, false)]));
    assert_eq!(command("FETCH 1 BODY[3.MIME]"), fetch(vec![section(&[3], SectionText::Mime, None, false)]));
    assert_eq!(
        command("FETCH 1 BODY[HEADER]<5.1>"),
        fetch(vec![section(&[], SectionText::Header, Some((5, 1)), false)])
    );
    let names = |names: &[&str]| names.iter().map(|n| n.as_bytes().to_vec()).collect::<Vec<_>>();
    let fields = SectionText::HeaderFields(names(&["Date", "x y", "To"]));
    assert_eq!(
        command("FETCH 1 BODY[]<7>"),
        fetch(vec![section(&[], whole(), Some((7, u64::MAX)), false)]),
        "as ImapTest asks"
    );
    let text = "FETCH 1 BODY.PEEK[HEADER.FIELDS (Date \"x y\" {2}\r\nTo)]";
    assert_eq!(command(text), fetch(vec![section(&[], fields, None, true)]));
    let fields = SectionText::HeaderFieldsNot(names(&["a"]));
    assert_eq!(command("FETCH 1 BODY[2.header.fields.not (a)]"), fetch(vec![section(&[2], fields, None, false)]));
    let since = |vanished| {
        let changed_since = Some(crate::mail::ModSeq(0));
        Command::Fetch(FetchArgs {
            uid: true,
            set: set(&[(1, 0)]),
            items: vec![Flags],
            changed_since,
            vanished,
            partial: None,
        })
    };
    assert_eq!(command("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 0)"), since(false));
    assert_eq!(command("UID FETCH 1:* FLAGS (changedsince 0)"), since(false));
    assert_eq!(command("UID FETCH 1:* FLAGS (CHANGEDSINCE 0 VANISHED)"), since(true));
    assert_eq!(command("uid fetch 1:* flags (vanished changedsince 0)"), since(true));
}

#[test]
fn fetch_of_decoded_parts_and_previews() {
    use FetchItem::*;
    let items = |text: &str| match command(text) {
        Command::Fetch(args) => (args.items, args.changed_since),
        other => panic!("{other:?}"),
    };
    let of = |path: &[u32], text| crate::imap::codec::command::Section { path: path.into(), text };
    let part = |path: &[u32]| of(path, SectionText::Whole);
    assert_eq!(
        items("FETCH 1 (BINARY[] binary[1.2]<0.9> Binary.Peek[2] BINARY.PEEK[2]<5> BINARY.SIZE[3.1] BINARY.SIZE[])").0,
        [
            Binary { section: part(&[]), partial: None, peek: false },
            Binary { section: part(&[1, 2]), partial: Some((0, 9)), peek: false },
            Binary { section: part(&[2]), partial: None, peek: true },
            Binary { section: part(&[2]), partial: Some((5, u64::MAX)), peek: true },
            BinarySize(part(&[3, 1])),
            BinarySize(part(&[])),
        ]
    );
    let names = vec![b"a".to_vec()];
    assert_eq!(
        items("FETCH 1 (BINARY.SIZE[TEXT] BINARY.PEEK[1.MIME] BINARY[2.HEADER.FIELDS (a)])").0,
        [
            BinarySize(of(&[], SectionText::Text)),
            Binary { section: of(&[1], SectionText::Mime), partial: None, peek: true },
            Binary { section: of(&[2], SectionText::HeaderFields(names)), partial: None, peek: false },
        ],
        "as ImapTest asks"
    );
    let since = Some(crate::mail::ModSeq(5));
    for (text, lazy, changed_since) in [
        ("FETCH 1 PREVIEW", false, None),
        ("FETCH 1 preview (lazy)", true, None),
        ("FETCH 1 (PREVIEW (LAZY))", true, None),
        ("FETCH 1 PREVIEW (CHANGEDSINCE 5)", false, since),
        ("FETCH 1 PREVIEW (LAZY) (CHANGEDSINCE 5)", true, since),
        ("FETCH 1 (PREVIEW (LAZY)) (CHANGEDSINCE 5)", true, since),
    ] {
        assert_eq!(items(text), (vec![Preview { lazy }], changed_since), "{text}");
    }
    assert_eq!(items("FETCH 1 (PREVIEW (LAZY) UID)").0, [Preview { lazy: true }, Uid]);
}
