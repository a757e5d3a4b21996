//! Breaks messages in the ways that mail is broken: the same seed makes the same mutant.

/// xorshift64*
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n.max(1)
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// A mutant of `message`, all of whose lines end in CRLF.
pub(crate) fn mutate(message: &[u8], random: &mut Random) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = message.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    for _ in 0..=random.below(3) {
        step(&mut lines, random);
    }
    let mut mutant = lines.concat();
    if random.below(12) == 0 {
        mutant.truncate(random.below(mutant.len() + 1));
    }
    if mutant.is_empty() { b"\r\n".to_vec() } else { mutant }
}

fn step(lines: &mut Vec<Vec<u8>>, random: &mut Random) {
    let header_end = lines.iter().position(|line| line == b"\r\n" || line == b"\n").unwrap_or(lines.len());
    // Half of the steps are made in the header.
    let at = if random.below(2) == 0 { random.below(header_end) } else { random.below(lines.len()) };
    if lines.is_empty() {
        return;
    }
    match random.below(16) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at].clone()),
        2 => lines.insert(at, b"\r\n".to_vec()),
        3 => fold(&mut lines[at], random),
        4 => octets(&mut lines[at], random),
        5 => ends(&mut lines[at], random),
        6 => blank_line(lines, random),
        7 | 8 => field(lines, at.min(header_end), ADDRESS_FIELDS, ADDRESSES, random),
        9 | 10 => part_field(lines, "Content-Type: ", TYPES, random),
        11 => part_field(lines, "Content-Disposition: ", DISPOSITIONS, random),
        12 => part_field(lines, random.pick(OTHER_FIELDS), OTHERS, random),
        13 => delimiter(lines, random),
        14 => field(lines, at.min(header_end), TEXT_FIELDS, TEXTS, random),
        _ => {
            let to = random.below(lines.len());
            lines.swap(at, to);
        }
    }
}

/// Breaks a line at a space, or within a word.
fn fold(line: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(line.len());
    let fold = random.pick::<[u8]>(&[b"\r\n ", b"\r\n\t", b"\r\n  \t ", b"\n ", b"\r\n\r\n", b"\r\n \r\n "]);
    line.splice(at..at, fold.iter().copied());
}

/// Puts, takes away or changes an octet.
fn octets(line: &mut Vec<u8>, random: &mut Random) {
    let octets = b"\t \"()<>@,;:=?\\-./[]*'%\r\xe9\xc3\x7fa1";
    let octet = octets[random.below(octets.len())];
    let at = random.below(line.len());
    match random.below(3) {
        0 => line.insert(at, octet),
        1 if line.len() > 2 => drop(line.remove(at)),
        _ => line[at] = octet,
    }
}

fn ends(line: &mut Vec<u8>, random: &mut Random) {
    while matches!(line.last(), Some(b'\r' | b'\n')) {
        line.pop();
    }
    line.extend_from_slice(
        random.pick::<[u8]>(&[b"", b"\n", b"\r", b"\r\r\n", b" \r\n", b"\t\r\n", b"\n\n", b"--\r\n"]),
    );
}

fn blank_line(lines: &mut Vec<Vec<u8>>, random: &mut Random) {
    let blank: Vec<_> = (0..lines.len()).filter(|at| lines[*at] == b"\r\n").collect();
    if !blank.is_empty() {
        let at = blank[random.below(blank.len())];
        match random.below(3) {
            0 => drop(lines.remove(at)),
            1 => lines[at] = b" \r\n".to_vec(),
            _ => lines[at] = b"no field\r\n".to_vec(),
        }
    }
}

fn field(lines: &mut Vec<Vec<u8>>, at: usize, names: &[&str], values: &[&str], random: &mut Random) {
    let line = format!("{}{}\r\n", random.pick(names), random.pick(values));
    lines.insert(at, line.into_bytes());
}

/// Replaces a MIME field of any part, or puts one into the header.
fn part_field(lines: &mut Vec<Vec<u8>>, name: &str, values: &[&str], random: &mut Random) {
    let same = |line: &Vec<u8>| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()));
    let found: Vec<_> = (0..lines.len()).filter(|at| same(&lines[*at])).collect();
    let line = format!("{name}{}\r\n", random.pick(values)).into_bytes();
    match found.is_empty() {
        true => lines.insert(0, line),
        false => lines[found[random.below(found.len())]] = line,
    }
}

fn delimiter(lines: &mut [Vec<u8>], random: &mut Random) {
    let found: Vec<_> = (0..lines.len()).filter(|at| lines[*at].starts_with(b"--")).collect();
    if found.is_empty() {
        return;
    }
    let at = found[random.below(found.len())];
    let text = lines[at].trim_ascii_end().to_vec();
    let line = match random.below(8) {
        0 => [&text, b"--\r\n".as_slice()].concat(),
        1 => [&text, b" \t\r\n".as_slice()].concat(),
        2 => [&text, b"x\r\n".as_slice()].concat(),
        3 => [b" ".as_slice(), &text, b"\r\n"].concat(),
        4 => [&text[..text.len() - 1], b"\r\n"].concat(),
        5 => [&text, b"\r\n\r\n".as_slice(), &text, b"\r\n"].concat(),
        6 => text,
        _ => Vec::new(),
    };
    lines[at] = line;
}

