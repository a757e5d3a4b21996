//! SCRAM (RFC 5802 section 3), the server's side.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

use super::super::Settings;
use super::Step;
use crate::pop3::Method;

const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("not 0");

struct Hash {
    mac: hmac::Algorithm,
    digest: &'static digest::Algorithm,
    derive: pbkdf2::Algorithm,
}

static SHA1: Hash = Hash {
    mac: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
    digest: &digest::SHA1_FOR_LEGACY_USE_ONLY,
    derive: pbkdf2::PBKDF2_HMAC_SHA1,
};
static SHA256: Hash = Hash { mac: hmac::HMAC_SHA256, digest: &digest::SHA256, derive: pbkdf2::PBKDF2_HMAC_SHA256 };

/// An exchange, as far as it has come.
pub(in super::super) struct Scram {
    hash: &'static Hash,
    username: String,
    password: String,
    /// For the methods with channel binding: the data of `tls-exporter`.
    binding: Option<Vec<u8>>,
    /// The server offers channel binding: a client that says it does not has been lied to.
    binds: bool,
    salt: String,
    nonce: String,
    stage: Stage,
}

enum Stage {
    ClientFirst,
    ClientFinal {
        header: String,
        client_first_bare: String,
        server_first: String,
    },
    /// The signature was sent; an empty response is due.
    Proven,
}

impl std::fmt::Debug for Scram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scram").finish_non_exhaustive()
    }
}

impl Scram {
    pub(super) fn new(method: Method, settings: &Settings, binding: Option<&[u8]>) -> Option<Self> {
        let bound = matches!(method, Method::ScramSha1Plus | Method::ScramSha256Plus);
        let offered = |method: &Method| matches!(method, Method::ScramSha1Plus | Method::ScramSha256Plus);
        Some(Self {
            hash: if matches!(method, Method::ScramSha1 | Method::ScramSha1Plus) { &SHA1 } else { &SHA256 },
            username: settings.username.clone(),
            password: settings.password.clone(),
            binding: if bound { Some(binding?.to_vec()) } else { None },
            binds: binding.is_some() && settings.methods.iter().any(offered),
            salt: STANDARD.encode(rand::random::<[u8; 16]>()),
            nonce: STANDARD.encode(rand::random::<[u8; 16]>()),
            stage: Stage::ClientFirst,
        })
    }

    pub(super) fn step(&mut self, response: &[u8]) -> Step {
        let response = String::from_utf8_lossy(response).into_owned();
        match std::mem::replace(&mut self.stage, Stage::Proven) {
            Stage::ClientFirst => self
                .client_first(&response)
                .map_or(Step::Verdict(false), |server_first| Step::Challenge(server_first.into_bytes())),
            Stage::ClientFinal { header, client_first_bare, server_first } => {
                match self.client_final(&response, &header, &client_first_bare, &server_first) {
                    Some(signature) => Step::Challenge(format!("v={signature}").into_bytes()),
                    None => Step::Verdict(false),
                }
            }
            Stage::Proven => Step::Verdict(response.is_empty()),
        }
    }

    /// `gs2-header n=name,r=nonce`; the answer is the first message of the server.
    fn client_first(&mut self, message: &str) -> Option<String> {
        let mut parts = message.splitn(3, ',');
        let (flag, authzid, bare) = (parts.next()?, parts.next()?, parts.next()?);
        let flag_fits = match (flag, &self.binding) {
            ("n", None) => true,
            ("y", None) => !self.binds,
            (flag, binding) => flag == "p=tls-exporter" && binding.is_some(),
        };
        let (name, nonce) = bare.split_once(',')?;
        let (name, nonce) = (name.strip_prefix("n=")?, nonce.strip_prefix("r=")?);
        let name = name.replace("=2C", ",").replace("=3D", "=");
        if !flag_fits || !authzid.is_empty() || name != self.username {
            return None;
        }
        let server_first = format!("r={nonce}{},s={},i={ITERATIONS}", self.nonce, self.salt);
        self.stage = Stage::ClientFinal {
            header: format!("{flag},{authzid},"),
            client_first_bare: bare.to_owned(),
            server_first: server_first.clone(),
        };
        Some(server_first)
    }

