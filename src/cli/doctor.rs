//! `tributary doctor`.

use std::io::Write as _;
use std::path::Path;

use anyhow::bail;

use super::control::printable;
use crate::app;
use crate::config;
use crate::poll::{self, Probe, Setting, Verdict};

/// Probes one account or all, several at once, and prints what was found in the order of the configuration.
pub(super) fn run(file: &Path, account: Option<&str>) -> anyhow::Result<()> {
    let loaded = config::load(file)?;
    let mut settings = app::poll_settings(&loaded.config);
    let accounts: Vec<_> = settings.accounts.drain(..).filter(|one| is_meant(one, account)).collect();
    if accounts.is_empty() {
        match account {
            Some(name) => bail!("there is no account {name}; name one of the configuration as user/name"),
            None => bail!("the configuration has no accounts"),
        }
    }
    let probes = super::block_on(async { Ok(poll::probe_all(&accounts, &settings).await) })?;
    let text: Vec<String> = probes.iter().map(shown).collect();
    std::io::stdout().write_all(text.join("\n").as_bytes())?;
    match (probes.iter().filter(|probe| !probe.is_ok()).count(), probes.len()) {
        (0, _) => Ok(()),
        (_, 1) => bail!("the maildrop cannot be polled"),
        (failed, all) => bail!("{failed} of {all} maildrops cannot be polled"),
    }
}

fn is_meant(account: &poll::AccountSettings, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| account.id == wanted || account.name == wanted)
}

/// A line a step, then the settings as they are to be written.
fn shown(probe: &Probe) -> String {
    let mut text = format!("{}\n", probe.account);
    for step in &probe.steps {
        let mark = match step.verdict {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Failed => "FAIL",
        };
        text += &format!("  {mark:<4}  {:<8}  {}\n", step.name, printable(&step.text));
    }
    if probe.settings.is_empty() {
        return text;
    }
    text += "  settings to use:\n";
    let line = |setting: &Setting, indent| {
        let Setting { key, value, reason, .. } = setting;
        printable(&format!("{indent}{key}: {value}  # {reason}")) + "\n"
    };
    let (of_pop3, of_account): (Vec<_>, Vec<_>) = probe.settings.iter().partition(|setting| setting.of_pop3);
    text.extend(of_account.into_iter().map(|setting| line(setting, "    ")));
    if !of_pop3.is_empty() {
        text += "    pop3:\n";
        text.extend(of_pop3.into_iter().map(|setting| line(setting, "      ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::Step;

    #[test]
    fn what_was_found_is_a_line_each_and_settings_are_yaml() {
        let step = |name, verdict, text: &str| Step { name, verdict, text: text.to_owned() };
        let setting =
            |of_pop3, key, value: &str| Setting { of_pop3, key, value: value.to_owned(), reason: "why".to_owned() };
        let probe = Probe {
            account: "u/a".to_owned(),
            steps: vec![step("DNS", Verdict::Ok, "192.0.2.1"), step("listing", Verdict::Failed, "no\u{1b}[2J")],
            settings: vec![setting(true, "tls", "starttls"), setting(false, "poll_interval", "30m")],
        };
        let want = "u/a\n  ok    DNS       192.0.2.1\n  FAIL  listing   no?[2J\n  settings to use:\n    \
                    poll_interval: 30m  # why\n    pop3:\n      tls: starttls  # why\n";
        assert_eq!(shown(&probe), want);
        assert!(!shown(&Probe { settings: Vec::new(), ..probe }).contains("settings"));
    }
}
