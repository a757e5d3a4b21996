//! The views of accounts that the configuration asks for: told to the store.

use super::wiring;
use crate::config::{Config, User};
use crate::mail::MailboxName;
use crate::store::{AccountView, Store};

/// Shows of each user those that the configuration has, and no others. A name that a mailbox of the user's own has stays
/// that mailbox's.
pub(super) async fn set(config: &Config, store: &Store) -> anyhow::Result<()> {
    for user in &config.users {
        let id = store.ensure_user(&user.name).await?;
        let mut views = Vec::new();
        for (account, name) in wanted(user) {
            views.push(AccountView { account: store.ensure_account(id, account).await?, name });
        }
        for taken in store.set_account_views(id, views).await? {
            tracing::warn!(
                user = user.name,
                mailbox = %taken,
                "a mailbox has the name of an account's view, which is not shown: rename the mailbox and reload the configuration"
            );
        }
    }
    Ok(())
}

/// The accounts that have views, polled or not, with the names of these.
fn wanted(user: &User) -> impl Iterator<Item = (&str, MailboxName)> {
    user.accounts.iter().filter_map(|account| Some((account.name.as_str(), wiring::view(user, account)?)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn views_are_of_accounts_that_deliver_to_inbox() {
        let account =
            |name: &str, rest: &str| format!("{{ name: {name}, pop3: {{ host: h, username: u, password: p }}{rest} }}");
        let accounts =
            [account("a", ""), account("b", ", deliver_to: inbox, enabled: false"), account("c", ", deliver_to: Old")];
        let of = |rest: &str| {
            let text = format!("users: [{{ name: u, password: p, accounts: [{}]{rest} }}]\n", accounts.join(", "));
            let config = crate::config::parse(&text, Path::new("")).expect("config").config;
            wanted(&config.users[0]).map(|(account, name)| format!("{account} {name}")).collect::<Vec<_>>()
        };
        assert_eq!(of(""), ["a Accounts/a", "b Accounts/b"]);
        assert_eq!(of(", account_mailboxes: false"), Vec::<String>::new());
    }
}
