use super::*;
use crate::auth::password::cheap;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));

fn settings() -> Settings {
    let user = |name: &str, password| UserSettings { name: name.to_owned(), password };
    Settings {
        users: vec![
            user("alice", Password::Hash(cheap("wonder"))),
            user("bob", Password::Plain(Secret::new("builder"))),
            user("empty", Password::Plain(Secret::new(""))),
        ],
        ..Settings::default()
    }
}

fn users(settings: Settings) -> Users {
    Users::new(settings, &Registry::new().expect("registry")).expect("users")
}

async fn ask(users: &Users, user: &str, password: &str) -> Result<String, Denied> {
    users.verify(user, &Secret::new(password), HERE).await.map(|user| user.name.clone())
}

#[tokio::test]
async fn tells_right_from_wrong() {
    let users = users(Settings {
        throttle: throttle::Settings { free_failures: 100, ..throttle::Settings::default() },
        ..settings()
    });
    for _ in 0..2 {
        assert_eq!(ask(&users, "alice", "wonder").await, Ok("alice".to_owned()));
        assert_eq!(ask(&users, "bob", "builder").await, Ok("bob".to_owned()));
    }
    for (user, password) in [
        ("alice", "Wonder"),
        ("alice", ""),
        ("Alice", "wonder"),
        ("alice ", "wonder"),
        ("bob", "wonder"),
        ("bob", ""),
        ("empty", ""),
        ("carol", "wonder"),
        ("", ""),
    ] {
        assert_eq!(ask(&users, user, password).await, Err(Denied::WrongCredentials), "{user} {password}");
    }
    assert_eq!(users.metrics.ok.get(), 4);
    assert_eq!(users.metrics.failed.get(), 9);
    assert_eq!(users.state().pending.len(), 0);
}

#[tokio::test]
async fn remembers_successes_bounded_and_for_a_time() {
    let mut settings = settings();
    settings.users =
        (0..4).map(|n| UserSettings { name: format!("u{n}"), password: Password::Plain(Secret::new("p")) }).collect();
    let full = Settings { cache_entries: 3, ..settings.clone() };
    let users_full = users(full);
    for n in 0..4 {
        assert!(ask(&users_full, &format!("u{n}"), "p").await.is_ok());
    }
    assert_eq!(users_full.state().cache.len(), 3);
    let first = users_full.key.digest("u0", &Secret::new("p"));
    let last = users_full.key.digest("u3", &Secret::new("p"));
    assert!(users_full.remembered(&first).is_none());
    assert!(users_full.remembered(&last).is_some());
    users_full.state().cache.values_mut().for_each(|(_, expires)| *expires = Instant::now());
    assert!(users_full.remembered(&last).is_none());

    let never = users(Settings { cache_time: Duration::ZERO, ..settings });
    assert!(ask(&never, "u0", "p").await.is_ok());
    assert!(never.state().cache.is_empty());
}

#[tokio::test(start_paused = true)]
async fn failures_delay_the_next_answer_of_that_address_right_or_wrong() {
    let users = users(settings());
    for n in 0..4 {
        assert!(ask(&users, "alice", &format!("guess {n}")).await.is_err());
    }
    let before = tokio::time::Instant::now();
    assert!(ask(&users, "alice", "wonder").await.is_ok());
    assert_eq!(before.elapsed().as_millis() / 100, 5);
    let elsewhere = IpAddr::from([192, 0, 2, 1]);
    let before = tokio::time::Instant::now();
    assert!(users.verify("alice", &Secret::new("wonder"), elsewhere).await.is_ok());
    assert!(before.elapsed() < Duration::from_millis(100));
}

