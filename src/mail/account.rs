//! What clients see of an account: the mailbox and the keyword that are named after it.

use super::{DELIMITER, Keyword, MailboxName};

/// The level that the views of accounts are below.
const ACCOUNTS: &str = "Accounts";

/// The mailbox that shows the messages of INBOX which came from the account of this name; `None`: no mailbox can be called
/// that.
pub fn account_mailbox(account: &str) -> Option<MailboxName> {
    let name = format!("{ACCOUNTS}{DELIMITER}{account}");
    // A mailbox of its own, not one at another level.
    MailboxName::new(&name).ok().filter(|made| made.as_str() == name && !account.contains(DELIMITER))
}

/// The keyword of messages that came from the account of this name; `None`: it makes no atom.
pub fn account_keyword(account: &str) -> Option<Keyword> {
    Keyword::new(&format!("$Account_{account}"))
}

/// Whether a mailbox of this name would stand among the views.
pub fn is_among_accounts(name: &MailboxName) -> bool {
    name.as_str().strip_prefix(ACCOUNTS).is_some_and(|rest| rest.is_empty() || rest.starts_with(DELIMITER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_after_an_account() {
        for name in ["isp", "A.b_c-9", &"x".repeat(64)] {
            assert_eq!(account_mailbox(name).map(|m| m.to_string()), Some(format!("Accounts/{name}")));
            assert_eq!(account_keyword(name).map(|k| k.as_str().to_owned()), Some(format!("$Account_{name}")));
        }
        for name in ["", "a/b", "a/", "a\r\n"] {
            assert_eq!(account_mailbox(name), None, "{name:?}");
        }
        assert!(account_keyword("a b").is_none() && account_keyword("a*").is_none());
    }

    #[test]
    fn what_is_among_the_views() {
        let is = |name: &str| is_among_accounts(&MailboxName::new(name).expect(name));
        assert!(is("Accounts") && is("Accounts/isp") && is("Accounts/isp/x"));
        assert!(!is("accounts/isp") && !is("Accountsx") && !is("INBOX") && !is("x/Accounts"));
    }
}
