//! What stands around the content of every page.

use std::time::SystemTime;

use maud::{DOCTYPE, Markup, html};

use super::icon::{self, icon};
use crate::http::assets::asset_url;
use crate::http::view::{StatusView, Viewer, rfc3339};

/// A page without header and script.
pub(super) fn plain(title: &str, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head { (head(title)) }
            body { (content) }
        }
    }
}

/// The page of who has logged in.
pub(super) fn page(viewer: &Viewer, view: &StatusView, now: SystemTime, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                (head("Status"))
                script src=(asset_url("script.js")) defer {}
                noscript { meta http-equiv="refresh" content="30"; }
            }
            body {
                a.skip href="#main" { "Skip to the status" }
                (header(viewer, view))
                main #main tabindex="-1" data-now=(rfc3339(now).unwrap_or_default()) { (content) }
                div #connection role="status" {}
                footer {
                    p {
                        "Tributary " (view.version) ". "
                        noscript { "Without script this page loads itself anew every 30 seconds." }
                    }
                }
            }
        }
    }
}

fn head(title: &str) -> Markup {
    html! {
        meta charset="utf-8";
        meta name="viewport" content="width=device-width, initial-scale=1";
        meta name="color-scheme" content="light dark";
        title { (title) " - Tributary" }
        link rel="icon" type="image/svg+xml" href=(asset_url("icon.svg"));
        link rel="stylesheet" href=(asset_url("style.css"));
    }
}

fn header(viewer: &Viewer, view: &StatusView) -> Markup {
    html! {
        header {
            p.brand { (icon(icon::LOGO)) strong { "Tributary" } " " span.version { (view.version) } }
            nav aria-label="For programs" {
                a href="/metrics" { "Metrics" }
                a href="/api/status" { "JSON" }
            }
            div.who {
                p { span.hidden { "Logged in as " } span.user { (viewer.user) } @if viewer.is_admin { " " span.badge { "admin" } } }
                form method="post" action="/logout" {
                    input type="hidden" name="token" value=(viewer.token);
                    button type="submit" { (icon(icon::EXIT)) "Log out" }
                }
            }
        }
    }
}
