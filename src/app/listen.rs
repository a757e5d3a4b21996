//! Binding listeners and saying where.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use tokio::net::TcpListener;

/// Binds all of these addresses, or takes the sockets that were opened in their place; `key` names the setting they come from.
pub(super) async fn all(
    addresses: &[SocketAddr],
    key: &str,
    inherited: Option<Vec<std::net::TcpListener>>,
) -> anyhow::Result<Vec<TcpListener>> {
    if let Some(inherited) = inherited {
        let take = |listener: std::net::TcpListener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        };
        let taken: io::Result<Vec<TcpListener>> = inherited.into_iter().map(take).collect();
        return taken.with_context(|| format!("the socket passed in place of {key}"));
    }
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        listeners.push(bind(*address).await.with_context(|| explain(*address, key))?);
    }
    Ok(listeners)
}

/// Logs where the listener really is (a configured port 0 has become one) and returns it.
pub(super) fn announce(listener: &TcpListener, service: &'static str) -> io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    tracing::info!(service, %address, "listening");
    Ok(address)
}

/// `[::]` is meant as "everywhere": a machine without IPv6 gets the IPv4 half of it.
async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(e) if is_ipv6_missing(&e) && address.is_ipv6() && address.ip().is_unspecified() => {
            let instead = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            tracing::info!(%address, %instead, "no IPv6 on this machine");
            TcpListener::bind(instead).await
        }
        bound => bound,
    }
}

/// `EAFNOSUPPORT` or `EADDRNOTAVAIL`, as Linux says it without the module or with IPv6 disabled.
fn is_ipv6_missing(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.raw_os_error() == Some(EAFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable
}

fn explain(address: SocketAddr, key: &str) -> String {
    let mut text = format!("{key}: cannot listen on {address}");
    if address.port() != 0 && address.port() < 1024 {
        text.push_str(" (ports below 1024 need a privilege: CAP_NET_BIND_SERVICE, or a port above)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn says_which_setting_cannot_be_had() {
        let held = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = held.local_addr().expect("address");
        let error = all(&[address], "imap.listen", None).await.expect_err("taken");
        assert!(format!("{error:#}").starts_with(&format!("imap.listen: cannot listen on {address}")), "{error:#}");
    }

    #[test]
    fn says_what_a_low_port_needs() {
        let explained = |port| explain(SocketAddr::from(([127, 0, 0, 1], port)), "k");
        assert!(explained(1023).contains("CAP_NET_BIND_SERVICE"));
        assert!(!explained(1024).contains("CAP_NET_BIND_SERVICE"));
    }
}
