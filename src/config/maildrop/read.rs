//! Reading the `pop3` section of an account: each key, and what does not go together.

use super::{AUTO, Credential, Pop3, Pop3Tls, Route, Socks5, Trust, oauth2};
use crate::config::section::{Item, Section};
use crate::config::yaml::Value;
use crate::config::{secrets, value};
use crate::pop3::Method;
use crate::tls;

/// The longest user name or password for a proxy (RFC 1929 section 2).
const MAX_SOCKS_WORD: usize = 255;

/// The whole section.
pub(in crate::config) fn read(mut section: Section<'_>) -> Option<Pop3> {
    let host = section.required("host", "pop.example.com").and_then(|item| item.value(value::host));
    let tls_item = section.item("tls");
    let tls = tls_item.as_ref().and_then(|item| item.value(protection)).unwrap_or(Pop3Tls::Implicit);
    let port = section.value("port", tls.default_port().into(), value::number(1..=u16::MAX.into()));
    let username = section.required("username", "alice@example.com").and_then(|item| item.value(username));
    let auth_item = section.item("auth");
    let auth = auth_item.as_ref().and_then(|item| item.value(method)).flatten();
    let (credential, proof) = credential(&mut section);
    if let (Some(item), Some(method)) = (&auth_item, auth) {
        check_method(item, method, proof, tls);
    }
    let trust = trust(&mut section, tls);
    let route = route(&mut section);
    if let (Some(item), Some(host)) = (&tls_item, &host) {
        warn_of_what_is_open(item, tls, host, &route, auth);
    }
    section.finish();
    let port = u16::try_from(port).ok()?;
    Some(Pop3 { host: host?, port, tls, username: username?, auth, credential: credential?, trust, route })
}

fn protection(text: &str) -> Result<Pop3Tls, String> {
    let named = Pop3Tls::NAMES.iter().find(|(name, _)| *name == text);
    named.map(|(_, tls)| *tls).ok_or_else(|| {
        let instead = "write implicit, starttls or none, or, for any certificate, insecure or insecure_starttls";
        format!("{text:?} is none of the ways; {instead}")
    })
}

/// It becomes part of a command line, so it must not end one.
fn username(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
        return Err("a user name has 1 to 255 characters and no control characters; write such a name".to_owned());
    }
    Ok(text.to_owned())
}

fn method(text: &str) -> Result<Option<Method>, String> {
    if text == AUTO {
        return Ok(None);
    }
    let named = Method::ALL.into_iter().find(|method| method.label() == text);
    named.map(Some).ok_or_else(|| {
        let names: Vec<&str> = Method::ALL.into_iter().map(Method::label).collect();
        format!("{text:?} is no method; write {AUTO}, {}", value::alternatives(&names))
    })
}

/// What the section gives to prove who logs in, right or wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    Password,
    Token,
    /// Nothing, or too much.
    Unclear,
}

/// Exactly one of the three; whatever is given is read, for what is wrong in it.
fn credential(section: &mut Section<'_>) -> (Option<Credential>, Proof) {
    let given = ["password", "oauth2", "token_command"].map(|key| section.item(key));
    let proof = match given.each_ref().map(Option::is_some) {
        [true, false, false] => Proof::Password,
        [false, true, false] | [false, false, true] => Proof::Token,
        _ => Proof::Unclear,
    };
    if let Some(second) = given.iter().flatten().nth(1) {
        second.problem("password, oauth2 and token_command exclude each other; write one of them");
    } else if given.iter().all(Option::is_none) {
        let example =
            "{ file: PATH }, or oauth2: { provider: ..., client_id: ... }, or token_command: [program, argument]";
        section.required("password", example);
    }
    let [password, oauth2, token_command] = given;
    let password = password.and_then(|item| secrets::read(&item, false)).map(Credential::Password);
    let oauth2 = oauth2.and_then(Item::section).and_then(oauth2::read).map(Credential::OAuth2);
    let token_command = token_command.and_then(|item| item.command()).map(Credential::TokenCommand);
    (password.or(oauth2).or(token_command), proof)
}

fn check_method(item: &Item<'_>, method: Method, proof: Proof, tls: Pop3Tls) {
    let name = method.label();
    if method.wants_token() && proof == Proof::Password {
        item.problem(format!(
            "{name} proves a token, and here is a password; write oauth2 or token_command in place of password, or auth: {AUTO}"
        ));
    }
    if !method.wants_token() && proof == Proof::Token {
        item.problem(format!("{name} proves a password, and here is a token; write {AUTO}, xoauth2 or oauthbearer"));
    }
    if let Some(without) = name.strip_suffix("-plus").filter(|_| tls == Pop3Tls::None) {
        item.problem(format!(
            "{name} is bound to TLS, and here is none; write tls: implicit or starttls, or {without}"
        ));
    }
}