const ADDRESS_FIELDS: &[&str] = &["From: ", "To: ", "Cc: ", "Bcc: ", "Sender: ", "Reply-To: ", "to:", "FROM :"];
const ADDRESSES: &[&str] = &[
    "a@b",
    "",
    " ",
    "A B <a@b>, c@d (C D)",
    "\"A, B\" <a@b>",
    "=?utf-8?q?=C3=A9?= <a@b>, =?utf-8?q?a,b?= <c@d>",
    "undisclosed-recipients:;",
    "Group: a@b, C <c@d>; , e@f",
    "g: a@b c@d;",
    "g: h: a@b;, c@d",
    "g:;h:;",
    "Whomever",
    "Big Bug bb@bug.com, a@b",
    "a@b c@d, e@f",
    "<@x,@y:a@b>, c@d",
    "<@x:a@b",
    "a@b, (c",
    "(c) a@b (d (e) f)",
    "\"a\\\"b\\\\\" <c@d>",
    "\"unclosed <a@b>, c@d",
    "a@[1.2.3.4], b@[::1",
    "<a@b>, <>, x <>, <c>",
    ", ,a@b,,",
    "a@b.; c@d",
    "a..b@c, .d@e",
    "x <a@b>\r\n , y <c@d>\r\n\t(z)",
    "caf\u{e9} <a@b>",
    "<a b@c>, d@e",
    "x<a@b>y, c@d",
    "a@b@c, d@e",
    "\"\" <a@b>, \"\"@c",
];
const TYPES: &[&str] = &[
    "text/plain",
    "text/plain; charset=utf-8; format=flowed",
    "TEXT/HTML; CHARSET=\"iso-8859-1\"",
    "text",
    "text/",
    "/plain",
    "text/plain charset=x",
    "text/plain; charset",
    "text/plain; charset=",
    "text/plain; charset=\"unclosed",
    "text/plain; charset=a b; x=y",
    "text/plain;; charset=x;",
    "text/plain; =x; a=b",
    "text/plain; a=b; a=c",
    "text/plain (comment); charset=(c)x(d)",
    "text/plain; name*0=a; name*1=b; name*2*=utf-8''c",
    "text/plain; name*=utf-8'en'%C3%A9",
    "text/plain; name=\"a\\\"b\"; x=\"c\r\n d\"",
    "text/plain; name==?utf-8?q?a?=",
    "text / plain ; charset = x",
    "image/png; name=a/b.png",
    "application/octet-stream; name=a b.txt",
    "message/rfc822",
    "message/global",
    "message/partial; id=x; number=1",
    "message/delivery-status",
    "multipart/mixed",
    "multipart/mixed; boundary=",
    "multipart/mixed; boundary=\"\"",
    "multipart/digest; boundary=b",
    "multipart/mixed; boundary=b; boundary=c",
    "multipart; boundary=b",
    "multipart/mixed; boundary=\"b c \"",
    "",
];
const DISPOSITIONS: &[&str] = &[
    "inline",
    "attachment; filename=a.txt",
    "ATTACHMENT; FILENAME=\"a b\"; size=1",
    "attachment filename=x",
    "attachment;",
    ";filename=x",
    "",
    "\"inline\"",
    "attachment; filename*0*=utf-8''a; filename*1=b",
    "attachment; filename=a(c)b",
    "inline (c); a=b",
];
const OTHER_FIELDS: &[&str] = &[
    "Content-Transfer-Encoding: ",
    "Content-ID: ",
    "Content-Description: ",
    "Content-Language: ",
    "Content-Location: ",
    "Content-MD5: ",
    "Content-Base: ",
    "MIME-Version: ",
];
const OTHERS: &[&str] = &[
    "base64",
    "QUOTED-PRINTABLE (c)",
    "7-bit",
    "x y",
    "",
    "<a@b>",
    "<a@b> (c)",
    "en, de;q=1",
    "en,,de,",
    "\"en\"",
    "=?utf-8?q?d?=",
    "a\r\n b",
    "(only a comment)",
    "caf\u{e9}",
    "\"a\\\"b\"",
];
const TEXT_FIELDS: &[&str] =
    &["Date: ", "Subject: ", "Message-ID: ", "In-Reply-To: ", "SUBJECT:", "Date :", "References: "];
const TEXTS: &[&str] = &[
    "Mon, 7 Feb 1994 21:52:25 -0800 (PST)",
    "never",
    "",
    " ",
    "=?utf-8?b?w6k=?=\r\n =?utf-8?q?=C3=A9?=",
    "a  b\tc ",
    "\"a\" \\ \"b",
    "<1@x>\r\n <2@x>",
    "caf\u{e9}",
    "a\r\n\tb\r\n  c",
    "(c) <1@x",
];
