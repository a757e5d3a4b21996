//! What goes over the control socket: one line of JSON each way, then the connection ends.

use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http::{AccountView, DeviceView};
use crate::poll::{Mode, PollNowError, Report};
use crate::store;

/// Raised when an older program could misunderstand what is said.
pub(crate) const VERSION: u64 = 1;

/// What the service is asked or told. Accounts are named by `user/name`, or by `name` where that is unambiguous.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub(crate) enum Request {
    /// How every account is.
    Status,
    /// Poll one account, or all, and wait for the end of it.
    Poll {
        #[serde(default)]
        account: Option<String>,
        #[serde(default)]
        dry_run: bool,
        #[serde(default)]
        force: bool,
    },
    Pause {
        account: String,
    },
    Resume {
        account: String,
    },
    /// Make the deletions that are held, or only count them.
    ConfirmDeletes {
        account: String,
        #[serde(default)]
        count_only: bool,
    },
    /// Who is connected.
    Who,
    /// End the session of this number, or all sessions of this user.
    Kick {
        who: String,
    },
    /// What takes how much room.
    Stats,
    /// Check every invariant, and rebuild what can be rebuilt.
    Check {
        #[serde(default)]
        repair: bool,
    },
    /// Copy the store into this directory, named from the root.
    Backup {
        target: PathBuf,
    },
    /// Give unused room back to the disk.
    Compact,
}

/// How far the work on a request is; comes before its answer, as often as the service likes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// What is being done, in a word or two.
    pub(crate) phase: String,
    pub(crate) done: u64,
    /// 0 where it is not known.
    pub(crate) total: u64,
}

impl From<store::Progress> for Progress {
    fn from(progress: store::Progress) -> Self {
        Self { phase: progress.phase.to_owned(), done: progress.done, total: progress.total }
    }
}

/// What a line from the service says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Progress(Progress),
    Answer(Value),
}

/// The answer to `Status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// Of the service.
    pub(crate) version: String,
    pub(crate) accounts: Vec<AccountView>,
}

/// The answer to `Who`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Devices {
    pub(crate) devices: Vec<DeviceView>,
}

/// The answer to `Kick`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kicked {
    pub(crate) sessions: u64,
}

/// The answer to `Pause` and `Resume`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Switched {
    pub(crate) account: String,
    /// False: it was so already.
    pub(crate) changed: bool,
}

/// The answer to `ConfirmDeletes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) account: String,
    pub(crate) count: u64,
}

/// The answer to `Poll`, one for each account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Polled {
    pub(crate) account: String,
    pub(crate) dry_run: bool,
    /// `ok`, or how it failed; `None`: it was not polled.
    pub(crate) result: Option<String>,
    /// Why it failed or was not polled.
    pub(crate) error: Option<String>,
    /// Left out by the configuration, or by `pause`: no failure where all accounts were meant.
    pub(crate) at_rest: bool,
    /// Seconds until it is polled by itself, where it was not polled now.
    pub(crate) wait: Option<u64>,
    pub(crate) listed: u64,
    pub(crate) fetched: u64,
    pub(crate) duplicates: u64,
    pub(crate) adopted: u64,
    pub(crate) skipped: u64,
    pub(crate) deleted: u64,
    pub(crate) backlog: u64,
    pub(crate) deletes_pending: u64,
    pub(crate) deletes_held: u64,
}

impl Polled {
    pub(super) fn new(account: String, mode: Mode, outcome: Result<Report, PollNowError>) -> Self {
        let base = Self { account, dry_run: mode == Mode::DryRun, ..Self::default() };
        match outcome {
            Ok(report) => Self {
                result: Some(report.result.label().to_owned()),
                error: report.error,
                listed: report.listed,
                fetched: report.fetched,
                duplicates: report.duplicates,
                adopted: report.adopted,
                skipped: report.skipped,
                deleted: report.deleted,
                backlog: report.backlog,
                deletes_pending: report.deletes_pending,
                deletes_held: report.deletes_held,
                ..base
            },
            Err(error) => Self {
                error: Some(error.to_string()),
                at_rest: matches!(error, PollNowError::Paused | PollNowError::Disabled),
                wait: match error {
                    PollNowError::NotYet { until, .. } => {
                        Some(until.duration_since(SystemTime::now()).unwrap_or_default().as_secs())
                    }
                    _ => None,
                },
                ..base
            },
        }
    }
}

