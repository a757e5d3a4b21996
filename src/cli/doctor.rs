//! `tributary doctor`.

use std::path::Path;

use anyhow::bail;
use tokio::task::JoinSet;

use crate::app;
use crate::config;
use crate::poll::{self, Probe, Verdict};

/// Probes one account or all, several at once, and prints what was found in the order of the configuration.
pub(super) fn run(file: &Path, account: Option<&str>) -> anyhow::Result<()> {
    let loaded = config::load(file)?;
    let settings = app::poll_settings(&loaded.config);
    let chosen: Vec<_> = settings.accounts.iter().filter(|one| is_meant(one, account)).cloned().collect();
    if chosen.is_empty() {
        match account {
            Some(name) => bail!("no account {name}: name one of the configuration as user/name"),
            None => bail!("the configuration has no account"),
        }
    }
    let probes = super::block_on(async {
        let mut tasks = JoinSet::new();
        for (index, account) in chosen.into_iter().enumerate() {
            let settings = settings.clone();
            tasks.spawn(async move { (index, poll::probe(&account, &settings).await) });
        }
        let mut probes = tasks.join_all().await;
        probes.sort_by_key(|(index, _)| *index);
        Ok(probes)
    })?;
    let mut failed = 0;
    for (_, probe) in &probes {
        print!("{}", shown(probe));
        failed += usize::from(!probe.is_ok());
    }
    if failed > 0 {
        bail!("{failed} of {} maildrops cannot be polled", probes.len());
    }
    Ok(())
}

fn is_meant(account: &poll::AccountSettings, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| account.id == wanted || account.name == wanted)
}

fn shown(probe: &Probe) -> String {
    let mut text = format!("{}\n", probe.account);
    for step in &probe.steps {
        let mark = match step.verdict {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Failed => "FAIL",
        };
        text += &format!("  {mark:<5} {:<8} {}\n", step.name, step.text);
    }
    if !probe.settings.is_empty() {
        text += "  settings to use:\n";
        for line in &probe.settings {
            text += &format!("    {line}\n");
        }
    }
    text
}
