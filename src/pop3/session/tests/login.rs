use super::*;

#[test]
fn stls_asks_for_capabilities_again_and_discards_what_came_before_tls() {
    let options = Options { security: Security::StartTls, ..options() };
    let script: Script<'_> = &[
        ("CAPA", "+OK\r\nSASL PLAIN\r\n.\r\n"),
        ("STLS", "+OK go\r\n"),
        ("CAPA", "+OK\r\nUSER\r\n.\r\n"),
        ("USER u", "+OK\r\n"),
        ("PASS secret", "+OK\r\n"),
        ("CAPA", "+OK\r\n.\r\n"),
        ("STAT", "+OK 0 0\r\n"),
        ("UIDL", "+OK\r\n.\r\n"),
        ("LIST", "+OK\r\n.\r\n"),
        ("QUIT", "+OK\r\n"),
    ];
    assert_eq!(told(&play(options.clone(), script)), [Event::StartTls, Event::Closed]);

    let mut injected = script.to_vec();
    injected[1].1 = "+OK go\r\n-ERR injected\r\n";
    let outcome = Peer { then: |_, _| {}, ..Peer::new(options.clone(), WHOLE) };
    let mut session = outcome.session;
    session.handle_bytes(outcome.now, b"+OK\r\n").expect("greeting");
    session.handle_bytes(outcome.now, b"-ERR\r\n").expect("no CAPA");
    session.handle_bytes(outcome.now, b"+OK\r\n-ERR injected\r\n").expect("STLS");
    assert_eq!(session.poll_event(), Some(Event::StartTls));
    assert_eq!(session.poll_event(), Some(Event::Misbehaved(Misbehavior::DataBeforeTls)));
    session.tls_started(outcome.now, None);
    assert_eq!(session.poll_transmit(outcome.now).expect("login").as_slice(), b"CAPA\r\nSTLS\r\nUSER u\r\n");
}

#[test]
fn stls_refused_never_sends_a_password() {
    let options = Options { security: Security::StartTls, ..options() };
    let outcome = play(options, &[("CAPA", "+OK\r\nUSER\r\n.\r\n"), ("STLS", "-ERR no\r\n")]);
    assert_eq!(outcome.error.map(|error| error.kind()), Some(ErrorKind::Tls));
    assert_eq!(outcome.sent, ["CAPA", "STLS"]);
}

const CAPA_PLAIN: (&str, &str) = ("CAPA", "+OK\r\nSASL PLAIN\r\n.\r\n");
const AUTH: &str = "AUTH PLAIN AHUAc2VjcmV0";

#[test]
fn sasl_plain_and_its_oddities() {
    let done = ("CAPA", "+OK\r\n.\r\n");
    for (answers, sent) in [
        (&[(AUTH, "+OK\r\n"), done] as Script<'_>, 4),
        (&[(AUTH, "+ \r\n"), ("AHUAc2VjcmV0", "+OK\r\n"), done], 5),
        (&[(AUTH, "+\r\n"), ("AHUAc2VjcmV0", "+OK\r\n"), done], 5),
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
    let credentials = Credentials::new("u", Secret::new("p".repeat(300))).expect("fits");
    let response = String::from_utf8(credentials.response_line().to_vec()).expect("ascii");
    let script = [CAPA_PLAIN, ("AUTH PLAIN", "+OK\r\n"), (response.trim_end(), "+OK\r\n"), ("CAPA", "-ERR\r\n")];
    let outcome = play(Options { credentials, ..options() }, &script);
    assert_eq!(told(&outcome), [Event::Misbehaved(Misbehavior::OkForContinuation)]);
    assert_eq!(outcome.sent.last().map(String::as_str), Some("STAT"));
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
fn hanging_up_on_a_password_is_a_refusal_and_elsewhere_it_is_not() {
    for (script, kind) in [
        (&LOGIN[..0], ErrorKind::Connection),
        (&LOGIN[..1], ErrorKind::Auth),
        (&LOGIN[..2], ErrorKind::Auth),
        (&LOGIN[..3], ErrorKind::Connection),
    ] {
        let mut peer = Peer::new(options(), WHOLE);
        let now = peer.now;
        peer.session.handle_bytes(now, b"+OK\r\n").expect("greeting");
        for (_, answer) in script {
            peer.session.handle_bytes(now, answer.as_bytes()).expect("answer");
        }
        assert_eq!(peer.session.handle_bytes(now, b"").expect_err("closed").kind(), kind, "{script:?}");
    }
}