/// The line of a request.
pub(crate) fn request_line(request: &Request) -> serde_json::Result<Vec<u8>> {
    let mut value = serde_json::to_value(request)?;
    value["version"] = VERSION.into();
    line(&value)
}

/// Reads the line of a request.
pub(super) fn parse_request(line: &[u8]) -> Result<Request, String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| format!("this is no request: {error}"))?;
    check_version(&value)?;
    serde_json::from_value(value).map_err(|error| format!("this request is not understood: {error}"))
}

/// The line of an answer.
pub(super) fn answer_line(answer: Result<Value, String>) -> serde_json::Result<Vec<u8>> {
    match answer {
        Ok(answer) => line(&json!({ "version": VERSION, "answer": answer })),
        Err(error) => line(&json!({ "version": VERSION, "error": error })),
    }
}

/// The line of progress.
pub(super) fn progress_line(progress: &Progress) -> serde_json::Result<Vec<u8>> {
    line(&json!({ "version": VERSION, "progress": progress }))
}

/// Reads a line from the service; the error is the service's own, or says that it cannot be understood.
pub(crate) fn parse_reply(line: &[u8]) -> Result<Reply, String> {
    let mut value: Value = serde_json::from_slice(line).map_err(|error| format!("the answer is not JSON: {error}"))?;
    check_version(&value)?;
    if let Some(error) = value["error"].as_str() {
        return Err(error.to_owned());
    }
    if value["progress"].is_object() {
        let progress = serde_json::from_value(value["progress"].take());
        return progress.map(Reply::Progress).map_err(|error| format!("progress that is not understood: {error}"));
    }
    Ok(Reply::Answer(value["answer"].take()))
}

fn check_version(value: &Value) -> Result<(), String> {
    match value.get("version").and_then(Value::as_u64) {
        Some(VERSION) => Ok(()),
        Some(other) => Err(format!(
            "the service and the command are of different releases (control protocol {other}, not {VERSION}): restart \
             the service, or use its own program"
        )),
        None => Err("this is not the control protocol: there is no version in it".to_owned()),
    }
}

fn line(value: &Value) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_comes_over_as_it_was() {
        let account = || "alice/isp".to_owned();
        for request in [
            Request::Status,
            Request::Poll { account: None, dry_run: true, force: false },
            Request::Poll { account: Some(account()), dry_run: false, force: true },
            Request::Pause { account: account() },
            Request::Resume { account: account() },
            Request::ConfirmDeletes { account: account(), count_only: true },
            Request::Stats,
            Request::Check { repair: true },
            Request::Backup { target: "/backup/\u{e4}".into() },
            Request::Compact,
        ] {
            let line = request_line(&request).expect("a line");
            assert!(line.ends_with(b"\n") && line.iter().filter(|byte| **byte == b'\n').count() == 1);
            assert_eq!(parse_request(&line), Ok(request));
        }
    }

    #[test]
    fn what_is_no_request_is_told() {
        for (line, says) in [
            ("", "no request"),
            ("[]", "no version"),
            ("{}", "no version"),
            ("{\"version\":2,\"request\":\"status\"}", "different releases"),
            ("{\"version\":1,\"request\":\"stop\"}", "not understood"),
            ("{\"version\":1,\"request\":\"pause\"}", "not understood"),
            ("{\"version\":1,\"request\":\"pause\",\"account\":7}", "not understood"),
        ] {
            let error = parse_request(line.as_bytes()).expect_err(line);
            assert!(error.contains(says), "{line}: {error}");
        }
    }

    #[test]
    fn an_answer_is_an_answer_or_an_error() {
        let over = |answer| parse_reply(&answer_line(answer).expect("a line"));
        assert_eq!(over(Ok(json!({ "a": 1 }))), Ok(Reply::Answer(json!({ "a": 1 }))));
        assert_eq!(over(Err("no".to_owned())), Err("no".to_owned()));
        assert!(parse_reply(b"{\"answer\":1}").is_err());
        let progress = Progress { phase: "octets".to_owned(), done: 1, total: 2 };
        assert_eq!(parse_reply(&progress_line(&progress).expect("a line")), Ok(Reply::Progress(progress)));
    }
}
