//! `/live`: the sections of the page as server-sent events, each when it has changed.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;

use super::sessions::Session;
use super::site::{Site, Visitor};
use super::{page, viewer};

/// Streams in all, fewer than connections: pages that are left open starve neither metrics nor health checks.
const MOST: usize = 32;

/// Streams of one user: windows that are open.
const MOST_OF_USER: usize = 8;

/// Between two looks at what changed: a person sees no more, and a busy service changes all the time.
const PACE: Duration = Duration::from_secs(1);

/// Without a change: what only time changes is sent then, and a session that has ended is found.
const REST: Duration = Duration::from_secs(15);

/// Sections that a slow browser may be behind.
const AHEAD: usize = 8;

/// How many streams there are, by user.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<Mutex<HashMap<String, usize>>>);

/// A place among the streams; given back on drop.
struct Place {
    streams: Streams,
    user: String,
}

impl Streams {
    fn enter(&self, user: &str) -> Option<Place> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.values().sum::<usize>() >= MOST || all.get(user).is_some_and(|count| *count >= MOST_OF_USER) {
            return None;
        }
        *all.entry(user.to_owned()).or_default() += 1;
        Some(Place { streams: self.clone(), user: user.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.user);
            }
        }
    }
}

pub(super) async fn live(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    // A browser does not try again after 204 (HTML section 9.2.2), and so shows the page of who has logged out no more.
    let Some(session) = site.session(&headers) else { return StatusCode::NO_CONTENT.into_response() };
    let Some(place) = site.streams.enter(&session.user) else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let (sender, events) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let stopping = site.deps.stopping.clone();
        tokio::select! {
            () = session.ended.cancelled() => {}
            () = stopping.cancelled() => {}
            () = follow(&site, &session, sender) => {}
        }
        drop(place);
    });
    let stream = Sse::new(ReceiverStream::new(events)).keep_alive(KeepAlive::new().interval(REST));
    // nginx would keep what it has until its buffer is full.
    ([("x-accel-buffering", "no")], stream).into_response()
}

/// Sends what has changed until the browser goes or the session ends.
async fn follow(site: &Arc<Site>, session: &Session, sender: mpsc::Sender<Result<Event, Infallible>>) {
    let visitor = Visitor::Session(session.clone());
    let (mut accounts, mut events) = (site.deps.accounts.clone(), site.deps.events.subscribe());
    let mut devices = site.deps.operator.changes();
    let mut sent: HashMap<&'static str, String> = HashMap::new();
    while site.is_alive(session) {
        accounts.mark_unchanged();
        events.mark_unchanged();
        devices.mark_unchanged();
        // Anew each time: who is an administrator may change.
        let viewer = site.viewer(&visitor);
        let view = viewer::gather(&site.deps, &viewer).await;
        for section in page::sections(&viewer, &view, SystemTime::now()) {
            let html = section.html.into_string();
            if sent.get(section.id) == Some(&html) {
                continue;
            }
            if sender.send(Ok(Event::default().event(section.id).data(&html))).await.is_err() {
                return;
            }
            sent.insert(section.id, html);
        }
        sleep(PACE).await;
        tokio::select! {
            Ok(()) = accounts.changed() => {}
            Ok(()) = events.changed() => {}
            Ok(()) = devices.changed() => {}
            () = sender.closed() => return,
            () = sleep(REST) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_bounded_by_user_and_in_all() {
        let streams = Streams::default();
        let mut places: Vec<Place> = (0..MOST_OF_USER).filter_map(|_| streams.enter("ann")).collect();
        assert!(places.len() == MOST_OF_USER && streams.enter("ann").is_none());
        places.pop();
        places.extend(streams.enter("ann"));
        for n in places.len()..MOST {
            places.extend(streams.enter(&format!("u{n}")));
        }
        assert!(places.len() == MOST && streams.enter("last").is_none());
        drop(places);
        assert!(streams.0.lock().expect("lock").is_empty());
    }
}
