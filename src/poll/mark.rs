//! Tells whether what an account logs in with has changed, without keeping it.

use std::time::Duration;

use super::settings::{AccountSettings, Login};
use crate::secret::Secret;

/// Between two looks at a secret that was refused.
const LOOK: Duration = Duration::from_secs(30);
/// Likewise where a program has to be run for it.
const LOOK_BY_PROGRAM: Duration = Duration::from_secs(15 * 60);
/// A secret that keeps changing and keeps being refused is looked at ever more rarely, down to this.
pub(super) const MAX_LOOK: Duration = Duration::from_secs(3600);

/// How often it is worth looking whether a refused secret has changed. `None`: not at all. Access tokens change by
/// themselves, so that a new one says nothing.
pub(super) fn look_interval(login: &Login) -> Option<Duration> {
    match login {
        Login::Password(source) if source.runs_program() => Some(LOOK_BY_PROGRAM),
        Login::Password(_) => Some(LOOK),
        Login::Token(_) => None,
    }
}

/// Whether looking costs next to nothing.
pub(super) fn is_cheap(login: &Login) -> bool {
    match login {
        Login::Password(source) => !source.runs_program(),
        Login::Token(_) => true,
    }
}

/// The mark of what the account logs in with now; `None` when there is no secret to be had.
///
/// It is 16 bits of a hash, never 0. Who has read it from the store can rule out all but one in 65,536 guesses of a
/// password, which still leaves thousands for the server to refuse, whereas a longer mark would let a weak password be
/// found without asking any server. A change goes unseen once in 65,536 times; then the wait is as long as it was.
pub(super) async fn mark(settings: &AccountSettings) -> Option<u16> {
    let secret = match &settings.login {
        Login::Password(source) => {
            let source = source.clone();
            Some(tokio::task::spawn_blocking(move || source.fetch()).await.ok()?.ok()?)
        }
        Login::Token(_) => None,
    };
    Some(mark_of(settings, secret.as_ref()))
}

fn mark_of(settings: &AccountSettings, secret: Option<&Secret>) -> u16 {
    let mut hasher = blake3::Hasher::new();
    let method = settings.method.map(|method| format!("{method:?}")).unwrap_or_default();
    let port = settings.port.to_string();
    let secret = secret.map_or("", Secret::expose);
    for part in [settings.host.as_str(), &port, &settings.username, &method, secret] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let [low, high, ..] = *hasher.finalize().as_bytes();
    u16::from_le_bytes([low, high]).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::MailboxName;
    use crate::oauth::TokenSource;
    use crate::poll::{FirstPoll, LeaveOnServer, Route, Tls};
    use crate::pop3::Method;
    use crate::secret::SecretSource;

    fn settings(login: Login) -> AccountSettings {
        AccountSettings {
            id: "u/a".to_owned(),
            user: "u".to_owned(),
            name: "a".to_owned(),
            host: "pop.example".to_owned(),
            port: 995,
            tls: Tls::Implicit,
            username: "alice".to_owned(),
            login,
            method: None,
            route: Route::Direct,
            certificate_sha256: None,
            ca_file: None,
            insecure: false,
            poll_interval: Duration::from_secs(300),
            leave_on_server: LeaveOnServer::Forever,
            delete_larger_than: None,
            delete_dry_run: false,
            first_poll: FirstPoll::All,
            deliver_to: MailboxName::new("INBOX").expect("a name"),
            keyword: None,
            rules: crate::ingest::Rules::default(),
            merge: false,
            enabled: true,
            max_message_size: 1,
        }
    }

    fn password(text: &str) -> Login {
        Login::Password(SecretSource::fixed(Secret::new(text)))
    }

    #[tokio::test]
    async fn every_part_of_a_login_changes_the_mark() {
        let base = || settings(password("pw"));
        let first = mark(&base()).await;
        assert!(first.is_some_and(|mark| mark != 0));
        assert_eq!(mark(&base()).await, first);
        for other in [
            settings(password("pw2")),
            AccountSettings { host: "pop2.example".to_owned(), ..base() },
            AccountSettings { port: 110, ..base() },
            AccountSettings { username: "alicep".to_owned(), login: password("w"), ..base() },
            AccountSettings { method: Some(Method::Apop), ..base() },
        ] {
            assert_ne!(mark(&other).await, first, "{other:?}");
        }
        let none = settings(Login::Password(SecretSource::new(|| Err("no such file".to_owned()))));
        assert_eq!(mark(&none).await, None);
    }

    #[tokio::test]
    async fn tokens_change_by_themselves_and_programs_are_run_rarely() {
        let program = || SecretSource::program(|| Err("not to be run".to_owned()));
        let token = Login::Token(TokenSource::command(program()));
        assert!(look_interval(&token).is_none());
        assert!(mark(&settings(token)).await.is_some(), "without asking for one");
        let command = Login::Password(program());
        assert_eq!((look_interval(&command), is_cheap(&command)), (Some(LOOK_BY_PROGRAM), false));
        assert_eq!((look_interval(&password("x")), is_cheap(&password("x"))), (Some(LOOK), true));
    }
}
