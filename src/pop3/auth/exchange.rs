//! An AUTH exchange in lines (RFC 5034 section 4): what every mechanism has in common.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::{ChannelBinding, Credentials, Method, STANDARD, digest, password, scram, token};
use crate::pop3::Capabilities;

/// The longest AUTH command with an initial response (RFC 5034 section 4: 255 octets with CRLF).
const MAX_AUTH_LINE: usize = 255;

/// The longest challenge, in octets of base64.
pub(in crate::pop3) const MAX_CHALLENGE: usize = 4096;

/// Padding is left out by some servers.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What is wrong with a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pop3) enum Broken {
    /// It cannot be answered.
    Malformed,
    /// None is due.
    Unexpected,
    /// The server does not know the password.
    Signature,
}

/// What `+OK` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pop3) enum OnOk {
    /// Logged in.
    Done,
    /// It stands where `+ ` is due.
    Challenge,
    /// The server says that we are logged in without having proved that it knows the password.
    Unproven,
}

/// One SASL mechanism, client side. Messages are without their base64.
pub(super) trait Mechanism: fmt::Debug + Send + Sync {
    /// The client's first message; `None`: the server speaks first.
    fn initial(&self) -> Option<Zeroizing<Vec<u8>>> {
        None
    }

    /// Whether the server has anything to say after the first message.
    fn takes_challenges(&self) -> bool {
        true
    }

    /// The answer to a challenge; `None`: it is too long, or not in base64.
    fn respond(&mut self, challenge: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, Broken>;

    /// `+OK`, with its text if that is base64.
    fn on_ok(&mut self, text: Option<&[u8]>) -> OnOk;
}

/// An exchange under way.
#[derive(Debug)]
pub(in crate::pop3) struct Exchange {
    mechanism: Box<dyn Mechanism>,
    /// The first message has been sent, with AUTH or after it.
    begun: bool,
    /// The server has asked for the first message.
    asked: bool,
    /// `*` has been sent.
    cancelled: bool,
}

impl Exchange {
    /// The AUTH line and what comes after it. `None`: the mechanism cannot be had with these credentials.
    pub(in crate::pop3) fn begin(
        method: Method,
        credentials: &Credentials,
        binding: Option<&ChannelBinding>,
        capabilities: &Capabilities,
    ) -> Option<(Self, Zeroizing<Vec<u8>>)> {
        let owned = credentials.clone();
        let mechanism: Box<dyn Mechanism> = match method {
            Method::User | Method::Apop => return None,
            Method::Plain => Box::new(password::Plain(owned)),
            Method::Login => Box::new(password::Login::new(owned)),
            Method::CramMd5 => Box::new(digest::CramMd5::new(owned)),
            Method::ScramSha1 | Method::ScramSha1Plus | Method::ScramSha256 | Method::ScramSha256Plus => {
                let binds = capabilities.sasl.iter().any(|method| method.is_bound());
                let binds = capabilities.sasl_listed.then_some(binds);
                Box::new(scram::Scram::new(method, credentials, binding, binds)?)
            }
            Method::Xoauth2 => Box::new(token::Token::xoauth2(owned)),
            Method::OauthBearer => Box::new(token::Token::bearer(owned)),
        };
        let name = method.sasl_name()?;
        let initial = mechanism.initial();
        let with_initial = initial.as_ref().and_then(|initial| {
            let response = Zeroizing::new(STANDARD.encode(initial));
            let line = Zeroizing::new(format!("AUTH {name} {}\r\n", *response).into_bytes());
            (line.len() <= MAX_AUTH_LINE).then_some(line)
        });
        let begun = initial.is_none() || with_initial.is_some();
        let line = with_initial.unwrap_or_else(|| Zeroizing::new(format!("AUTH {name}\r\n").into_bytes()));
        Some((Self { mechanism, begun, asked: false, cancelled: false }, line))
    }

    /// The line in answer to `+ challenge`.
    pub(in crate::pop3) fn respond(&mut self, challenge: &[u8]) -> Result<Zeroizing<Vec<u8>>, Broken> {
        if self.cancelled {
            return Err(Broken::Unexpected);
        }
        let challenge = decode(challenge);
        // A server may ask again although the first message came with the command; once.
        let asks = challenge.as_ref().is_some_and(|challenge| challenge.is_empty());
        if !self.asked
            && (!self.begun || asks || !self.mechanism.takes_challenges())
            && let Some(initial) = self.mechanism.initial()
        {
            self.asked = true;
            self.begun = true;
            return Ok(encode(&initial));
        }
        self.mechanism.respond(challenge.as_ref().map(|challenge| challenge.as_slice())).map(|answer| encode(&answer))
    }

    /// What `+OK text` means.
    pub(in crate::pop3) fn on_ok(&mut self, text: &[u8]) -> OnOk {
        if self.begun {
            self.mechanism.on_ok(decode(text).as_ref().map(|text| text.as_slice()))
        } else {
            OnOk::Challenge
        }
    }

    /// The line that ends it (RFC 5034 section 4); `-ERR` is due then.
    pub(in crate::pop3) fn cancel(&mut self) -> &'static [u8] {
        self.cancelled = true;
        b"*\r\n"
    }

    pub(in crate::pop3) const fn is_cancelled(&self) -> bool {
        self.cancelled
    }
}

/// A lone `=` stands for nothing at all.
fn decode(challenge: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let challenge = challenge.trim_ascii();
    let challenge = if challenge == b"=" { b"" } else { challenge };
    (challenge.len() <= MAX_CHALLENGE).then(|| LENIENT.decode(challenge).ok().map(Zeroizing::new)).flatten()
}

fn encode(message: &[u8]) -> Zeroizing<Vec<u8>> {
    let text = Zeroizing::new(STANDARD.encode(message));
    Zeroizing::new(format!("{}\r\n", *text).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_challenge_at_the_limit_passes_and_one_past_it_does_not() {
        for (length, passes) in [(MAX_CHALLENGE, true), (MAX_CHALLENGE + 1, false), (MAX_CHALLENGE + 4, false)] {
            assert_eq!(decode("A".repeat(length).as_bytes()).is_some(), passes, "{length}");
        }
        for (text, want) in [("", Some("")), ("=", Some("")), (" YQ== ", Some("a")), ("YQ", Some("a")), ("a?", None)] {
            assert_eq!(decode(text.as_bytes()).as_deref().map(Vec::as_slice), want.map(str::as_bytes), "{text:?}");
        }
    }

    #[test]
    fn a_long_initial_response_waits_for_its_continuation() {
        let begin = |length: usize| {
            let credentials = Credentials::new("u", Secret::new("p".repeat(length))).expect("fits");
            Exchange::begin(Method::Plain, &credentials, None, &Capabilities::default()).expect("a mechanism").1
        };
        assert_eq!(begin(1).as_slice(), b"AUTH PLAIN AHUAcA==\r\n".as_slice());
        // 11 octets of command, 240 of base64, CRLF; three octets of password more make 257.
        assert_eq!(begin(177).len(), 253);
        assert_eq!(begin(178).as_slice(), b"AUTH PLAIN\r\n");
        // 13 octets of command, 240 of base64, CRLF: just what is allowed.
        let begin = |length: usize| {
            let credentials = Credentials::with_token("u", Secret::new("p".repeat(length))).expect("fits");
            Exchange::begin(Method::Xoauth2, &credentials, None, &Capabilities::default()).expect("a mechanism").1
        };
        assert_eq!(begin(159).len(), MAX_AUTH_LINE);
        assert_eq!(begin(160).as_slice(), b"AUTH XOAUTH2\r\n");
    }
}
