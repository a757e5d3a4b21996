//! What the status page, `/api/status` and `tributary status` show of an account: one view, so that they cannot disagree.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::status::{AccountState, AccountStatus, Device, Event, EventKind};

/// One account as an operator sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountView {
    /// `user/name`.
    pub account: String,
    /// How it is.
    #[serde(serialize_with = "label", deserialize_with = "from_label")]
    pub state: AccountState,
    /// A poll is running.
    pub polling: bool,
    /// When the last poll began.
    #[serde(serialize_with = "time", deserialize_with = "from_time")]
    pub last_attempt: Option<SystemTime>,
    /// When a poll last succeeded.
    #[serde(serialize_with = "time", deserialize_with = "from_time")]
    pub last_success: Option<SystemTime>,
    /// When the next poll is due.
    #[serde(serialize_with = "time", deserialize_with = "from_time")]
    pub next_poll: Option<SystemTime>,
    /// What went wrong last, in words; `None` after a success.
    pub last_error: Option<String>,
    /// Messages in the maildrop at the last listing.
    pub listed: Option<u64>,
    /// Of them, those not fetched yet.
    pub backlog: Option<u64>,
    /// Messages fetched since the start.
    pub fetched: u64,
    /// Of them, how many came in each half hour of the last day, oldest first.
    pub rate: Vec<u64>,
    /// How the last poll ended: the `result` label of `tributary_polls_total`.
    pub last_result: Option<String>,
    /// Polls that failed in a row.
    pub failures: u32,
    /// Messages still to be deleted upstream.
    pub deletes_pending: u64,
    /// Of them, those that wait to be confirmed.
    pub deletes_held: u64,
    /// Of them, those that only `delete_dry_run` keeps.
    pub deletes_dry_run: u64,
    /// How many of them are wanted for what: `never`, `age`, `expunged`, `larger`.
    pub deletes_for: BTreeMap<String, u64>,
    /// The command that confirms them, if there are any.
    pub confirm_with: Option<String>,
    /// Messages that could not be fetched whole.
    pub quarantined: u64,
    /// Messages that stay upstream because they are too long, the first few.
    pub too_large: Vec<TooLarge>,
    /// What the server calls itself, where it does.
    pub server: String,
    /// What the server does wrong, by name.
    pub faults: Vec<String>,
}

/// Who looks at the page, and what they may see and tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Viewer {
    /// The user who has logged in.
    pub(super) user: String,
    /// Sees and tells everything, not only what is theirs.
    pub(super) is_admin: bool,
    /// Goes with every form as the field `token`: a page of somebody else's cannot know it.
    pub(super) token: String,
}

/// All that a viewer may see; `/api/status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct StatusView {
    /// Of the service.
    pub(super) version: &'static str,
    /// Whether every component is.
    pub(super) ready: bool,
    /// The accounts, by id.
    pub(super) accounts: Vec<AccountView>,
    /// The sessions, by user and then by the time of their login.
    pub(super) devices: Vec<DeviceView>,
    /// By user, then by name.
    pub(super) mailboxes: Vec<MailboxView>,
    /// What happened lately, the newest first.
    pub(super) events: Vec<EventView>,
}

/// One session of a mail program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceView {
    /// Names it to disconnect it.
    pub id: u64,
    /// Who has logged in.
    pub user: String,
    /// What the mail program calls itself; may be empty.
    pub client: String,
    /// Where it connects from.
    pub address: String,
    /// The connection is encrypted.
    pub tls: bool,
    /// The selected mailbox.
    pub mailbox: Option<String>,
    /// When it logged in.
    #[serde(serialize_with = "time", deserialize_with = "from_time")]
    pub since: Option<SystemTime>,
    /// When its last command began or ended.
    #[serde(serialize_with = "time", deserialize_with = "from_time")]
    pub active: Option<SystemTime>,
    /// It waits for news.
    pub idle: bool,
}

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventView {
    /// Ascends.
    pub id: u64,
    /// When.
    #[serde(serialize_with = "time", deserialize_with = "from_time")]
    pub at: Option<SystemTime>,
    /// Whose affair it is; `None`: the administrators'.
    pub user: Option<String>,
    /// The account that it is about.
    pub account: Option<String>,
    /// What, for programs.
    pub event: String,
    /// Something is wrong.
    pub is_trouble: bool,
    /// What, in plain words.
    pub text: String,
}

impl DeviceView {
    /// What the page shows of a session.
    pub fn of(device: &Device) -> Self {
        Self {
            id: device.id,
            user: device.user.clone(),
            client: device.client.clone(),
            address: device.address.to_canonical().to_string(),
            tls: device.tls,
            mailbox: device.mailbox.clone(),
            since: Some(device.since),
            active: Some(device.active),
            idle: device.idle,
        }
    }
}

