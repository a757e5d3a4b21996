//! SCRAM (RFC 5802, RFC 7677) with and without channel binding: the client of rsasl.
//!
//! The nonce is rsasl's own: the one thing here that differs from one run to the next.
//!
//! rsasl counts on messages that are well formed and on a modest count of iterations: [`server_first`] and
//! [`server_final`] see to both before it sees anything.

use std::fmt;
use std::num::NonZeroU32;

use ring::pbkdf2;
use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::scram::properties::{Iterations, Salt, SaltedPassword};
use rsasl::mechanisms::scram::{SCRAM_SHA1, SCRAM_SHA1_PLUS, SCRAM_SHA256, SCRAM_SHA256_PLUS};
use rsasl::mechname::Mechname;
use rsasl::prelude::{ChannelBindingCallback, Registry, SASLClient, SASLConfig, Session, SessionError};
use rsasl::property::{AuthId, OverrideCBType};
use rsasl::validate::NoValidation;
use zeroize::Zeroizing;

use super::{Broken, ChannelBinding, Credentials, Mechanism, Method, OnOk};

/// The most iterations that are computed for a server: half a second or so of work. Servers ask for 4,096 (RFC 7677
/// section 4) up to some hundred thousand.
pub(super) const MAX_ITERATIONS: u32 = 1_000_000;

/// One mechanism each: the registry that rsasl comes with has none with channel binding.
static SHA1: &[rsasl::prelude::Mechanism] = &[SCRAM_SHA1];
static SHA1_PLUS: &[rsasl::prelude::Mechanism] = &[SCRAM_SHA1_PLUS];
static SHA256: &[rsasl::prelude::Mechanism] = &[SCRAM_SHA256];
static SHA256_PLUS: &[rsasl::prelude::Mechanism] = &[SCRAM_SHA256_PLUS];

pub(super) struct Scram {
    session: Session<NoValidation, Channel>,
    initial: Zeroizing<Vec<u8>>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The first message of the server is due.
    First,
    /// Its signature is due.
    Final,
    /// The server has proved that it knows the password.
    Proven,
    /// The server has said that it refuses, or something else than its signature.
    Failed,
}

impl fmt::Debug for Scram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scram").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl Scram {
    /// `server_binds`: the server offers a method with channel binding, so that to claim it does not (RFC 5802
    /// section 6, flag `y`) would be taken for an attack.
    pub(super) fn new(
        method: Method,
        credentials: &Credentials,
        binding: Option<&ChannelBinding>,
        server_binds: Option<bool>,
    ) -> Option<Self> {
        let (registry, algorithm) = match method {
            Method::ScramSha1 => (SHA1, pbkdf2::PBKDF2_HMAC_SHA1),
            Method::ScramSha1Plus => (SHA1_PLUS, pbkdf2::PBKDF2_HMAC_SHA1),
            Method::ScramSha256 => (SHA256, pbkdf2::PBKDF2_HMAC_SHA256),
            Method::ScramSha256Plus => (SHA256_PLUS, pbkdf2::PBKDF2_HMAC_SHA256),
            _ => return None,
        };
        let enable_binding = method.is_bound() || (binding.is_some() && server_binds == Some(false));
        let channel = Channel(binding.cloned());
        let answers = Answers { credentials: credentials.clone(), algorithm, binding: channel.kind(), enable_binding };
        let config =
            SASLConfig::builder().with_registry(Registry::with_mechanisms(registry)).with_callback(answers).ok()?;
        let name = Mechname::parse(method.sasl_name()?.as_bytes()).ok()?;
        let mut session = SASLClient::with_cb(config, channel).start_suggested_iter([name]).ok()?;
        let mut initial = Zeroizing::default();
        session.step(None, &mut *initial).ok()?;
        Some(Self { session, initial, stage: Stage::First })
    }

    fn on_final(&mut self, message: &[u8]) -> Result<(), Broken> {
        match server_final(message) {
            Some(Final::Signature) => {
                self.stage = Stage::Failed;
                self.session.step(Some(message), &mut Vec::new()).map_err(|_| Broken::Signature)?;
                self.stage = Stage::Proven;
                Ok(())
            }
            Some(Final::Error) => {
                self.stage = Stage::Failed;
                Ok(())
            }
            None => Err(Broken::Malformed),
        }
    }
}

impl Mechanism for Scram {
    fn initial(&self) -> Option<Zeroizing<Vec<u8>>> {
        Some(self.initial.clone())
    }

