//! What a failure means and what a person can do, in plain words.

/// By the `result` of the last poll: what is wrong, and what helps. `is_full`: the user's quota has no room.
pub(super) fn remedy(result: &str, is_full: bool) -> (&'static str, &'static str) {
    if is_full {
        return (
            "Your mailbox is full.",
            "Delete mail that you no longer need, and expunge it, or ask whoever runs Tributary for a larger quota. Mail \
             comes again as soon as there is room.",
        );
    }
    match result {
        "auth" => (
            "The server refuses the login.",
            "If you have changed the password of this account, tell whoever runs Tributary the new one; it is tried as soon \
             as it is in the configuration. If you have not, log in at your provider's web page: it may want a password for \
             mail programs (an app password), POP3 to be switched on, or new terms to be accepted.",
        ),
        "locked" => (
            "Another program holds the maildrop.",
            "Close other programs that fetch mail of this account by POP3, on all devices. If there is none, the server \
             forgets its lock by itself, mostly within half an hour; if it does not, ask your provider.",
        ),
        "dns" => (
            "The name of the server has no address.",
            "Check that the name is written as your provider gives it. If it is, and other accounts work, the provider's \
             name service has failed; if all accounts fail, so has the network of the machine that Tributary runs on.",
        ),
        "connect" => (
            "The server cannot be reached.",
            "Check at your provider whether the server is down or has moved. If several accounts fail, look at the network \
             or the firewall of the machine that Tributary runs on.",
        ),
        "tls" => (
            "No secure connection to the server can be made.",
            "The server's certificate may have expired or changed, or the name may not be the one in it. Ask your provider; \
             whoever runs Tributary sees with `tributary doctor` what the server shows. Mail is not fetched without a secure \
             connection, so that nobody can read it on the way.",
        ),
        "timeout" => (
            "The server does not answer in time.",
            "The server is overloaded, or something between it and Tributary swallows the connection. If it lasts, ask your \
             provider.",
        ),
        "throttled" => (
            "The server wants fewer logins.",
            "Let Tributary poll this account less often (poll_interval), and close other programs that fetch its mail.",
        ),
        "protocol" => (
            "The server does not keep to the protocol.",
            "Check that name and port are those of a POP3 server. If they are, send the reason above to your provider and to \
             whoever runs Tributary; `tributary doctor` shows more.",
        ),
        "store" => (
            "Tributary could not store what it fetched.",
            "Tell whoever runs Tributary: the disk may be full or broken.",
        ),
        _ => ("It could not be polled.", "Tell whoever runs Tributary; `tributary doctor` shows more."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_fail_has_words_of_its_own() {
        let results = ["dns", "connect", "tls", "auth", "locked", "throttled", "protocol", "timeout", "store", "new"];
        let mut words: Vec<_> = results.iter().map(|result| remedy(result, false)).collect();
        words.push(remedy("store", true));
        assert!(words.iter().all(|(what, help)| what.ends_with('.') && help.ends_with('.')));
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), results.len() + 1);
    }
}
