//! The server's side of the login methods: challenges out, responses in, a verdict. No connection.

mod scram;

use hmac::{Hmac, Mac};
use md5::{Digest, Md5};

use super::Settings;
use crate::pop3::Method;
use scram::Scram;

/// What CRAM-MD5 is asked about. A demo may ask the same each time.
const CHALLENGE: &str = "<1896.697170952@demo.invalid>";

/// What comes of a response.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// This is asked next.
    Challenge(Vec<u8>),
    /// Whether the user is who it says it is.
    Verdict(bool),
}

/// An AUTH exchange, as far as it has come.
#[derive(Debug)]
pub(super) enum Exchange {
    Plain,
    LoginName,
    LoginPassword { name: Vec<u8> },
    CramMd5 { asked: bool },
    Scram(Scram),
    Token { is_bearer: bool, refused: bool },
}

impl Exchange {
    /// `binding` is the data of the TLS channel. `None`: it is no mechanism of this server.
    pub(super) fn begin(settings: &Settings, name: &str, binding: Option<&[u8]>) -> Option<Self> {
        let named = |method: &Method| method.sasl_name().is_some_and(|own| own.eq_ignore_ascii_case(name));
        let method = settings.methods.iter().copied().find(named)?;
        Some(match method {
            Method::User | Method::Apop => return None,
            Method::Plain => Self::Plain,
            Method::Login => Self::LoginName,
            Method::CramMd5 => Self::CramMd5 { asked: false },
            Method::ScramSha1 | Method::ScramSha1Plus | Method::ScramSha256 | Method::ScramSha256Plus => {
                Self::Scram(Scram::new(method, settings, binding)?)
            }
            Method::Xoauth2 => Self::Token { is_bearer: false, refused: false },
            Method::OauthBearer => Self::Token { is_bearer: true, refused: false },
        })
    }