impl EventView {
    /// What the page shows of an event.
    pub fn of(event: &Event) -> Self {
        let (name, is_trouble, text) = match &event.kind {
            EventKind::NewMail { messages } => ("new_mail", false, count(*messages, "new message")),
            EventKind::PollFailed { error, .. } => ("poll_failed", true, error.clone()),
            EventKind::Recovered { failures } => {
                ("recovered", false, format!("works again after {}", count((*failures).into(), "failed poll")))
            }
            EventKind::UniqueIdsChanged { messages } => (
                "unique_ids_changed",
                false,
                format!("the server renamed {}; none was fetched again", count(*messages, "message")),
            ),
            EventKind::Quarantined { messages } => {
                ("quarantined", true, format!("{} could not be fetched whole", count(*messages, "message")))
            }
            EventKind::DeletesHeld { messages } => {
                ("deletes_held", true, format!("{} upstream wait to be confirmed", count(*messages, "deletion")))
            }
            EventKind::DeletesConfirmed { messages } => {
                ("deletes_confirmed", false, format!("{} upstream confirmed", count(*messages, "deletion")))
            }
            EventKind::Disconnected { client } => {
                let client = if client.is_empty() { "a mail program" } else { client };
                ("disconnected", false, format!("{client} was disconnected"))
            }
            EventKind::Paused => ("paused", false, "paused".to_owned()),
            EventKind::Resumed => ("resumed", false, "resumed".to_owned()),
            EventKind::Reloaded { changes } if changes.is_empty() => {
                ("reloaded", false, "configuration read again, nothing has changed".to_owned())
            }
            EventKind::Reloaded { changes } => {
                ("reloaded", false, format!("configuration read again: {}", changes.join(", ")))
            }
            EventKind::ReloadRefused { problems } => {
                ("reload_refused", true, format!("the configuration stays as it was: {}", problems.join("; ")))
            }
        };
        Self {
            id: event.id,
            at: Some(event.at),
            user: event.user.clone(),
            account: event.account.clone(),
            event: name.to_owned(),
            is_trouble,
            text,
        }
    }
}

/// What a mailbox holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MailboxView {
    /// Whose it is.
    pub user: String,
    /// Its name.
    pub mailbox: String,
    /// Messages in it.
    pub messages: u64,
    /// Of them, those without \Seen.
    pub unseen: u64,
    /// Octets of its messages, each copy counted.
    pub bytes: u64,
}

/// A message that stays upstream because it is too long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TooLarge {
    /// Its unique-id.
    pub unique_id: String,
    /// Octets, as listed.
    pub size: u64,
}

impl AccountView {
    /// The account's state for people.
    pub fn words(&self) -> &'static str {
        match self.state {
            _ if self.polling => "polling",
            AccountState::Ok if self.last_success.is_none() => "not polled yet",
            AccountState::Ok => "ok",
            AccountState::Backoff => "failing, will retry",
            AccountState::AuthFailed => "login refused",
            AccountState::Locked => "maildrop locked by another session",
            AccountState::Paused => "paused",
        }
    }

    /// What else a person should know, in plain words, a line each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        notes.extend(self.last_error.clone());
        if let Some(command) = &self.confirm_with {
            notes.push(format!("{} wait to be confirmed: {command}", count(self.deletes_held, "deletion")));
        }
        let pending = self.deletes_pending.saturating_sub(self.deletes_held + self.deletes_dry_run);
        if pending > 0 {
            notes.push(format!("{} still to be deleted upstream", count(pending, "message")));
        }
        if self.deletes_dry_run > 0 {
            notes.push(format!("{} kept upstream by delete_dry_run alone", count(self.deletes_dry_run, "message")));
        }
        if !self.deletes_for.is_empty() {
            let list: Vec<String> =
                self.deletes_for.iter().map(|(reason, count)| format!("{count} {}", because(reason))).collect();
            notes.push(format!("to be deleted upstream: {}", list.join(", ")));
        }
        if self.quarantined > 0 {
            notes.push(format!(
                "{} could not be fetched whole; what there was of it is in the mailbox, with a notice",
                count(self.quarantined, "message")
            ));
        }
        if !self.too_large.is_empty() {
            let list: Vec<String> = self.too_large.iter().map(ToString::to_string).collect();
            notes.push(format!("too long, left upstream: {}", list.join(", ")));
        }
        if !self.server.is_empty() {
            notes.push(format!("server: {}", self.server));
        }
        if !self.faults.is_empty() {
            notes.push(format!("the server has quirks: {}", self.faults.join(", ")));
        }
        notes
    }

    /// What the poller says of the account `id`.
    pub fn of(id: &str, status: &AccountStatus) -> Self {
        // During the first poll, which may take hours, the listing is what there is to see.
        let known = status.is_listed || status.listed > 0;
        Self {
            account: id.to_owned(),
            state: status.state,
            polling: status.polling,
            last_attempt: status.last_attempt,
            last_success: status.last_success,
            next_poll: status.next_poll,
            last_error: status.last_error.clone(),
            listed: known.then_some(status.listed),
            backlog: known.then_some(status.backlog),
            fetched: status.fetched,
            rate: status.rate.counts(SystemTime::now()),
            last_result: status.last_result.map(str::to_owned),
            failures: status.failures,
            deletes_pending: status.deletes_pending,
            deletes_held: status.deletes_held,
            deletes_dry_run: status.deletes_dry_run,
            deletes_for: status.deletes_for.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect(),
            confirm_with: (status.deletes_held > 0).then(|| format!("tributary confirm-deletes {id}")),
            quarantined: status.quarantined,
            too_large: status
                .too_large
                .iter()
                .map(|(id, size)| TooLarge { unique_id: id.clone(), size: *size })
                .collect(),
            server: status.server.clone(),
            faults: status.faults.iter().map(|fault| (*fault).to_owned()).collect(),
        }
    }
}

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} MiB)", self.unique_id, self.size.div_ceil(1 << 20))
    }
}

