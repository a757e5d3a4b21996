//! What webhooks are told. No subject, no address of a correspondent, no secret.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::Account;
use super::super::incident::{Incident, unix};
use crate::status::AccountStatus;

/// Of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Kind {
    NewMail,
    Failure,
    Recovery,
}

impl Kind {
    const fn label(self) -> &'static str {
        match self {
            Self::NewMail => "new_mail",
            Self::Failure => "failure",
            Self::Recovery => "recovery",
        }
    }

    /// It is kept over a restart. New mail is not: what was missed is in the mailbox.
    pub(super) const fn is_kept(self) -> bool {
        !matches!(self, Self::NewMail)
    }
}

/// One thing that webhooks are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Message {
    /// The same however often it is sent: receivers know by it what they have.
    pub(in super::super) id: String,
    pub(in super::super) kind: Kind,
    /// Messages of one account arrive in their order.
    pub(in super::super) account: String,
    /// JSON.
    pub(in super::super) body: String,
}

impl Message {
    pub(in super::super) fn new_mail(
        run: u64,
        event: u64,
        at: SystemTime,
        user: &str,
        account: &str,
        messages: u64,
    ) -> Self {
        let id = identifier(Kind::NewMail, account, &[run.to_be_bytes(), event.to_be_bytes()].concat());
        Self::made(id, Kind::NewMail, account, at, json!({ "user": user, "account": account, "messages": messages }))
    }

    pub(in super::super) fn failure(
        account: &Account,
        incident: Incident,
        status: &AccountStatus,
        result: &'static str,
    ) -> Self {
        let data = json!({
            "user": account.user,
            "account": account.id,
            "host": account.host,
            "since": rfc3339(incident.since),
            "failures": status.failures,
            "result": result,
            "error": status.last_error,
        });
        let at = status.last_attempt.unwrap_or_else(SystemTime::now);
        Self::made(of_incident(Kind::Failure, account, incident), Kind::Failure, &account.id, at, data)
    }

    pub(in super::super) fn recovery(
        account: &Account,
        incident: Incident,
        status: &AccountStatus,
        messages: u64,
    ) -> Self {
        let at = status.last_success.unwrap_or_else(SystemTime::now);
        let data = json!({
            "user": account.user,
            "account": account.id,
            "host": account.host,
            "since": rfc3339(incident.since),
            "seconds": unix(at).saturating_sub(incident.since).max(0),
            "messages": messages,
        });
        Self::made(of_incident(Kind::Recovery, account, incident), Kind::Recovery, &account.id, at, data)
    }

    fn made(id: String, kind: Kind, account: &str, at: SystemTime, data: Value) -> Self {
        let body = json!({ "type": kind.label(), "timestamp": rfc3339(unix(at)), "data": data }).to_string();
        Self { id, kind, account: account.to_owned(), body }
    }
}

fn of_incident(kind: Kind, account: &Account, incident: Incident) -> String {
    identifier(kind, &account.id, &incident.since.to_be_bytes())
}

fn identifier(kind: Kind, account: &str, rest: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(kind.label().as_bytes()).update(&[0]).update(account.as_bytes()).update(&[0]).update(rest);
    format!("msg_{}", hasher.finalize().to_hex().get(..32).unwrap_or_default())
}

fn rfc3339(unix: i64) -> String {
    jiff::Timestamp::from_second(unix).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn bodies_say_what_happened_and_no_more() {
        let account = Account::sample();
        let at = UNIX_EPOCH + Duration::from_secs(1_750_000_090);
        let status = AccountStatus {
            last_attempt: Some(at),
            last_success: Some(at),
            last_error: Some("no \"way\"".to_owned()),
            failures: 3,
            ..AccountStatus::default()
        };
        let incident = Incident { since: 1_750_000_000, letter: None, announced: false };
        let read = |message: &Message| serde_json::from_str::<Value>(&message.body).expect("JSON");
        let failure = Message::failure(&account, incident, &status, "connect");
        let want = json!({ "type": "failure", "timestamp": "2025-06-15T15:08:10Z", "data": {
            "user": "ann", "account": "ann/isp", "host": "pop.example", "since": "2025-06-15T15:06:40Z",
            "failures": 3, "result": "connect", "error": "no \"way\"" } });
        assert_eq!(read(&failure), want);
        let recovery = Message::recovery(&account, incident, &status, 12);
        let want = json!({ "type": "recovery", "timestamp": "2025-06-15T15:08:10Z", "data": {
            "user": "ann", "account": "ann/isp", "host": "pop.example", "since": "2025-06-15T15:06:40Z",
            "seconds": 90, "messages": 12 } });
        assert_eq!(read(&recovery), want);
        let new_mail = Message::new_mail(1, 2, at, "ann", "ann/isp", 5);
        let want = json!({ "type": "new_mail", "timestamp": "2025-06-15T15:08:10Z", "data": {
            "user": "ann", "account": "ann/isp", "messages": 5 } });
        assert_eq!(read(&new_mail), want);
        // Told again it has the same id; another has another.
        let ids = [&failure, &recovery, &new_mail].map(|message| message.id.clone());
        assert_eq!(Message::failure(&account, incident, &AccountStatus::default(), "auth").id, ids[0]);
        assert!(ids[0] != ids[1] && Message::new_mail(1, 3, at, "ann", "ann/isp", 5).id != ids[2]);
        assert_ne!(Message::failure(&account, Incident { since: 1, ..incident }, &status, "connect").id, ids[0]);
        assert!(ids.iter().all(|id| id.len() == 36 && id.starts_with("msg_")), "{ids:?}");
    }
}
