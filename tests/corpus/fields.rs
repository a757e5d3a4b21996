//! One message as a server answers for it, cut into fields that are compared one by one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::answer::{self, Value};

/// What is recorded of a message beside its parts.
const HASHED: [(&str, &str, &str); 7] = [
    ("whole", "whole", "BODY[]"),
    ("header", "header", "BODY[HEADER]"),
    ("text", "text", "BODY[TEXT]"),
    ("header-fields", "header_fields_subject_from_date_messageid_references", HEADER_FIELDS),
    ("header-fields-not", "header_fields_not_received_to_subject", HEADER_FIELDS_NOT),
    ("partial-0-100", "partial_0_100", "BODY[]<0.100>"),
    ("partial-50-70", "partial_50_70", "BODY[]<50.70>"),
];
const HEADER_FIELDS: &str = "BODY[HEADER.FIELDS (Subject From Date Message-ID References)]";
const HEADER_FIELDS_NOT: &str = "BODY[HEADER.FIELDS.NOT (Received To Subject)]";

/// What is recorded of a part, and the section that gives it.
const OF_PART: [(&str, &str); 5] =
    [("body", ""), ("absent", ""), ("mime", ".MIME"), ("header", ".HEADER"), ("text", ".TEXT")];

const ENVELOPE: [&str; 10] =
    ["date", "subject", "from", "sender", "reply-to", "to", "cc", "bcc", "in-reply-to", "message-id"];

/// The value of a field: structured, or the size and digest of octets, or words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Value(Value),
    Octets { size: u64, sha256: String },
    Words(String),
}

pub(crate) type Fields = BTreeMap<String, Field>;

impl Field {
    fn of_octets(value: &Value) -> Self {
        let nil = || Self::Value(Value::Nil);
        value.octets().map_or_else(nil, |it| Self::Octets { size: it.len() as u64, sha256: answer::sha256(it) })
    }

    fn of_json(json: &Json) -> Self {
        let Some(size) = json["size"].as_u64() else { return Self::Value(Value::Nil) };
        Self::Octets { size, sha256: json["sha256"].as_str().expect("a digest").to_owned() }
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{value}"),
            Self::Octets { size, sha256 } => write!(f, "{size} octets {}", &sha256[..8]),
            Self::Words(words) => f.write_str(words),
        }
    }
}

/// What is recorded of a message.
pub(crate) fn recorded(row: &Json) -> Fields {
    let mut fields = Fields::new();
    let refused = row.get("append_refused").and_then(Json::as_str);
    fields.insert("append".to_owned(), Field::Words(if refused.is_some() { "refused" } else { "taken" }.to_owned()));
    if refused.is_some() {
        return fields;
    }
    let text = |name: &str| Value::parse(&answer::latin1(row[name].as_str().expect("text")));
    of_structure(&text("envelope"), &text("bodystructure"), text("body"), &mut fields);
    fields.insert("size".to_owned(), Field::Value(Value::Number(row["rfc822_size"].as_u64().expect("a size"))));
    let date = row["server_internaldate"].as_str().expect("a date");
    fields.insert("internaldate".to_owned(), Field::Words(date.to_owned()));
    for (name, key, _) in HASHED {
        fields.insert(name.to_owned(), Field::of_json(&row[key]));
    }
    let absent = &row["absent_part"];
    let number = absent["part"].as_str().expect("a number");
    let value = Value::parse(&answer::latin1(absent["answer"].as_str().expect("an answer")));
    fields.insert(format!("{number}.absent"), Field::Value(value));
    let mut numbers = Vec::new();
    for part in row["parts"].as_array().expect("parts") {
        let number = part["part"].as_str().expect("a number");
        numbers.push(number.to_owned());
        for (name, _) in OF_PART {
            // What a server did not answer at all is not recorded.
            if let Some(octets) = part.get(name).filter(|octets| !octets.is_string()) {
                fields.insert(format!("{number}.{name}"), Field::of_json(octets));
            }
        }
        fields.insert(format!("{number}.type"), Field::Words(part["type"].as_str().expect("a type").to_owned()));
    }
    fields.insert("tree".to_owned(), Field::Words(numbers.join(" ")));
    fields
}

/// The FETCH items that give all of `wanted`.
pub(crate) fn items<'a>(wanted: impl Iterator<Item = &'a String>) -> String {
    let mut items = "UID INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE".to_owned();
    let mut section = |name: &str| {
        items.push_str(" BODY.PEEK");
        items.push_str(&name["BODY".len()..]);
    };
    HASHED.iter().for_each(|(.., item)| section(item));
    let parts: BTreeSet<_> = wanted.filter_map(|name| part_item(name)).collect();
    parts.iter().for_each(|item| section(item));
    items
}

