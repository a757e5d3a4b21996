//! Login with a code on another device (RFC 8628).

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tributary::oauth::{Flow, LoginError, Prompt};

use crate::provider::{Account, Answer, device_code, error, granted};

async fn account() -> Account {
    Account::new(Flow::Device).await
}

#[tokio::test]
async fn asks_at_the_interval_and_slower_when_told_until_the_person_agrees() {
    let account = account().await;
    account.provider.will("/device", [Answer::Say(200, device_code("verification_uri", 3, 900))]);
    let pending = || error(400, "authorization_pending");
    account.provider.will("/token", [pending(), error(400, "slow_down"), pending(), granted(1, 3600)]);
    let (result, waits, prompts) = account.log_in().await;
    let grant = result.unwrap();
    assert_eq!(grant.scopes, ["mail.read"]);
    assert_eq!((grant.missing, grant.renewable, grant.expires.is_some()), (Vec::new(), true, true));
    assert_eq!(waits, [3, 3, 8, 8]);
    let shown = Prompt::Device {
        url: "https://login.example/device".to_owned(),
        code: "ABCD-EFGH".to_owned(),
        complete: None,
        expires_in: Duration::from_secs(900),
    };
    assert_eq!(prompts, [shown]);
    let asked = &account.provider.asked("/device")[0];
    assert_eq!((asked["client_id"].as_str(), asked["scope"].as_str()), ("client-1", "mail.read offline_access"));
    let asked = &account.provider.asked("/token")[0];
    assert_eq!(asked["grant_type"], "urn:ietf:params:oauth:grant-type:device_code");
    assert_eq!((asked["device_code"].as_str(), asked["client_id"].as_str()), ("device-secret", "client-1"));
}

#[tokio::test]
async fn the_login_is_kept_for_its_owner_only() {
    let account = Account::logged_in(3600).await;
    let kept = account.kept();
    assert_eq!((kept["access_token"].as_str(), kept["refresh_token"].as_str()), (Some("access-1"), Some("refresh-1")));
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(account.settings.file.clone()), mode(account.directory())), (0o600, 0o700));
    assert_eq!(account.source().token(false).await.unwrap().secret.expose(), "access-1");
}

#[tokio::test]
async fn google_names_the_address_differently_and_may_give_no_interval() {
    let account = account().await;
    let code = device_code("verification_url", 0, 900).replace("\"interval\":0,", "");
    assert!(!code.contains("interval"), "{code}");
    let code = code.replacen('{', r#"{"verification_uri_complete":"https://login.example/device?c=ABCD","#, 1);
    account.provider.will("/device", [Answer::Say(200, code)]);
    account.provider.will("/token", [error(428, "authorization_pending"), error(403, "slow_down"), granted(1, 3600)]);
    let (result, waits, prompts) = account.log_in().await;
    result.unwrap();
    assert_eq!(waits, [5, 5, 10]);
    let Prompt::Device { url, complete, .. } = &prompts[0] else { panic!("{prompts:?}") };
    assert_eq!(url, "https://login.example/device");
    assert_eq!(complete.as_deref(), Some("https://login.example/device?c=ABCD"));
}

#[tokio::test]
async fn a_person_who_says_no_ends_it() {
    for code in ["access_denied", "authorization_declined"] {
        let account = account().await;
        account.provider.will("/device", [Answer::Say(200, device_code("verification_uri", 1, 900))]);
        account.provider.will("/token", [error(400, "authorization_pending"), error(400, code)]);
        let result = account.log_in().await.0;
        assert_eq!(result, Err(LoginError::Denied(format!("{code}: about {code}"))));
        assert!(!account.settings.file.exists());
    }
}

#[tokio::test]
async fn a_code_that_nobody_uses_expires_at_the_provider_or_here() {
    let account = account().await;
    account.provider.will("/device", [Answer::Say(200, device_code("verification_uri", 1, 900))]);
    account.provider.will("/token", [error(400, "authorization_pending"), error(400, "expired_token")]);
    assert_eq!(account.log_in().await.0, Err(LoginError::Expired));
    account.provider.will("/device", [Answer::Say(200, device_code("verification_uri", 1, 0))]);
    account.provider.will("/token", (0..1000).map(|_| error(400, "authorization_pending")));
    assert_eq!(account.log_in().await.0, Err(LoginError::Expired));
}

#[tokio::test]
async fn trouble_while_waiting_is_waited_out() {
    let account = account().await;
    account.provider.will("/device", [Answer::Say(200, device_code("verification_uri", 1, 900))]);
    account.provider.will("/token", [Answer::Page(503, "busy"), granted(1, 3600)]);
    let (result, waits, _) = account.log_in().await;
    result.unwrap();
    assert_eq!(waits, [1, 2], "backs off");
}

#[tokio::test]
async fn trouble_at_the_first_request_is_named() {
    let account = account().await;
    for (answer, words) in [
        (Answer::Page(503, "busy"), "503"),
        (Answer::Say(403, r#"{"error_code":"rate_limit_exceeded"}"#.to_owned()), "rate_limit_exceeded"),
        (Answer::Say(200, device_code("verification_uri", 301, 900)), "too seldom"),
        (Answer::Say(200, device_code("verification_uri", u64::MAX, u64::MAX)), "too seldom"),
    ] {
        account.provider.will("/device", [answer]);
        let Err(LoginError::Unavailable(reason)) = account.log_in().await.0 else { panic!("{words}") };
        assert!(reason.contains(words), "{reason}");
    }
    assert_eq!(account.provider.asked("/token").len(), 0);
}

#[tokio::test]
async fn the_longest_interval_that_is_taken_is_waited() {
    let account = account().await;
    account.provider.will("/device", [Answer::Say(200, device_code("verification_uri", 300, u64::MAX))]);
    account.provider.will("/token", [granted(1, 3600)]);
    let (result, waits, prompts) = account.log_in().await;
    result.unwrap();
    assert_eq!(waits, [300]);
    let Prompt::Device { expires_in, .. } = prompts[0] else { panic!("{prompts:?}") };
    assert_eq!(expires_in, Duration::from_secs(3600), "cut");
}

#[tokio::test]
async fn words_of_the_provider_cannot_steer_the_terminal() {
    let account = account().await;
    let code = device_code("verification_uri", 1, 900).replace("ABCD-EFGH", "A\\u001b[2JB\\n");
    account.provider.will("/device", [Answer::Say(200, code)]);
    account.provider.will("/token", [error(400, "access_denied")]);
    let prompts = account.log_in().await.2;
    let Prompt::Device { code, .. } = &prompts[0] else { panic!("{prompts:?}") };
    assert_eq!(code, "A [2JB ");
}
