//! What the demo tells the person who started it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{PASSWORD, USER};

/// Where everything is, and three things to try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Banner<'a> {
    pub(super) imap: SocketAddr,
    pub(super) imaps: SocketAddr,
    pub(super) http: SocketAddr,
    /// Where the data is, and whether it stays.
    pub(super) data: &'a str,
    pub(super) messages: usize,
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (imap, imaps, http) = (reachable(self.imap), reachable(self.imaps), reachable(self.http));
        let url = format!("imap://{USER}:{PASSWORD}@{imap}");
        writeln!(f, "Tributary demo: two POP3 maildrops with {} messages flow into one mailbox.\n", self.messages)?;
        writeln!(f, "  IMAP      {imap} (cleartext or STARTTLS)")?;
        writeln!(f, "  IMAPS     {imaps} (a certificate of its own: accept it)")?;
        writeln!(f, "  status    http://{http}/ (and /metrics)")?;
        writeln!(f, "  user      {USER}\n  password  {PASSWORD}\n  data      {}\n", self.data)?;
        writeln!(f, "Try, in another terminal:\n")?;
        writeln!(f, "  1. Read a message, and find some:\n")?;
        writeln!(f, "     curl '{url}/INBOX;MAILINDEX=1'")?;
        writeln!(f, "     curl '{url}/INBOX?SUBJECT%20cabin'\n")?;
        writeln!(
            f,
            "  2. Open the mailbox in a mail program, twice: what you flag or delete in one shows in the other,"
        )?;
        writeln!(f, "     and the new message of each minute in both. With neomutt:\n")?;
        writeln!(f, "     neomutt -e 'set ssl_starttls=no ssl_force_tls=no' -f {url}/INBOX\n")?;
        writeln!(f, "  3. See what the service counts:\n")?;
        writeln!(f, "     curl -s http://{http}/metrics | grep -E 'polls_total|messages_fetched'\n")?;
        write!(f, "A new message arrives every minute. Ctrl-C stops the demo.")
    }
}

/// The address to connect to for one that is listened on.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_can_be_pasted() {
        let text = Banner {
            imap: "0.0.0.0:1143".parse().unwrap(),
            imaps: "[::]:1993".parse().unwrap(),
            http: "127.0.0.1:8025".parse().unwrap(),
            data: "/tmp/x",
            messages: 61,
        }
        .to_string();
        assert!(text.contains("curl 'imap://demo:demo@127.0.0.1:1143/INBOX;MAILINDEX=1'"), "{text}");
        assert!(text.contains("[::1]:1993") && text.contains("http://127.0.0.1:8025/metrics"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 110), "{text}");
    }
}
