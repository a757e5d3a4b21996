//! Logging in: each mechanism in lines, what is tried after what, and what ends a session.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::super::auth::MAX_CHALLENGE;
use super::*;

const CAPA_PLAIN: (&str, &str) = ("CAPA", "+OK\r\nSASL PLAIN\r\n.\r\n");
pub(super) const AUTH: &str = "AUTH PLAIN AHUAc2VjcmV0";
const TIMESTAMP: &str = "+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n";
/// APOP of `u` and `secret` with that timestamp.
const APOP: &str = "APOP u 3f18b52881e44c0cc6067f46e0ced7bc";
const USER: (&str, &str) = ("USER u", "+OK\r\n");
const PASS: (&str, &str) = ("PASS secret", "+OK\r\n");
const CAPA_END: (&str, &str) = ("CAPA", "-ERR\r\n");

pub(super) fn capa(sasl: &str) -> String {
    format!("+OK\r\nSASL {sasl}\r\n.\r\n")
}

fn with_token(options: Options) -> Options {
    let credentials = Credentials::with_token("u", Secret::new("secret")).expect("fits");
    Options { credentials, ..options }
}

pub(super) fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

fn refused(outcome: &Outcome) -> Option<(Verb, &str)> {
    match &outcome.error {
        Some(Error::Refused { verb, refusal }) => Some((*verb, refusal.text.as_str())),
        _ => None,
    }
}

