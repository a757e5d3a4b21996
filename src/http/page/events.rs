//! What happened lately.

use std::time::SystemTime;

use maud::{Markup, html};

use super::icon::{self, icon};
use super::text::when;
use crate::http::view::{EventView, StatusView, Viewer};

pub(super) fn section(viewer: &Viewer, view: &StatusView, now: SystemTime) -> Markup {
    html! {
        section #events aria-labelledby="events-title" {
            h2 #events-title tabindex="-1" { "Recent events" }
            @if view.events.is_empty() {
                p.empty { "Nothing has happened since the service started." }
            } @else {
                ol reversed { @for event in &view.events { (line(viewer, event, now)) } }
            }
        }
    }
}

fn line(viewer: &Viewer, event: &EventView, now: SystemTime) -> Markup {
    // What is of an account says so; the name of its user is known to the user.
    let about = match (&event.account, &event.user) {
        (Some(account), _) if viewer.is_admin => account.as_str(),
        (Some(account), _) => account.split_once('/').map_or(account.as_str(), |(_, name)| name),
        (None, Some(user)) if viewer.is_admin => user,
        (None, Some(_)) => "",
        (None, None) => "service",
    };
    html! {
        li.bad[event.is_trouble] {
            (when(event.at, now))
            @if !about.is_empty() { strong { (about) } }
            span {
                @if event.is_trouble { (icon(icon::WARNING)) span.hidden { "Trouble: " } }
                (event.text)
            }
        }
    }
}