#[tokio::test]
async fn queues_are_bounded() {
    let users = Arc::new(users(Settings { queue: 2, queue_per_address: 3, ..settings() }));
    let held: Vec<_> = (0..2).filter_map(|_| Arc::clone(&users.running).try_acquire_owned().ok()).collect();
    assert_eq!(held.len(), 2);
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let users = Arc::clone(&users);
            tokio::spawn(async move { ask(&users, "alice", "wonder").await })
        })
        .collect();
    while users.state().pending.get(&HERE) != Some(&3) {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&users, "alice", "wonder").await, Err(Denied::Busy), "one past the address's share");
    let elsewhere = IpAddr::from([192, 0, 2, 1]);
    let other = {
        let users = Arc::clone(&users);
        tokio::spawn(async move { users.verify("bob", &Secret::new("builder"), elsewhere).await.is_ok() })
    };
    while users.state().pending.len() != 2 {
        tokio::task::yield_now().await;
    }
    let refused = users.verify("bob", &Secret::new("builder"), IpAddr::from([192, 0, 2, 2])).await;
    assert_eq!(refused, Err(Denied::Busy), "one past the whole queue");
    drop(held);
    for task in waiting {
        assert_eq!(task.await.expect("task"), Ok("alice".to_owned()));
    }
    assert!(other.await.expect("task"));
    assert_eq!(users.metrics.busy.get(), 2);
    assert!(users.state().pending.is_empty());
}

/// A webmail logs in for many at once.
#[tokio::test]
async fn the_share_of_an_address_is_not_for_this_machine() {
    let users = Arc::new(users(Settings { queue: 9, queue_per_address: 1, ..settings() }));
    let here = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    let logins = (0..5).map(|_| {
        let users = Arc::clone(&users);
        tokio::spawn(async move { users.verify("alice", &Secret::new("wonder"), here).await.is_ok() })
    });
    for login in logins.collect::<Vec<_>>() {
        assert!(login.await.expect("task"));
    }
}

#[test]
fn refuses_a_hash_it_cannot_check() {
    let settings = Settings {
        users: vec![UserSettings { name: "x".to_owned(), password: Password::Hash("plain".to_owned()) }],
        ..Settings::default()
    };
    assert!(matches!(Users::new(settings, &Registry::new().expect("registry")), Err(Error::Hash { .. })));
}

#[test]
fn debug_shows_no_secret() {
    let text = format!("{:?} {:?}", settings(), users(settings()));
    assert!(!text.contains("builder"), "{text}");
}

#[tokio::test]
async fn other_users_count_at_once_whatever_is_remembered() {
    let users = users(settings());
    assert_eq!(ask(&users, "alice", "wonder").await, Ok("alice".to_owned()));
    assert_eq!(ask(&users, "bob", "builder").await, Ok("bob".to_owned()));
    let user = |name: &str, password: &str| UserSettings {
        name: name.to_owned(),
        password: Password::Plain(Secret::new(password)),
    };
    users.replace(Known::new(vec![user("bob", "builder"), user("carol", "p")]).expect("known"));
    assert_eq!(users.state().cache.len(), 1, "who is the same is still remembered");
    assert_eq!(ask(&users, "alice", "wonder").await, Err(Denied::WrongCredentials));
    assert_eq!(ask(&users, "carol", "p").await, Ok("carol".to_owned()));
    assert!(users.has("carol") && !users.has("alice"));
    users.replace(Known::new(vec![user("bob", "other")]).expect("known"));
    assert_eq!(users.state().cache.len(), 0);
    assert_eq!(ask(&users, "bob", "builder").await, Err(Denied::WrongCredentials));
    assert_eq!(ask(&users, "bob", "other").await, Ok("bob".to_owned()));
    // Back again, nothing that was remembered before counts.
    users.replace(Known::new(settings().users).expect("known"));
    assert_eq!(ask(&users, "bob", "other").await, Err(Denied::WrongCredentials));
    assert_eq!(ask(&users, "alice", "wonder").await, Ok("alice".to_owned()));
}

#[tokio::test]
async fn a_check_that_ends_after_its_users_is_made_again() {
    let users = Arc::new(users(settings()));
    // Both turns are held, so that the attempt stands before its check.
    let held = [users.running.clone().acquire_owned().await, users.running.clone().acquire_owned().await];
    let attempt = {
        let users = Arc::clone(&users);
        tokio::spawn(async move { ask(&users, "alice", "wonder").await })
    };
    tokio::task::yield_now().await;
    let old = users.known.load_full();
    users.replace(Known::new(Vec::new()).expect("known"));
    drop(held);
    assert_eq!(attempt.await.expect("ends"), Err(Denied::WrongCredentials));
    // What a check against the old users found is not remembered.
    let digest = users.key.digest("alice", &Secret::new("wonder"));
    assert!(users.conclude(&old, old.by_name.get("alice"), digest, HERE).is_none());
    assert_eq!(users.state().cache.len(), 0);
}
