//! MD5 over a challenge and the password: APOP (RFC 1939 section 7) and CRAM-MD5 (RFC 2195).

use hmac::{Hmac, Mac};
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::{Broken, Credentials, Mechanism, OnOk};

/// The longest timestamp, in octets: a reply has 512 (RFC 2449 section 4).
const MAX_TIMESTAMP: usize = 500;

/// The timestamp in a greeting. Only what has the form of a message-id counts: with other octets in it, whoever
/// chooses it can find the first characters of the password from collisions of MD5 (CVE-2007-1558).
pub(in crate::pop3) fn timestamp(greeting: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr_iter(b'<', greeting).find_map(|start| {
        let rest = greeting.get(start..)?;
        let stamp = rest.get(..=memchr::memchr(b'>', rest)?)?;
        let inner = stamp.get(1..stamp.len() - 1)?;
        let (local, domain) = inner.split_at(memchr::memchr(b'@', inner)?);
        let graphic = inner.iter().all(|b| b.is_ascii_graphic() && *b != b'<');
        (graphic && !local.is_empty() && domain.len() > 1 && stamp.len() <= MAX_TIMESTAMP).then(|| stamp.to_vec())
    })
}

/// `APOP name digest`.
pub(in crate::pop3) fn apop_line(credentials: &Credentials, timestamp: &[u8]) -> Zeroizing<Vec<u8>> {
    let digest = Md5::new().chain_update(timestamp).chain_update(credentials.password.expose()).finalize();
    Zeroizing::new(format!("APOP {} {}\r\n", credentials.username, hex(&digest)).into_bytes())
}

#[derive(Debug)]
pub(super) struct CramMd5 {
    credentials: Credentials,
    answered: bool,
}

impl CramMd5 {
    pub(super) const fn new(credentials: Credentials) -> Self {
        Self { credentials, answered: false }
    }
}

impl Mechanism for CramMd5 {
    fn respond(&mut self, challenge: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, Broken> {
        let challenge = challenge.filter(|challenge| !challenge.is_empty() && !self.answered);
        let challenge = challenge.ok_or(Broken::Malformed)?;
        let key = self.credentials.password.expose().as_bytes();
        let mac = Hmac::<Md5>::new_from_slice(key).map_err(|_| Broken::Malformed)?;
        let digest = mac.chain_update(challenge).finalize().into_bytes();
        self.answered = true;
        Ok(Zeroizing::new(format!("{} {}", self.credentials.username, hex(&digest)).into_bytes()))
    }

    fn on_ok(&mut self, _: Option<&[u8]>) -> OnOk {
        if self.answered { OnOk::Done } else { OnOk::Challenge }
    }
}

fn hex(octets: &[u8]) -> String {
    use std::fmt::Write;
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        // A String takes all that is written to it.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn credentials(username: &str, password: &str) -> Credentials {
        Credentials::new(username, Secret::new(password)).expect("fits")
    }

    #[test]
    fn the_example_of_rfc_1939() {
        let greeting = b"POP3 server ready <1896.697170952@dbc.mtview.ca.us>";
        let line = apop_line(&credentials("mrose", "tanstaaf"), &timestamp(greeting).expect("timestamp"));
        assert_eq!(line.as_slice(), b"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n");
    }

    #[test]
    fn the_example_of_rfc_2195() {
        let mut mechanism = CramMd5::new(credentials("tim", "tanstaaftanstaaf"));
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        let response = mechanism.respond(Some(challenge)).expect("a challenge");
        assert_eq!(response.as_slice(), b"tim b913a602c7eda7a495b4e6e7334d3890");
        assert_eq!(mechanism.respond(Some(challenge)), Err(Broken::Malformed), "a second challenge");
    }

    #[test]
    fn cram_md5_wants_a_challenge() {
        for challenge in [None, Some(b"".as_slice())] {
            assert_eq!(CramMd5::new(credentials("u", "p")).respond(challenge), Err(Broken::Malformed));
        }
    }

    #[test]
    fn a_timestamp_has_the_form_of_a_message_id() {
        for (greeting, want) in [
            ("<a@b>", Some("<a@b>")),
            ("ready <a@b> x", Some("<a@b>")),
            ("<hello> <1.2@host>", Some("<1.2@host>")),
            ("<<a@b>", Some("<a@b>")),
            ("ready", None),
            ("<a>", None),
            ("<@b>", None),
            ("<a@>", None),
            ("<@>", None),
            ("<>", None),
            ("a@b>", None),
            ("<a@b", None),
            ("<a b@c>", None),
            ("<a\u{7f}@c>", None),
            ("<a\u{1}@c>", None),
            ("<a\u{e9}@c>", None),
        ] {
            assert_eq!(timestamp(greeting.as_bytes()).as_deref(), want.map(str::as_bytes), "{greeting:?}");
        }
        let stamp = |length: usize| format!("<{}@b>", "a".repeat(length - 4));
        assert!(timestamp(stamp(MAX_TIMESTAMP).as_bytes()).is_some());
        assert!(timestamp(stamp(MAX_TIMESTAMP + 1).as_bytes()).is_none());
    }
}
