//! What the mailboxes hold.

use maud::{Markup, html};

use super::text::{count, number, size};
use crate::http::view::{MailboxView, StatusView, Viewer};

pub(super) fn section(viewer: &Viewer, view: &StatusView) -> Markup {
    let total: u64 = view.mailboxes.iter().map(|mailbox| mailbox.bytes).sum();
    let most = view.mailboxes.iter().map(|mailbox| mailbox.bytes).max().unwrap_or(0);
    // Of those that were never used there are many, and they say nothing.
    let (used, empty): (Vec<&MailboxView>, Vec<_>) = view.mailboxes.iter().partition(|mailbox| mailbox.messages > 0);
    html! {
        section #storage aria-labelledby="storage-title" {
            h2 #storage-title tabindex="-1" { "Storage" }
            @if used.is_empty() {
                p.empty { "No message is stored yet." }
            } @else {
                p { (size(total)) " in " (count(used.len() as u64, "mailbox").replace("mailboxs", "mailboxes")) "." }
                table {
                    thead {
                        tr {
                            @if viewer.is_admin { th scope="col" { "User" } }
                            th scope="col" { "Mailbox" }
                            th.number scope="col" { "Messages" }
                            th.number scope="col" { "Unread" }
                            th.number scope="col" { "Size" }
                            th scope="col" { span.hidden { "Share" } }
                        }
                    }
                    tbody { @for mailbox in &used { (row(viewer, mailbox, most)) } }
                }
            }
            @if !empty.is_empty() { p.hint { (number(empty.len() as u64)) " more without a message." } }
        }
    }
}

fn row(viewer: &Viewer, mailbox: &MailboxView, most: u64) -> Markup {
    let share = (u128::from(mailbox.bytes) * 100).div_ceil(u128::from(most.max(1)));
    html! {
        tr {
            @if viewer.is_admin { td data-label="User" { (mailbox.user) } }
            th scope="row" data-label="Mailbox" { (mailbox.mailbox) }
            td.number data-label="Messages" { (number(mailbox.messages)) }
            td.number data-label="Unread" { (number(mailbox.unseen)) }
            td.number data-label="Size" { (size(mailbox.bytes)) }
            td.share {
                svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                    rect.track width="100" height="8" {}
                    rect.bar width=(share) height="8" {}
                }
            }
        }
    }
}
