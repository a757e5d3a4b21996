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
