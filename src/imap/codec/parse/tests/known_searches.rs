//! SEARCH, SORT, THREAD and what goes with them: what is read, and as what.

use super::*;

#[test]
fn search() {
    use SearchKey::*;
    let key = |text: &str| match command(&format!("SEARCH {text}")) {
        Command::Search(SearchArgs { uid: false, returns: None, charset: None, key }) => key,
        other => panic!("{text}: {other:?}"),
    };
    let flag = |f| Flag(flags(f, &[]));
    let not = |key| Not(Box::new(key));
    let bytes = |text: &str| text.as_bytes().to_vec();
    assert_eq!(key("ALL"), And(vec![]));
    assert_eq!(key("1:3,*"), Seq(set(&[(1, 3), (0, 0)])));
    assert_eq!(key("$"), Seq(SequenceSet::SavedResult));
    assert_eq!(key("uid 5 unseen"), And(vec![Uid(set(&[(5, 5)])), not(flag(Flags::SEEN))]));
    for (word, f) in [("answered", Flags::ANSWERED), ("DELETED", Flags::DELETED), ("DRAFT", Flags::DRAFT)] {
        assert_eq!(key(word), flag(f));
        assert_eq!(key(&format!("UN{word}")), not(flag(f)));
    }
    assert_eq!(
        key("FLAGGED UNFLAGGED SEEN"),
        And(vec![flag(Flags::FLAGGED), not(flag(Flags::FLAGGED)), flag(Flags::SEEN)])
    );
    assert_eq!(key("RECENT"), Recent);
    assert_eq!(key("OLD"), not(Recent));
    assert_eq!(key("NEW"), And(vec![Recent, not(flag(Flags::SEEN))]));
    assert_eq!(key("KEYWORD $Junk"), Flag(flags(Flags::NONE, &["$Junk"])));
    assert_eq!(key("UNKEYWORD x"), not(Flag(flags(Flags::NONE, &["x"]))));
    let lists = [AddressList::Bcc, AddressList::Cc, AddressList::From, AddressList::To];
    for (word, list) in ["BCC", "cc", "From", "TO"].into_iter().zip(lists) {
        assert_eq!(key(&format!("{word} \"a b\"")), Address(list, bytes("a b")));
    }
    assert_eq!(key("SUBJECT \"a b\""), Header(bytes("SUBJECT"), bytes("a b")));
    assert_eq!(key("HEADER X-a \"\""), Header(bytes("X-a"), bytes("")));
    assert_eq!(key("BODY {3+}\r\na b"), Body(bytes("a b")));
    assert_eq!(key("TEXT x"), Text(bytes("x")));
    assert_eq!(key("BEFORE 1-Feb-1994"), Before(8_797));
    assert_eq!(key("ON \"01-feb-1994\""), On(8_797));
    assert_eq!(key("SINCE 31-Dec-1969"), Since(-1));
    assert_eq!(key("SENTBEFORE 29-Feb-2000"), SentBefore(11_016));
    assert_eq!(key("SENTON 1-Jan-1970 SENTSINCE 2-Jan-1970"), And(vec![SentOn(0), SentSince(1)]));
    assert_eq!(key("SAVEDBEFORE 1-Feb-1994 savedon 2-Feb-1994"), And(vec![SavedBefore(8_797), SavedOn(8_798)]));
    assert_eq!(key("SAVEDSINCE 1-Feb-1994 savedatesupported"), And(vec![SavedSince(8_797), SaveDateSupported]));
    assert_eq!(key("OLDER 1 younger 4294967295"), And(vec![Older(1), Younger(u32::MAX)]));
    assert_eq!(key("UID $"), Uid(SequenceSet::SavedResult));
    assert_eq!(key("LARGER 9223372036854775807 SMALLER 0"), And(vec![Larger(i64::MAX as u64), Smaller(0)]));
    assert_eq!(key("NOT (SEEN 1)"), not(And(vec![flag(Flags::SEEN), Seq(set(&[(1, 1)]))])));
    assert_eq!(
        key("OR SEEN (OR 1 2)"),
        Or(flag(Flags::SEEN).into(), Or(Seq(set(&[(1, 1)])).into(), Seq(set(&[(2, 2)])).into()).into())
    );
    assert_eq!(key("MODSEQ 620162338"), ModSeq(crate::mail::ModSeq(620_162_338)));
    assert_eq!(key("MODSEQ \"/flags/\\\\draft\" all 0"), ModSeq(crate::mail::ModSeq(0)));
    let utf8 = SearchArgs { uid: true, returns: None, charset: Some("UTF-8".into()), key: Text("\u{e9}".into()) };
    assert_eq!(command("UID SEARCH CHARSET utf-8 TEXT {2}\r\n\u{e9}"), Command::Search(utf8.clone()));
    assert_eq!(command("UID SEARCH CHARSET \"UTF-8\" TEXT \"\u{e9}\" "), Command::Search(utf8));
}

