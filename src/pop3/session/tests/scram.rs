//! SCRAM as far as lines go, against a server made for the purpose.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};

use super::login::{AUTH, base64, capa, session_after_capa};
use super::*;

/// RFC 5802 section 3: what a server answers to `client-first` and `client-final`, for SHA-256 and `secret`.
struct ScramServer {
    client_first_bare: String,
    server_first: String,
}

impl ScramServer {
    fn new(client_first: &str) -> Self {
        let decoded = String::from_utf8(STANDARD.decode(client_first).expect("base64")).expect("utf-8");
        let bare = decoded.splitn(3, ',').nth(2).expect("a name and a nonce").to_owned();
        let (_, nonce) = bare.rsplit_once(",r=").expect("nonce");
        let server_first = format!("r={nonce}server,s={},i=4096", STANDARD.encode("salt"));
        Self { client_first_bare: bare, server_first }
    }

    /// The signature, if the client's proof is right.
    fn signature(&self, client_final: &str) -> String {
        let decoded = String::from_utf8(STANDARD.decode(client_final).expect("base64")).expect("utf-8");
        let (without_proof, proof) = decoded.rsplit_once(",p=").expect("proof");
        let message = format!("{},{},{without_proof}", self.client_first_bare, self.server_first);
        let mut salted = [0; 32];
        let iterations = std::num::NonZeroU32::new(4096).expect("not 0");
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, b"salt", b"secret", &mut salted);
        let mac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
        let client_key = mac(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let signature = mac(stored_key.as_ref(), message.as_bytes());
        let want: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        assert_eq!(proof, STANDARD.encode(want));
        let server_key = mac(&salted, b"Server Key");
        format!("v={}", STANDARD.encode(mac(server_key.as_ref(), message.as_bytes())))
    }
}

/// Logs in by SCRAM-SHA-256 as far as the server's last message, with what the server makes of its signature.
pub(super) fn scram(step: usize, end: impl Fn(String) -> String) -> (Session, Instant, Result<(), Error>) {
    let (mut session, now) = session_after_capa(options(), "+OK\r\n", &capa("SCRAM-SHA-256 PLAIN"));
    let feed = |session: &mut Session, line: &str| {
        format!("{line}\r\n").as_bytes().chunks(step).try_for_each(|piece| session.handle_bytes(now, piece))
    };
    let sent = transmitted(&mut session, now);
    let server = ScramServer::new(sent.trim_end().strip_prefix("AUTH SCRAM-SHA-256 ").expect("initial response"));
    feed(&mut session, "+ ").expect("asks again");
    assert!(sent.trim_end().ends_with(transmitted(&mut session, now).trim_end()));
    feed(&mut session, &format!("+ {}", base64(&server.server_first))).expect("server-first");
    let signature = server.signature(transmitted(&mut session, now).trim_end());
    let ended = feed(&mut session, &end(signature));
    (session, now, ended)
}

#[test]
fn scram_logs_in_when_the_server_has_proved_itself() {
    for step in [1, 2, 3, 7, 1000] {
        let (mut session, now, ended) = scram(step, |signature| format!("+ {}", base64(&signature)));
        assert_eq!((ended, transmitted(&mut session, now).as_str()), (Ok(()), "\r\n"));
        assert_eq!(session.poll_event(), None, "not before +OK");
        session.handle_bytes(now, b"+OK\r\n").expect("logged in");
        assert_eq!(session.poll_event(), Some(Event::LoggedIn(Method::ScramSha256)));
        // The signature behind +OK.
        let (mut session, _, ended) = scram(step, |signature| format!("+OK {}", base64(&signature)));
        assert_eq!(ended, Ok(()));
        assert_eq!(session.poll_event(), Some(Event::LoggedIn(Method::ScramSha256)));
    }
}

#[test]
fn scram_never_takes_ok_without_the_right_signature() {
    let unproven = Err(Misbehavior::BadServerSignature.into());
    let forged = format!("v={}", STANDARD.encode([0; 32]));
    for end in ["+OK", "+OK welcome", &format!("+OK {}", base64(&forged)), &format!("+ {}", base64(&forged))] {
        let (mut session, _, ended) = scram(64, |_| end.to_owned());
        assert_eq!(ended, unproven, "{end}");
        assert_eq!(session.poll_event(), None, "{end}");
    }
    // The server says why it refuses, is answered, and refuses; the next method has its turn.
    let error = format!("+ {}", base64("e=invalid-proof"));
    let (mut session, now, ended) = scram(64, |_| error.clone());
    assert_eq!((ended, transmitted(&mut session, now).as_str()), (Ok(()), "\r\n"));
    session.handle_bytes(now, b"-ERR [AUTH] no\r\n").expect("goes on");
    assert_eq!(transmitted(&mut session, now).trim_end(), AUTH);
    let (mut session, now, _) = scram(64, |_| error.clone());
    assert_eq!(session.handle_bytes(now, b"+OK\r\n"), unproven);
    // What is no message of SCRAM at all.
    let (mut session, now, ended) = scram(64, |_| "+ eHg=".to_owned());
    assert_eq!((ended, transmitted(&mut session, now).as_str()), (Ok(()), "*\r\n"));
}
