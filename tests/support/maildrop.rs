//! A maildrop of the demo's POP3 server, for tests with the real binary.

use tokio::runtime::Runtime;
use tributary::demo::pop3d::{Pop3d, Settings};

use super::config::Account;
use super::dovecot::PASSWORD;

/// One of the user `up` with so many short messages, `id1` and on.
pub fn maildrop(runtime: &Runtime, messages: u32) -> Pop3d {
    let settings = Settings { username: "up".to_owned(), password: PASSWORD.to_owned(), ..Settings::default() };
    let server = runtime.block_on(Pop3d::start(settings)).unwrap();
    for n in 1..=messages {
        server.deliver(&format!("id{n}"), format!("Subject: {n}\r\n\r\nhello\r\n").into_bytes());
    }
    server
}

/// Its account, polled at the start and then seldom.
pub fn seldom_polled(name: &'static str, maildrop: &Pop3d) -> Account {
    Account { poll_interval: "1h", ..Account::new(name, maildrop.address(), "up") }
}