/// What a message is that the policy wants deleted upstream.
fn because(reason: &str) -> &str {
    match reason {
        "never" => "stored here",
        "age" => "stored here for as long as leave_on_server says",
        "expunged" => "expunged here",
        "larger" => "larger than delete_larger_than",
        other => other,
    }
}

fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// `3 min ago`, `in 3 min`, `now` or `never`.
pub fn relative(time: Option<SystemTime>, now: SystemTime) -> String {
    let Some(time) = time else { return "never".to_owned() };
    match time.duration_since(now) {
        Ok(ahead) if ahead < Duration::from_secs(1) => "now".to_owned(),
        Ok(ahead) => format!("in {}", roughly(ahead)),
        Err(behind) if behind.duration() < Duration::from_secs(1) => "now".to_owned(),
        Err(behind) => format!("{} ago", roughly(behind.duration())),
    }
}

fn roughly(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// RFC 3339, whole seconds, UTC.
pub(super) fn rfc3339(time: SystemTime) -> Option<String> {
    let timestamp = jiff::Timestamp::try_from(time).ok()?;
    Some(jiff::Timestamp::from_second(timestamp.as_second()).ok()?.to_string())
}

fn time<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    time.and_then(rfc3339).serialize(serializer)
}

fn label<S: Serializer>(state: &AccountState, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.label())
}

fn from_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let parse = |text: String| text.parse::<jiff::Timestamp>().map_err(serde::de::Error::custom);
    Ok(text.map(parse).transpose()?.map(SystemTime::from))
}

fn from_label<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AccountState, D::Error> {
    let label = String::deserialize(deserializer)?;
    let found = AccountState::ALL.into_iter().find(|state| state.label() == label);
    found.ok_or_else(|| serde::de::Error::custom(format!("no such state: {label}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let time = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let status = AccountStatus {
            state: AccountState::Locked,
            last_attempt: time(1_750_000_000),
            next_poll: time(1_750_000_900),
            last_error: Some("in use".to_owned()),
            deletes_pending: 63,
            deletes_held: 60,
            deletes_dry_run: 2,
            deletes_for: vec![("expunged", 62), ("larger", 1)],
            quarantined: 1,
            too_large: vec![("u1".to_owned(), 3 << 20), ("u2".to_owned(), 1)],
            faults: vec!["no_uidl", "short_listing"],
            ..AccountStatus::default()
        };
        let view = AccountView::of("alice/isp", &status);
        let json = serde_json::to_string(&view).expect("json");
        assert_eq!(serde_json::from_str::<AccountView>(&json).expect("view"), view);
        let older: AccountView = serde_json::from_str("{\"account\":\"a/b\",\"new\":1}").expect("another version");
        assert_eq!(older.account, "a/b");
        assert!(serde_json::from_str::<AccountView>("{\"state\":\"odd\"}").is_err());
        assert_eq!(
            view.notes(),
            [
                "in use",
                "60 deletions wait to be confirmed: tributary confirm-deletes alice/isp",
                "1 message still to be deleted upstream",
                "2 messages kept upstream by delete_dry_run alone",
                "to be deleted upstream: 62 expunged here, 1 larger than delete_larger_than",
                "1 message could not be fetched whole; what there was of it is in the mailbox, with a notice",
                "too long, left upstream: u1 (3 MiB), u2 (1 MiB)",
                "the server has quirks: no_uidl, short_listing",
            ]
        );
        assert!(AccountView::default().notes().is_empty());
    }
}