    /// `c=binding,r=nonce,p=proof`; the answer is the server's signature, if all is right.
    fn client_final(&self, message: &str, header: &str, client_first: &str, server_first: &str) -> Option<String> {
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let mut bound = header.as_bytes().to_vec();
        bound.extend_from_slice(self.binding.as_deref().unwrap_or_default());
        let nonce = server_first.split(',').next()?;
        if without_proof != format!("c={},{nonce}", STANDARD.encode(bound)) {
            return None;
        }
        let mut salted = vec![0; self.hash.digest.output_len()];
        let salt = STANDARD.decode(&self.salt).ok()?;
        pbkdf2::derive(self.hash.derive, ITERATIONS, &salt, self.password.as_bytes(), &mut salted);
        let mac = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(self.hash.mac, key), text.as_bytes());
        let authenticated = format!("{client_first},{server_first},{without_proof}");
        let client_key = mac(&salted, "Client Key");
        let stored_key = digest::digest(self.hash.digest, client_key.as_ref());
        let signature = mac(stored_key.as_ref(), &authenticated);
        let want: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        let server_key = mac(&salted, "Server Key");
        (STANDARD.decode(proof).ok()? == want).then(|| STANDARD.encode(mac(server_key.as_ref(), &authenticated)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(method: Method, salt: &str, nonce: &str) -> Scram {
        let settings = Settings { username: "user".to_owned(), password: "pencil".to_owned(), ..Settings::default() };
        let scram = Scram::new(method, &settings, Some(b"data")).expect("a mechanism");
        Scram { salt: salt.to_owned(), nonce: nonce.to_owned(), ..scram }
    }

    fn asked(step: Step) -> String {
        let Step::Challenge(challenge) = step else { panic!("{step:?}") };
        String::from_utf8(challenge).expect("ascii")
    }

    #[test]
    fn the_example_of_rfc_5802() {
        let mut scram = server(Method::ScramSha1, "QSXCR+Q6sek8bf92", "3rfcNHYJY1ZVvWVs7j");
        assert_eq!(
            asked(scram.step(b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL")),
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"
        );
        let last = b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=";
        assert_eq!(asked(scram.step(last)), "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=");
        assert_eq!(scram.step(b""), Step::Verdict(true));
    }

    #[test]
    fn the_example_of_rfc_7677() {
        let (salt, nonce) = ("W22ZaJ0SNY7soEsUEjb6gQ==", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
        let first = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let mut scram = server(Method::ScramSha256, salt, nonce);
        asked(scram.step(first));
        assert_eq!(asked(scram.step(last.as_bytes())), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        for wrong in [last.replace("p=dH", "p=eH"), last.replace("c=biws", "c=eSws"), last.replace("k0,", "k1,")] {
            let mut scram = server(Method::ScramSha256, salt, nonce);
            asked(scram.step(first));
            assert_eq!(scram.step(wrong.as_bytes()), Step::Verdict(false), "{wrong}");
        }
    }

    #[test]
    fn the_flag_for_channel_binding_has_to_fit() {
        let binds = Settings { methods: vec![Method::ScramSha256Plus, Method::ScramSha256], ..Settings::default() };
        for (method, flag, passes) in [
            (Method::ScramSha256Plus, "p=tls-exporter", true),
            (Method::ScramSha256Plus, "p=tls-unique", false),
            (Method::ScramSha256Plus, "n", false),
            (Method::ScramSha256, "p=tls-exporter", false),
            (Method::ScramSha256, "n", true),
            (Method::ScramSha256, "y", false),
        ] {
            let mut scram = Scram::new(method, &binds, Some(b"data")).expect("a mechanism");
            let step = scram.step(format!("{flag},,n=demo,r=x").as_bytes());
            assert_eq!(matches!(step, Step::Challenge(_)), passes, "{method:?} {flag}");
        }
        assert!(Scram::new(Method::ScramSha256Plus, &binds, None).is_none());
    }
}
