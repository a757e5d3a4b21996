//! What clients are told of where mail comes from: the accounts of each user, as annotations that they may read (RFC 5464).

use std::collections::BTreeMap;

use crate::mail::{Keyword, MailboxName};
use crate::store::Annotations;

/// On a mailbox: the accounts that deliver there, or the one whose messages it shows.
const ACCOUNT: &str = "/shared/vendor/tributary/account";
/// On a mailbox: the keywords of messages from there.
const KEYWORD: &str = "/shared/vendor/tributary/account-keyword";
/// On the server: all accounts of the user.
const ALL: &str = "/shared/vendor/tributary/accounts";

/// A maildrop, as far as clients may know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name among the user's accounts: without spaces.
    pub name: String,
    /// Where its mail goes.
    pub deliver_to: MailboxName,
    /// The mailbox that shows its messages alone.
    pub view: Option<MailboxName>,
    /// What its messages are marked with.
    pub keyword: Option<Keyword>,
}

/// The accounts of each user, by the user's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts(BTreeMap<String, Vec<Account>>);

impl Accounts {
    /// Of a user without accounts nothing is kept.
    pub fn new(users: impl IntoIterator<Item = (String, Vec<Account>)>) -> Self {
        Self(users.into_iter().filter(|(_, accounts)| !accounts.is_empty()).collect())
    }

    /// Whether an entry says what the configuration does, so that no client sets it.
    pub(super) fn is_fixed(entry: &str) -> bool {
        [ACCOUNT, KEYWORD, ALL].contains(&entry)
    }

    /// Adds to the annotations of a mailbox, or of the server, what there is to say of the accounts.
    pub(super) fn annotate(&self, user: &str, mailbox: Option<&MailboxName>, annotations: &mut Annotations) {
        // What was set while there was nothing to be said is not taken for it.
        annotations.retain(|entry, _| !Self::is_fixed(entry));
        let accounts = self.0.get(user).map(Vec::as_slice).unwrap_or_default();
        let delivers =
            |account: &&Account| mailbox.is_none_or(|m| account.deliver_to == *m || account.view.as_ref() == Some(m));
        let here: Vec<&Account> = accounts.iter().filter(delivers).collect();
        let names: Vec<&str> = here.iter().map(|account| account.name.as_str()).collect();
        let keywords: Vec<&str> =
            here.iter().filter_map(|account| account.keyword.as_ref()).map(Keyword::as_str).collect();
        let (entry, keywords) = if mailbox.is_some() { (ACCOUNT, keywords) } else { (ALL, Vec::new()) };
        for (entry, words) in [(entry, names), (KEYWORD, keywords)] {
            if !words.is_empty() {
                annotations.insert(entry.to_owned(), words.join(" ").into_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{account_keyword, account_mailbox};

    fn told(accounts: &Accounts, user: &str, mailbox: Option<&str>) -> Vec<String> {
        let mut annotations =
            Annotations::from([(ACCOUNT.to_owned(), b"mine".to_vec()), ("/x".to_owned(), Vec::new())]);
        let mailbox = mailbox.map(|name| MailboxName::new(name).expect("a name"));
        accounts.annotate(user, mailbox.as_ref(), &mut annotations);
        assert!(annotations.remove("/x").is_some());
        let text = |value: Vec<u8>| String::from_utf8(value).expect("text");
        annotations.into_iter().map(|(entry, value)| format!("{entry}={}", text(value))).collect()
    }

    #[test]
    fn where_mail_comes_from() {
        let account = |name: &str, to: &str, has_keyword: bool| Account {
            name: name.to_owned(),
            deliver_to: MailboxName::new(to).expect("a name"),
            view: account_mailbox(name).filter(|_| to == "INBOX"),
            keyword: account_keyword(name).filter(|_| has_keyword),
        };
        let accounts = [account("a", "INBOX", true), account("b", "INBOX", false), account("c", "Old", true)];
        let accounts = Accounts::new([("u".to_owned(), accounts.to_vec()), ("v".to_owned(), Vec::new())]);
        let mailbox = |name, words: &str, keywords: &str| {
            let entries = [format!("{ACCOUNT}={words}"), format!("{KEYWORD}={keywords}")];
            let entries: Vec<String> = entries.into_iter().filter(|entry| !entry.ends_with('=')).collect();
            assert_eq!(told(&accounts, "u", Some(name)), entries, "{name}");
        };
        mailbox("INBOX", "a b", "$Account_a");
        mailbox("Accounts/a", "a", "$Account_a");
        mailbox("Accounts/b", "b", "");
        mailbox("Accounts/c", "", "");
        mailbox("Old", "c", "$Account_c");
        mailbox("Sent", "", "");
        assert_eq!(told(&accounts, "u", None), [format!("{ALL}=a b c")]);
        assert_eq!((told(&accounts, "v", None), told(&accounts, "w", Some("INBOX"))), (vec![], vec![]));
    }
}
