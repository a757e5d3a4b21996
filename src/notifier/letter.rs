//! The messages that users get: plain text, no secrets, nothing of other users.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Account;
use super::incident::{self, Incident, is_full};
use super::remedy::remedy;
use crate::status::AccountStatus;

/// Columns of the text.
const WIDTH: usize = 72;

/// The longest reason, in characters: servers say much.
const MAX_REASON: usize = 500;

/// The longest line that a message may have, in octets, with room for an indent (RFC 5322 section 2.1.1).
const MAX_LINE: usize = 900;

/// An account in a message.
pub(super) struct Case<'a> {
    pub(super) account: &'a Account,
    pub(super) status: &'a AccountStatus,
    pub(super) incident: Incident,
    /// Messages that came since it began.
    pub(super) messages: u64,
}

/// When and where a message is written.
pub(super) struct Desk<'a> {
    pub(super) user: &'a str,
    /// Seconds since 1970.
    pub(super) now: i64,
    pub(super) zone: &'a TimeZone,
}

impl Desk<'_> {
    /// These accounts fail. `number` names the message for [`Desk::recovery`].
    pub(super) fn failure(&self, cases: &[Case<'_>], number: u32) -> String {
        let mut text = Text::default();
        let subject = match cases {
            [case] => format!("No mail from {} since {}", case.account.name, self.day(case.incident.since)),
            cases => format!("No mail from {} accounts", cases.len()),
        };
        text.paragraph(match cases {
            [_] => "Tributary cannot fetch the mail of one of your accounts.",
            _ => "Tributary cannot fetch the mail of several of your accounts.",
        });
        for case in cases {
            let result = incident::result(case.status);
            let (what, help) = remedy(result, is_full(case.status));
            text.field("Account", &case.account.name);
            text.field("Server", &format!("{}, port {}", case.account.host, case.account.port));
            let lasted = Duration::from_secs(self.now.saturating_sub(case.incident.since).try_into().unwrap_or(0));
            text.field("Fails since", &self.moment(case.incident.since));
            text.field("So far", &lasting(lasted));
            text.field("Reason", what);
            if let Some(error) = &case.status.last_error {
                text.field("Details", &shortened(error));
            }
            text.field("What to do", help);
            text.blank();
        }
        let often = cases.iter().map(|case| case.account.poll_interval).min().unwrap_or_default();
        text.paragraph(&format!(
            "Meanwhile nothing is lost: the mail stays at the server, as long as the provider keeps it. Tributary goes on \
             trying, at most every {} and less often the longer it fails, and writes again when it works. Your other accounts \
             are not held up.",
            lasting(often.max(Duration::from_secs(30)))
        ));
        self.message(&subject, &self.id("failure", number), &[], &text)
    }

    /// These accounts work again, of which messages of [`Desk::failure`] have told.
    pub(super) fn recovery(&self, cases: &[Case<'_>]) -> String {
        let mut text = Text::default();
        let subject = match cases {
            [case] => format!("Mail from {} comes again", case.account.name),
            cases => format!("Mail from {} accounts comes again", cases.len()),
        };
        text.paragraph(match cases {
            [_] => "Tributary can fetch the mail of one of your accounts again.",
            _ => "Tributary can fetch the mail of several of your accounts again.",
        });
        for case in cases {
            let until = case.status.last_success.map_or(self.now, incident::unix);
            let lasted = Duration::from_secs(until.saturating_sub(case.incident.since).try_into().unwrap_or(0));
            text.field("Account", &case.account.name);
            text.field("Server", &format!("{}, port {}", case.account.host, case.account.port));
            text.field("Works since", &self.moment(until));
            text.field("Failed from", &self.moment(case.incident.since));
            text.field("Lasted", &lasting(lasted));
            text.field("Messages", &came(case.messages, case.status.backlog));
            text.blank();
        }
        text.paragraph("There is nothing left for you to do.");
        let mut numbers: Vec<u32> = cases.iter().filter_map(|case| case.incident.letter).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let told: Vec<String> = numbers.iter().map(|number| self.id("failure", *number)).collect();
        let mut hasher = blake3::Hasher::new();
        for case in cases {
            hasher.update(case.account.name.as_bytes()).update(&[0]);
        }
        let own = hasher.update(&self.now.to_be_bytes()).finalize();
        let number = own.as_bytes().first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        self.message(&subject, &self.id("recovery", number), &told, &text)
    }

    fn message(&self, subject: &str, id: &str, replies_to: &[String], text: &Text) -> String {
        let moment = timestamp(self.now).to_zoned(self.zone.clone());
        let mut lines = vec![
            "From: Tributary <tributary@tributary.invalid>".to_owned(),
            format!("Subject: {subject}"),
            format!("Date: {}", jiff::fmt::rfc2822::to_string(&moment).unwrap_or_default()),
            format!("Message-ID: {id}"),
        ];
        if let Some(first) = replies_to.first() {
            lines.push(format!("In-Reply-To: {first}"));
            lines.push(format!("References: {}", replies_to.join("\r\n ")));
        }
        lines.extend(
            [
                "Auto-Submitted: auto-generated",
                "MIME-Version: 1.0",
                "Content-Type: text/plain; charset=utf-8",
                "Content-Transfer-Encoding: 8bit",
                "",
            ]
            .map(str::to_owned),
        );
        lines.extend(text.0.iter().cloned());
        lines.iter().map(|line| format!("{line}\r\n")).collect()
    }

    fn id(&self, what: &str, number: u32) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.user.as_bytes()).update(&[0]).update(what.as_bytes()).update(&number.to_be_bytes());
        format!("<{}@tributary.invalid>", hasher.finalize().to_hex().get(..32).unwrap_or_default())
    }

    fn moment(&self, unix: i64) -> String {
        timestamp(unix).to_zoned(self.zone.clone()).strftime("%A, %-d %B %Y, %H:%M %Z (UTC%:z)").to_string()
    }

    fn day(&self, unix: i64) -> String {
        timestamp(unix).to_zoned(self.zone.clone()).strftime("%-d %B %Y").to_string()
    }
}

