//! THREAD and UID THREAD.

use crate::harness::TestServer;
use crate::sort::letter;

#[tokio::test]
async fn both_algorithms_over_the_wire() {
    let server = TestServer::start().await;
    let mut c = server.selected("INBOX").await;
    assert_eq!(c.ok("THREAD REFERENCES UTF-8 ALL").await, ["* THREAD"]);
    for (day, id, references, subject) in [
        (1, "<a@x>", ("References", ""), "Plans"),
        (4, "<d@x>", ("References", "<a@x>\r\n <\"b\"@x>"), "Re: Plans"),
        (2, "<b@x>", ("In-Reply-To", "Your <a@x> of today <z@x>"), "Re: Plans"),
        (3, "<c@x>", ("References", "<a@x>"), "AW: Plans"),
        (5, "<e@x>", ("References", "<gone@x>"), "=?utf-8?q?Gr=C3=BC=C3=9Fe?="),
        (6, "<f@x>", ("References", "<gone@x>"), "Re: =?utf-8?q?GR=C3=9C=C3=9Fe?="),
        (7, "<f@x>", ("X", ""), "plans (fwd)"),
        (8, "no id", ("X", ""), ""),
    ] {
        let date = format!("{day} Mar 2024 10:00:00 +0000");
        let fields = [("Date", date.as_str()), ("Message-ID", id), references, ("Subject", subject)];
        c.append("INBOX", "", &letter(&fields)).await;
    }
    assert_eq!(c.ok("THREAD REFERENCES UTF-8 ALL").await, ["* THREAD (1 (3 2)(4)(7))((5)(6))(8)"]);
    assert_eq!(c.ok("THREAD ORDEREDSUBJECT UTF-8 ALL").await, ["* THREAD (1 (3)(2)(7))(4)(5 6)(8)"]);
    c.ok("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    c.ok("EXPUNGE").await;
    assert_eq!(c.ok("UID THREAD REFERENCES UTF-8 NOT SUBJECT aw").await, ["* THREAD ((3 2)(7))((5)(6))(8)"]);
    assert_eq!(c.ok("THREAD REFERENCES US-ASCII UID 2:4").await, ["* THREAD ((2 1)(3))"]);
    assert_eq!(c.ok("THREAD REFERENCES UTF-8 SUBJECT nowhere").await, ["* THREAD"]);
    c.expect("THREAD REFERENCES X-NONE ALL", "NO [BADCHARSET *] *").await;
    c.expect("THREAD REFS UTF-8 ALL", "BAD *").await;
}
