//! `admins`, `notify_after` and `webhooks`: who sees everything, and who is told what.

use std::time::Duration;

use serde::Serialize;

use super::secrets::{self, Sourced};
use super::section::{Item, Section};
use super::types::User;
use super::value;
use crate::notifier::is_signing_secret;

/// An account that fails for a shorter time is no incident: servers restart.
const MIN_NOTIFY_AFTER: Duration = Duration::from_secs(60);

const NOTIFY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The longest URL.
const MAX_URL: usize = 2048;

/// One URL that is told what happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Webhook {
    /// `https`, or `http`.
    pub url: String,
    /// Of what; at least one.
    pub events: Vec<WebhookEvent>,
    /// What its requests are signed with; `None`: with one that the service makes itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Sourced>,
}

/// What a webhook can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookEvent {
    /// A poll has brought messages.
    NewMail,
    /// An account fails.
    Failure,
    /// It works again.
    Recovery,
}

impl WebhookEvent {
    /// Every one, in the order in which they are written.
    pub const ALL: [Self; 3] = [Self::NewMail, Self::Failure, Self::Recovery];

    /// The name in the configuration and in requests.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NewMail => "new_mail",
            Self::Failure => "failure",
            Self::Recovery => "recovery",
        }
    }
}

/// `admins`: each must be a user.
pub(super) fn admins(root: &mut Section<'_>, users: Option<&[User]>) -> Vec<String> {
    let items = root.item("admins").and_then(|item| item.list()).unwrap_or_default();
    let known = |name: &str| users.is_none_or(|users| users.iter().any(|user| user.name == name));
    let admin = |name: &str| match known(name) {
        true => Ok(name.to_owned()),
        false => Err(format!("{name:?} is no user; write the name of one that stands under users")),
    };
    items.iter().filter_map(|item| item.value(admin)).collect()
}

/// `notify_after`: a duration or `never`.
pub(super) fn notify_after(root: &mut Section<'_>) -> Option<Duration> {
    root.value("notify_after", Some(NOTIFY_AFTER), |text| match text {
        "never" => Ok(None),
        _ => value::duration(MIN_NOTIFY_AFTER)(text).map(Some).map_err(|what| format!("{what}, or never")),
    })
}

/// `webhooks`.
pub(super) fn webhooks(root: &mut Section<'_>) -> Option<Vec<Webhook>> {
    let items = root.item("webhooks").and_then(|item| item.list()).unwrap_or_default();
    let expected = items.len();
    let read: Vec<Webhook> = items.into_iter().filter_map(|item| webhook(item.section()?)).collect();
    (read.len() == expected).then_some(read)
}

fn webhook(mut section: Section<'_>) -> Option<Webhook> {
    let url = section.required("url", "https://example.org/hook").and_then(|item| item.value(url));
    let events = match section.item("events") {
        Some(item) => events(&item),
        None => Some(WebhookEvent::ALL.to_vec()),
    };
    let secret = section.item("secret").map(|item| key(&item));
    section.finish();
    // One that cannot be read is no webhook without one.
    let secret = secret.map_or(Some(None), |read| read.map(Some))?;
    Some(Webhook { url: url?, events: events?, secret })
}

/// As standardwebhooks.com has it, `whsec_` and base64, or any other text as it stands.
fn key(item: &Item<'_>) -> Option<Sourced> {
    let read = secrets::read(item, false)?;
    if !is_signing_secret(read.secret.expose()) {
        item.problem("begins with whsec_, but what follows is no base64; write the whole key, or text of your own");
        return None;
    }
    Some(read)
}

fn events(item: &Item<'_>) -> Option<Vec<WebhookEvent>> {
    let items = item.list()?;
    if items.is_empty() {
        item.problem("is empty; write at least one of new_mail, failure, recovery, or leave it out for all");
        return None;
    }
    let event = |text: &str| {
        let found = WebhookEvent::ALL.into_iter().find(|event| event.label() == text);
        found.ok_or_else(|| format!("{text:?} is no event; write new_mail, failure or recovery"))
    };
    let expected = items.len();
    let mut read: Vec<WebhookEvent> = Vec::new();
    let mut good = 0;
    for event in items.iter().filter_map(|item| item.value(event)) {
        good += 1;
        if !read.contains(&event) {
            read.push(event);
        }
    }
    (good == expected).then_some(read)
}

fn url(text: &str) -> Result<String, String> {
    let instead = "write an absolute URL such as https://example.org/hook";
    if text.len() > MAX_URL {
        return Err(format!("has more than {MAX_URL} characters; {instead}"));
    }
    let url = reqwest::Url::parse(text).map_err(|error| format!("is no URL ({error}); {instead}"))?;
    // Nothing of it is repeated in any message: there may be a secret in it.
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a login in it, which would be shown; requests are signed instead (secret)".to_owned());
    }
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url.to_string()),
        _ => Err(format!("is neither http nor https; {instead}")),
    }
}
