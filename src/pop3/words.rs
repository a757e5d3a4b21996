//! What servers without response codes say, in words (RFC 1939 leaves the text after `-ERR` free).
//!
//! A bad password must never pass for a lock: it would be tried again for ever. So the words of a bad password come
//! first, and what is not understood means nothing.

use super::RefusalKind;

/// Refused for what was sent to log in; nothing else in the text counts.
const DENIED: &[&str] = &[
    "invalid password",
    "incorrect password",
    "wrong password",
    "bad password",
    "password incorrect",
    "password is incorrect",
    "password is wrong",
    "password supplied",
    "password mismatch",
    "username or password",
    "user name or password",
    "user or password",
    "login or password",
    "bad login",
    "invalid login",
    "incorrect login",
    "login incorrect",
    "invalid credentials",
    "no such user",
    "logon failure",
];

/// Refused for how often.
const OFTEN: &[&str] = &[
    "too often",
    "too frequent",
    "too soon",
    "too fast",
    "too quick",
    "frequency",
    "frequently",
    "login limit",
    "rate limit",
    "limit exceeded",
    "limit reached",
    "connection limit",
    "minutes apart",
    "minutes between",
    "bandwidth",
];

/// Refused since another session has the maildrop.
const HELD: &[&str] = &[
    "another session",
    "another pop",
    "another client",
    "other session",
    "already logged in",
    "already open",
    "already active",
    "already in progress",
    "duplicate login",
    "being accessed",
    "maildrop busy",
    "maildrop is busy",
    "mailbox is busy",
];

/// Refused for now.
const LATER: &[&str] = &[
    "try later",
    "again later",
    "again in ",
    "retry later",
    "please wait",
    "wait a ",
    "unavailable",
    "not available",
    "busy",
    "overload",
    "maintenance",
    "maximum number of",
    "maximum connection",
    "quota",
    "shutting down",
    "simultaneous",
    "concurrent",
];

/// The server leaves.
const GOODBYE: &[&str] = &[
    "inactivity",
    "autologout",
    "auto-logout",
    "idle for too long",
    "idle too long",
    "shutting down",
    "closing connection",
    "logging out",
    "logging you out",
];

pub(super) fn is_goodbye(text: &str) -> bool {
    says(&text.to_ascii_lowercase(), GOODBYE)
}

/// What a refusal in these words asks for; [`RefusalKind::Credentials`] is never told from words.
pub(super) fn kind(text: &str) -> RefusalKind {
    let text = text.to_ascii_lowercase();
    if text.contains("too many") || text.contains("temporar") {
        // Also of bad passwords: what helps is silence.
        RefusalKind::Throttled
    } else if says(&text, DENIED) {
        RefusalKind::Other
    } else if says(&text, OFTEN) {
        RefusalKind::Throttled
    } else if says(&text, HELD) || is_in_use(&text) || is_locked(&text) {
        RefusalKind::Locked
    } else if says(&text, LATER) {
        RefusalKind::Throttled
    } else {
        RefusalKind::Other
    }
}

fn says(text: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| text.contains(phrase))
}

/// `in use` as words, and not of TLS.
fn is_in_use(text: &str) -> bool {
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    words.windows(2).any(|pair| pair == ["in", "use"]) && !words.iter().any(|word| matches!(*word, "tls" | "ssl"))
}

/// A word of locking, and not of a locked account, which is a matter for a person. A name in the text is none.
fn is_locked(text: &str) -> bool {
    let is_lock = |word: &str| matches!(word, "lock" | "locked" | "locks" | "locking" | "lockfile" | "lockbusy");
    let mut words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "@_-/".contains(c)));
    let locked_account = text.contains("account") || text.contains("locked out") || text.contains("user is locked");
    words.any(is_lock) && (!locked_account || says(text, &["mailbox", "maildrop", "mail drop", "pop lock"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_without_codes_are_understood() {
        for (text, want) in [
            // qpopper, Berkeley popper, Cyrus, GNU Mailutils, hMailServer, VPOP3, Dovecot.
            ("/var/mail/.u.pop lock busy!  Is another session active? (11)", RefusalKind::Locked),
            ("Unable to lock maildrop", RefusalKind::Locked),
            ("maildrop already locked", RefusalKind::Locked),
            ("Can't get lock.  Mailbox in use", RefusalKind::Locked),
            ("Your mailbox is already locked", RefusalKind::Locked),
            ("Mailbox Locked", RefusalKind::Locked),
            ("mailbox already in use by pid 12345", RefusalKind::Locked),
            ("Mailbox is locked by POP server.", RefusalKind::Locked),
            ("Couldn't open INBOX: Timeout while waiting for lock", RefusalKind::Locked),
            ("Account u: mailbox locked by another session", RefusalKind::Locked),
            ("duplicate login!", RefusalKind::Locked),
            // Hotmail, Cyrus, Exchange, Gordano, InterMail, Dovecot, Gmail, Yahoo.
            (
                "Exceeded the login limit for a 15 minute period. Reduce the frequency of requests",
                RefusalKind::Throttled,
            ),
            ("Login frequency exceeded", RefusalKind::Throttled),
            ("Logins must be at least 10 minutes apart", RefusalKind::Throttled),
            ("Server Unavailable. 21", RefusalKind::Throttled),
            ("Busy - please try later", RefusalKind::Throttled),
            ("mail storage services unavailable, wait a few minutes and try again", RefusalKind::Throttled),
            ("Temporary authentication failure.", RefusalKind::Throttled),
            ("Account exceeded command or bandwidth limits", RefusalKind::Throttled),
            ("Server error - Please try again later.", RefusalKind::Throttled),
            ("Too many logins", RefusalKind::Throttled),
            ("too many bad passwords, wait", RefusalKind::Throttled),
            ("Maximum number of connections from user+IP exceeded", RefusalKind::Throttled),
            ("Mailbox over quota", RefusalKind::Throttled),
        ] {
            assert_eq!(kind(text), want, "{text:?}");
        }
    }

    #[test]
    fn a_bad_password_never_passes_for_a_lock() {
        for text in [
            "invalid password",
            "Password supplied for \"lockhart\" is incorrect.",
            "Logon failure: unknown user name or bad password.",
            "(#MBR1212) Incorrect username or password.",
            "Invalid login; your mailbox will be locked after three failures, try again later",
            "authentication failed for lock@example.org",
            "Authentication failed.",
            "Authorization failed, try again",
            "Unable to log on",
            "no such user: busybee",
            "Your IP is blocked",
            "clock skew too great",
            "The account is locked, please contact support",
            "Your account has been locked out",
            "unlock your account at the web site",
            "TLS must be in use before PASS",
            "Basic authentication is disabled",
            "POP3 access is disabled for this account",
            "Application-specific password required",
            "",
        ] {
            assert_eq!(kind(text), RefusalKind::Other, "{text:?}");
        }
    }

    #[test]
    fn last_words_are_told_from_refusals() {
        for text in [
            "Disconnected for inactivity.",
            "Autologout; idle for too long",
            "POP server shutting down",
            "Idle too long, closing connection",
        ] {
            assert!(is_goodbye(text), "{text:?}");
        }
        for text in ["no such message", "timeout while reading message", "", "message 3 disconnected from its body"] {
            assert!(!is_goodbye(text), "{text:?}");
        }
    }
}
