//! What to do about an account that fails: the second half of every error that is shown. For who can look at the
//! configuration; letters to users have words of their own.

/// What to do, by how the last poll ended (the `result` label of `tributary_polls_total`) and its error in words.
/// `account` is `user/name`; every command that is named can be typed as it stands. Empty after a success.
pub(super) fn remedy(account: &str, result: &str, error: &str) -> String {
    let doctor = format!("tributary doctor {account}");
    let name = account.split_once('/').map_or(account, |(_, name)| name);
    match result {
        "" | "ok" => String::new(),
        _ if is_over_quota(error) => {
            "Delete mail you no longer need, or raise the user's quota in tributary.yaml. Nothing is lost: the mail \
             waits in the maildrop, and fetching goes on by itself once there is room."
                .to_owned()
        }
        "dns" => format!(
            "Check the server's name (pop3.host) for typing errors, and that this machine can look up names. \
             `{doctor}` shows what it finds."
        ),
        "connect" => format!(
            "Check that the server is up and that host and port are right; a firewall between here and there may be \
             in the way. `{doctor}` tries it step by step."
        ),
        "tls" if error.contains("expired") => format!(
            "The server's certificate has expired: its operator must renew it. Check this machine's clock too. \
             `{doctor}` shows the certificate."
        ),
        "tls" => format!(
            "Encryption could not be agreed on, or the certificate does not belong to this server. `{doctor}` shows \
             the certificate and the setting that fits; do not switch checking off before you know why."
        ),
        "auth" if error.contains("no credentials") || error.contains("token") => format!(
            "The login has run out or was never made. Run `tributary oauth {account}` and log in once in a browser."
        ),
        "auth" => format!(
            "Check user name and password of {name} in tributary.yaml: was the password changed, or does the \
             provider want an app password? `{doctor}` tries it. Polling goes slowly until then, so that the account \
             is not blocked."
        ),
        "locked" => "Another program holds the maildrop: close other mail programs that fetch from it by POP3, or let \
                     them ask less often. It is tried again by itself; a lock that a broken connection left goes away \
                     in ten minutes or so."
            .to_owned(),
        "throttled" => "The server wants fewer logins. Nothing need be done now; if it comes back, make poll_interval \
                        longer, and look for other programs that ask the same maildrop."
            .to_owned(),
        "timeout" => format!(
            "The server is too slow or cannot be reached. It is tried again by itself; if it stays, check network and \
             firewall, and `{doctor}`."
        ),
        "protocol" => format!(
            "The server breaks the rules of POP3 in a way that cannot be worked around. It is tried again by itself; \
             if it stays, `{doctor}` says what is wrong, for a report to the operator of the server."
        ),
        "store" => "Mail could not be written here: check that the disk has room and is writable (`df -h`, then \
                    `tributary check`). Nothing is lost: the mail is still in the maildrop."
            .to_owned(),
        _ => format!("`{doctor}` tries it step by step and says what to change."),
    }
}

/// Whether the words are those of a full quota.
pub(super) fn is_over_quota(error: &str) -> bool {
    error.contains("the quota of ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_has_a_remedy_of_its_own() {
        let failures = ["dns", "connect", "tls", "auth", "locked", "throttled", "protocol", "timeout", "store"];
        let all: std::collections::BTreeSet<_> =
            failures.iter().map(|result| remedy("ann/isp", result, "no")).collect();
        assert_eq!(all.len(), failures.len(), "no two are the same");
        assert!(all.iter().all(|text| text.ends_with('.') && text.matches('`').count() % 2 == 0), "{all:?}");
        assert_eq!(remedy("ann/isp", "ok", ""), "");
        assert_eq!(remedy("ann/isp", "", ""), "");
        assert!(remedy("ann/isp", "auth", "refused").contains("`tributary doctor ann/isp`"));
        assert!(remedy("ann/isp", "auth", "no credentials: the token").contains("`tributary oauth ann/isp`"));
        assert!(remedy("ann/isp", "tls", "no TLS: certificate expired").contains("renew"));
        assert!(remedy("ann/isp", "store", "the quota of ann is full: 1 GiB of 1 GiB").contains("raise"));
        assert!(remedy("ann/isp", "odd", "what").contains("doctor"));
    }
}
