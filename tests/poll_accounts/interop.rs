//! Real servers: `TRIBUTARY_POP3="host port user password"` names one with some mail in it, in the clear; with
//! `TRIBUTARY_POP3_STLS_PIN` set to its certificate's SHA-256, by STLS.

use tributary::poll::{AccountSettings, Tls};
use tributary::secret::Secret;

use super::support::*;

#[tokio::test]
#[ignore = "needs a server: set TRIBUTARY_POP3"]
async fn a_real_server_is_fetched_once_and_emptied() {
    let named = std::env::var("TRIBUTARY_POP3").unwrap();
    let [host, port, user, password] = named.split(' ').collect::<Vec<_>>()[..] else { panic!("{named}") };
    let pin = std::env::var("TRIBUTARY_POP3_STLS_PIN").ok();
    let keeping = AccountSettings {
        host: host.to_owned(),
        port: port.parse().unwrap(),
        username: user.to_owned(),
        password: Secret::new(password),
        tls: if pin.is_some() { Tls::StartTls } else { Tls::None },
        certificate_sha256: pin,
        ..account("a", "127.0.0.1:1".parse().unwrap())
    };
    let house = House::of(vec![keeping.clone()]).await;
    house.poll_ok("u/a").await;
    let second = house.poll_ok("u/a").await;
    println!("{second:?}");
    let count = house.subjects("a").await.len() as u64;
    assert_eq!((second.listed, second.fetched), (count, 0));
    assert!(count > 0);
    let house = house.restarted(vec![emptying(keeping.clone())]).await;
    house.poll_ok("u/a").await;
    let emptied = house.poll_ok("u/a").await;
    println!("{emptied:?}");
    assert_eq!((emptied.listed, emptied.fetched), (0, 0));
    assert_eq!(house.subjects("a").await.len() as u64, count);
    let wrong = AccountSettings { password: Secret::new("wrong"), ..keeping };
    let house = house.restarted(vec![wrong]).await;
    let refused = house.poll("u/a").await;
    println!("{refused:?}");
    assert_eq!(refused.result.label(), "auth");
    house.stop().await;
}
