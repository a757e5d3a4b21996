//! Framer, parser and session together, over a store in memory, in each state of a connection: nothing panics, every
//! octet that leaves is of a well-formed response, and however the input is cut the session comes to its end.
//!
//! The first octet chooses the state, the second the size of the cuts; the rest is what the client sends.
#![no_main]

mod response;

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use tributary::auth::{self, Password, UserSettings, Users};
use tributary::imap::{Deps, Metrics, Server, Settings};
use tributary::metrics::Registry;
use tributary::secret::Secret;
use tributary::store::Store;
use tributary::tls;

/// Inputs for one user, one after the other: to fill a mailbox for each would take most of the time. What came before the one
/// that fails is printed with it.
const TURNS: usize = 32;
/// Users of one store.
const USERS: u32 = 32;

/// Nobody's password; a hash that costs next to nothing, so that wrong passwords do neither.
const CHEAP_HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

const MESSAGE: &str = concat!(
    "From: \"Ann \\\"A\\\" X\" <ann@example.org>\r\nTo: g:a@b,c@d;\r\nSubject: =?utf-8?q?h=C3=A9?= \"x\"\r\n",
    "Message-ID: <1@x>\r\nIn-Reply-To: <0@x>\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\nMIME-Version: 1.0\r\n",
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n",
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n<b>h=C3=A9</b>=00\r\n--b\r\nContent-Type: image/png; name=\"p\"\r\n",
    "Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b\r\nContent-Type: text/plain\r\n",
    "Content-Transfer-Encoding: base64\r\n\r\n!broken!\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n",
    "Subject: inner\r\nReferences: <0@x>\r\n\r\ntext\r\n--b--\r\n",
);

struct World {
    server: Arc<Server>,
    user: u32,
    /// Inputs so far.
    served: u32,
    /// What this user has sent so far.
    turns: Vec<Vec<u8>>,
}

impl World {
    fn new() -> Self {
        let registry = Registry::new().expect("registry");
        let user = |name: String, password| UserSettings { name, password };
        let users = (0..USERS).map(|n| user(format!("u{n}"), Password::Plain(Secret::new("p"))));
        let decoy = user("nobody".to_owned(), Password::Hash(CHEAP_HASH.to_owned()));
        let users = auth::Settings { users: users.chain([decoy]).collect(), ..auth::Settings::default() };
        let deps = Deps {
            settings: Settings { append: 1 << 16, ..Settings::default() },
            store: Store::in_memory(Duration::from_secs(3600)).expect("store"),
            users: Arc::new(Users::new(users, &registry).expect("users")),
            tls: TLS.with(Arc::clone),
            metrics: Metrics::register(&registry).expect("metrics"),
            nudge: Arc::new(|_| {}),
        };
        Self { server: Server::new(deps), user: 0, served: 0, turns: Vec::new() }
    }
}

fn tls() -> Arc<rustls::ServerConfig> {
    let directory = tempfile::tempdir().expect("temporary directory");
    let settings = tls::Settings::SelfSigned { directory: directory.path().to_owned() };
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        WORLD.with(|world| {
            if let Ok(Some(world)) = world.try_borrow().as_deref() {
                world
                    .turns
                    .iter()
                    .for_each(|input| eprintln!("the same user sent: {:?}", input.escape_ascii().to_string()));
            }
        });
        before(panic);
    }));
    tls::load(&settings).expect("tls").config
}

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_all().build().expect("runtime");
    static TLS: Arc<rustls::ServerConfig> = tls();
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// What the client has said before the input begins.
fn prelude(state: u8, user: u32, is_new: bool) -> String {
    let login = format!("p LOGIN u{user} p\r\n");
    let size = MESSAGE.len();
    let mail = match is_new {
        true => format!("p APPEND INBOX (\\Seen x) {{{size}+}}\r\n{MESSAGE}\r\np APPEND INBOX {{3+}}\r\na\r\n\r\n"),
        false => String::new(),
    };
    let rest = match state % 8 {
        0 => return String::new(),
        1 => String::new(),
        2 => "p SELECT INBOX\r\n".to_owned(),
        3 => "p EXAMINE INBOX\r\n".to_owned(),
        4 => "p ENABLE QRESYNC\r\np SELECT INBOX\r\n".to_owned(),
        5 => "p ENABLE IMAP4rev2\r\np SELECT INBOX\r\n".to_owned(),
        6 => "p ENABLE UTF8=ACCEPT CONDSTORE\r\np SELECT INBOX\r\n".to_owned(),
        _ => "p SELECT INBOX\r\np IDLE\r\n".to_owned(),
    };
    format!("{login}{mail}{rest}")
}

fuzz_target!(|input: &[u8]| {
    let Some(([state, cut], wire)) = input.split_first_chunk() else { return };
    let (server, user, served, is_new) = WORLD.with_borrow_mut(|world| {
        if world.as_ref().is_none_or(|world| world.user == USERS) {
            *world = Some(World::new());
        }
        let world = world.as_mut().expect("a world");
        // The first of them may have been sent before a login: then the mailbox stays empty.
        let is_new = world.turns.is_empty();
        world.turns.push(input.to_vec());
        world.served += 1;
        (Arc::clone(&world.server), world.user, world.served, is_new)
    });
    // Of another address each: nobody is throttled for another's wrong passwords.
    let peer = SocketAddr::new(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + served)), 1);
    let output = RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let (client, service) = duplex(64 << 10);
            let (mut from, mut to) = tokio::io::split(client);
            let prelude = prelude(*state, user, is_new);
            let send = async {
                // The server may have said BYE before all is sent.
                let _ = to.write_all(prelude.as_bytes()).await;
                for piece in wire.chunks(usize::from(*cut).max(1)) {
                    if to.write_all(piece).await.is_err() {
                        return;
                    }
                    if *cut < 64 {
                        tokio::task::yield_now().await;
                    }
                }
                let _ = to.shutdown().await;
            };
            let receive = async {
                let mut output = Vec::new();
                let _ = from.read_to_end(&mut output).await;
                output
            };
            let session = server.serve_stream(service, peer, true, CancellationToken::new());
            tokio::join!(send, receive, session).1
        })
    });
    let has = |word: &[u8]| wire.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
    // What is sent compressed is another test's.
    if !has(b"COMPRESS") {
        let utf8 = has(b"ENABLE") || matches!(state % 8, 5 | 6);
        response::check(&output, utf8);
    }
    WORLD.with_borrow_mut(|world| {
        if let Some(world) = world.as_mut().filter(|world| world.turns.len() >= TURNS) {
            world.user += 1;
            world.turns.clear();
        }
    });
});
