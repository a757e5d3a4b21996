//! Where a request comes from, and whether a password may travel with it.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

impl Peer {
    /// Whether nobody on the open network reads along: TLS by a proxy nearby, or a connection that does not leave the
    /// machine or a private network, such as that of containers.
    pub(super) fn is_private(self, headers: &HeaderMap) -> bool {
        // What a stranger says of a proxy does not count.
        is_near(self.0) && said_https(headers).unwrap_or(true)
    }

    /// The browser reached a proxy by TLS.
    pub(super) fn is_tls(self, headers: &HeaderMap) -> bool {
        is_near(self.0) && said_https(headers) == Some(true)
    }

    /// Whom to slow down for wrong passwords: what a proxy on this machine says of its client, which is the last that was
    /// added. For nothing else, since whoever is on this machine can say it too.
    pub(super) fn client(self, headers: &HeaderMap) -> IpAddr {
        let forwarded = headers.get_all("x-forwarded-for").iter().next_back();
        let last = forwarded.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        last.filter(|_| self.0.to_canonical().is_loopback()).unwrap_or(self.0)
    }
}

fn said_https(headers: &HeaderMap) -> Option<bool> {
    let said = headers.get("x-forwarded-proto")?.to_str().ok()?;
    Some(said.split(',').next_back()?.trim().eq_ignore_ascii_case("https"))
}

/// This machine, or a network that is not routed in the open (RFC 1918, RFC 4193, RFC 6598, link-local).
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Whether a request that changes something may come from a page of ours: browsers say where it does, and programs, which
/// say nothing, have no cookies that others could use.
pub(super) fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return false;
    }
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host))
        }
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().expect("name"), value.parse().expect("value"))).collect()
    }

    fn peer(address: &str) -> Peer {
        Peer(address.parse().expect("address"))
    }

    #[test]
    fn passwords_travel_where_nobody_reads_along() {
        let none = headers(&[]);
        for near in [
            "127.0.0.1",
            "::1",
            "10.1.2.3",
            "172.17.0.2",
            "192.168.1.9",
            "169.254.1.1",
            "100.64.0.1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(peer(near).is_private(&none) && !peer(near).is_tls(&none), "{near}");
            assert!(peer(near).is_tls(&headers(&[("x-forwarded-proto", "https")])), "{near}");
            let plain = headers(&[("x-forwarded-proto", "http")]);
            assert!(!peer(near).is_private(&plain), "{near}: the proxy was reached in the open");
        }
        for far in ["192.0.2.1", "172.32.0.1", "100.128.0.1", "2001:db8::1", "8.8.8.8"] {
            for headers in [&none, &headers(&[("x-forwarded-proto", "https")])] {
                assert!(!peer(far).is_private(headers) && !peer(far).is_tls(headers), "{far}");
            }
        }
    }

    #[test]
    fn only_a_proxy_on_this_machine_says_who_its_client_is() {
        let forwarded = headers(&[("x-forwarded-for", "6.6.6.6, 192.0.2.7")]);
        assert_eq!(peer("127.0.0.1").client(&forwarded), peer("192.0.2.7").0);
        assert_eq!(peer("10.0.0.1").client(&forwarded), peer("10.0.0.1").0);
        assert_eq!(peer("127.0.0.1").client(&headers(&[("x-forwarded-for", "nonsense")])), peer("127.0.0.1").0);
    }

    #[test]
    fn pages_of_others_are_told_apart() {
        let host = ("host", "mail.example:8025");
        for (fields, own) in [
            (vec![host], true),
            (vec![host, ("origin", "http://mail.example:8025")], true),
            (vec![host, ("origin", "https://mail.example:8025"), ("sec-fetch-site", "same-origin")], true),
            (vec![host, ("origin", "http://evil.example")], false),
            (vec![host, ("origin", "null")], false),
            (vec![host, ("sec-fetch-site", "cross-site")], false),
            (vec![host, ("sec-fetch-site", "same-site")], false),
            (vec![("origin", "http://mail.example:8025")], false),
        ] {
            assert_eq!(is_own_page(&headers(&fields)), own, "{fields:?}");
        }
    }
}
