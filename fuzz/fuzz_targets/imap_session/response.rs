//! The grammar of responses (RFC 9051 section 9), as far as it can be checked without knowing the commands.

/// Panics unless `output` is a run of well-formed responses. `utf8`: quoted strings may hold UTF-8.
pub fn check(output: &[u8], utf8: bool) {
    let mut rest = output;
    while !rest.is_empty() {
        rest = response(rest, utf8).unwrap_or_else(|why| {
            let start = output.len() - rest.len();
            let shown = &output[start..output.len().min(start + 2000)];
            panic!("{why} in {:?}", String::from_utf8_lossy(shown));
        });
    }
}

/// What follows the response at the start of `output`.
fn response(output: &[u8], utf8: bool) -> Result<&[u8], &'static str> {
    let space = output.iter().position(|b| *b == b' ').ok_or("no space")?;
    let (tag, rest) = (&output[..space], &output[space + 1..]);
    if tag.is_empty() || tag.iter().any(|b| *b <= b' ' || *b >= 0x7f || b"(){%\"\\".contains(b)) {
        return Err("no tag");
    }
    let free = tag != b"*" || [&b"OK "[..], b"NO ", b"BAD ", b"BYE "].iter().any(|word| rest.starts_with(word));
    if free { text(rest) } else { data(rest, utf8) }
}

/// `resp-text CRLF`, with the parentheses, strings and literals of the response code left alone.
fn text(output: &[u8]) -> Result<&[u8], &'static str> {
    let end = output.iter().position(|b| *b == b'\r').ok_or("no line end")?;
    let (line, rest) = (&output[..end], &output[end..]);
    if line.is_empty() && rest.len() > 2 {
        // `+ ` alone, as before a SASL response.
        return rest.strip_prefix(b"\r\n").ok_or("a bare CR");
    }
    if line.iter().any(|b| matches!(b, 0 | b'\n')) {
        return Err("NUL or LF in text");
    }
    rest.strip_prefix(b"\r\n").ok_or("a bare CR")
}

/// Untagged data: parentheses and quotes are balanced, literals are as long as they say.
fn data(output: &[u8], utf8: bool) -> Result<&[u8], &'static str> {
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        match output.get(at).ok_or("no line end")? {
            b'\r' if depth > 0 => return Err("an open parenthesis"),
            b'\r' => return output[at..].strip_prefix(b"\r\n").ok_or("a bare CR"),
            b'(' => depth += 1,
            b')' => depth = depth.checked_sub(1).ok_or("a parenthesis too many")?,
            b'"' => at = quoted(output, at + 1, utf8)?,
            b'{' => at = literal(output, at)?,
            0 | b'\n' | 0x7f.. => return Err("an octet that no atom has"),
            _ => {}
        }
        at += 1;
    }
}

/// The place of the closing quote.
fn quoted(output: &[u8], start: usize, utf8: bool) -> Result<usize, &'static str> {
    let mut at = start;
    loop {
        match output.get(at).ok_or("no closing quote")? {
            b'"' => break,
            b'\\' if matches!(output.get(at + 1), Some(b'"' | b'\\')) => at += 1,
            b'\\' | 0 | b'\r' | b'\n' => return Err("an octet that no quoted string has"),
            0x80.. if !utf8 => return Err("8-bit in a quoted string"),
            _ => {}
        }
        at += 1;
    }
    std::str::from_utf8(&output[start..at]).map_err(|_| "a quoted string that is not UTF-8")?;
    Ok(at)
}

/// The place of the literal's last octet, or of the LF before it where it is empty.
fn literal(output: &[u8], start: usize) -> Result<usize, &'static str> {
    let end = output[start..].iter().position(|b| *b == b'}').ok_or("no literal")? + start;
    let size: usize =
        std::str::from_utf8(&output[start + 1..end]).ok().and_then(|n| n.parse().ok()).ok_or("no size")?;
    let octets = output[end + 1..].strip_prefix(b"\r\n").ok_or("no line end before a literal")?;
    let octets = octets.get(..size).ok_or("a literal that is too short")?;
    if start > 0 && output[start - 1] != b'~' && octets.contains(&0) {
        return Err("NUL in a literal");
    }
    Ok(end + 2 + size)
}