    fn respond(&mut self, challenge: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, Broken> {
        let challenge = challenge.ok_or(Broken::Malformed)?;
        let mut response = Zeroizing::default();
        match self.stage {
            Stage::First if server_first(challenge) => {
                // Whatever comes of it, rsasl is not to be asked a second time.
                self.stage = Stage::Failed;
                self.session.step(Some(challenge), &mut *response).map_err(|_| Broken::Malformed)?;
                self.stage = Stage::Final;
            }
            Stage::Final => self.on_final(challenge)?,
            Stage::First | Stage::Proven | Stage::Failed => return Err(Broken::Malformed),
        }
        Ok(response)
    }

    /// RFC 5034 has no place for the signature in `+OK`; where a server has put it there it counts all the same.
    fn on_ok(&mut self, text: Option<&[u8]>) -> OnOk {
        if let (Stage::Final, Some(text)) = (self.stage, text) {
            // What it comes to is in the stage.
            let _ = self.on_final(text);
        }
        match self.stage {
            Stage::First => OnOk::Challenge,
            Stage::Proven => OnOk::Done,
            Stage::Final | Stage::Failed => OnOk::Unproven,
        }
    }
}

/// RFC 5802 section 7, `server-first-message`: nonce, salt and a count of iterations that can be borne.
fn server_first(message: &[u8]) -> bool {
    let Some(attributes) = attributes(message) else { return false };
    let [(b'r', nonce), (b's', salt), (b'i', iterations), ..] = attributes.as_slice() else { return false };
    let iterations = super::super::reply::number::<u32>(iterations);
    !nonce.is_empty() && !salt.is_empty() && iterations.is_some_and(|count| (1..=MAX_ITERATIONS).contains(&count))
}

enum Final {
    Signature,
    Error,
}

/// RFC 5802 section 7, `server-final-message`.
fn server_final(message: &[u8]) -> Option<Final> {
    match attributes(message)?.first()? {
        (b'v', signature) if !signature.is_empty() => Some(Final::Signature),
        (b'e', _) => Some(Final::Error),
        _ => None,
    }
}

/// `a=value,b=value`. rsasl would index past the end of anything shorter.
fn attributes(message: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    message.split(|b| *b == b',').map(|part| Some((*part.first()?, part.get(1..)?.strip_prefix(b"=")?))).collect()
}

/// The data of the TLS channel.
struct Channel(Option<ChannelBinding>);

impl Channel {
    const fn kind(&self) -> Option<&'static str> {
        match self.0 {
            Some(ChannelBinding::Exporter(_)) => Some("tls-exporter"),
            Some(ChannelBinding::ServerEndPoint(_)) => Some("tls-server-end-point"),
            None => None,
        }
    }
}

impl ChannelBindingCallback for Channel {
    fn get_cb_data(&self, name: &str) -> Option<&[u8]> {
        match &self.0 {
            Some(ChannelBinding::Exporter(data) | ChannelBinding::ServerEndPoint(data))
                if self.kind() == Some(name) =>
            {
                Some(data)
            }
            _ => None,
        }
    }
}

/// What rsasl asks for.
struct Answers {
    credentials: Credentials,
    algorithm: pbkdf2::Algorithm,
    binding: Option<&'static str>,
    enable_binding: bool,
}

impl SessionCallback for Answers {
    fn callback(&self, _: &SessionData, context: &Context, request: &mut Request) -> Result<(), SessionError> {
        request.satisfy::<AuthId>(&self.credentials.username)?;
        if let Some(binding) = self.binding {
            request.satisfy::<OverrideCBType>(binding)?;
        }
        if request.is::<SaltedPassword>()
            && let (Some(salt), Some(iterations)) = (context.get_ref::<Salt>(), context.get_ref::<Iterations>())
            && let Some(iterations) = NonZeroU32::new(*iterations)
        {
            let key = self.salted_password(salt, iterations);
            request.satisfy::<SaltedPassword>(&key)?;
        }
        Ok(())
    }

    fn enable_channel_binding(&self) -> bool {
        self.enable_binding
    }
}

