//! The two sample maildrops: a POP3 server each, on loopback, for as long as the demo runs.

use std::net::SocketAddr;

use anyhow::Context;

use super::pop3d::{Pop3d, Settings};
use super::samples::Maildrop;

/// Of both maildrops, whose user names are [`Maildrop::name`].
pub(super) const PASSWORD: &str = "demo";

/// Both servers.
pub(super) struct Maildrops {
    personal: Pop3d,
    work: Pop3d,
}

impl Maildrops {
    /// Starts them with this mail. Its unique-ids are its places in the list, so that a demo with a data directory that
    /// is kept does not fetch the samples again.
    pub(super) async fn start(mail: Vec<(Maildrop, Vec<u8>)>) -> anyhow::Result<Self> {
        let maildrops = Self { personal: start(Maildrop::Personal).await?, work: start(Maildrop::Work).await? };
        for (place, (maildrop, bytes)) in mail.into_iter().enumerate() {
            maildrops.server(maildrop).deliver(&format!("sample-{place}"), bytes);
        }
        Ok(maildrops)
    }

    /// Where the service reaches a maildrop.
    pub(super) fn address(&self, maildrop: Maildrop) -> SocketAddr {
        self.server(maildrop).address()
    }

    /// Puts a new message into a maildrop. The unique-id must differ from all before it, those of earlier runs included.
    pub(super) fn deliver(&self, maildrop: Maildrop, unique_id: &str, bytes: Vec<u8>) {
        self.server(maildrop).deliver(unique_id, bytes);
    }

    fn server(&self, maildrop: Maildrop) -> &Pop3d {
        match maildrop {
            Maildrop::Personal => &self.personal,
            Maildrop::Work => &self.work,
        }
    }
}

async fn start(maildrop: Maildrop) -> anyhow::Result<Pop3d> {
    let settings =
        Settings { username: maildrop.name().to_owned(), password: PASSWORD.to_owned(), ..Settings::default() };
    Pop3d::start(settings).await.with_context(|| format!("cannot start the maildrop {}", maildrop.name()))
}
