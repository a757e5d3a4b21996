//! Dovecot takes every method of login that it has from the session alone: asked for, chosen, and with a wrong password.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use support::dovecot::{self, Dovecot, Maildrop};
use support::{DEADLINE, have, scratch};
use tributary::pop3::{
    Credentials, Error, ErrorKind, Event, Limits, Method, Misbehavior, Options, Security, Session, Timeouts,
};
use tributary::secret::Secret;

const METHODS: [Method; 7] =
    [Method::User, Method::Apop, Method::Plain, Method::Login, Method::CramMd5, Method::ScramSha1, Method::ScramSha256];

fn options(method: Option<Method>, password: &str) -> Options {
    Options {
        credentials: Credentials::new("u1", Secret::new(password)).unwrap(),
        security: Security::Clear,
        use_pipelining: true,
        use_capa: true,
        method,
        avoid: Vec::new(),
        binding: None,
        limits: Limits::default(),
        timeouts: Timeouts::default(),
    }
}

/// Logs in, lists and quits: the method, the messages and the faults.
fn log_in(address: SocketAddr, options: Options) -> Result<(Method, usize, Vec<Misbehavior>), Error> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut session = Session::new(options, Instant::now());
    let (mut method, mut messages, mut faults) = (None, 0, Vec::new());
    let mut buffer = [0; 4096];
    loop {
        while let Some(event) = session.poll_event() {
            match event {
                Event::LoggedIn(by) => method = Some(by),
                Event::Listed(listing) => {
                    messages = listing.len();
                    session.quit();
                }
                Event::Misbehaved(fault) => faults.push(fault),
                Event::Closed => return Ok((method.unwrap(), messages, faults)),
                other => panic!("{other:?}"),
            }
        }
        while let Some(bytes) = session.poll_transmit(Instant::now()) {
            stream.write_all(&bytes).unwrap();
        }
        let read = stream.read(&mut buffer).unwrap();
        session.handle_bytes(Instant::now(), &buffer[..read])?;
    }
}

#[test]
fn dovecot_is_logged_in_to_by_every_method_it_has() {
    if !have(dovecot::PROGRAMS) {
        return;
    }
    let dir = scratch();
    let server = Dovecot::start(dir.path(), &[Maildrop { user: "u1", seed: 21, count: 3 }]);
    for method in METHODS {
        let right = log_in(server.pop3, options(Some(method), dovecot::PASSWORD));
        assert_eq!(right, Ok((method, 3, vec![])));
    }
    let chosen = log_in(server.pop3, options(None, dovecot::PASSWORD));
    assert_eq!(chosen, Ok((Method::ScramSha256, 3, vec![])));
    // A wrong password is never the server's fault. Each makes Dovecot slower to answer, so one of each kind will do.
    for method in [Method::User, Method::CramMd5, Method::ScramSha256] {
        let wrong = log_in(server.pop3, options(Some(method), "wrong"));
        assert_eq!(wrong.map_err(|error| error.kind()), Err(ErrorKind::Auth), "{method:?}");
    }
}
