//! What every page must keep to, over a sample with everything in it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::http::view::{AccountView, DeviceView, EventView, MailboxView};
use crate::status::AccountState;

const HOSTILE: &str = "<script>alert('x')</script>\" onload=\"y";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
}

fn viewer(is_admin: bool) -> Viewer {
    Viewer { user: "ann".to_owned(), is_admin, token: "t0ken".to_owned() }
}

fn account(id: &str, state: AccountState, result: &str, error: &str) -> AccountView {
    AccountView {
        account: id.to_owned(),
        state,
        last_attempt: Some(now() - Duration::from_secs(200)),
        last_success: Some(now() - Duration::from_secs(90_000)),
        next_poll: Some(now() + Duration::from_secs(300)),
        last_result: Some(result.to_owned()),
        last_error: (!error.is_empty()).then(|| error.to_owned()),
        listed: Some(12),
        backlog: Some(3),
        fetched: 1_234,
        rate: vec![0, 3, 1, 0],
        ..AccountView::default()
    }
}

fn view() -> StatusView {
    let held = AccountView {
        deletes_pending: 63,
        deletes_held: 60,
        deletes_dry_run: 1,
        deletes_for: [("expunged".to_owned(), 63)].into(),
        confirm_with: Some("tributary confirm-deletes bob/held".to_owned()),
        quarantined: 2,
        too_large: vec![crate::http::TooLarge { unique_id: HOSTILE.to_owned(), size: 200 << 20 }],
        server: HOSTILE.to_owned(),
        faults: vec!["no_uidl".to_owned()],
        ..account("bob/held", AccountState::Ok, "ok", "")
    };
    StatusView {
        version: "1",
        ready: false,
        accounts: vec![
            account("ann/well", AccountState::Ok, "ok", ""),
            account("ann/refused", AccountState::AuthFailed, "auth", HOSTILE),
            account("bob/away", AccountState::Paused, "ok", ""),
            AccountView { polling: true, ..account("bob/busy", AccountState::Locked, "locked", "in use") },
            held,
        ],
        devices: vec![
            DeviceView {
                id: 7,
                user: "ann".to_owned(),
                client: HOSTILE.to_owned(),
                tls: true,
                idle: true,
                ..DeviceView::default()
            },
            DeviceView { id: 8, user: "bob".to_owned(), mailbox: Some(HOSTILE.to_owned()), ..DeviceView::default() },
        ],
        mailboxes: vec![
            MailboxView { user: "ann".to_owned(), mailbox: HOSTILE.to_owned(), messages: 2, unseen: 1, bytes: 4_000 },
            MailboxView { user: "ann".to_owned(), mailbox: "Empty".to_owned(), ..MailboxView::default() },
        ],
        events: vec![
            EventView {
                id: 2,
                at: Some(now()),
                account: Some("ann/refused".to_owned()),
                is_trouble: true,
                text: HOSTILE.to_owned(),
                ..EventView::default()
            },
            EventView { id: 1, at: Some(now()), text: "began".to_owned(), ..EventView::default() },
        ],
    }
}

fn page(is_admin: bool) -> String {
    let notice = Notice { is_error: true, text: HOSTILE.to_owned() };
    status(&viewer(is_admin), &view(), Some(&notice), now()).into_string()
}

/// The values of an attribute.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    html.match_indices(&start).filter_map(|(at, _)| html[at + start.len()..].split('"').next()).collect()
}

#[test]
fn nothing_of_others_is_markup_and_nothing_is_inline() {
    for html in [page(true), page(false), login(Some(HOSTILE)).into_string()] {
        assert!(!html.contains("<script>") && !html.contains("onload=\""), "{html}");
        assert!(!html.contains(" style=") && !html.contains("<style") && attributes(&html, "onclick").is_empty());
        assert!(html.contains("&lt;script&gt;"));
        for url in
            attributes(&html, "src").into_iter().chain(attributes(&html, "href")).chain(attributes(&html, "action"))
        {
            assert!(url.starts_with('/') || url.starts_with('#'), "{url} is of another place");
        }
    }
}

#[test]
fn ids_are_unique_and_what_refers_to_one_finds_it() {
    let html = page(true);
    let ids = attributes(&html, "id");
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    let named = ["for", "aria-labelledby", "aria-describedby"].into_iter().flat_map(|name| attributes(&html, name));
    for id in named.flat_map(str::split_whitespace) {
        assert!(unique.contains(id), "{id}");
    }
    for section in sections(&viewer(true), &view(), now()) {
        assert!(section.html.into_string().contains(&format!(" id=\"{}\"", section.id)), "{}", section.id);
    }
}

#[test]
fn every_form_has_the_token_and_goes_where_it_should() {
    let html = page(true);
    let forms = html.matches("<form").count();
    assert_eq!(html.matches("name=\"token\" value=\"t0ken\"").count(), forms);
    let actions = attributes(&html, "action");
    for path in [
        "/logout",
        "/accounts/ann/well/poll",
        "/accounts/ann/well/pause",
        "/accounts/bob/away/resume",
        "/devices/7/disconnect",
    ] {
        assert!(actions.contains(&path), "{path}: {actions:?}");
    }
    assert!(!actions.contains(&"/accounts/bob/away/poll"), "who is paused is resumed first");
    let odd = StatusView { accounts: vec![account("a?b/c#d", AccountState::Ok, "ok", "")], ..StatusView::default() };
    let html = status(&viewer(true), &odd, None, now()).into_string();
    assert!(html.contains("action=\"/accounts/a%3Fb/c%23d/poll\""), "{html}");
}

#[test]
fn trouble_comes_first_with_its_reason_and_what_to_do() {
    let html = page(true);
    let place = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text}: {html}"));
    assert!(html.contains("3 of 5 accounts need attention"));
    assert!(place("account-ann-refused") < place("account-ann-well"));
    assert!(place("account-bob-busy") < place("account-bob-away"));
    for text in [
        "Login refused",
        "<code>tributary doctor ann/refused</code>",
        "Maildrop in use elsewhere",
        "polling now",
        "<code>tributary confirm-deletes bob/held</code>",
        "60 deletions upstream wait for your word.",
    ] {
        place(text);
    }
}

#[test]
fn users_see_nothing_that_is_for_administrators() {
    let html = page(false);
    assert!(!html.contains("class=\"badge\"") && !html.contains("data-label=\"User\"") && !html.contains("user-bob"));
    let html = page(true);
    assert!(html.contains("class=\"badge\"") && html.contains("data-label=\"User\"") && html.contains("user-bob"));
}

#[test]
fn an_empty_service_says_how_to_begin() {
    let html = status(&viewer(false), &StatusView { ready: true, ..StatusView::default() }, None, now()).into_string();
    for text in [
        "No account is set up yet",
        "No mail program is connected.",
        "No message is stored yet.",
        "Nothing has happened",
    ] {
        assert!(html.contains(text), "{text}");
    }
}

#[test]
fn all_of_it_is_small() {
    let size: usize = ["style.css", "script.js", "icon.svg"]
        .iter()
        .map(|name| {
            std::fs::metadata(format!("{}/src/http/page/assets/{name}", env!("CARGO_MANIFEST_DIR")))
                .expect("file")
                .len() as usize
        })
        .sum();
    assert!(size < 40_000, "{size} octets");
}
