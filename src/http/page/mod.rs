//! The status page as HTML: pure functions of what is shown. Works without script; with it, `live` exchanges sections.
//!
//! Nothing is inline, neither style nor script nor handler: the policy of the listener forbids it. What a state is, is said
//! by a word and a symbol, never by colour alone. Every id is that of one element.

mod accounts;
mod devices;
mod events;
mod frame;
mod health;
mod icon;
mod login;
mod remedy;
mod spark;
mod storage;
mod summary;
mod text;

use std::time::SystemTime;

use maud::{Markup, html};

use super::view::{StatusView, Viewer};

pub(super) use login::login;

/// What the page says once, about what was just done.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    /// It was not done.
    pub(super) is_error: bool,
    /// In plain words.
    pub(super) text: String,
}

/// A part of the page that changes by itself: the element with this id is exchanged as a whole.
pub(super) struct Section {
    /// The id of its element.
    pub(super) id: &'static str,
    /// The element.
    pub(super) html: Markup,
}

/// The page for who has logged in.
pub(super) fn status(viewer: &Viewer, view: &StatusView, notice: Option<&Notice>, now: SystemTime) -> Markup {
    let [summary, rest @ ..] = all(viewer, view, now);
    frame::page(
        viewer,
        view,
        now,
        html! {
            // Stays when its content is exchanged, so that the headline is read out when it changes.
            div aria-live="polite" { (summary.html) }
            div #notices role="status" {
                @if let Some(notice) = notice {
                    p.notice.bad[notice.is_error] { (icon::of(notice.is_error)) span { (notice.text) } }
                }
            }
            @for section in rest { (section.html) }
        },
    )
}

/// The parts that change by themselves, in the order of the page.
pub(super) fn sections(viewer: &Viewer, view: &StatusView, now: SystemTime) -> Vec<Section> {
    all(viewer, view, now).into()
}

fn all(viewer: &Viewer, view: &StatusView, now: SystemTime) -> [Section; 5] {
    [
        Section { id: "summary", html: summary::section(view) },
        Section { id: "accounts", html: accounts::section(viewer, view, now) },
        Section { id: "devices", html: devices::section(viewer, view, now) },
        Section { id: "storage", html: storage::section(viewer, view) },
        Section { id: "events", html: events::section(viewer, view, now) },
    ]
}

#[cfg(test)]
mod tests;
