//! What a probe has seen, in words.

use std::time::SystemTime;

use super::super::settings::{AccountSettings, Route};
use super::Verdict;
use crate::poll::{Error, PollResult};
use crate::pop3::{Capabilities, Expire, Listing};

/// Numbers of messages at which servers are known to cut their listings.
const WINDOWS: [usize; 5] = [200, 250, 256, 300, 1_000];

/// What was connected to, and how.
pub(super) fn target(account: &AccountSettings) -> String {
    let (host, port) = (&account.host, account.port);
    match &account.route {
        Route::Direct => format!("{host}:{port}"),
        Route::Socks5 { host: proxy, port: proxy_port, .. } => {
            format!("{host}:{port} by the proxy {proxy}:{proxy_port}")
        }
        Route::Tunnel(words) => format!("by the tunnel {}", words.first().map_or("", String::as_str)),
    }
}

/// Until when the certificate is good, and whether anyone looked.
pub(super) fn certificate(account: &AccountSettings, expiry: Option<SystemTime>) -> (Verdict, String) {
    let mut text = match expiry {
        Some(at) => format!("the certificate is valid until {}", humantime::format_rfc3339_seconds(at)),
        None => "the certificate does not say until when it is valid".to_owned(),
    };
    if account.insecure {
        text += "; any other would be taken as well: whoever sits between can read the password and all mail";
        return (Verdict::Note, text);
    }
    (Verdict::Ok, text)
}

/// The capabilities by their names.
pub(super) fn capabilities(capabilities: &Capabilities) -> String {
    let Capabilities { pipelining, uidl, top, resp_codes, auth_resp_code, utf8, lang, stls, user, .. } = *capabilities;
    let switches = [
        (user, "USER"),
        (stls, "STLS"),
        (uidl, "UIDL"),
        (top, "TOP"),
        (pipelining, "PIPELINING"),
        (resp_codes, "RESP-CODES"),
        (auth_resp_code, "AUTH-RESP-CODE"),
        (utf8, "UTF8"),
        (lang, "LANG"),
    ];
    let mut words: Vec<String> = switches.iter().filter(|(has, _)| *has).map(|(_, name)| (*name).to_owned()).collect();
    if !capabilities.sasl.is_empty() {
        let names: Vec<&str> = capabilities.sasl.iter().filter_map(|method| method.sasl_name()).collect();
        words.push(format!("SASL {}", names.join(" ")));
    }
    words.extend(capabilities.login_delay.map(|seconds| format!("LOGIN-DELAY {seconds}")));
    words.extend(capabilities.expire.map(|expire| match expire {
        Expire::Never => "EXPIRE NEVER".to_owned(),
        Expire::Days(days) => format!("EXPIRE {days}"),
    }));
    words.extend(capabilities.implementation.as_ref().map(|name| format!("IMPLEMENTATION {name}")));
    if words.is_empty() { "nothing that is known here".to_owned() } else { words.join(", ") }
}

/// What is in the maildrop, and whether its unique-ids are of use.
pub(super) fn listing(listing: &Listing) -> (Verdict, String) {
    let (count, octets) = (listing.len(), listing.octets());
    let with_id = listing.iter().filter(|item| item.unique_id.is_some()).count();
    let mut text = match count {
        0 => return (Verdict::Ok, "no messages".to_owned()),
        1 => format!("1 message, {octets} octets"),
        _ => format!("{count} messages, {octets} octets"),
    };
    let mut verdict = Verdict::Note;
    if !listing.has_unique_ids() {
        text += "; no unique-ids (no UIDL): messages are known by their content";
    } else if with_id < count {
        text += &format!("; {} without a unique-id of their own: known by their content", count - with_id);
    } else {
        text += ", each with a unique-id";
        verdict = Verdict::Ok;
    }
    if !listing.is_consistent() {
        text += "; STAT, UIDL and LIST do not agree";
        verdict = Verdict::Note;
    }
    if WINDOWS.contains(&count) {
        text += "; the server may show only so many at a time: it is polled until it has no more";
        verdict = Verdict::Note;
    }
    (verdict, text)
}

/// RFC 2449 section 6.7: how long the server keeps mail, where it does not keep it for ever.
pub(super) fn expiry_of_mail(expire: Expire) -> Option<String> {
    match expire {
        Expire::Never => None,
        Expire::Days(0) => {
            Some("the server keeps no mail once it was fetched, whatever leave_on_server says".to_owned())
        }
        Expire::Days(days) => {
            Some(format!("the server deletes mail by itself, after {days} days at the earliest; here it stays"))
        }
    }
}

/// The error, and what it means where its words do not say.
pub(super) fn failure(error: &Error) -> String {
    match error.result() {
        PollResult::Locked => {
            format!("{error} (locked: another session holds the maildrop, maybe that of a service that polls it now)")
        }
        PollResult::Throttled => format!("{error} (throttled: the server wants fewer logins; wait before the next)"),
        _ => error.to_string(),
    }
}
