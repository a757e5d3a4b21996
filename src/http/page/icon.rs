//! The symbols of the page: drawn with one stroke in the colour of the text, and hidden from who hears the page, since a
//! word stands beside each.

use maud::{Markup, html};

pub(super) const LOGO: &str = "M3 5c6 0 6 7 12 7h6M3 12h18M3 19c6 0 6-7 12-7";
pub(super) const WELL: &str = "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM8 12.2l2.8 2.8L16 9.6";
pub(super) const WARNING: &str = "M12 4 2.8 20h18.4L12 4ZM12 10v4.5M12 17.2v.3";
pub(super) const KEY: &str = "M8 11a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM11 12.2 19.5 4M15.5 8l3 3";
pub(super) const LOCK: &str = "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3";
pub(super) const PAUSE: &str = "M8.5 5v14M15.5 5v14";
pub(super) const PLAY: &str = "M8 5.2v13.6L18.5 12 8 5.2Z";
pub(super) const POLL: &str = "M20 12a8 8 0 1 1-2.6-5.9M20 3.5v4.2h-4.2";
pub(super) const CLOCK: &str = "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM12 7.5V12l3 2";
pub(super) const FULL: &str = "M4 6h16v4H4zM5 10v9h14v-9M10 14h4";
pub(super) const CLOSE: &str = "M6 6l12 12M18 6 6 18";
pub(super) const INFO: &str = "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM12 11v5.5M12 7.7v.3";
pub(super) const EXIT: &str = "M10 4H5v16h5M10 12h10M16.5 8l4 4-4 4";

/// A symbol.
pub(super) fn icon(path: &str) -> Markup {
    html! { svg.icon viewBox="0 0 24 24" aria-hidden="true" focusable="false" { path d=(path) {} } }
}

/// The symbol of what went wrong, or well.
pub(super) fn of(is_error: bool) -> Markup {
    icon(if is_error { WARNING } else { WELL })
}
