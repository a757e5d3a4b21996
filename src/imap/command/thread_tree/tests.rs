use super::*;

/// A letter: Message-ID, what it refers to, subject; sent in the order given.
fn letters(rows: &[(&str, &str, &str)]) -> Vec<Letter> {
    let letter = |(number, (id, references, subject)): (u32, &(&str, &str, &str))| Letter {
        number,
        sent: number.into(),
        subject: subject.trim_start_matches("Re: ").to_owned(),
        is_reply: subject.starts_with("Re: "),
        id: Some(id.as_bytes().to_vec()).filter(|id| !id.is_empty()),
        references: references.split_whitespace().map(|id| id.as_bytes().to_vec()).collect(),
    };
    (1..).zip(rows).map(letter).collect()
}

fn shown(forest: &Forest) -> String {
    let mut out = Vec::new();
    forest.roots().for_each(|root| forest.write(root, &mut out));
    String::from_utf8(out).unwrap()
}

fn references(rows: &[(&str, &str, &str)]) -> String {
    shown(&Forest::references(&letters(rows)))
}

#[test]
fn by_references() {
    for (rows, want) in [
        (&[][..], ""),
        (&[("a", "", "x"), ("b", "", "y")], "(1)(2)"),
        (&[("a", "", "x"), ("b", "a", "x"), ("c", "a b", "x")], "(1 2 3)"),
        // The reply is there before what it answers.
        (&[("c", "a b", "x"), ("b", "a", "x"), ("a", "", "x")], "(3 2 1)"),
        (&[("a", "", "x"), ("b", "a", "x"), ("c", "a", "x")], "(1 (2)(3))"),
        (&[("a", "", "x"), ("b", "a", "x"), ("c", "a", "x"), ("d", "a c", "x")], "(1 (2)(3 4))"),
        // A dummy in the middle goes, one that holds two threads together stays, one with one thread goes.
        (&[("a", "", "x"), ("d", "a b c", "x")], "(1 2)"),
        (&[("b", "a", "x"), ("c", "a", "y")], "((1)(2))"),
        (&[("b", "z a", "x")], "(1)"),
        // The references of a message tell better than those of another.
        (&[("a", "", "x"), ("b", "", "y"), ("d", "a c", "z"), ("c", "b", "z")], "(1)(2 4 3)"),
        // No loops.
        (&[("a", "a", "x")], "(1)"),
        (&[("a", "b", "x"), ("b", "a", "y")], "(2 1)"),
        (&[("a", "b c a", "x"), ("b", "c", "y"), ("c", "a b", "z")], "(1 2 3)"),
        // Of two with one Message-ID the first has it.
        (&[("a", "", "x"), ("a", "", "y"), ("b", "a", "z")], "(1 3)(2)"),
        (&[("", "", "x"), ("", "", "y")], "(1)(2)"),
    ] {
        assert_eq!(references(rows), want, "{rows:?}");
    }
}

#[test]
fn by_subject_where_references_are_missing() {
    for (rows, want) in [
        // Neither is a reply: siblings. A reply is a child, wherever it stands.
        (&[("a", "", "x"), ("b", "", "x")][..], "((1)(2))"),
        (&[("a", "", "x"), ("b", "", "x"), ("c", "", "x")], "((1)(2)(3))"),
        (&[("a", "", "x"), ("b", "", "Re: x")], "(1 2)"),
        (&[("a", "", "Re: x"), ("b", "", "x")], "(2 1)"),
        (&[("a", "", "Re: x"), ("b", "", "Re: x")], "((1)(2))"),
        (&[("a", "", "x"), ("b", "", "x"), ("c", "", "Re: x")], "((1)(2)(3))"),
        // Messages without a subject are not gathered.
        (&[("a", "", ""), ("b", "", "Re: ")], "(1)(2)"),
        // A dummy takes in the others.
        (&[("b", "a", "x"), ("c", "a", "y"), ("d", "", "x")], "((1)(2)(3))"),
        (&[("d", "", "x"), ("b", "a", "x"), ("c", "a", "y")], "((1)(2)(3))"),
        (&[("b", "a", "x"), ("c", "a", "y"), ("d", "z", "x"), ("e", "z", "v")], "((1)(2)(3)(4))"),
        // Subjects below the top do not count.
        (&[("a", "", "x"), ("b", "a", "y"), ("c", "", "y")], "(1 2)(3)"),
    ] {
        assert_eq!(references(rows), want, "{rows:?}");
    }
}

#[test]
fn by_date() {
    let mut rows =
        letters(&[("a", "", "x"), ("b", "a", "x"), ("c", "a", "x"), ("d", "", "y"), ("f", "e", "v"), ("g", "e", "w")]);
    for (letter, sent) in rows.iter_mut().zip([50, 40, 30, 20, 60, 10]) {
        letter.sent = sent;
    }
    assert_eq!(shown(&Forest::references(&rows)), "((6)(5))(4)(1 (3)(2))");
    rows.iter_mut().for_each(|letter| letter.sent = 0);
    assert_eq!(shown(&Forest::references(&rows)), "(1 (2)(3))(4)((5)(6))");
}

#[test]
fn by_ordered_subject() {
    let mut rows =
        letters(&[("", "", "y"), ("", "", "x"), ("", "", "Re: y"), ("", "", "y"), ("", "", "x"), ("", "", "")]);
    let ordered = |rows: &[Letter]| shown(&Forest::ordered_subject(rows));
    assert_eq!(ordered(&rows), "(1 (3)(4))(2 5)(6)");
    for (letter, sent) in rows.iter_mut().zip([50, 40, 30, 20, 60, 10]) {
        letter.sent = sent;
    }
    assert_eq!(ordered(&rows), "(6)(4 (3)(1))(2 5)");
    assert_eq!(ordered(&[]), "");
}

#[test]
fn very_deep_and_very_wide_threads() {
    let count: u32 = 100_000;
    let chain = |step: u32| -> Vec<Letter> {
        let id = |n: u32| format!("{n}@x").into_bytes();
        let letter = |n: u32| Letter {
            number: n + 1,
            sent: n.into(),
            id: Some(id(n)),
            references: vec![id(n + step)],
            ..Letter::default()
        };
        (0..count).map(letter).collect()
    };
    let deep = Forest::references(&chain(1));
    assert_eq!(deep.roots().count(), 1);
    assert!(shown(&deep).starts_with("(100000 99999 "));
    // Dummies between all messages.
    assert_eq!(Forest::references(&chain(count)).roots().count(), count as usize);
    let wide =
        vec![Letter { subject: "x".to_owned(), references: vec![b"a@b".to_vec()], ..Letter::default() }; 100_000];
    assert_eq!(Forest::references(&wide).roots().count(), 1);
    assert_eq!(Forest::ordered_subject(&wide).roots().count(), 1);
}
