//! Deterministic mail: message n of a seed is always the same bytes.

use std::io::Write;

/// SplitMix64 (Steele, Lea, Flood 2014): small, seedable, and good enough to spread sizes and moments.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

/// The header field that numbers the messages of a set.
pub const NUMBER_FIELD: &str = "X-Number";

/// Message `n` with LF line ends: mostly 1 to 8 KB of text, a few of up to 200 KB; some 8-bit, with leading dots, long
/// lines, attachments, or without the usual fields.
pub fn message(seed: u64, n: usize) -> Vec<u8> {
    let mut random = Random::new(seed ^ (n as u64).wrapping_mul(0x2545_f491_4f6c_dd1d));
    let mut out = Vec::new();
    let day = 1 + random.below(28);
    writeln!(out, "From: Sender {n} <sender{n}@example.org>").unwrap();
    writeln!(out, "To: robin@example.org").unwrap();
    if n % 17 != 3 {
        writeln!(out, "Subject: Message {n} of set {seed} {}", words(&mut random, 4)).unwrap();
        writeln!(out, "Message-ID: <{n}.{seed}@example.org>").unwrap();
    }
    writeln!(out, "Date: {day} Oct 2026 12:{:02}:00 +0000", n % 60).unwrap();
    writeln!(out, "{NUMBER_FIELD}: {seed}-{n}").unwrap();
    let lines = match n % 97 {
        0 => 3000,
        1..=9 => 1 + random.below(400),
        _ => 10 + random.below(90),
    };
    match n % 11 {
        4 => attachment(&mut out, &mut random, lines),
        5 => {
            out.extend_from_slice(b"Content-Type: text/plain; charset=iso-8859-1\n\n");
            for _ in 0..lines {
                out.extend_from_slice(b"Gr\xfc\xdfe, \xa0caf\xe9, ");
                writeln!(out, "{}", words(&mut random, 6)).unwrap();
            }
        }
        6 => {
            writeln!(out, "\n.\n..\n...leading dots\n.{}", words(&mut random, 3)).unwrap();
            writeln!(out, "{}", words(&mut random, 300)).unwrap();
        }
        7 => out.extend_from_slice(b"\n"),
        _ => {
            writeln!(out).unwrap();
            for _ in 0..lines {
                writeln!(out, "{}", words(&mut random, 10)).unwrap();
            }
        }
    }
    out
}

fn attachment(out: &mut Vec<u8>, random: &mut Random, lines: u64) {
    let mark = random.next();
    writeln!(out, "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b{mark}\"\n").unwrap();
    writeln!(out, "--b{mark}\nContent-Type: text/plain\n\n{}", words(random, 20)).unwrap();
    writeln!(out, "--b{mark}\nContent-Type: application/octet-stream; name=\"data.bin\"").unwrap();
    writeln!(out, "Content-Transfer-Encoding: base64\n").unwrap();
    for _ in 0..lines {
        let line: String = (0..19).map(|_| format!("{:04x}", random.below(0x1_0000))).collect();
        writeln!(out, "{line}").unwrap();
    }
    writeln!(out, "--b{mark}--").unwrap();
}

fn words(random: &mut Random, n: u64) -> String {
    const WORDS: [&str; 16] = [
        "river", "lock", "weir", "boat", "heron", "bridge", "gauge", "stone", "current", "paddle", "bank", "spring",
        "flood", "delta", "mouth", "source",
    ];
    let picked: Vec<&str> = (0..n).map(|_| WORDS[random.below(16) as usize]).collect();
    picked.join(" ")
}