fn timestamp(unix: i64) -> Timestamp {
    Timestamp::from_second(unix).unwrap_or_default()
}

fn came(messages: u64, backlog: u64) -> String {
    let came = match messages {
        0 => "none was waiting".to_owned(),
        1 => "1 has come".to_owned(),
        messages => format!("{messages} have come"),
    };
    if backlog > 0 { format!("{came}, {backlog} more are on their way") } else { came }
}

/// `3 days 2 hours`, `5 minutes`: the two largest units.
pub(super) fn lasting(duration: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let mut rest = duration.as_secs();
    let mut words = Vec::new();
    for (index, (seconds, unit)) in UNITS.into_iter().enumerate() {
        let count = rest / seconds;
        rest %= seconds;
        if count > 0 {
            words.push(format!("{count} {unit}{}", if count == 1 { "" } else { "s" }));
        }
        // Hours beside days, minutes beside hours, nothing finer.
        if !words.is_empty() && (words.len() == 2 || index >= 2 || rest < UNITS.get(index + 1).map_or(0, |u| u.0)) {
            break;
        }
    }
    if words.is_empty() { "less than a second".to_owned() } else { words.join(" ") }
}

/// What a server or a library says, in one line of bounded length without control characters.
fn shortened(reason: &str) -> String {
    let clean: String = reason.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    match clean.char_indices().nth(MAX_REASON) {
        Some((end, _)) => format!("{} ...", clean.get(..end).unwrap_or_default()),
        None => clean,
    }
}

/// Lines of at most [`WIDTH`] columns, unless a word is longer.
#[derive(Default)]
struct Text(Vec<String>);

impl Text {
    fn paragraph(&mut self, text: &str) {
        self.wrapped("", "", text);
        self.blank();
    }

    fn field(&mut self, name: &str, value: &str) {
        const INDENT: &str = "             ";
        self.wrapped(&format!("{:<13}", format!("{name}:")), INDENT, value);
    }

    fn blank(&mut self) {
        self.0.push(String::new());
    }