fn trust(section: &mut Section<'_>, tls: Pop3Tls) -> Trust {
    let pin = section.item("certificate_sha256");
    let ca_file = section.item("ca_file");
    if let Some(given) = pin.as_ref().or(ca_file.as_ref()) {
        if tls == Pop3Tls::None {
            given.problem("there is no certificate without TLS; write tls: implicit or starttls, or leave this out");
        } else if tls.is_insecure() {
            given.problem(
                "an insecure connection checks no certificate; write tls: implicit or starttls, or leave this out",
            );
        }
    }
    if let (Some(pin), Some(_)) = (&pin, &ca_file) {
        pin.problem("certificate_sha256 and ca_file exclude each other; write one of them");
    }
    let read_pin = |text: &str| tls::parse_fingerprint(text).map_err(|e| format!("{e}; write it as in ab:cd:..."));
    if let Some(fingerprint) = pin.and_then(|item| item.value(read_pin)) {
        return Trust::Pin(fingerprint);
    }
    let Some(item) = ca_file else { return Trust::System };
    let Some(text) = item.text() else { return Trust::System };
    let path = item.cx.resolve(text);
    if let Err(e) = tls::root_store(&path) {
        item.problem(format!("{e}; write the path of a PEM file with the certificates to trust"));
    }
    Trust::CaFile(path)
}

fn route(section: &mut Section<'_>) -> Route {
    let proxy = section.item("socks5");
    let tunnel = section.item("tunnel");
    if let (Some(_), Some(tunnel)) = (&proxy, &tunnel) {
        tunnel.problem("socks5 and tunnel exclude each other; write one of them");
    }
    let proxy = proxy.and_then(socks5).map(Route::Socks5);
    let tunnel = tunnel.and_then(|item| item.command()).map(Route::Tunnel);
    proxy.or(tunnel).unwrap_or(Route::Direct)
}

/// `"host:port"`, or a mapping with the login that the proxy wants.
fn socks5(item: Item<'_>) -> Option<Socks5> {
    if let Value::Text(_) = item.node.value {
        let (host, port) = item.value(value::endpoint)?;
        return Some(Socks5 { host, port, login: None });
    }
    let mut section = item.section()?;
    let address = section.required("address", "\"127.0.0.1:1080\"").and_then(|item| item.value(value::endpoint));
    let username = section.item("username");
    let password = section.item("password");
    let login = match (username, password) {
        (None, None) => Some(None),
        (Some(username), Some(password)) => {
            let name = username.value(socks_username);
            let secret = secrets::read(&password, false);
            if secret.as_ref().is_some_and(|read| read.secret.expose().len() > MAX_SOCKS_WORD) {
                password.problem("longer than the 255 bytes that SOCKS5 takes; write a shorter one");
            }
            name.zip(secret).map(Some)
        }
        (Some(given), None) | (None, Some(given)) => {
            given.problem("username and password go together; write both or neither");
            None
        }
    };
    section.finish();
    let ((host, port), login) = address.zip(login)?;
    Some(Socks5 { host, port, login })
}

fn socks_username(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MAX_SOCKS_WORD {
        return Err("a user name for SOCKS5 has 1 to 255 bytes; write such a name".to_owned());
    }
    Ok(text.to_owned())
}

/// What works but lets others read along.
fn warn_of_what_is_open(item: &Item<'_>, tls: Pop3Tls, host: &str, route: &Route, auth: Option<Method>) {
    let warn = |what: &str| item.cx.warning(item.node.line, &item.path, what);
    if tls.is_insecure() {
        let (secure, what) =
            (if tls == Pop3Tls::Insecure { "implicit" } else { "starttls" }, "any certificate is taken");
        warn(&format!(
            "{what}, so that whoever sits between can read and change everything; write {secure} with certificate_sha256 or ca_file"
        ));
    }
    // The loopback of a proxy is not ours.
    let stays_here = match route {
        Route::Direct => value::is_loopback(host),
        Route::Socks5(_) => false,
        Route::Tunnel(_) => true,
    };
    let sends_secret = match auth {
        Some(method) => matches!(method, Method::User | Method::Plain | Method::Login) || method.wants_token(),
        None => true,
    };
    if tls == Pop3Tls::None && sends_secret && !stays_here {
        warn("the password crosses the network for everyone to read; write implicit or starttls, or a tunnel");
    }
}
