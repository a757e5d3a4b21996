//! Sample mail for the demo: about sixty messages of many languages, charsets and shapes, and one more a minute.
//!
//! Owns the messages and the dates in them; knows nothing of POP3 or of the service. All people are fictional and live
//! at example.org and example.com (RFC 2606 section 3).

mod fresh;
mod render;
mod table;

use jiff::{SignedDuration, Timestamp};

pub use fresh::fresh;

/// The two maildrops of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maildrop {
    /// Family, friends, shops.
    Personal,
    /// Colleagues, lists, robots.
    Work,
}

impl Maildrop {
    /// Both, in the order in which new mail alternates.
    pub const ALL: [Self; 2] = [Self::Personal, Self::Work];

    /// Name of the account that polls this maildrop, and user name at its server.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Work => "work",
        }
    }
}

/// A stored message whose dates are still open.
struct Sample {
    maildrop: Maildrop,
    /// Age at the start of the demo.
    minutes_ago: i64,
    /// The sender's zone, minutes east of UTC.
    utc_offset_minutes: i32,
    bytes: &'static [u8],
}

/// The mail that lies in the maildrops when the demo starts, oldest first, with CRLF line ends.
pub fn initial(now: Timestamp) -> Vec<(Maildrop, Vec<u8>)> {
    let mut samples: Vec<&Sample> = table::SAMPLES.iter().collect();
    samples.sort_by_key(|sample| std::cmp::Reverse(sample.minutes_ago));
    samples.into_iter().map(|sample| (sample.maildrop, render::render(sample.bytes, &sent(sample, now)))).collect()
}

fn sent(sample: &Sample, now: Timestamp) -> render::Moment {
    let date = now.checked_sub(SignedDuration::from_mins(sample.minutes_ago)).unwrap_or(now);
    render::Moment { date, utc_offset_minutes: sample.utc_offset_minutes, now }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn contains(bytes: &[u8], needle: &str) -> bool {
        memchr::memmem::find(bytes, needle.as_bytes()).is_some()
    }

    #[test]
    fn about_sixty_messages_lie_in_both_maildrops() {
        let all = initial(now());
        assert!(all.len() >= 60, "{}", all.len());
        for maildrop in Maildrop::ALL {
            assert!(all.iter().filter(|(m, _)| *m == maildrop).count() >= 15);
        }
    }

    #[test]
    fn every_message_is_whole_and_ends_its_lines_with_crlf() {
        for (_, bytes) in initial(now()) {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!contains(&bytes, "@@D"), "a date is still open in {text}");
            for (at, _) in bytes.iter().enumerate().filter(|(_, b)| **b == b'\n') {
                assert_eq!(bytes.get(at.wrapping_sub(1)), Some(&b'\r'), "{text}");
            }
            assert!(contains(&bytes, "\r\n\r\n") && contains(&bytes, "\r\nDate: "), "{text}");
        }
    }

    #[test]
    fn message_ids_differ_and_one_message_has_none() {
        let all = initial(now());
        let mut ids = HashSet::new();
        let mut without = 0;
        for (_, bytes) in &all {
            let text = String::from_utf8_lossy(bytes);
            let header = text.split("\r\n\r\n").next().unwrap();
            match header.lines().find_map(|line| line.strip_prefix("Message-ID: ")) {
                Some(id) => assert!(ids.insert(id.to_owned()), "{id} twice"),
                None => without += 1,
            }
        }
        assert_eq!(without, 1);
    }

    #[test]
    fn only_reserved_domains_appear_in_addresses() {
        for (_, bytes) in initial(now()) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            for (at, _) in text.match_indices('@') {
                let domain: String =
                    text[at + 1..].chars().take_while(|c| c.is_ascii_alphanumeric() || ".-".contains(*c)).collect();
                let reserved = ["example.org", "example.com", "example.net"].iter().any(|d| domain.ends_with(d));
                // "@@ -40,2 +40,10 @@" of the patch has no name behind it.
                assert!(reserved || !domain.contains('.'), "{domain}");
            }
        }
    }

    #[test]
    fn samples_cover_the_charsets_and_shapes_promised() {
        let all: Vec<u8> = initial(now()).into_iter().flat_map(|(_, bytes)| bytes).collect();
        for needle in [
            "utf-8",
            "iso-8859-1",
            "ISO-2022-JP",
            "koi8-r",
            "gb18030",
            "windows-1254",
            "multipart/alternative",
            "multipart/related",
            "multipart/digest",
            "multipart/report",
            "multipart/signed",
            "message/rfc822",
            "application/pdf",
            "image/png",
            "text/calendar",
            "format=flowed",
            "References:",
            "List-Id:",
        ] {
            assert!(contains(&all, needle), "{needle}");
        }
    }

    #[test]
    fn the_same_moment_gives_the_same_mail() {
        assert_eq!(initial(now()), initial(now()));
        assert_eq!(fresh(7, now()), fresh(7, now()));
    }

    #[test]
    fn fresh_mail_differs_each_time_and_ends_its_lines_with_crlf() {
        let many: HashSet<Vec<u8>> = (0..100).map(|n| fresh(n, now())).collect();
        assert_eq!(many.len(), 100);
        for bytes in many {
            assert!(contains(&bytes, "\r\nMessage-ID: <") && contains(&bytes, "\r\nSubject: "));
            assert!(!String::from_utf8(bytes).unwrap().replace("\r\n", "").contains(['\r', '\n']));
        }
    }

    #[test]
    fn the_japanese_fresh_subject_reads_as_notice_of_today() {
        use base64::Engine as _;

        let mail =
            (0..9).map(|n| String::from_utf8(fresh(n, now())).unwrap()).find(|mail| mail.contains("iso-2022-jp"));
        let mail = mail.unwrap();
        let word = mail.split("=?iso-2022-jp?B?").nth(1).unwrap().split("?=").next().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(word).unwrap();
        let (subject, faulty) = encoding_rs::ISO_2022_JP.decode_without_bom_handling(&bytes);
        assert!(!faulty);
        assert_eq!(subject, "\u{4eca}\u{65e5}\u{306e}\u{304a}\u{77e5}\u{3089}\u{305b}");
    }
}