    fn wrapped(&mut self, first: &str, indent: &str, text: &str) {
        let mut line = first.to_owned();
        let mut is_empty = true;
        for word in text.split(' ').flat_map(pieces) {
            if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.0.push(std::mem::replace(&mut line, indent.to_owned()));
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        self.0.push(line.trim_end().to_owned());
    }
}

/// A word, cut where a line could not hold it.
fn pieces(word: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = word;
    while rest.len() > MAX_LINE {
        let (piece, tail) = rest.split_at(rest.floor_char_boundary(MAX_LINE));
        pieces.push(piece);
        rest = tail;
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::AccountState;
    use std::time::{SystemTime, UNIX_EPOCH};

    fn status(error: &str) -> AccountStatus {
        AccountStatus {
            state: AccountState::AuthFailed,
            last_result: Some("auth"),
            last_error: Some(error.to_owned()),
            last_success: Some(at(1_750_100_000)),
            ..AccountStatus::default()
        }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    const INCIDENT: Incident = Incident { since: 1_750_000_000, letter: Some(7), announced: false };

    fn zone() -> TimeZone {
        TimeZone::fixed(jiff::tz::offset(2))
    }

    fn field<'t>(text: &'t str, name: &str) -> &'t str {
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {text}")).trim()
    }

    #[test]
    fn a_failure_says_what_since_when_why_and_what_to_do() {
        let (account, status, zone) = (Account::sample(), status("-ERR [AUTH] no such\r\n mailb\u{f6}x"), zone());
        let desk = Desk { user: "ann", now: 1_750_090_000, zone: &zone };
        let case = || Case { account: &account, status: &status, incident: INCIDENT, messages: 0 };
        let text = desk.failure(&[case()], 7);
        for part in [
            "From: Tributary <tributary@tributary.invalid>\r\n",
            "Subject: No mail from isp since 15 June 2025\r\n",
            "Date: Mon, 16 Jun 2025 18:06:40 +0200\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Account:     isp\r\n",
            "Server:      pop.example, port 995\r\n",
            "Fails since: Sunday, 15 June 2025, 17:06 +02 (UTC+02:00)\r\nSo far:      1 day 1 hour\r\n",
            "Reason:      The server refuses the login.\r\n",
            "Details:     -ERR [AUTH] no such?? mailb\u{f6}x\r\n",
            "What to do:  If you have changed the password",
            "nothing is lost",
            "at most every 5 minutes",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 78), "{text}");
        let two = desk.failure(&[case(), case()], 8);
        assert!(two.contains("Subject: No mail from 2 accounts\r\n") && two.matches("Account:").count() == 2);
        assert_ne!(field(&text, "Message-ID:"), field(&two, "Message-ID:"));
        let other = Desk { user: "bob", ..desk };
        assert_ne!(field(&text, "Message-ID:"), field(&other.failure(&[case()], 7), "Message-ID:"));
    }

    #[test]
    fn a_recovery_answers_what_told_of_the_failure() {
        let (account, status, zone) = (Account::sample(), AccountStatus { backlog: 4, ..status("") }, zone());
        let desk = Desk { user: "ann", now: 1_750_100_010, zone: &zone };
        let case = |letter, messages| Case {
            account: &account,
            status: &status,
            incident: Incident { letter: Some(letter), ..INCIDENT },
            messages,
        };
        let told = desk.failure(&[case(7, 0)], 7);
        let text = desk.recovery(&[case(7, 3)]);
        assert_eq!(field(&text, "In-Reply-To:"), field(&told, "Message-ID:"));
        assert_eq!(field(&text, "References:"), field(&told, "Message-ID:"));
        assert!(text.contains("Subject: Mail from isp comes again\r\n"), "{text}");
        assert!(text.contains("Lasted:      1 day 3 hours\r\n"), "{text}");
        assert_eq!(field(&text, "Messages:"), "3 have come, 4 more are on their way");
        let both = desk.recovery(&[case(7, 0), case(8, 1), case(7, 0)]);
        assert_eq!(both.matches("@tributary.invalid>").count(), 1 + 1 + 1 + 2, "{both}");
        assert_ne!(field(&text, "Message-ID:"), field(&both, "Message-ID:"));
    }

    #[test]
    fn long_reasons_make_no_long_lines() {
        let (account, zone) = (Account::sample(), zone());
        let desk = Desk { user: "ann", now: 1_750_090_000, zone: &zone };
        for reason in ["x".repeat(5_000), "\u{1f4ec}".repeat(MAX_REASON + 1), "a ".repeat(2_000)] {
            let status = status(&reason);
            let text = desk.failure(&[Case { account: &account, status: &status, incident: INCIDENT, messages: 0 }], 1);
            assert!(text.lines().all(|line| line.len() < 998), "{text}");
            assert!(text.contains(" ...\r\n") && text.len() < 6_000, "{text}");
        }
        assert_eq!(shortened(&"x".repeat(MAX_REASON)).len(), MAX_REASON);
        assert_eq!(pieces(&"x".repeat(MAX_LINE + 1)).len(), 2);
    }

    #[test]
    fn durations_in_words() {
        for (seconds, words) in [
            (0, "less than a second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (119, "1 minute"),
            (3_600, "1 hour"),
            (3_660, "1 hour 1 minute"),
            (86_400, "1 day"),
            (86_460, "1 day"),
            (2 * 86_400 + 7_200 + 59, "2 days 2 hours"),
        ] {
            assert_eq!(lasting(Duration::from_secs(seconds)), words, "{seconds}");
        }
    }
}
