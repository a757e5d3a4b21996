//! The page for who has not logged in.

use maud::{Markup, html};

use super::frame;
use super::icon::{self, icon};

/// The page for who has not logged in; `error` says why the last try failed.
pub(in crate::http) fn login(error: Option<&str>) -> Markup {
    frame::plain(
        "Log in",
        html! {
            main.login #main {
                h1 { (icon(icon::LOGO)) "Tributary" }
                p.hint { "Log in with the name and password that your mail program uses here." }
                @if let Some(error) = error {
                    p.problem #error role="alert" { (icon(icon::WARNING)) span { (error) } }
                }
                form method="post" action="/login" {
                    label for="user" { "User" }
                    input #user name="user" type="text" autocomplete="username" autocapitalize="none" spellcheck="false"
                        required autofocus aria-describedby=[error.map(|_| "error")];
                    label for="password" { "Password" }
                    input #password name="password" type="password" autocomplete="current-password" required
                        aria-describedby=[error.map(|_| "error")];
                    button.primary type="submit" { "Log in" }
                }
            }
        },
    )
}