impl Answers {
    /// RFC 5802 section 3, `Hi`. A password that SASLprep (RFC 4013) does not allow is taken as it is.
    fn salted_password(&self, salt: &[u8], iterations: NonZeroU32) -> Zeroizing<Vec<u8>> {
        let password = self.credentials.password.expose();
        let prepared = stringprep::saslprep(password).map(|prepared| Zeroizing::new(prepared.into_owned()));
        let prepared = prepared.unwrap_or_else(|_| Zeroizing::new(password.to_owned()));
        let length = if self.algorithm == pbkdf2::PBKDF2_HMAC_SHA1 { 20 } else { 32 };
        let mut key = Zeroizing::new(vec![0; length]);
        pbkdf2::derive(self.algorithm, iterations, salt, prepared.as_bytes(), &mut key);
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn scram(method: Method, binding: Option<&ChannelBinding>, server_binds: Option<bool>) -> Scram {
        let credentials = Credentials::new("u=,", Secret::new("pencil")).expect("fits");
        Scram::new(method, &credentials, binding, server_binds).expect("a mechanism")
    }

    /// The answer to a first message that carries the client's nonce on.
    fn answer(scram: &mut Scram, rest: &str) -> Result<Zeroizing<Vec<u8>>, Broken> {
        let first = String::from_utf8(scram.initial.to_vec()).expect("ascii");
        // The nonce may have `r=` in it, but no comma.
        let (_, nonce) = first.rsplit_once(",r=").expect("nonce");
        scram.respond(Some(format!("r={nonce}{rest}").as_bytes()))
    }

    #[test]
    fn the_flag_tells_what_is_known_of_channel_binding() {
        let exporter = ChannelBinding::Exporter(vec![1; 32]);
        let end_point = ChannelBinding::ServerEndPoint(vec![1; 32]);
        for (method, binding, server_binds, want) in [
            (Method::ScramSha1, None, Some(false), "n,,n=u=3D=2C,r="),
            (Method::ScramSha256, None, Some(true), "n,,"),
            (Method::ScramSha256, Some(&exporter), Some(true), "n,,"),
            (Method::ScramSha256, Some(&exporter), None, "n,,"),
            (Method::ScramSha256, Some(&exporter), Some(false), "y,,"),
            (Method::ScramSha1Plus, Some(&exporter), Some(true), "p=tls-exporter,,"),
            (Method::ScramSha256Plus, Some(&end_point), None, "p=tls-server-end-point,,"),
        ] {
            let initial = scram(method, binding, server_binds).initial;
            assert!(initial.starts_with(want.as_bytes()), "{method:?}: {}", String::from_utf8_lossy(&initial));
        }
        let credentials = Credentials::new("u", Secret::new("p")).expect("fits");
        assert!(Scram::new(Method::ScramSha256Plus, &credentials, None, Some(true)).is_none());
    }

    #[test]
    fn iterations_at_the_limit_pass_and_one_past_it_do_not() {
        for (rest, passes) in [
            (format!("x,s=QQ==,i={MAX_ITERATIONS}"), true),
            (format!("x,s=QQ==,i={}", MAX_ITERATIONS + 1), false),
            ("x,s=QQ==,i=1".to_owned(), true),
            ("x,s=QQ==,i=0".to_owned(), false),
            ("x,s=QQ==,i=99999999999".to_owned(), false),
            ("x,s=QQ==,i=+1".to_owned(), false),
        ] {
            let message = format!("r=n{rest}");
            assert_eq!(server_first(message.as_bytes()), passes, "{rest}");
        }
    }

    #[test]
    fn malformed_messages_are_refused_and_none_panics() {
        for rest in [
            "",
            ",",
            ",,",
            "x",
            "x,",
            "x,s",
            "x,s=",
            "x,s=QQ==",
            "x,s=QQ==,",
            "x,s=QQ==,i",
            "x,s=QQ==,i=",
            "x,s=QQ==,i=1,",
            "x,s=QQ==,i=1,m",
            "x,i=1,s=QQ==",
            "x,s=?,i=1",
            ",s=QQ==,i=1",
            "x,s=QQ==,i=-1",
        ] {
            let mut scram = scram(Method::ScramSha256, None, None);
            assert_eq!(answer(&mut scram, rest), Err(Broken::Malformed), "{rest:?}");
            assert_eq!(answer(&mut scram, "x,s=QQ==,i=1").is_ok(), scram.stage == Stage::Final, "{rest:?}");
        }
        for message in [Some("r=another,s=QQ==,i=1"), Some("m=x,r=y,s=QQ==,i=1"), Some("x"), Some(""), None] {
            let mut scram = scram(Method::ScramSha1, None, None);
            assert_eq!(scram.respond(message.map(str::as_bytes)), Err(Broken::Malformed), "{message:?}");
        }
    }

    #[test]
    fn only_the_right_signature_proves_the_server() {
        let finals = [
            ("v=AAAA", Err(Broken::Signature)),
            ("v=?", Err(Broken::Signature)),
            ("v=", Err(Broken::Malformed)),
            ("v", Err(Broken::Malformed)),
            ("", Err(Broken::Malformed)),
            ("x=1", Err(Broken::Malformed)),
            ("e=invalid-proof", Ok(Zeroizing::default())),
        ];
        for (message, want) in finals {
            for in_ok in [false, true] {
                let mut scram = scram(Method::ScramSha256, None, None);
                assert_eq!(scram.on_ok(None), OnOk::Challenge, "nothing is proven yet");
                answer(&mut scram, "x,s=QQ==,i=1").expect("client-final");
                if in_ok {
                    assert_eq!(scram.on_ok(Some(message.as_bytes())), OnOk::Unproven, "{message}");
                } else {
                    assert_eq!(scram.respond(Some(message.as_bytes())), want, "{message}");
                    assert_eq!(scram.on_ok(None), OnOk::Unproven, "{message}");
                    assert_eq!(scram.on_ok(Some(b"v=AAAA")), OnOk::Unproven, "{message}");
                }
            }
        }
    }

    #[test]
    fn a_password_is_prepared() {
        let answers = |password: &str| Answers {
            credentials: Credentials::new("u", Secret::new(password)).expect("fits"),
            algorithm: pbkdf2::PBKDF2_HMAC_SHA1,
            binding: None,
            enable_binding: false,
        };
        let key = |password: &str| answers(password).salted_password(b"salt", NonZeroU32::MIN);
        // RFC 4013 section 3, examples 1 and 4.
        assert_eq!(key("I\u{ad}X"), key("IX"));
        assert_eq!(key("\u{aa}"), key("a"));
        assert_ne!(key("\u{7}"), key("x"), "what is prohibited is taken as it is");
    }
}