/// The item that answers for a field of a part.
fn part_item(name: &str) -> Option<String> {
    let (number, what) = name.rsplit_once('.')?;
    let (_, section) = OF_PART.iter().find(|(of, _)| *of == what)?;
    Some(format!("BODY[{number}{section}]"))
}

/// What the server under test answered.
pub(crate) fn answered<'a>(items: &[(String, Value)], wanted: impl Iterator<Item = &'a String>) -> Fields {
    let find = |name: &str| items.iter().find(|(item, _)| item == name).map(|(_, value)| value);
    let get = |name: &str| find(name).unwrap_or_else(|| panic!("no {name} in the answer"));
    let mut fields = Fields::from([("append".to_owned(), Field::Words("taken".to_owned()))]);
    of_structure(get("ENVELOPE"), get("BODYSTRUCTURE"), get("BODY").clone(), &mut fields);
    fields.insert("size".to_owned(), Field::Value(get("RFC822.SIZE").clone()));
    let date = get("INTERNALDATE").octets().expect("a date");
    fields.insert("internaldate".to_owned(), Field::Words(String::from_utf8_lossy(date).into_owned()));
    for (name, _, item) in HASHED {
        // An origin octet is answered without the count (RFC 9051 section 7.5.2).
        let shown = item.split_once('.').filter(|_| item.ends_with('>')).map(|(start, _)| format!("{start}>"));
        fields.insert(name.to_owned(), Field::of_octets(get(shown.as_deref().unwrap_or(item))));
    }
    for name in wanted {
        let Some(item) = part_item(name) else { continue };
        let value = get(&item);
        let field = if name.ends_with(".absent") { Field::Value(value.clone()) } else { Field::of_octets(value) };
        fields.insert(name.clone(), field);
    }
    let mut parts = Vec::new();
    walk(get("BODYSTRUCTURE"), "", &mut parts);
    for (number, media_type) in &parts {
        fields.insert(format!("{number}.type"), Field::Words(media_type.clone()));
    }
    let numbers: Vec<_> = parts.into_iter().map(|(number, _)| number).collect();
    fields.insert("tree".to_owned(), Field::Words(numbers.join(" ")));
    fields
}

fn of_structure(envelope: &Value, structure: &Value, body: Value, fields: &mut Fields) {
    assert_eq!(envelope.items().len(), ENVELOPE.len(), "{envelope}");
    for (name, value) in ENVELOPE.iter().zip(envelope.items()) {
        fields.insert(format!("env:{name}"), Field::Value(value.clone()));
    }
    fields.insert("bodystructure".to_owned(), Field::Value(structure.clone()));
    fields.insert("body".to_owned(), Field::Value(body));
}

/// The parts that a BODYSTRUCTURE shows, by number (RFC 9051 section 6.4.5.1), with their types.
fn walk(body: &Value, prefix: &str, parts: &mut Vec<(String, String)>) {
    let dot = if prefix.is_empty() { "" } else { "." };
    let children: Vec<_> = body.items().iter().take_while(|item| matches!(item, Value::List(_))).collect();
    if children.is_empty() {
        return single(body, format!("{prefix}{dot}1"), parts);
    }
    for (index, child) in children.into_iter().enumerate() {
        let number = format!("{prefix}{dot}{}", index + 1);
        if matches!(child.items().first(), Some(Value::List(_))) {
            let subtype = child.items().iter().find_map(|item| match item {
                Value::Text(text) => Some(String::from_utf8_lossy(text).to_lowercase()),
                _ => None,
            });
            parts.push((number.clone(), format!("multipart/{}", subtype.unwrap_or_default())));
            walk(child, &number, parts);
        } else {
            single(child, number, parts);
        }
    }
}

fn single(body: &Value, number: String, parts: &mut Vec<(String, String)>) {
    let word = |at: usize| match body.items().get(at) {
        Some(Value::Text(text)) => String::from_utf8_lossy(text).to_lowercase(),
        _ => String::new(),
    };
    let media_type = format!("{}/{}", word(0), word(1));
    parts.push((number.clone(), media_type.clone()));
    let has_message = body.items().get(7).is_some_and(|envelope| envelope.items().len() == ENVELOPE.len());
    if media_type.starts_with("message/") && has_message {
        walk(&body.items()[8], &number, parts);
    }
}
