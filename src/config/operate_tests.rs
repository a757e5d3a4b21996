//! `admins`, `notify_after`, `webhooks` and `watch_config`.

use std::time::Duration;

use super::tests::{good, minimal, one_problem, problems};
use super::{Config, WebhookEvent};

fn with(line: &str) -> Config {
    good(&minimal(&format!("{line}\n")))
}

fn refused(line: &str) -> String {
    one_problem(&minimal(&format!("{line}\n")))
}

#[test]
fn what_is_left_out() {
    let config = with("");
    assert_eq!(config.admins, Vec::<String>::new());
    assert_eq!(config.notify_after, Some(Duration::from_secs(24 * 3600)));
    assert_eq!(config.webhooks, []);
    assert!(!config.watch_config);
}

#[test]
fn admins_are_users() {
    assert_eq!(with("admins: [alice]").admins, ["alice"]);
    let problem = refused("admins: [alice, bob]");
    assert!(
        problem.contains("admins[1]: \"bob\" is no user; write the name of one that stands under users"),
        "{problem}"
    );
    let problem = refused("admins: alice");
    assert!(problem.contains("admins: ") && problem.contains("where a list is expected"), "{problem}");
    // Where the users cannot be read, nothing is said of who is one of them.
    assert_eq!(problems("admins: [alice]\nusers: 7\n").len(), 1);
}

#[test]
fn incidents_are_told_after_a_minute_or_later_or_never() {
    assert_eq!(with("notify_after: 1m").notify_after, Some(Duration::from_secs(60)));
    assert_eq!(with("notify_after: 365d").notify_after, Some(Duration::from_secs(365 * 24 * 3600)));
    assert_eq!(with("notify_after: never").notify_after, None);
    for wrong in ["59s", "59999ms", "366d", "0", "soon", "off"] {
        let problem = refused(&format!("notify_after: {wrong}"));
        assert!(problem.contains("notify_after: ") && problem.ends_with(", or never"), "{problem}");
    }
}

#[test]
fn watching_is_on_or_off() {
    assert!(with("watch_config: true").watch_config && !with("watch_config: false").watch_config);
    let problem = refused("watch_config: yes");
    assert!(problem.contains("watch_config: \"yes\" is neither true nor false"), "{problem}");
}

#[test]
fn webhooks_are_read() {
    use WebhookEvent::{Failure, NewMail, Recovery};
    let config = with(
        "webhooks:\n  - url: https://example.org/hook?x=1\n  - url: http://127.0.0.1:9\n    events: [recovery, failure, recovery]\n    \
         secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    );
    let [all, some] = config.webhooks.as_slice() else { panic!("{:?}", config.webhooks) };
    assert_eq!(
        (all.url.as_str(), all.events.as_slice()),
        ("https://example.org/hook?x=1", &[NewMail, Failure, Recovery][..])
    );
    assert!(all.secret.is_none());
    assert_eq!((some.url.as_str(), some.events.as_slice()), ("http://127.0.0.1:9/", &[Recovery, Failure][..]));
    let secret = some.secret.as_ref().map(|secret| secret.secret.expose());
    assert_eq!(secret, Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    let own = with("webhooks: [{ url: \"http://h/\", secret: { command: [printf, any text] } }]");
    assert_eq!(own.webhooks[0].secret.as_ref().map(|secret| secret.secret.expose()), Some("any text"));
}

#[test]
fn what_is_no_webhook_is_refused() {
    for (webhook, needle) in [
        ("{ events: [failure] }", "webhooks[0].url: is required; write url: https://example.org/hook"),
        ("{ url: nowhere }", "webhooks[0].url: is no URL ("),
        ("{ url: \"ftp://example.org/\" }", "webhooks[0].url: is neither http nor https"),
        ("{ url: \"https://me:hunter2@example.org/\" }", "webhooks[0].url: has a login in it, which would be shown"),
        (
            "{ url: \"http://h/\", events: [] }",
            "webhooks[0].events: is empty; write at least one of new_mail, failure,",
        ),
        (
            "{ url: \"http://h/\", events: [mail] }",
            "webhooks[0].events[0]: \"mail\" is no event; write new_mail, failure",
        ),
        ("{ url: \"http://h/\", events: failure }", "webhooks[0].events: "),
        ("{ url: \"http://h/\", secret: whsec_hunter2 }", "webhooks[0].secret: begins with whsec_, but what follows"),
        ("{ url: \"http://h/\", secret: whsec_ }", "webhooks[0].secret: begins with whsec_"),
        ("{ url: \"http://h/\", secret: \"\" }", "webhooks[0].secret: "),
        (
            "{ url: \"http://h/\", secret: { file: /no/such/file } }",
            "webhooks[0].secret.file: cannot read /no/such/file",
        ),
        ("{ url: \"http://h/\", secret: { hash: x } }", "webhooks[0].secret.hash: "),
        ("{ url: \"http://h/\", sekret: x }", "webhooks[0].sekret: unknown key; write secret instead"),
        ("https://example.org/", "webhooks[0]: "),
    ] {
        let problem = refused(&format!("webhooks: [{webhook}]"));
        assert!(problem.contains(needle), "{problem}\n{needle}");
        assert!(!problem.contains("hunter2"), "{problem}");
    }
    assert_eq!(problems(&minimal("webhooks: [{ url: x }, { url: y }]\n")).len(), 2, "each is told");
}

#[test]
fn a_url_of_2048_characters_is_the_longest() {
    let url = |length: usize| format!("https://h/{}", "x".repeat(length - 10));
    assert_eq!(with(&format!("webhooks: [{{ url: \"{}\" }}]", url(2048))).webhooks[0].url.len(), 2048);
    let problem = refused(&format!("webhooks: [{{ url: \"{}\" }}]", url(2049)));
    assert!(problem.contains("webhooks[0].url: has more than 2048 characters"), "{problem}");
}

#[test]
fn the_effective_configuration_masks_the_secrets_of_webhooks() {
    let config = with(
        "admins: [alice]\nnotify_after: never\nwatch_config: true\nwebhooks: [{ url: \"http://h/\", events: [new_mail], secret: hunter2 }]",
    );
    let text = config.to_yaml().expect("yaml");
    assert!(!text.contains("hunter2") && text.contains("secret: '***'"), "{text}");
    assert!(text.contains("notify_after: never") && text.contains("- new_mail"), "{text}");
    let password = super::tests::HASH;
    let again =
        good(&text.replace("hash: '***'", &format!("hash: '{password}'")).replace("secret: '***'", "secret: hunter2"));
    assert_eq!(again, config);
}
