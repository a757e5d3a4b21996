//! ENVELOPE, BODY and BODYSTRUCTURE, compared with what Dovecot wrote for the same messages.

use super::written;
use crate::imap::codec::write::{body_structure, envelope};
use crate::mime::{Address, Body, Envelope, Part};

fn bytes(text: &str) -> Option<Vec<u8>> {
    Some(text.into())
}

fn address(name: Option<&str>, mailbox: &str, host: &str) -> Vec<Address> {
    vec![Address { name: name.map(Into::into), route: None, mailbox: bytes(mailbox), host: bytes(host) }]
}

fn part(media_type: &str, subtype: &str, size: u64, lines: u64) -> Part {
    Part {
        media_type: media_type.into(),
        subtype: subtype.into(),
        parameters: Vec::new(),
        id: None,
        description: None,
        encoding: b"7bit".to_vec(),
        md5: None,
        disposition: None,
        language: Vec::new(),
        location: None,
        body: Body::Leaf,
        header_span: 0..10,
        body_span: 10..10 + size,
        lines,
    }
}

fn with(mut part: Part, parameters: &[(&str, &str)]) -> Part {
    part.parameters = parameters.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
    part
}

fn structure(part: &Part, extended: bool) -> String {
    written(|out| body_structure(out, part, extended))
}

#[test]
fn envelopes() {
    assert_eq!(written(|out| envelope(out, &Envelope::default())), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    let from = address(Some("Nathaniel Borenstein"), "nsb", "nsb.fv.com");
    let mut to = address(None, "ned", "innosoft.com");
    to.extend(address(Some("a \"b\""), "c\u{e9}", "d"));
    let full = Envelope {
        date: bytes("Fri, 07 Oct 1994 16:15:05 -0700 (PDT)"),
        subject: bytes("A multipart example"),
        from: from.clone(),
        sender: from.clone(),
        reply_to: from,
        to,
        bcc: vec![
            Address { mailbox: bytes("group"), ..Address::default() },
            Address { route: bytes("@x"), ..address(None, "y", "z").remove(0) },
            Address::default(),
        ],
        in_reply_to: bytes(""),
        message_id: bytes("<id1@host.com>"),
        ..Envelope::default()
    };
    let nsb = "((\"Nathaniel Borenstein\" NIL \"nsb\" \"nsb.fv.com\"))";
    let want = format!(
        "(\"Fri, 07 Oct 1994 16:15:05 -0700 (PDT)\" \"A multipart example\" {nsb} {nsb} {nsb} \
         ((NIL NIL \"ned\" \"innosoft.com\")(\"a \\\"b\\\"\" NIL {{3}}\r\nc\u{e9} \"d\")) NIL \
         ((NIL NIL \"group\" NIL)(NIL \"@x\" \"y\" \"z\")(NIL NIL NIL NIL)) \"\" \"<id1@host.com>\")"
    );
    assert_eq!(written(|out| envelope(out, &full)), want);
}

#[test]
fn leaves() {
    let text = part("text", "plain", 269, 7);
    assert_eq!(structure(&text, false), r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 269 7)"#);
    assert_eq!(
        structure(&text, true),
        r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 269 7 NIL NIL NIL NIL)"#
    );
    let mut text = with(part("Text", "plain", 49, 1), &[("Charset", "ISO-8859-1"), ("name", "")]);
    text.encoding = b"Quoted-printable".to_vec();
    let want = r#"("Text" "plain" ("Charset" "ISO-8859-1" "name" "") NIL NIL "Quoted-printable" 49 1)"#;
    assert_eq!(structure(&text, false), want);
    let mut image = with(part("image", "gif", 394, 5), &[("name", "map_of_Argentina.gif")]);
    image.encoding = b"base64".to_vec();
    image.disposition = Some((b"inline".to_vec(), vec![(b"fi1ename".to_vec(), b"map_of_Argentina.gif".to_vec())]));
    let want = r#"("image" "gif" ("name" "map_of_Argentina.gif") NIL NIL "base64" 394 NIL ("inline" ("fi1ename" "map_of_Argentina.gif")) NIL NIL)"#;
    assert_eq!(structure(&image, true), want);
    let mut all = part("audio", "basic", 0, 0);
    all.encoding = Vec::new();
    (all.id, all.description, all.md5, all.location) = (bytes("<i>"), bytes("d"), bytes("m"), bytes("l"));
    all.disposition = Some((b"attachment".to_vec(), Vec::new()));
    all.language = vec![b"de".to_vec(), b"en".to_vec()];
    let want = r#"("audio" "basic" NIL "<i>" "d" "7bit" 0 "m" ("attachment" NIL) ("de" "en") "l")"#;
    assert_eq!(structure(&all, true), want);
    assert_eq!(structure(&part("", "", 16, 2), false), r#"("" "" NIL NIL NIL "7bit" 16)"#);
    assert_eq!(
        structure(&part("message", "external-body", 81, 3), false),
        r#"("message" "external-body" NIL NIL NIL "7bit" 81)"#
    );
}

#[test]
fn nested_parts() {
    let mut message = part("message", "rfc822", 230, 7);
    let inner = Envelope { subject: bytes("(subject in US-ASCII)"), ..Envelope::default() };
    let text = with(part("Text", "plain", 49, 1), &[("charset", "ISO-8859-1")]);
    message.body = Body::Message(Box::new(inner), Box::new(text));
    let mut empty = with(part("multipart", "mixed", 5, 1), &[("boundary", "a")]);
    empty.body = Body::Multipart(Vec::new());
    let mut root = with(part("multipart", "alternative", 900, 70), &[("boundary", "unique-boundary-1")]);
    root.language = vec![b"it-IT".to_vec()];
    root.body = Body::Multipart(vec![message, empty]);
    let want = concat!(
        r#"(("message" "rfc822" NIL NIL NIL "7bit" 230 (NIL "(subject in US-ASCII)" NIL NIL NIL NIL NIL NIL NIL NIL) "#,
        r#"("Text" "plain" ("charset" "ISO-8859-1") NIL NIL "7bit" 49 1 NIL NIL NIL NIL) 7 NIL NIL NIL NIL)"#,
        r#"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL) "mixed" ("boundary" "a") NIL NIL NIL)"#,
        r#" "alternative" ("boundary" "unique-boundary-1") NIL ("it-IT") NIL)"#,
    );
    assert_eq!(structure(&root, true), want);
    let want = concat!(
        r#"(("message" "rfc822" NIL NIL NIL "7bit" 230 (NIL "(subject in US-ASCII)" NIL NIL NIL NIL NIL NIL NIL NIL) "#,
        r#"("Text" "plain" ("charset" "ISO-8859-1") NIL NIL "7bit" 49 1) 7)"#,
        r#"(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0) "mixed") "alternative")"#,
    );
    assert_eq!(structure(&root, false), want);
}

#[test]
fn a_message_that_is_not_read_has_an_empty_envelope_and_body() {
    let mut message = part("message", "RFC822", 462, 7);
    message.encoding = b"base64".to_vec();
    let want = concat!(
        r#"("message" "RFC822" NIL NIL NIL "base64" 462 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) "#,
        r#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL) 7 NIL NIL NIL NIL)"#,
    );
    assert_eq!(structure(&message, true), want);
}
