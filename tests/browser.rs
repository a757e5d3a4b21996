//! The status page as a person meets it, in headless Chromium: live, by mouse, by keyboard, without script, at every width
//! and in both colour schemes. The pictures are in target/screenshots.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::net::TcpListener;

use serde_json::json;
use support::config::Account;
use support::maildrop::maildrop;
use support::server::Server;
use support::{config, have, scratch, script};
use tokio::runtime::Runtime;

#[test]
fn the_status_page_works_for_everybody() {
    if !have(&["chromium", "node"])
        || !script::have_node_module("playwright-core")
        || !script::have_node_module("axe-core")
    {
        return;
    }
    let (dir, runtime) = (scratch(), Runtime::new().unwrap());
    let (isp, work) = (maildrop(&runtime, 30), maildrop(&runtime, 2));
    let accounts = [
        Account::new("isp", isp.address(), "up"),
        Account { poll_interval: "1h", ..Account::new("work", work.address(), "up") },
        Account { poll_interval: "1h", username: "nobody".to_owned(), ..Account::new("old", work.address(), "up") },
    ];
    let yaml = config::yaml(dir.path(), &accounts) + "admins: [robin]\n";
    let server = Server::start(dir.path(), &yaml);
    server.wait_for_polls(&["isp", "work"], 1);
    let trigger = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = |address: std::net::SocketAddr| json!({ "host": address.ip().to_string(), "port": address.port() });
    let told = json!({
        "url": format!("http://{}/", server.address("http")),
        "chromium": support::program("chromium").unwrap(),
        "user": config::USER,
        "password": config::PASSWORD,
        "account": "isp",
        "other": "work",
        "failing": "old",
        "imap": address(server.address("imap")),
        "deliver": address(trigger.local_addr().unwrap()),
        "screenshots": script::target().join("screenshots"),
    });
    std::thread::spawn(move || {
        for (n, _) in trigger.incoming().enumerate() {
            isp.deliver(&format!("new{n}"), b"Subject: new\r\n\r\nhello\r\n".to_vec());
        }
    });
    let printed = script::run("node/browser_tour.cjs", &told);
    for seen in [
        "logged in after a wrong password",
        "a poll changed the page",
        "polled now",
        "paused and resumed",
        "the trouble is said, with a remedy",
        "a device came and was disconnected",
        "the reader's place stays",
        "every size and scheme",
        "by keyboard alone",
        "without script",
        "logged out",
    ] {
        assert!(printed.lines().any(|line| line == seen), "{seen}: {printed}");
    }
    assert!(server.stop().success());
}
