//! Breaks messages in the ways that mail is broken: the same seed makes the same mutant.

use crate::words;

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

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
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
    match random.below(20) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at].clone()),
        2 => lines.insert(at, b"\r\n".to_vec()),
        3 => fold(&mut lines[at], random),
        4 => octets(&mut lines[at], random),
        5 => ends(&mut lines[at], random),
        6 => blank_line(lines, random),
        7 | 8 => field(lines, at.min(header_end), words::ADDRESS_FIELDS, words::ADDRESSES, random),
        9 | 10 => part_field(lines, "Content-Type: ", words::TYPES, random),
        11 => part_field(lines, "Content-Disposition: ", words::DISPOSITIONS, random),
        12 => part_field(lines, random.pick(words::OTHER_FIELDS), words::OTHERS, random),
        13 => delimiter(lines, random),
        14 => field(lines, at.min(header_end), words::TEXT_FIELDS, words::TEXTS, random),
        15 => {
            let to = random.below(lines.len());
            lines.swap(at, to);
        }
        16 => again(lines, header_end, random),
        17 => start(lines, random),
        18 => lines[at] = random.pick(OPENERS).as_bytes().to_vec(),
        _ => shuffle(lines, random),
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
    let octets = b"\t \"()<>@,;:=?\\-./[]*'%\r\0\xe9\xc3\x7fa1";
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

/// Says a field of the header twice, the second time with another name's case or another value.
fn again(lines: &mut Vec<Vec<u8>>, header_end: usize, random: &mut Random) {
    let (from, to) = (random.below(header_end), random.below(header_end + 1));
    let Some(mut line) = lines.get(from).cloned() else { return };
    match random.below(3) {
        0 => line.make_ascii_uppercase(),
        1 => octets(&mut line, random),
        _ => {}
    }
    lines.insert(to.min(lines.len()), line);
}

/// What some mailers put before the first field.
fn start(lines: &mut Vec<Vec<u8>>, random: &mut Random) {
    let line = random.pick::<[u8]>(&[
        b"From a@b Mon Jan  1 00:00:00 2024\r\n",
        b">From a\r\n",
        b"\r\n",
        b" \r\n",
        b"\t:\r\n",
        b":\r\n",
    ]);
    lines.insert(0, line.to_vec());
}

/// Copies some lines to another place, so that parts come twice or stand in others.
fn shuffle(lines: &mut Vec<Vec<u8>>, random: &mut Random) {
    let from = random.below(lines.len());
    let count = (1 + random.below(20)).min(lines.len() - from);
    let copied = lines[from..from + count].to_vec();
    let to = random.below(lines.len() + 1);
    lines.splice(to..to, copied);
}

/// Lines that begin or end something, wherever they stand.
const OPENERS: &[&str] = &[
    "Content-Type: message/rfc822\r\n\r\n",
    "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n",
    "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nSubject: x\r\n",
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\n\r\n--b--\r\n",
    "Content-Type: multipart/mixed; boundary=bb\r\n\r\n--b\r\n--bb\r\n--bbb\r\n",
    "--b\r\n",
    "--b--\r\n",
    "--\r\n",
    ":\r\n",
    "x",
];
