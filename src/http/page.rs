//! `/` and `/api/status`.

use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::response::Html;
use serde::Serialize;

use super::Deps;
use super::view::{AccountView, relative, rfc3339};
use crate::status::AccountState;

/// `/api/status`.
#[derive(Serialize)]
pub(super) struct Status {
    version: &'static str,
    ready: bool,
    accounts: Vec<AccountView>,
}

fn status(deps: &Deps) -> Status {
    let accounts = deps.accounts.borrow().iter().map(|(id, status)| AccountView::of(id, status)).collect();
    Status { version: env!("CARGO_PKG_VERSION"), ready: deps.readiness.is_ready(), accounts }
}

pub(super) async fn json(State(deps): State<Arc<Deps>>) -> Json<Status> {
    Json(status(&deps))
}

pub(super) async fn html(State(deps): State<Arc<Deps>>) -> Html<String> {
    Html(render(&status(&deps), SystemTime::now()))
}

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta http-equiv=\"refresh\" content=\"10\">\n\
<title>Tributary</title>\n<style>\n\
:root { color-scheme: light dark }\n\
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }\n\
table { border-collapse: collapse; width: 100% }\n\
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8886 }\n\
td.n, th.n { text-align: right }\n\
.bad { font-weight: 600 }\n\
.error { font-size: .9em; opacity: .85 }\n\
</style>\n</head>\n<body>\n<h1>Tributary</h1>\n";

fn render(status: &Status, now: SystemTime) -> String {
    let mut page = String::from(HEAD);
    let ready = if status.ready { "ready" } else { "not ready" };
    let failing = status.accounts.iter().filter(|account| is_bad(account.state)).count();
    let count = status.accounts.len();
    let accounts = if count == 1 { "1 account".to_owned() } else { format!("{count} accounts") };
    let trouble = if failing == 0 { String::new() } else { format!(", {failing} in trouble") };
    // Writing to a String cannot fail.
    let _ = writeln!(page, "<p>Version {}, {ready}; {accounts}{trouble}.</p>", escape(status.version));
    if !status.accounts.is_empty() {
        page.push_str(
            "<table>\n<tr><th>Account<th>State<th>Last poll<th>Last success<th>Next poll<th class=\"n\">Upstream<th class=\"n\">To fetch</tr>\n",
        );
        status.accounts.iter().for_each(|account| row(&mut page, account, now));
        page.push_str("</table>\n");
    }
    page.push_str(
        "<p><a href=\"/api/status\">JSON</a> <a href=\"/metrics\">metrics</a> <a href=\"/readyz\">readiness</a></p>\n</body>\n</html>\n",
    );
    page
}

fn row(page: &mut String, account: &AccountView, now: SystemTime) {
    let class = if is_bad(account.state) { " class=\"bad\"" } else { "" };
    let note = |note: &String| format!("<div class=\"error\">{}</div>", escape(note));
    let notes: String = account.notes().iter().map(note).collect();
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let _ = writeln!(
        page,
        "<tr><td>{}<td{class}>{}{notes}<td>{}<td>{}<td>{}<td class=\"n\">{}<td class=\"n\">{}</tr>",
        escape(&account.account),
        account.words(),
        when(account.last_attempt, now),
        when(account.last_success, now),
        when(account.next_poll, now),
        number(account.listed),
        number(account.backlog),
    );
}

fn is_bad(state: AccountState) -> bool {
    matches!(state, AccountState::Backoff | AccountState::AuthFailed | AccountState::Locked)
}

/// `3 min ago` or `in 3 min`, with the exact time to hover for.
fn when(time: Option<SystemTime>, now: SystemTime) -> String {
    let Some(time) = time else { return "never".to_owned() };
    let words = relative(Some(time), now);
    format!("<span title=\"{}\">{words}</span>", rfc3339(time).unwrap_or_default())
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn says_what_is_wrong_in_words_and_escapes_it() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let account = AccountView {
            account: "alice/<isp>".to_owned(),
            state: AccountState::AuthFailed,
            polling: false,
            last_attempt: Some(now - Duration::from_secs(180)),
            last_success: None,
            next_poll: Some(now + Duration::from_secs(90)),
            last_error: Some("the server said \"no\" & closed".to_owned()),
            listed: Some(7),
            backlog: None,
            deletes_held: 60,
            confirm_with: Some("tributary confirm-deletes alice/<isp>".to_owned()),
            ..AccountView::default()
        };
        let page = render(&Status { version: "1", ready: true, accounts: vec![account] }, now);
        for needle in [
            "alice/&lt;isp&gt;",
            "login refused",
            "the server said &quot;no&quot; &amp; closed",
            ">60 deletions wait to be confirmed: tributary confirm-deletes alice/&lt;isp&gt;<",
            ">3 min ago<",
            ">in 90 s<",
            "<td>never<td>",
            "title=\"1970-01-12T13:43:40Z\"",
            "1 account, 1 in trouble",
        ] {
            assert!(page.contains(needle), "{needle} in {page}");
        }
    }
}