#[test]
fn sasl_plain_and_its_oddities() {
    let done = ("CAPA", "+OK\r\n.\r\n");
    for (answers, sent) in [
        (&[(AUTH, "+OK\r\n"), done] as Script<'_>, 4),
        (&[(AUTH, "+ \r\n"), ("AHUAc2VjcmV0", "+OK\r\n"), done], 5),
        (&[(AUTH, "+\r\n"), ("AHUAc2VjcmV0", "+OK\r\n"), done], 5),
        (&[(AUTH, "+ go on\r\n"), ("AHUAc2VjcmV0", "+OK\r\n"), done], 5),
        (&[(AUTH, "-ERR what\r\n"), ("USER u", "+OK\r\n"), ("PASS secret", "+OK\r\n"), done], 6),
    ] {
        let script: Vec<_> = [CAPA_PLAIN].iter().chain(answers).copied().collect();
        let outcome = play(options(), &script);
        assert_eq!((outcome.error, outcome.sent.len()), (None, sent), "{answers:?}");
    }
    let twice = play(options(), &[CAPA_PLAIN, (AUTH, "+ \r\n"), ("AHUAc2VjcmV0", "+ \r\n")]);
    assert_eq!(twice.error, Some(Misbehavior::UnexpectedContinuation.into()));
}

#[test]
fn a_long_response_takes_ok_for_a_continuation() {
    let password = "p".repeat(300);
    let credentials = Credentials::new("u", Secret::new(&*password)).expect("fits");
    let response = base64(&format!("\0u\0{password}"));
    let script = [CAPA_PLAIN, ("AUTH PLAIN", "+OK\r\n"), (&*response, "+OK\r\n"), ("CAPA", "-ERR\r\n")];
    let outcome = play(Options { credentials, ..options() }, &script);
    assert_eq!(told(&outcome), [Event::Misbehaved(Misbehavior::OkForContinuation)]);
    assert_eq!(outcome.sent.last().map(String::as_str), Some("STAT"));
}

#[test]
fn sasl_login_answers_whatever_is_asked() {
    let capa = capa("LOGIN");
    for (first, second, fault) in [
        ("+ VXNlcm5hbWU6\r\n", "+ UGFzc3dvcmQ6\r\n", None),
        ("+ Username:\r\n", "+ Password:\r\n", None),
        ("+\r\n", "+ \r\n", None),
        ("+OK\r\n", "+OK\r\n", Some(Misbehavior::OkForContinuation)),
    ] {
        let script: Script<'_> =
            &[("CAPA", &capa), ("AUTH LOGIN", first), ("dQ==", second), ("c2VjcmV0", "+OK\r\n"), CAPA_END];
        let outcome = play(options(), script);
        assert_eq!((outcome.method, &outcome.error), (Some(Method::Login), &None), "{first}");
        assert_eq!(told(&outcome), Vec::from_iter(fault.map(Event::Misbehaved)), "{first}");
    }
    let more = [("CAPA", &*capa), ("AUTH LOGIN", "+\r\n"), ("dQ==", "+\r\n"), ("c2VjcmV0", "+ \r\n")];
    assert_eq!(play(options(), &more).error, Some(Misbehavior::UnexpectedContinuation.into()));
}

#[test]
fn apop_where_the_greeting_has_a_timestamp() {
    let forced = Options { method: Some(Method::Apop), ..options() };
    let clear = Options { security: Security::Clear, ..options() };
    let no_capa = ("CAPA", "-ERR\r\n");
    let outcome = play_after(TIMESTAMP, options(), &[no_capa, (APOP, "+OK\r\n")]);
    assert_eq!((outcome.method, outcome.error), (Some(Method::Apop), None));
    // It is advertised by the greeting and broken.
    let broken = play_after(TIMESTAMP, options(), &[no_capa, (APOP, "-ERR [AUTH] no\r\n"), USER, PASS]);
    assert_eq!((broken.method, broken.error), (Some(Method::User), None));
    // In the clear it is weak: only when asked for.
    let outcome = play_after(TIMESTAMP, clear.clone(), &[no_capa, USER, PASS]);
    assert_eq!(outcome.method, Some(Method::User));
    let asked = Options { method: Some(Method::Apop), ..clear };
    assert_eq!(play_after(TIMESTAMP, asked, &[no_capa, (APOP, "+OK\r\n")]).method, Some(Method::Apop));
    for greeting in ["+OK hi\r\n", "+OK <hi>\r\n", "+OK <a b@c>\r\n", "+OK <a\u{e9}@c>\r\n"] {
        assert_eq!(play_after(greeting, forced.clone(), &[no_capa]).error, Some(Error::NoMethod), "{greeting}");
    }
    let two_words = Credentials::new("u v", Secret::new("secret")).expect("fits");
    let outcome =
        play_after(TIMESTAMP, Options { credentials: two_words, ..options() }, &[no_capa, ("USER u v", "+OK\r\n")]);
    assert_eq!(outcome.sent[1], "USER u v");
}

#[test]
fn cram_md5_and_challenges_that_are_none() {
    let capa = capa("CRAM-MD5");
    let challenge = format!("+ {}\r\n", base64("<1896.697170952@postoffice.reston.mci.net>"));
    let response = base64("tim b913a602c7eda7a495b4e6e7334d3890");
    let credentials = Credentials::new("tim", Secret::new("tanstaaftanstaaf")).expect("fits");
    let tim = Options { credentials, ..options() };
    let well = [("CAPA", &*capa), ("AUTH CRAM-MD5", &*challenge), (&*response, "+OK\r\n"), CAPA_END];
    let outcome = play(tim.clone(), &well);
    assert_eq!((outcome.method, told(&outcome).len()), (Some(Method::CramMd5), 0));
    let ok = challenge.replace("+ ", "+OK ");
    let outcome = play(tim, &[well[0], ("AUTH CRAM-MD5", &ok), well[2], CAPA_END]);
    assert_eq!(outcome.method, Some(Method::CramMd5));
    assert_eq!(told(&outcome), [Event::Misbehaved(Misbehavior::OkForContinuation)]);

    let long = format!("+ {}\r\n", "A".repeat(MAX_CHALLENGE + 4));
    for broken in ["+\r\n", "+ \r\n", "+ =\r\n", "+ not base64\r\n", "+OK\r\n", &long] {
        let script: Script<'_> = &[("CAPA", &capa), ("AUTH CRAM-MD5", broken), ("*", "-ERR\r\n"), USER, PASS, CAPA_END];
        let outcome = play(options(), script);
        assert_eq!((outcome.method, &outcome.error), (Some(Method::User), &None), "{broken}");
        assert!(told(&outcome).contains(&Event::Misbehaved(Misbehavior::MalformedChallenge)), "{broken}");
        // With nothing else to try it is what the session ends with.
        let forced = Options { method: Some(Method::CramMd5), ..options() };
        assert_eq!(play(forced, &script[..3]).error, Some(Misbehavior::MalformedChallenge.into()), "{broken}");
    }
    let fits = format!("+ {}\r\n", "A".repeat(MAX_CHALLENGE));
    let outcome = Peer::new(options(), Cut::Every(64)).play("+OK\r\n", &[("CAPA", &capa), ("AUTH CRAM-MD5", &fits)]);
    assert_ne!(outcome.sent[2], "*");
    // RFC 5034 section 4: the server must say -ERR to it. One that does not is taken at its word only in part.
    let script: Script<'_> = &[("CAPA", &capa), ("AUTH CRAM-MD5", "+\r\n"), ("*", "+OK\r\n"), USER, PASS, CAPA_END];
    assert_eq!(play(options(), script).method, Some(Method::User));
    let script = [("CAPA", &*capa), ("AUTH CRAM-MD5", "+\r\n"), ("*", "+ \r\n")];
    assert_eq!(play(options(), &script).error, Some(Misbehavior::UnexpectedContinuation.into()));
}

#[test]
fn tokens_of_the_length_of_tokens_come_in_a_line_of_their_own() {
    let token = "t".repeat(1500);
    let credentials = Credentials::with_token("u@x", Secret::new(&*token)).expect("fits");
    let options = Options { credentials, ..options() };
    for (name, message, method) in [
        ("XOAUTH2", format!("user=u@x\x01auth=Bearer {token}\x01\x01"), Method::Xoauth2),
        ("OAUTHBEARER", format!("n,a=u@x,\x01auth=Bearer {token}\x01\x01"), Method::OauthBearer),
    ] {
        let (capa, auth, response) = (capa(name), format!("AUTH {name}"), base64(&message));
        for continuation in ["+ \r\n", "+\r\n", "+OK\r\n"] {
            let script: Script<'_> = &[("CAPA", &capa), (&auth, continuation), (&response, "+OK\r\n"), CAPA_END];
            let outcome = play(options.clone(), script);
            assert_eq!((outcome.method, outcome.error), (Some(method), None), "{name} {continuation:?}");
        }
    }
}

#[test]
fn a_refused_token_is_answered_and_ends_the_session() {
    let why = format!("+ {}\r\n", base64(r#"{"status":"401","schemes":"bearer","scope":"mail"}"#));
    let xoauth2 = format!("AUTH XOAUTH2 {}", base64("user=u\x01auth=Bearer secret\x01\x01"));
    let bearer = format!("AUTH OAUTHBEARER {}", base64("n,a=u,\x01auth=Bearer secret\x01\x01"));
    for (name, auth, answer) in [("XOAUTH2", &xoauth2, ""), ("OAUTHBEARER", &bearer, "AQ==")] {
        let capa = capa(&format!("{name} PLAIN"));
        for code in ["", "[AUTH] ", "[SYS/PERM] "] {
            let refusal = format!("-ERR {code}Invalid credentials secret\r\n");
            let script: Script<'_> = &[("CAPA", &capa), (auth, &why), (answer, &refusal)];
            let outcome = play(with_token(options()), script);
            let text = format!("{code}Invalid credentials ***");
            assert_eq!(refused(&outcome), Some((Verb::Auth, &*text)));
            assert_eq!(outcome.error.map(|error| error.kind()), Some(ErrorKind::Auth));
            assert_eq!(outcome.sent.len(), 3, "nothing else is tried");
        }
        let again: Script<'_> = &[("CAPA", &capa), (auth, &why), (answer, &why)];
        let outcome = play(with_token(options()), again);
        assert_eq!(outcome.error, Some(Misbehavior::UnexpectedContinuation.into()));
    }
}

#[test]
fn a_token_is_never_sent_as_a_password_nor_a_password_as_a_token() {
    let xoauth2 = format!("AUTH XOAUTH2 {}", base64("user=u\x01auth=Bearer secret\x01\x01"));
    let no_capa = ("CAPA", "-ERR\r\n");
    // Whatever else is not known, XOAUTH2 is likely.
    assert_eq!(play(with_token(options()), &[no_capa, (&xoauth2, "+OK\r\n")]).method, Some(Method::Xoauth2));
    let no_list = ("CAPA", "+OK\r\nUSER\r\n.\r\n");
    assert_eq!(play(with_token(options()), &[no_list, (&xoauth2, "+OK\r\n")]).method, Some(Method::Xoauth2));
    assert_eq!(play(with_token(options()), &[CAPA_PLAIN]).error, Some(Error::NoMethod));
    for method in Method::ALL {
        let forced = Options { method: Some(method), binding: None, ..options() };
        let wrong = if method.wants_token() { forced } else { with_token(forced) };
        assert_eq!(play_after(TIMESTAMP, wrong, &[no_capa]).error, Some(Error::NoMethod), "{method:?}");
    }
}

#[test]
fn the_strongest_that_is_offered_comes_first() {
    let exporter = Some(ChannelBinding::Exporter(vec![0; 32]));
    let all = "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-256-PLUS XOAUTH2 OAUTHBEARER";
    for (offered, binding, want) in [
        (all, exporter.clone(), "AUTH SCRAM-SHA-256-PLUS "),
        (all, None, "AUTH SCRAM-SHA-256 "),
        ("plain scram-sha-1 scram-sha-1-plus", exporter, "AUTH SCRAM-SHA-1-PLUS "),
        ("LOGIN PLAIN CRAM-MD5", None, "AUTH CRAM-MD5"),
        ("LOGIN PLAIN", None, AUTH),
        ("LOGIN", None, "AUTH LOGIN"),
        ("GSSAPI NTLM", None, "APOP u "),
    ] {
        let mut session = session_after_capa(Options { binding, ..options() }, TIMESTAMP, &capa(offered));
        let sent = transmitted(&mut session.0, session.1);
        assert!(sent.starts_with(want), "{offered}: {sent}");
    }
    let avoid = vec![Method::CramMd5, Method::Apop];
    let mut session = session_after_capa(Options { avoid, ..options() }, TIMESTAMP, &capa("CRAM-MD5"));
    assert_eq!(transmitted(&mut session.0, session.1), "USER u\r\n");
    assert_eq!(session.0.tried(), Some(Method::User));
}

pub(super) fn session_after_capa(options: Options, greeting: &str, capa: &str) -> (Session, Instant) {
    let now = Instant::now();
    let mut session = Session::new(options, now);
    session.handle_bytes(now, greeting.as_bytes()).expect("greeting");
    assert_eq!(session.tried(), None);
    assert_eq!(transmitted(&mut session, now), "CAPA\r\n");
    session.handle_bytes(now, capa.as_bytes()).expect("capabilities");
    (session, now)
}

/// Gmail shows 30 days of mail to `recent:`, whoever fetched it; others want a domain, or a space.
#[test]
fn a_user_name_is_sent_as_it_is_written() {
    for name in ["recent:alice@gmail.example", "alice%isp.example", "DOMAIN\\alice", "alice smith"] {
        let credentials = Credentials::new(name, Secret::new("secret")).expect("fits");
        let script = [LOGIN[0], (&*format!("USER {name}"), "+OK\r\n"), PASS];
        let outcome = play(Options { credentials, ..options() }, &script);
        assert_eq!((outcome.method, outcome.error), (Some(Method::User), None), "{name}");
    }
}

#[test]
fn what_is_tried_after_a_refusal() {
    let capa = capa("CRAM-MD5 PLAIN LOGIN");
    let (no, auth) = ("-ERR no\r\n", "-ERR [AUTH] no\r\n");
    let cram_refused = ("AUTH CRAM-MD5", auth);
    for (answers, verb) in [
        // A challenge-response method proves nothing about the password; PLAIN does.
        (&[cram_refused, (AUTH, auth)] as Script<'_>, Verb::Auth),
        // Three methods at most: USER is not tried.
        (&[("AUTH CRAM-MD5", no), (AUTH, no), ("AUTH LOGIN", no)], Verb::Auth),
        // These leave no doubt.
        (&[("AUTH CRAM-MD5", "-ERR [IN-USE] no\r\n")], Verb::Auth),
        (&[("AUTH CRAM-MD5", "-ERR [LOGIN-DELAY] no\r\n")], Verb::Auth),
        (&[("AUTH CRAM-MD5", "-ERR [SYS/TEMP] no\r\n")], Verb::Auth),
        (&[("AUTH CRAM-MD5", "-ERR [SYS/PERM] no\r\n")], Verb::Auth),
        (&[("AUTH CRAM-MD5", "-ERR maildrop already locked\r\n")], Verb::Auth),
        (&[("AUTH CRAM-MD5", "-ERR too many logins\r\n")], Verb::Auth),
    ] {
        let script: Vec<_> = [("CAPA", &*capa)].iter().chain(answers).copied().collect();
        let outcome = play(options(), &script);
        assert_eq!(refused(&outcome).map(|(verb, _)| verb), Some(verb), "{answers:?}");
        assert_eq!(outcome.sent.len(), script.len(), "{answers:?}");
    }
    let script = [CAPA_PLAIN, (AUTH, no), USER, ("PASS secret", "-ERR really not\r\n")];
    assert_eq!(refused(&play(options(), &script)), Some((Verb::Pass, "really not")));
    let script = [CAPA_PLAIN, (AUTH, no), ("USER u", "-ERR not here\r\n")];
    assert_eq!(refused(&play(options(), &script)), Some((Verb::User, "not here")));
    for method in [Method::Plain, Method::User] {
        let forced = Options { method: Some(method), ..options() };
        let line = if method == Method::Plain { AUTH } else { "USER u" };
        let outcome = play(forced, &[("CAPA", &capa), (line, no)]);
        assert_eq!(outcome.sent.len(), 2, "a method that is asked for is the only one");
        assert!(refused(&outcome).is_some());
    }
}

#[test]
fn refusals_of_a_login_are_told_apart() {
    for (answer, kind) in [
        ("-ERR\r\n", ErrorKind::Auth),
        ("-ERR [AUTH] no\r\n", ErrorKind::Auth),
        ("-ERR [IN-USE] no\r\n", ErrorKind::Locked),
        ("-ERR [LOGIN-DELAY] no\r\n", ErrorKind::Throttled),
        ("-ERR [SYS/TEMP] no\r\n", ErrorKind::Throttled),
        ("-ERR [SYS/PERM] no\r\n", ErrorKind::Auth),
    ] {
        let pass = play(options(), &[LOGIN[0], LOGIN[1], ("PASS secret", answer)]);
        assert_eq!(pass.error.expect("refused").kind(), kind, "{answer}");
        if answer.contains('[') {
            let plain = play(options(), &[CAPA_PLAIN, (AUTH, answer)]);
            assert_eq!(plain.error.expect("refused").kind(), kind, "{answer}");
        }
    }
}

#[test]
fn the_words_of_a_provider_reach_the_user_without_secrets() {
    for words in [
        "Authentication failure: basic authentication is disabled.",
        "[AUTH] Application-specific password required: https://support.google.com/accounts/answer/185833",
        "[SYS/PERM] Your account is not enabled for POP access.",
    ] {
        let script = [LOGIN[0], LOGIN[1], ("PASS secret", &*format!("-ERR {words}\r\n"))];
        let outcome = play(options(), &script);
        assert_eq!(refused(&outcome), Some((Verb::Pass, words)));
        assert_eq!(outcome.error.map(|error| error.kind()), Some(ErrorKind::Auth));
    }
    let script = [CAPA_PLAIN, (AUTH, "-ERR [AUTH] bad AHUAc2VjcmV0 (SECRET, c2VjcmV0)\r\n")];
    assert_eq!(refused(&play(options(), &script)), Some((Verb::Auth, "[AUTH] bad *** (***, ***)")));
}

#[test]
fn hanging_up_on_a_password_is_a_refusal_and_elsewhere_it_is_not() {
    for (script, kind) in [
        (&LOGIN[..0], ErrorKind::Connection),
        (&LOGIN[..1], ErrorKind::Auth),
        (&LOGIN[..2], ErrorKind::Auth),
        (&LOGIN[..3], ErrorKind::Connection),
    ] {
        let mut peer = Peer::new(options(), Cut::Every(64));
        let now = peer.now;
        peer.session.handle_bytes(now, b"+OK\r\n").expect("greeting");
        for (_, answer) in script {
            peer.session.handle_bytes(now, answer.as_bytes()).expect("answer");
        }
        assert_eq!(peer.session.handle_bytes(now, b"").expect_err("closed").kind(), kind, "{script:?}");
    }
}

#[test]
fn the_method_at_which_a_server_hangs_up_is_named() {
    let (mut session, now) = session_after_capa(options(), "+OK\r\n", &capa("CRAM-MD5"));
    assert_eq!(session.tried(), Some(Method::CramMd5));
    session.handle_bytes(now, b"+ YQ==\r\n").expect("challenge");
    assert_eq!(session.handle_bytes(now, b""), Err(Error::Closed { verb: Verb::Auth }));
    assert_eq!(session.tried(), Some(Method::CramMd5));
    let (session, _) = pipelined(Limits::default(), &[]);
    assert_eq!(session.tried(), None, "nothing is under way after the login");
}

#[test]
fn lang_and_utf8_come_before_the_login_and_their_refusal_does_not_matter() {
    for answer in ["+OK\r\n", "-ERR\r\n", "-ERR [SYS/PERM] no\r\n"] {
        let script =
            [("CAPA", "+OK\r\nUTF8\r\nLANG\r\n.\r\n"), ("LANG en", answer), ("UTF8", answer), USER, PASS, CAPA_END];
        let outcome = play(options(), &script);
        assert_eq!((outcome.method, outcome.error), (Some(Method::User), None));
    }
    // RFC 6856 section 2.1: not before STLS.
    let script = [
        ("CAPA", "+OK\r\nUTF8\r\n.\r\n"),
        ("STLS", "+OK\r\n"),
        ("CAPA", "+OK\r\nUTF8 USER\r\nSASL PLAIN\r\n.\r\n"),
        ("UTF8", "+OK\r\n"),
        (AUTH, "+OK\r\n"),
    ];
    let outcome = play(Options { security: Security::StartTls, ..options() }, &script);
    assert_eq!((outcome.method, outcome.error), (Some(Method::Plain), None));
}

#[test]
fn before_a_login_is_given_up_capabilities_are_asked_for_over_tls() {
    let starttls = Options { security: Security::StartTls, method: Some(Method::Apop), ..options() };
    let script = [("CAPA", "-ERR\r\n"), ("STLS", "+OK\r\n"), ("CAPA", "-ERR\r\n")];
    let outcome = play(starttls, &script);
    assert_eq!((outcome.error, outcome.sent.len()), (Some(Error::NoMethod), 3));
}

#[test]
fn nothing_panics_on_noise_in_a_login() {
    let all = capa("SCRAM-SHA-256 SCRAM-SHA-1 SCRAM-SHA-256-PLUS CRAM-MD5 LOGIN PLAIN XOAUTH2 OAUTHBEARER");
    let ready = format!("+OK\r\nUTF8\r\nLANG\r\n{}", all.trim_start_matches("+OK\r\n"));
    let messages = ["r=,s=,i=", "r=x,,", "v=", "v", ",", "e=x", "r=x,s=QQ==,i=1", "v=AAAA", "<a@b>"].map(base64);
    let challenges = messages.iter().flat_map(|text| [format!("+ {text}\r\n"), format!("+OK {text}\r\n")]);
    let words: Vec<String> =
        ["+OK\r\n", "-ERR\r\n", "-ERR [AUTH] no\r\n", "+ \r\n", "+\r\n", "+ ?\r\n", &ready, TIMESTAMP]
            .map(str::to_owned)
            .into_iter()
            .chain(challenges)
            .collect();
    let mut state = 0x9e37_79b9_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % below
    };
    let (mut exchanges, mut logins) = (0, 0);
    for _ in 0..3000 {
        let method = Method::ALL.get(random(2 * Method::ALL.len())).copied();
        let binding = Some(ChannelBinding::Exporter(vec![1; 32]));
        let options = Options { method, binding, ..options() };
        let options = if method.is_some_and(Method::wants_token) { with_token(options) } else { options };
        let now = Instant::now();
        let mut session = Session::new(options, now);
        session.handle_bytes(now, TIMESTAMP.as_bytes()).expect("greeting");
        let mut ended = session.handle_bytes(now, ready.as_bytes());
        for _ in 0..12 {
            ended = ended.and_then(|()| session.handle_bytes(now, words[random(words.len())].as_bytes()));
            exchanges += usize::from(transmitted(&mut session, now).starts_with("AUTH"));
        }
        logins += std::iter::from_fn(|| session.poll_event()).filter(|e| matches!(e, Event::LoggedIn(_))).count();
    }
    assert!(exchanges > 1000 && logins > 100, "{exchanges} {logins}");
}
