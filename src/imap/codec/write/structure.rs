//! ENVELOPE, BODY and BODYSTRUCTURE (RFC 9051 section 7.5.2), as Dovecot writes them.

use super::{nil, nstring, number, string};
use crate::mime::{Address, Body, Envelope, Part};

/// `envelope = "(" env-date SP env-subject SP env-from SP env-sender SP env-reply-to SP env-to SP env-cc SP env-bcc SP
/// env-in-reply-to SP env-message-id ")"`
pub fn envelope(out: &mut Vec<u8>, envelope: &Envelope) {
    let Envelope { date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id } = envelope;
    out.push(b'(');
    for text in [date, subject] {
        nstring(out, text.as_deref());
        out.push(b' ');
    }
    for list in [from, sender, reply_to, to, cc, bcc] {
        addresses(out, list);
        out.push(b' ');
    }
    nstring(out, in_reply_to.as_deref());
    out.push(b' ');
    nstring(out, message_id.as_deref());
    out.push(b')');
}

/// BODYSTRUCTURE when `extended`, else BODY.
///
/// `body = "(" (body-type-1part / body-type-mpart) ")"`
pub fn body_structure(out: &mut Vec<u8>, part: &Part, extended: bool) {
    out.push(b'(');
    match &part.body {
        Body::Multipart(children) => multipart(out, part, children, extended),
        body => single_part(out, part, body, extended),
    }
    out.push(b')');
}

/// `body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]`
///
/// `body-ext-mpart = body-fld-param [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc *(SP body-extension)]]]`
fn multipart(out: &mut Vec<u8>, part: &Part, children: &[Part], extended: bool) {
    for child in children {
        body_structure(out, child, extended);
    }
    if children.is_empty() {
        empty_body(out, extended);
    }
    out.push(b' ');
    string(out, &part.subtype);
    if extended {
        out.push(b' ');
        parameters(out, &part.parameters, false);
        extension(out, part);
    }
}

/// An empty text part, where the grammar wants a body and there is none.
fn empty_body(out: &mut Vec<u8>, extended: bool) {
    out.extend_from_slice(b"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0");
    out.extend_from_slice(if extended { b" NIL NIL NIL NIL)" } else { b")" });
}

/// `body-type-1part = (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part]`
///
/// `body-fields = body-fld-param SP body-fld-id SP body-fld-desc SP body-fld-enc SP body-fld-octets`
///
/// `body-type-msg = media-message SP body-fields SP envelope SP body SP body-fld-lines`,
/// `body-type-text = media-text SP body-fields SP body-fld-lines`
fn single_part(out: &mut Vec<u8>, part: &Part, body: &Body, extended: bool) {
    let text = part.media_type.eq_ignore_ascii_case(b"text");
    string(out, &part.media_type);
    out.push(b' ');
    string(out, &part.subtype);
    out.push(b' ');
    parameters(out, &part.parameters, text);
    for field in [&part.id, &part.description] {
        out.push(b' ');
        nstring(out, field.as_deref());
    }
    out.push(b' ');
    string(out, if part.encoding.is_empty() { b"7bit" } else { &part.encoding });
    out.push(b' ');
    number(out, part.body_span.end.saturating_sub(part.body_span.start));
    // A message/rfc822 whose content is not read (encoded, or too deep) still has envelope and body: empty ones.
    let unread = matches!(body, Body::Leaf)
        && part.media_type.eq_ignore_ascii_case(b"message")
        && part.subtype.eq_ignore_ascii_case(b"rfc822");
    if let Body::Message(inner, root) = body {
        out.push(b' ');
        envelope(out, inner);
        out.push(b' ');
        body_structure(out, root, extended);
    } else if unread {
        out.push(b' ');
        envelope(out, &Envelope::default());
        out.push(b' ');
        empty_body(out, extended);
    }
    if text || unread || matches!(body, Body::Message(..)) {
        out.push(b' ');
        number(out, part.lines);
    }
    if extended {
        out.push(b' ');
        nstring(out, part.md5.as_deref());
        extension(out, part);
    }
}

/// `SP body-fld-dsp SP body-fld-lang SP body-fld-loc`
fn extension(out: &mut Vec<u8>, part: &Part) {
    out.push(b' ');
    match &part.disposition {
        None => nil(out),
        Some((disposition, params)) => {
            out.push(b'(');
            string(out, disposition);
            out.push(b' ');
            parameters(out, params, false);
            out.push(b')');
        }
    }
    out.push(b' ');
    list(out, &part.language, |out, tag, first| {
        if !first {
            out.push(b' ');
        }
        string(out, tag);
    });
    out.push(b' ');
    nstring(out, part.location.as_deref());
}

/// `body-fld-param = "(" string SP string *(SP string SP string) ")" / nil`
///
/// A text part without a charset is given the default one, as RFC 2045 section 5.2 reads it.
fn parameters(out: &mut Vec<u8>, parameters: &[(Vec<u8>, Vec<u8>)], text: bool) {
    let named = parameters.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"charset"));
    let default = (text && !named).then_some((b"charset".as_slice(), b"us-ascii".as_slice()));
    let all: Vec<_> =
        parameters.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).chain(default).collect();
    list(out, &all, |out, (name, value), first| {
        if !first {
            out.push(b' ');
        }
        string(out, name);
        out.push(b' ');
        string(out, value);
    });
}

/// `env-from = "(" 1*address ")" / nil`
///
/// `address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"`
fn addresses(out: &mut Vec<u8>, addresses: &[Address]) {
    list(out, addresses, |out, Address { name, route, mailbox, host }, _| {
        out.push(b'(');
        for (i, part) in [name, route, mailbox, host].into_iter().enumerate() {
            if i > 0 {
                out.push(b' ');
            }
            nstring(out, part.as_deref());
        }
        out.push(b')');
    });
}

/// A list, or NIL when it is empty: the grammar knows no `()`.
fn list<T>(out: &mut Vec<u8>, items: &[T], mut item: impl FnMut(&mut Vec<u8>, &T, bool)) {
    if items.is_empty() {
        return nil(out);
    }
    out.push(b'(');
    for (i, value) in items.iter().enumerate() {
        item(out, value, i == 0);
    }
    out.push(b')');
}
