//! Parameters of MIME fields (RFC 2045 section 5.1) with the continuations of RFC 2231 section 3 joined. Values stay as
//! they are otherwise: charset and percent-encoding are for the client, whom the `*` at the end of the name tells.

use super::Parameters;
use super::lexer::Cursor;

/// A value of RFC 2231: `name*`, `name*n` or `name*n*`.
struct Piece {
    name: Vec<u8>,
    number: u32,
    extended: bool,
    value: Vec<u8>,
}

/// The parameters from here on, each after a semicolon. What is wrong is passed over up to the next semicolon. Plain ones
/// come first, in order, then those of RFC 2231, by name. `budget`: parameters that may still be kept.
pub(super) fn parse(cursor: &mut Cursor<'_>, budget: &mut usize) -> Parameters {
    let mut plain = Vec::new();
    let mut pieces: Vec<Piece> = Vec::new();
    while !cursor.is_at_end() {
        let Some((name, value)) = one(cursor) else {
            cursor.bump();
            cursor.skip_until(b';');
            continue;
        };
        if *budget == 0 {
            break;
        }
        *budget -= 1;
        match split_name(name) {
            Some((base, number, extended)) => {
                pieces.push(Piece { name: base.to_vec(), number, extended, value });
            }
            None => plain.push((name.to_vec(), value)),
        }
    }
    pieces.sort_by(|a, b| a.name.cmp(&b.name).then(a.number.cmp(&b.number)));
    for run in pieces.chunk_by(|a, b| a.name.eq_ignore_ascii_case(&b.name)) {
        join(run, &mut plain);
    }
    plain
}

/// `";" attribute "=" value`
fn one<'a>(cursor: &mut Cursor<'a>) -> Option<(&'a [u8], Vec<u8>)> {
    cursor.skip_cfws();
    if !cursor.eat(b';') {
        return None;
    }
    cursor.skip_cfws();
    let name = cursor.token();
    cursor.skip_cfws();
    if !cursor.eat(b'=') {
        return None;
    }
    cursor.skip_cfws();
    let value = match cursor.peek() {
        Some(b'"') => cursor.closed_quoted_string()?,
        // `name==?utf-8?q?x?=`: an encoded word outside of quotes, which many senders write.
        Some(b'=') => cursor.until_space_or_semicolon().to_vec(),
        _ => cursor.token().to_vec(),
    };
    cursor.skip_cfws();
    (!cursor.has_open_comment()).then_some((name, value))
}

/// `attribute-char *( "*" digits ) [ "*" ]`: base name, section, whether percent-encoded.
fn split_name(name: &[u8]) -> Option<(&[u8], u32, bool)> {
    let star = memchr::memchr(b'*', name)?;
    let (base, rest) = (name.get(..star)?, name.get(star + 1..)?);
    if rest.is_empty() {
        return Some((base, 0, true));
    }
    let (digits, extended) = match rest.strip_suffix(b"*") {
        Some(digits) => (digits, true),
        None => (rest, false),
    };
    if (digits.is_empty() && !extended) || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0'));
    Some((base, number, extended))
}

/// Joins the sections 0, 1, 2... of one name; where one is missing or there twice, each stands by itself. A value of which
/// only later sections are percent-encoded is given an empty charset and language (RFC 2231 section 4).
fn join(run: &[Piece], out: &mut Parameters) {
    let Some(first) = run.first() else { return };
    if (0..).zip(run).all(|(n, piece)| n == piece.number) {
        let mut name = first.name.clone();
        let mut value = Vec::new();
        if run.iter().any(|piece| piece.extended) {
            name.push(b'*');
            if !first.extended {
                value.extend_from_slice(b"''");
            }
        }
        run.iter().for_each(|piece| value.extend_from_slice(&piece.value));
        return out.push((name, value));
    }
    for piece in run {
        let mut name = piece.name.clone();
        name.extend_from_slice(format!("*{}", piece.number).as_bytes());
        if piece.extended {
            name.push(b'*');
        }
        out.push((name, piece.value.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str, mut budget: usize) -> String {
        parse(&mut Cursor::new(value.as_bytes()), &mut budget)
            .iter()
            .map(|(n, v)| format!("{}={} ", String::from_utf8_lossy(n), String::from_utf8_lossy(v)))
            .collect()
    }

    #[test]
    fn parameters() {
        let cases = [
            ("; a=b; C=\"d;\\\"e\"", "a=b C=d;\"e "),
            ("; boundary=----=_Part; a=b", "boundary=---- a=b "),
            (";; boundary=x", ""),
            ("; name==?utf-8?q?a?=; b=c", "name==?utf-8?q?a?= b=c "),
            ("; a; b=c", ""),
            ("; a; b=c; d=e", "d=e "),
            ("; a;; b=c", "b=c "),
            ("; f**=a", "f*=a "),
            ("; f*=a; f**=b", "f*0*=a f*0*=b "),
            ("; f*999999999=a", "f*999999999=a "),
            ("; f*1000000000=a; g*0=b", "f*1000000000=a g=b "),
            ("; a=; b=c", "a= b=c "),
            ("; f*=utf-8''x; g=h", "g=h f*=utf-8''x "),
            ("; f*1=b; f*0=a; f*2*=%20", "f*=''ab%20 "),
            ("; f*1=b; f*3=d", "f*1=b f*3=d "),
            ("; f*0=a; f*2=c", "f*0=a f*2=c "),
            ("; f*0=a; f*1=b; f*1=c", "f*0=a f*1=b f*1=c "),
            ("; =a; b=c (", "=a "),
            ("; f*x=a", "f*x=a "),
            ("; a=\"b; c=d", ""),
            ("; a=b (c) ; d=e ; ", "a=b d=e "),
        ];
        for (value, want) in cases {
            assert_eq!(shown(value, 100), want, "{value}");
        }
    }

    #[test]
    fn at_the_limit_and_past_it() {
        assert_eq!(shown("; a=b; c=d", 2), "a=b c=d ");
        assert_eq!(shown("; a=b; c=d", 1), "a=b ");
    }
}
