//! Just enough of the response grammar to read what the server sends.

/// The items of `(NAME value NAME value ...)` as FETCH and STATUS have them; values as they stand.
pub fn items(list: &str) -> Result<Vec<(String, String)>, String> {
    let inner = list.strip_prefix('(').and_then(|l| l.strip_suffix(')')).ok_or_else(|| format!("no list: {list}"))?;
    let (mut rest, mut items) = (inner, Vec::new());
    while !rest.is_empty() {
        let end = name_end(rest).ok_or_else(|| format!("an item without a value: {rest}"))?;
        let (name, after) = rest.split_at(end);
        let length = value_end(&after[1..])?;
        items.push((name.to_owned(), after[1..=length].to_owned()));
        rest = &after[1 + length..];
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    Ok(items)
}

/// A name ends at a space outside of brackets: `BODY[HEADER.FIELDS (FROM)]`.
fn name_end(text: &str) -> Option<usize> {
    let mut depth = 0;
    text.bytes().position(|b| {
        depth += i32::from(b == b'[') - i32::from(b == b']');
        depth == 0 && b == b' '
    })
}

fn value_end(text: &str) -> Result<usize, String> {
    let (mut at, mut depth) = (0, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = quoted_end(bytes, at)?,
            b'{' => {
                let close = text[at..].find("}\r\n").ok_or("a literal without its size")? + at;
                let size: usize = text[at + 1..close].parse().map_err(|_| format!("a wrong literal: {text}"))?;
                at = close + 2 + size;
            }
            b'(' => depth += 1,
            b')' => depth -= 1,
            b' ' if depth == 0 => return Ok(at),
            _ => {}
        }
        at += 1;
    }
    if depth == 0 && at == bytes.len() { Ok(at) } else { Err(format!("a value does not end: {text}")) }
}

fn quoted_end(bytes: &[u8], start: usize) -> Result<usize, String> {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return Ok(at),
            b'\\' => at += 1,
            _ => {}
        }
        at += 1;
    }
    Err("a quoted string does not end".to_owned())
}

/// The numbers of a set such as `1:3,5`.
pub fn numbers(set: &str) -> Vec<u32> {
    let number = |n: &str| n.parse::<u32>().expect("a number in a set");
    let range = |range: &str| match range.split_once(':') {
        Some((low, high)) => number(low)..=number(high),
        None => number(range)..=number(range),
    };
    set.split(',').flat_map(range).collect()
}

/// The response code `[NAME value]` of a status response.
pub fn code<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let inside = line.split_once('[')?.1.split_once(']')?.0;
    inside.strip_prefix(name)?.strip_prefix(' ')
}
