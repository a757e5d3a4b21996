//! What is left out of a comparison with Cyrus and Courier: habits of theirs that RFC 9051 leaves free and that are the same
//! in every message. They are listed in docs/imap-choices.md. Nothing is left out of the comparison with Dovecot.

use crate::answer::Value;
use crate::fields::Field;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Server {
    Dovecot,
    Cyrus,
    Courier,
}

impl Server {
    pub(crate) const ALL: [Self; 3] = [Self::Dovecot, Self::Cyrus, Self::Courier];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Dovecot => "dovecot",
            Self::Cyrus => "cyrus",
            Self::Courier => "courier",
        }
    }

    /// The field as it is compared with this server's.
    pub(crate) fn normal(self, name: &str, field: &Field) -> Field {
        match (name, field) {
            // A day below ten begins with a space or, at Dovecot, with a zero.
            ("internaldate", Field::Words(date)) => Field::Words(date.trim_start_matches([' ', '0']).to_owned()),
            (_, Field::Value(value)) if self != Self::Dovecot => Field::Value(self.value(name, value)),
            _ => field.clone(),
        }
    }

    fn value(self, name: &str, value: &Value) -> Value {
        match name {
            "env:from" | "env:sender" | "env:reply-to" | "env:to" | "env:cc" | "env:bcc" => addresses(value),
            "bodystructure" | "body" => self.body(value),
            _ => collapsed(value),
        }
    }

    /// Types, names and encodings in lower case; without `charset us-ascii`, which each server adds where it likes.
    fn body(self, value: &Value) -> Value {
        let items = value.items();
        if items.is_empty() {
            return match value {
                Value::Text(_) => lower(&collapsed(value)),
                _ => value.clone(),
            };
        }
        let envelope =
            items.len() == 10 && items.iter().skip(2).take(6).all(|item| matches!(item, Value::Nil | Value::List(_)));
        if envelope
            && matches!(items[0], Value::Nil | Value::Text(_))
            && matches!(items[1], Value::Nil | Value::Text(_))
        {
            let addressed = |(at, item)| if (2..8).contains(&at) { addresses(item) } else { collapsed(item) };
            return Value::List(items.iter().enumerate().map(addressed).collect());
        }
        let mut list: Vec<_> = items.iter().map(|item| self.body(item)).collect();
        let is = |at: usize, text: &str| matches!(list.get(at), Some(Value::Text(t)) if t == text.as_bytes());
        // Body parameters: pairs of strings.
        if let Some(at) = (0..list.len()).step_by(2).find(|&at| is(at, "charset") && is(at + 1, "us-ascii")) {
            list.drain(at..at + 2);
        }
        if self == Self::Courier {
            // Courier gives no body-fld-loc, and leaves out trailing extension data with it.
            while list.last() == Some(&Value::Nil) {
                list.pop();
            }
        }
        if list.is_empty() { Value::Nil } else { Value::List(list) }
    }
}

/// Each server has its own filler for a mailbox or domain that is not there.
fn addresses(value: &Value) -> Value {
    let address = |address: &Value| {
        let filled = |(at, item): (usize, &Value)| match item {
            Value::Text(text) if at >= 2 && FILLERS.contains(&text.as_slice()) => Value::Text(b"<missing>".to_vec()),
            _ => collapsed(item),
        };
        Value::List(address.items().iter().enumerate().map(filled).collect())
    };
    match value {
        Value::List(list) => Value::List(list.iter().map(address).collect()),
        _ => value.clone(),
    }
}

const FILLERS: [&[u8]; 4] = [b"MISSING_MAILBOX", b"MISSING_DOMAIN", b"unspecified-domain", b""];

/// With every run of white space made one space, and none at the ends.
fn collapsed(value: &Value) -> Value {
    match value {
        Value::Text(text) => {
            let words: Vec<_> = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
            Value::Text(words.join(&b' '))
        }
        Value::List(list) => Value::List(list.iter().map(collapsed).collect()),
        _ => value.clone(),
    }
}

fn lower(value: &Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(text.to_ascii_lowercase()),
        _ => value.clone(),
    }
}