#[test]
fn rule_35_search_return_options() {
    let returns = |text: &str| match command(&format!("SEARCH RETURN {text} ALL")) {
        Command::Search(SearchArgs { returns, .. }) => returns,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(returns("()"), Some(SearchReturn { all: true, ..SearchReturn::default() }));
    assert_eq!(returns("(SAVE)"), Some(SearchReturn { save: true, ..SearchReturn::default() }));
    let all = SearchReturn { min: true, max: true, all: true, count: true, save: true, ..SearchReturn::default() };
    assert_eq!(returns("(min MAX all COUNT Save)"), Some(all));
    let part = |first, last, from_end| {
        let number = |n| std::num::NonZeroU32::new(n).unwrap();
        let partial = Some(PartialRange { first: number(first), last: number(last), from_end });
        Some(SearchReturn { partial, ..SearchReturn::default() })
    };
    assert_eq!(returns("(partial 500:400 context)"), part(400, 500, false));
    assert_eq!(returns("(PARTIAL -500:-400)"), part(400, 500, true));
    assert_eq!(returns("(CONTEXT)"), returns("()"));
    assert_eq!(returns("(update)"), Some(SearchReturn { update: true, ..SearchReturn::default() }));
    let charset = command("UID SEARCH RETURN (MIN) CHARSET UTF-8 ALL");
    assert!(matches!(charset, Command::Search(SearchArgs { charset: Some(_), returns: Some(_), uid: true, .. })));
}

#[test]
fn contexts_and_batches() {
    let tags = |tags: &[&str]| Command::CancelUpdate(tags.iter().map(|tag| tag.as_bytes().to_vec()).collect());
    assert_eq!(command("CANCELUPDATE \"B01\""), tags(&["B01"]));
    assert_eq!(command("cancelupdate \"B\\\"1\" B02 \"\""), tags(&["B\"1", "B02", ""]));
    assert_eq!(command("UIDBATCHES 2000"), Command::UidBatches(2000, None));
    assert_eq!(command("uidbatches 4294967295 10:4294967295"), Command::UidBatches(u32::MAX, Some((10, u32::MAX))));
    match command("UID FETCH 1:* FLAGS (PARTIAL -3:-1 CHANGEDSINCE 5)") {
        Command::Fetch(FetchArgs { partial: Some(range), changed_since: Some(_), .. }) => {
            assert_eq!(range.of(10), 7..10)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn sort() {
    use SortKey::*;
    let sort = |uid, returns, criteria: &[(bool, SortKey)], key| {
        let criteria = criteria.iter().map(|(reverse, key)| SortCriterion { reverse: *reverse, key: *key }).collect();
        Command::Sort(SortArgs { uid, returns, criteria, charset: "UTF-8".into(), key })
    };
    let all = SearchKey::And(Vec::new());
    assert_eq!(command("SORT (DATE) UTF-8 ALL"), sort(false, None, &[(false, Date)], all.clone()));
    assert_eq!(
        command("uid sort (reverse Subject reverse DATE arrival) \"utf-8\" ALL "),
        sort(true, None, &[(true, Subject), (true, Date), (false, Arrival)], all.clone())
    );
    let every = "SORT (CC DISPLAYFROM DISPLAYTO FROM SIZE TO) UTF-8 ALL";
    let keys = [Cc, DisplayFrom, DisplayTo, From, Size, To].map(|key| (false, key));
    assert_eq!(command(every), sort(false, None, &keys, all.clone()));
    // A key given again decides nothing.
    let again = format!("SORT ({}) UTF-8 ALL", "REVERSE TO FROM TO ".repeat(1_000).trim_end());
    assert_eq!(command(&again), sort(false, None, &[(true, To), (false, From)], all.clone()));
    let returns = SearchReturn { min: true, count: true, ..SearchReturn::default() };
    assert_eq!(
        command("SORT RETURN (MIN COUNT) (TO) UTF-8 ALL"),
        sort(false, Some(returns), &[(false, To)], all.clone())
    );
    let returns = SearchReturn { all: true, ..SearchReturn::default() };
    let two = SearchKey::And(vec![SearchKey::Recent, SearchKey::Seq(set(&[(1, 2)]))]);
    assert_eq!(command("UID SORT RETURN () (TO) UTF-8 RECENT 1:2"), sort(true, Some(returns), &[(false, To)], two));
}

#[test]
fn thread() {
    let thread = |uid, algorithm, charset: &str, key| {
        Command::Thread(ThreadArgs { uid, algorithm, charset: charset.into(), key })
    };
    let all = SearchKey::And(Vec::new());
    assert_eq!(
        command("THREAD references us-ascii ALL"),
        thread(false, ThreadAlgorithm::References, "US-ASCII", all.clone())
    );
    assert_eq!(
        command("UID THREAD OrderedSubject X-1 TEXT {1}\r\na"),
        thread(true, ThreadAlgorithm::OrderedSubject, "X-1", SearchKey::Text(b"a".to_vec()))
    );
}
