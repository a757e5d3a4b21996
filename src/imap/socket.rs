//! What an accepted socket is told to do (RFC 9293 section 3.8.4 for keepalives, RFC 5482 for the user timeout).

use std::io;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::TcpStream;

/// When TCP asks a silent peer whether it is there, and when it gives one up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpKeepalive {
    /// The silence before the first question. Longer than the longest that the server leaves in IDLE: a question wakes a
    /// phone as well as a word does.
    pub idle: Duration,
    /// Between questions without an answer.
    pub interval: Duration,
    /// How many of them.
    pub count: u32,
    /// How long what was sent may stay unacknowledged, where the system lets us say so.
    pub unacknowledged: Duration,
}

impl Default for TcpKeepalive {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(30 * 60),
            interval: Duration::from_secs(60),
            count: 4,
            unacknowledged: Duration::from_secs(3 * 60),
        }
    }
}

/// The most that Linux takes, in seconds.
const LONGEST: Duration = Duration::from_secs(32_767);

/// Sets the options of an accepted socket. Small responses must not wait for the acknowledgement of earlier ones.
pub(super) fn prepare(stream: &TcpStream, keepalive: &TcpKeepalive) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    // The first option has another name on Apple's systems, and OpenBSD has none of them.
    #[cfg(not(any(target_vendor = "apple", target_os = "openbsd")))]
    sockopt::set_tcp_keepidle(stream, keepalive.idle.min(LONGEST))?;
    #[cfg(not(target_os = "openbsd"))]
    {
        sockopt::set_tcp_keepintvl(stream, keepalive.interval.min(LONGEST))?;
        sockopt::set_tcp_keepcnt(stream, keepalive.count)?;
    }
    #[cfg(target_os = "linux")]
    {
        let millis = u32::try_from(keepalive.unacknowledged.as_millis()).unwrap_or(u32::MAX);
        sockopt::set_tcp_user_timeout(stream, millis)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn an_accepted_socket_has_the_options() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("its address");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (_client, (stream, _)) = (client.expect("connected"), accepted.expect("accepted"));
        assert!(!sockopt::socket_keepalive(&stream).expect("an option"));
        prepare(&stream, &TcpKeepalive::default()).expect("prepared");
        assert!(stream.nodelay().expect("an option"));
        assert!(sockopt::socket_keepalive(&stream).expect("an option"));
        assert_eq!(sockopt::tcp_keepidle(&stream).expect("an option"), Duration::from_secs(1800));
        assert_eq!(sockopt::tcp_keepintvl(&stream).expect("an option"), Duration::from_secs(60));
        assert_eq!(sockopt::tcp_keepcnt(&stream).expect("an option"), 4);
        assert_eq!(sockopt::tcp_user_timeout(&stream).expect("an option"), 180_000);
        let long = Duration::from_secs(86_400);
        prepare(&stream, &TcpKeepalive { idle: long, interval: long, ..TcpKeepalive::default() }).expect("prepared");
        assert_eq!(sockopt::tcp_keepidle(&stream).expect("an option"), LONGEST);
    }
}
