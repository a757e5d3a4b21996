//! The new message of each minute, put together from small tables so that no two are alike.

use jiff::Timestamp;

use super::render::header_date;

const SENDERS: &[(&str, &str)] = &[
    ("Mara Quill", "mara@example.org"),
    ("Oskar Dahl", "oskar@example.com"),
    ("Ines Costa", "ines@example.org"),
    ("Petra Lang", "petra.lang@example.com"),
    ("Theo Brandt", "theo@example.com"),
    ("River Gauge 7", "gauge7@example.com"),
    ("=?utf-8?Q?J=C3=BCrgen_Wei=C3=9F?=", "juergen.weiss@example.org"),
];

const SUBJECTS: &[&str] = &[
    "The lock is open again",
    "Water level",
    "Lunch?",
    "=?utf-8?Q?Caf=C3=A9_at_four?=",
    "Found your hat",
    "Gauge reading",
    "=?iso-2022-jp?B?GyRCOiNGfCROJCpDTiRpJDsbKEI=?=",
    "Two seats left in the canoe",
    "Minutes of today",
];

const TEXTS: &[&str] = &[
    "The lock keeper waved us through at noon.",
    "The river stands a hand's breadth above the mark.",
    "A table by the window is free, shall I take it?",
    "It was under the bench, a little wet.",
    "Two paddles, one thermos, and nobody who wants to steer.",
    "Next reading in an hour, unless the heron sits on the sensor again.",
];

/// The n-th new message, sent at `now`, with CRLF line ends. Every fifth has an HTML part as well.
pub fn fresh(n: u64, now: Timestamp) -> Vec<u8> {
    let (name, address) = pick(SENDERS, n);
    // Strides that share no factor with one another make the combinations repeat late.
    let subject = pick(SUBJECTS, n.wrapping_mul(2));
    let text = pick(TEXTS, n.wrapping_mul(5));
    let date = header_date(now, 0);
    let number = n.wrapping_add(1);
    let seconds = now.as_second();
    let (kind, body) = if n % 5 == 4 { alternative(text) } else { plain(text) };
    format!(
        "Return-Path: <{address}>\r\n\
         Received: from mx1.example.net (mx1.example.net [192.0.2.1]) by pop.example.org with ESMTPS; {date}\r\n\
         Date: {date}\r\n\
         From: {name} <{address}>\r\n\
         To: Robin Vale <robin@example.org>\r\n\
         Subject: {subject} ({number})\r\n\
         Message-ID: <fresh.{seconds}.{number}@example.org>\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: {kind}\r\n\
         \r\n\
         {body}"
    )
    .into_bytes()
}

fn pick<T: Copy + Default>(table: &[T], n: u64) -> T {
    let at = usize::try_from(n % table.len().max(1) as u64).unwrap_or(0);
    table.get(at).copied().unwrap_or_default()
}

fn plain(text: &str) -> (&'static str, String) {
    ("text/plain; charset=us-ascii", format!("{text}\r\n"))
}

fn alternative(text: &str) -> (&'static str, String) {
    let body = format!(
        "--fresh\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{text}\r\n\
         --fresh\r\nContent-Type: text/html; charset=us-ascii\r\n\r\n<p><b>New:</b> {text}</p>\r\n--fresh--\r\n"
    );
    ("multipart/alternative; boundary=\"fresh\"", body)
}