    /// Takes a response; `None` before the first one where the client has sent none.
    pub(super) fn step(&mut self, settings: &Settings, response: Option<&[u8]>) -> Step {
        let (username, password) = (settings.username.as_str(), settings.password.as_str());
        let response = match (&mut *self, response) {
            (Self::LoginName, None) => return Step::Challenge(b"Username:".to_vec()),
            (Self::CramMd5 { asked: asked @ false }, _) => {
                *asked = true;
                return Step::Challenge(CHALLENGE.into());
            }
            (_, None) => return Step::Challenge(Vec::new()),
            (_, Some(response)) => response,
        };
        match self {
            Self::Plain => Step::Verdict(response == format!("\0{username}\0{password}").as_bytes()),
            Self::LoginName => {
                *self = Self::LoginPassword { name: response.to_vec() };
                Step::Challenge(b"Password:".to_vec())
            }
            Self::LoginPassword { name } => {
                Step::Verdict(*name == username.as_bytes() && response == password.as_bytes())
            }
            Self::CramMd5 { .. } => {
                let digest = hmac_md5(password.as_bytes(), CHALLENGE.as_bytes());
                Step::Verdict(response == format!("{username} {digest}").as_bytes())
            }
            Self::Scram(scram) => scram.step(response),
            Self::Token { refused: true, .. } => Step::Verdict(false),
            Self::Token { is_bearer, refused } => {
                let escaped = username.replace('=', "=3D").replace(',', "=2C");
                let start = if *is_bearer { format!("n,a={escaped},") } else { format!("user={username}") };
                if response == format!("{start}\x01auth=Bearer {password}\x01\x01").as_bytes() {
                    return Step::Verdict(true);
                }
                *refused = true;
                Step::Challenge(br#"{"status":"401","schemes":"bearer"}"#.to_vec())
            }
        }
    }
}

/// RFC 1939 section 7: `name digest`.
pub(super) fn apop(settings: &Settings, argument: &str) -> bool {
    let Some(timestamp) = settings.timestamp.as_deref() else { return false };
    let digest = Md5::new().chain_update(timestamp).chain_update(&settings.password).finalize();
    settings.methods.contains(&Method::Apop) && argument == format!("{} {}", settings.username, hex(&digest))
}

fn hmac_md5(key: &[u8], message: &[u8]) -> String {
    // HMAC takes a key of any length.
    Hmac::<Md5>::new_from_slice(key)
        .map_or_else(|_| String::new(), |mac| hex(&mac.chain_update(message).finalize().into_bytes()))
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::pop3::{ChannelBinding, Credentials, Event, Limits, Options, Security, Session, Timeouts};
    use crate::secret::Secret;

    #[test]
    fn the_examples_of_the_rfcs() {
        let settings = Settings {
            username: "mrose".to_owned(),
            password: "tanstaaf".to_owned(),
            timestamp: Some("<1896.697170952@dbc.mtview.ca.us>".to_owned()),
            methods: vec![Method::Apop],
            ..Settings::default()
        };
        assert!(apop(&settings, "mrose c4c9334bac560ecc979e58001b3e22fb"));
        assert!(!apop(&settings, "mrose c4c9334bac560ecc979e58001b3e22fc"));
        let digest = hmac_md5(b"tanstaaftanstaaf", b"<1896.697170952@postoffice.reston.mci.net>");
        assert_eq!(digest, "b913a602c7eda7a495b4e6e7334d3890");
    }

    #[test]
    fn what_is_not_accepted_is_not_begun() {
        let settings = Settings::default();
        assert!(Exchange::begin(&settings, "plain", None).is_some());
        assert!(Exchange::begin(&settings, "CRAM-MD5", None).is_none());
        assert!(Exchange::begin(&settings, "", None).is_none());
    }

    /// Our client against this server, by `AUTH` and that method only: the first event, if it gets that far.
    fn play(
        settings: &Settings,
        method: Method,
        password: &str,
        client: &[u8],
        server: &[u8],
    ) -> Result<Event, String> {
        let make = if method.wants_token() { Credentials::with_token } else { Credentials::new };
        let options = Options {
            credentials: make(settings.username.clone(), Secret::new(password)).expect("fits"),
            security: Security::Tls,
            use_pipelining: true,
            use_capa: false,
            method: Some(method),
            avoid: Vec::new(),
            binding: Some(ChannelBinding::Exporter(client.to_vec())),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
        };
        let now = Instant::now();
        let mut session = Session::new(options, now);
        session.handle_bytes(now, b"+OK\r\n").expect("greeting");
        let mut exchange = None;
        loop {
            if let Some(event) = session.poll_event() {
                return Ok(event);
            }
            let sent = session.poll_transmit(now).expect("a line");
            let line = String::from_utf8(sent.to_vec()).expect("ascii").trim_end().to_owned();
            let response = match (&mut exchange, line.strip_prefix("AUTH ")) {
                (None, Some(rest)) => {
                    let (name, response) = rest.split_once(' ').map_or((rest, None), |(name, text)| (name, Some(text)));
                    exchange = Exchange::begin(settings, name, Some(server));
                    response.map(str::to_owned)
                }
                _ => Some(line),
            };
            let response = response.map(|response| STANDARD.decode(response).expect("base64"));
            let answer = match exchange.as_mut().expect("begun").step(settings, response.as_deref()) {
                Step::Challenge(challenge) => format!("+ {}\r\n", STANDARD.encode(challenge)),
                Step::Verdict(right) => if right { "+OK\r\n" } else { "-ERR [AUTH] no\r\n" }.to_owned(),
            };
            session.handle_bytes(now, answer.as_bytes()).map_err(|error| error.to_string())?;
        }
    }

    #[test]
    fn the_client_and_the_server_agree_on_every_mechanism() {
        for method in Method::ALL.into_iter().filter(|method| method.sasl_name().is_some()) {
            for (username, password) in [("demo", "demo"), ("a=b,c@d.example", &*"long, = and more ".repeat(20))] {
                let (username, password) = (username.to_owned(), password.to_owned());
                let settings = Settings { username, password, methods: vec![method], ..Settings::default() };
                let right = play(&settings, method, &settings.password, b"data", b"data");
                assert_eq!(right, Ok(Event::LoggedIn(method)));
                let wrong = play(&settings, method, "wrong", b"data", b"data");
                assert_eq!(wrong, Err("the server refused AUTH: [AUTH] no".to_owned()), "{method:?}");
            }
        }
        for method in [Method::ScramSha1Plus, Method::ScramSha256Plus] {
            let settings = Settings { methods: vec![method], ..Settings::default() };
            assert!(play(&settings, method, "demo", b"data", b"other").is_err(), "{method:?}");
        }
    }
}
