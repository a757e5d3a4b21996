//! `tributary oauth`.

use std::io::{BufRead, Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use tokio::sync::mpsc;

use super::control::{Service, printable};
use super::poll as poll_command;
use crate::app::control::protocol::{Polled, Request};
use crate::oauth::{Grant, Options, Prompt, Settings, TokenSource, log_in};
use crate::poll::{self, Login};
use crate::{app, config};

/// The longest line that is taken from standard input; the login itself takes less.
const MAX_LINE: u64 = 16 * 1024;

/// How long the poll with the new login is waited for; it may fetch for hours.
const POLL: Duration = Duration::from_secs(10);

/// Logs in, keeps the login, renews it once to see that it lasts, and has a running service use it.
pub(super) fn run(file: &Path, account: &str) -> anyhow::Result<()> {
    let loaded = config::load(file)?;
    let settings = login_of(&app::poll_settings(&loaded.config), account)?;
    let service = Service::at(&loaded.config.data_dir, file);
    super::block_on(async move {
        let options = Options { pasted: Some(lines()?), ..Options::default() };
        let grant = log_in(&settings, options, &|prompt| print(&words(&prompt))).await?;
        print(&format!("{}: logged in, and kept in {}.\n", settings.account, settings.file.display()));
        print(&granted(&grant));
        let source = TokenSource::login(settings);
        let token = source.token(grant.renewable).await.context("the login was made, but does not work")?;
        print(&ends(token.expires, grant.renewable));
        print(&tell(&service, account));
        Ok(())
    })
}

/// Has the running service poll the account: after refused logins it would wait for hours. The login is good whatever
/// comes of this.
fn tell(service: &Service, account: &str) -> String {
    let request = Request::Poll { account: Some(account.to_owned()), dry_run: false, force: false };
    match service.ask_for::<Vec<Polled>>(&request, POLL) {
        Ok(Some(polled)) => polled.iter().map(|polled| printable(&poll_command::words(polled)) + "\n").collect(),
        Ok(None) => "The running service polls the account now.\n".to_owned(),
        Err(error) => format!("A service uses it from its next poll on; none was told now: {error}.\n"),
    }
}

/// The settings of the account's login; an account without one is told from one that is not there.
fn login_of(settings: &poll::Settings, account: &str) -> anyhow::Result<Settings> {
    let id = poll::find(settings.accounts.iter().map(|one| (one.id.as_str(), one.name.as_str())), account);
    if let Err(error @ poll::FindError::Ambiguous { .. }) = id {
        bail!(error);
    }
    let Some(found) = settings.accounts.iter().find(|found| id.as_ref() == Ok(&found.id)) else {
        let with_login =
            |account: &&poll::AccountSettings| matches!(account.login, Login::Token(TokenSource::Login(_)));
        let known: Vec<_> = settings.accounts.iter().filter(with_login).map(|account| account.id.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        bail!("no account {account}; accounts with `oauth2` in the configuration: {known}");
    };
    match &found.login {
        Login::Token(TokenSource::Login(tokens)) => Ok(tokens.settings().clone()),
        Login::Token(TokenSource::Command(_)) => bail!("{account} gets its tokens from its token_command"),
        Login::Password(_) => bail!("{account} logs in with a password; it has no `oauth2` in the configuration"),
    }
}

/// Lines of standard input. Ends with the process, which does not wait for it.
fn lines() -> anyhow::Result<mpsc::Receiver<String>> {
    let (sender, lines) = mpsc::channel(1);
    let read = move || {
        loop {
            let mut line = String::new();
            match std::io::stdin().lock().take(MAX_LINE).read_line(&mut line) {
                Ok(1..) if sender.blocking_send(line).is_ok() => {}
                _ => return,
            }
        }
    };
    std::thread::Builder::new().name("stdin".to_owned()).spawn(read).context("cannot start a thread")?;
    Ok(lines)
}

fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody reads it: the login itself goes on.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn words(prompt: &Prompt) -> String {
    match prompt {
        Prompt::Device { url, code, complete, expires_in } => {
            let minutes = expires_in.as_secs().div_ceil(60);
            let complete = complete.as_ref().map_or_else(String::new, |url| format!("or open {url}\n"));
            format!(
                "On any device, open {url}\nand type this code:\n\n    {code}\n\n{complete}\
                 The code is good for {minutes} minutes. Waiting for you ...\n"
            )
        }
        Prompt::Browser { url } => format!(
            "In a browser on this machine, open\n\n{url}\n\nand agree. If the browser is on another machine, it ends at a \
             page that it cannot show: paste the address of that page here.\nWaiting for you ...\n"
        ),
        Prompt::Note(note) => format!("Note: {note}.\n"),
    }
}

fn granted(grant: &Grant) -> String {
    let mut text = format!("Granted: {}\n", grant.scopes.join(" "));
    if !grant.missing.is_empty() {
        text += &format!("Not granted: {}; the server may refuse the token.\n", grant.missing.join(" "));
    }
    text
}

fn ends(expires: Option<SystemTime>, renewable: bool) -> String {
    let when = match expires {
        Some(at) => format!("ends at {}", humantime::format_rfc3339_seconds(at)),
        None => "ends when the provider says so".to_owned(),
    };
    if renewable {
        format!("The access token {when} and is renewed by itself; this was tried just now.\n")
    } else {
        format!("The access token {when}, and the provider gave nothing to renew it with: log in again then.\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_without_a_login_is_told_from_one_that_is_not_there() {
        let text =
            "users: [{ name: u, password: p, accounts: [{ name: a, pop3: { host: h, username: n, password: p } }] }]";
        let loaded = config::parse(text, Path::new("")).expect("config");
        let mut settings = app::poll_settings(&loaded.config);
        let words = |settings: &poll::Settings, account| login_of(settings, account).expect_err(account).to_string();
        assert!(words(&settings, "u/a").contains("with a password"));
        assert!(words(&settings, "u/b").contains("no account u/b; accounts with `oauth2` in the configuration: none"));
        let login = Settings {
            account: "u/a".to_owned(),
            username: "n".to_owned(),
            provider: crate::oauth::Provider::google(),
            client_id: "id".to_owned(),
            client_secret: None,
            flow: crate::oauth::Flow::Browser,
            file: "a.json".into(),
        };
        settings.accounts[0].login = Login::Token(TokenSource::login(login));
        for name in ["u/a", "a"] {
            assert_eq!(login_of(&settings, name).expect("login").client_id, "id");
        }
        assert!(words(&settings, "u/b").ends_with(": u/a"));
        let program = crate::secret::SecretSource::fixed(crate::secret::Secret::new("t"));
        settings.accounts[0].login = Login::Token(TokenSource::command(program));
        assert!(words(&settings, "u/a").contains("token_command"));
    }

    #[test]
    fn a_person_sees_where_to_go_and_what_to_type() {
        let device = Prompt::Device {
            url: "https://login.example/device".to_owned(),
            code: "ABCD-EFGH".to_owned(),
            complete: Some("https://login.example/device?code=ABCD-EFGH".to_owned()),
            expires_in: Duration::from_secs(900),
        };
        let text = words(&device);
        for part in ["https://login.example/device\n", "    ABCD-EFGH\n", "?code=ABCD-EFGH\n", "15 minutes"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let text = words(&Prompt::Browser { url: "https://login.example/auth?x".to_owned() });
        assert!(text.contains("\nhttps://login.example/auth?x\n"), "{text}");
    }

    #[test]
    fn the_end_says_what_was_granted_and_how_long() {
        let grant = Grant {
            scopes: vec!["a".to_owned(), "b".to_owned()],
            missing: vec!["c".to_owned()],
            expires: None,
            renewable: true,
        };
        assert!(granted(&grant).contains("Granted: a b\nNot granted: c;"));
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        assert!(ends(Some(at), true).contains("ends at 2027-01-15T08:00:00Z and is renewed"));
        assert!(ends(None, false).contains("log in again"));
    }
}
