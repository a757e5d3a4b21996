//! The checker can fail: transcripts with one thing wrong each.

use crate::command::{Command, Kind};
use crate::picture::{Constants, Picture};

/// Five messages with UIDs 1 to 5, no flags.
fn picture() -> Picture {
    let mut picture = Picture::new(Constants::default());
    let select = Command::new("SELECT INBOX", Kind::Select("INBOX".to_owned()));
    picture.begin(&select);
    for line in ["* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)", "* 5 EXISTS", "* OK [HIGHESTMODSEQ 9] x"] {
        picture.untagged(line, Some(&select)).unwrap();
    }
    picture.tagged("OK [READ-WRITE] done", &select).unwrap();
    let fetch = Command::new("FETCH 1:* (UID FLAGS INTERNALDATE)", Kind::Fetch);
    picture.begin(&fetch);
    for n in 1..=5 {
        let line = format!("* {n} FETCH (UID {n} FLAGS () INTERNALDATE \"d\")");
        picture.untagged(&line, Some(&fetch)).unwrap();
    }
    picture.tagged("OK done", &fetch).unwrap();
    picture
}

fn store(text: &str, silent: bool) -> Command {
    let kind = Kind::Store { set: vec![2], op: '+', flag: "\\seen".to_owned(), silent };
    Command::new(text, kind)
}

fn outcome(command: &Command, untagged: &[&str], tagged: &str) -> Result<(), String> {
    let mut picture = picture();
    picture.begin(command);
    untagged.iter().try_for_each(|line| picture.untagged(line, Some(command)))?;
    picture.tagged(tagged, command)
}

fn fetch(text: &str) -> Command {
    Command::new(text, Kind::Fetch)
}

#[test]
fn wrong_transcripts_are_found() {
    let noop = Command::new("NOOP", Kind::Other);
    let search = Command::new("SEARCH SEEN 1:5", Kind::Search("\\seen".to_owned()));
    let status = Command::new("STATUS INBOX (UIDNEXT)", Kind::Status);
    let copy = Command::new("UID COPY 1:2 box", Kind::Copy("box".to_owned()));
    let numbered = fetch("FETCH 1 (FLAGS INTERNALDATE)");
    let cases: [(&Command, &[&str]); 19] = [
        (&numbered, &["* 1 EXPUNGE"]),
        (&store("STORE 2 +FLAGS (\\Seen)", false), &["* 1 EXPUNGE", "* 1 FETCH (FLAGS (\\Seen))"]),
        (&search, &["* 1 EXPUNGE"]),
        (&noop, &["* 6 EXPUNGE"]),
        (&noop, &["* 4 EXISTS"]),
        (&noop, &["* 6 RECENT"]),
        (&noop, &["* 6 FETCH (FLAGS ())"]),
        (&noop, &["* 2 FETCH (UID 3 FLAGS ())"]),
        (&noop, &["* 6 EXISTS", "* 6 FETCH (UID 5)"]),
        (&noop, &["* 2 FETCH (FLAGS (unheard))"]),
        (&noop, &["* OK [HIGHESTMODSEQ 8] x"]),
        (&noop, &["* 2 FETCH (MODSEQ (7))", "* 2 FETCH (MODSEQ (6))"]),
        (&numbered, &["* 1 FETCH (FLAGS (\\Seen) INTERNALDATE \"d\")"]),
        (&numbered, &["* 1 FETCH (FLAGS () INTERNALDATE \"e\")"]),
        (&fetch("FETCH 1 (FLAGS MODSEQ)"), &["* 1 FETCH (FLAGS ())"]),
        (&store("STORE 2 +FLAGS (\\Seen)", false), &[]),
        (&search, &["* SEARCH 2"]),
        (&status, &["* STATUS INBOX (UIDNEXT 6)", "* STATUS INBOX (UIDNEXT 5)"]),
        (&copy, &["* OK [COPYUID 7 1:2 1] x"]),
    ];
    for (command, untagged) in cases {
        assert!(outcome(command, untagged, "OK done").is_err(), "{} {untagged:?}", command.text);
    }
    assert!(outcome(&noop, &[], "NO done").is_err());
    assert!(picture().untagged("* 1 EXPUNGE", None).is_err());
    assert!(picture().untagged("* BYE x", Some(&noop)).is_err());
}

#[test]
fn right_transcripts_are_not() {
    let noop = Command::new("NOOP", Kind::Other);
    outcome(&noop, &["* 2 EXPUNGE", "* 2 FETCH (UID 3 FLAGS (\\Seen))", "* 5 EXISTS", "* 1 RECENT"], "OK x").unwrap();
    outcome(&store("STORE 2 +FLAGS (\\Seen)", false), &["* 2 FETCH (FLAGS (\\Seen))"], "OK x").unwrap();
    outcome(&fetch("UID FETCH 9 (UID FLAGS)"), &["* 3 EXPUNGE"], "OK x").unwrap();
}

#[test]
fn the_last_comparison_finds_what_was_never_told() {
    let (mine, mut other) = (picture(), picture());
    mine.agrees(&other).unwrap();
    let noop = Command::new("NOOP", Kind::Other);
    other.untagged("* 4 FETCH (FLAGS (\\Seen))", Some(&noop)).unwrap();
    assert!(mine.agrees(&other).is_err());
    other.untagged("* 4 EXPUNGE", Some(&noop)).unwrap();
    assert!(mine.agrees(&other).is_err());
    // What a silent STORE did has to be worked out.
    let silent = store("STORE 2 +FLAGS.SILENT (\\Seen)", true);
    let (mut mine, mut other) = (picture(), picture());
    mine.begin(&silent);
    mine.tagged("OK done", &silent).unwrap();
    assert!(mine.agrees(&other).is_err());
    other.untagged("* 2 FETCH (FLAGS (\\Seen))", Some(&noop)).unwrap();
    mine.agrees(&other).unwrap();
}

#[test]
fn a_message_is_recent_in_one_session_only() {
    let constants = Constants::default();
    let select = Command::new("SELECT INBOX", Kind::Select("INBOX".to_owned()));
    let look = fetch("FETCH 1 (UID FLAGS)");
    let session = |recent: bool| {
        let mut picture = Picture::new(Constants::clone(&constants));
        picture.begin(&select);
        picture.untagged("* 1 EXISTS", Some(&select)).unwrap();
        picture.tagged("OK [READ-WRITE] done", &select).unwrap();
        picture.untagged(
            if recent { "* 1 FETCH (UID 7 FLAGS (\\Recent))" } else { "* 1 FETCH (UID 7 FLAGS ())" },
            Some(&look),
        )
    };
    session(true).unwrap();
    session(false).unwrap();
    assert!(session(true).is_err());
}
