//! The headline: whether all is well, in one sentence.

use maud::{Markup, html};

use super::health::Health;
use super::icon::{self, icon};
use super::text::{count, number};
use crate::http::view::StatusView;

pub(super) fn section(view: &StatusView) -> Markup {
    let healths: Vec<Health> = view.accounts.iter().map(Health::of).collect();
    let (class, symbol) = mood(&healths);
    let messages: u64 = view.mailboxes.iter().map(|mailbox| mailbox.messages).sum();
    let unseen: u64 = view.mailboxes.iter().map(|mailbox| mailbox.unseen).sum();
    html! {
        section.(class) #summary aria-labelledby="headline" {
            h1 #headline { (icon(symbol)) span { (headline(&healths)) } }
            p {
                (count(view.devices.len() as u64, "device")) " connected"
                @if !view.mailboxes.is_empty() { ", " (count(messages, "message")) " stored, " (number(unseen)) " unread" }
                "."
            }
            @if !view.ready {
                p.problem { (icon(icon::CLOCK)) span { "The service is starting, or a part of it is not ready: " a href="/readyz" { "which one" } "." } }
            }
        }
    }
}

/// `All 3 accounts are well`.
pub(super) fn headline(healths: &[Health]) -> String {
    let all = healths.len();
    let number_of = |wanted: &dyn Fn(Health) -> bool| healths.iter().filter(|health| wanted(**health)).count();
    let trouble = number_of(&Health::is_trouble);
    let [well, new, paused] = [Health::Well, Health::New, Health::Paused].map(|wanted| number_of(&|it| it == wanted));
    match (all, trouble) {
        (0, _) => "No account is set up yet".to_owned(),
        (1, 1) => "The account needs attention".to_owned(),
        (_, 1) => format!("1 of {all} accounts needs attention"),
        (_, 2..) => format!("{trouble} of {all} accounts need attention"),
        (1, 0) if well == 1 => "The account is well".to_owned(),
        (1, 0) if new == 1 => "The account is polled for the first time".to_owned(),
        (1, 0) => "The account is paused".to_owned(),
        (2, 0) if well == 2 => "Both accounts are well".to_owned(),
        (_, 0) if well == all => format!("All {all} accounts are well"),
        (_, 0) if paused == all => format!("All {all} accounts are paused"),
        (_, 0) if new == all => format!("All {all} accounts are polled for the first time"),
        (_, 0) => {
            let is = |count: usize| if count == 1 { "is" } else { "are" };
            let pieces = [
                (well, format!("{well} of {all} accounts {} well", is(well))),
                (new, format!("{new} {} polled for the first time", is(new))),
                (paused, format!("{paused} {} paused", is(paused))),
            ];
            let said: Vec<String> = pieces.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
            said.join(", ")
        }
    }
}

fn mood(healths: &[Health]) -> (&'static str, &'static str) {
    match healths.iter().min() {
        Some(worst) if worst.is_trouble() => (worst.class(), icon::WARNING),
        Some(_) if healths.contains(&Health::Well) => ("well", icon::WELL),
        Some(worst) => (worst.class(), worst.icon()),
        None => ("quiet", icon::INFO),
    }
}

#[cfg(test)]
mod tests {
    use super::Health::{Failing, Held, New, Paused, Refused, Well};
    use super::*;

    #[test]
    fn one_sentence_says_how_it_is() {
        for (healths, said) in [
            (&[][..], "No account is set up yet"),
            (&[Well], "The account is well"),
            (&[New], "The account is polled for the first time"),
            (&[Paused], "The account is paused"),
            (&[Refused], "The account needs attention"),
            (&[Well, Well], "Both accounts are well"),
            (&[Well, Well, Well], "All 3 accounts are well"),
            (&[Paused, Paused], "All 2 accounts are paused"),
            (&[New, New], "All 2 accounts are polled for the first time"),
            (&[Well, Failing, Well], "1 of 3 accounts needs attention"),
            (&[Held, Failing, Paused], "2 of 3 accounts need attention"),
            (&[Well, Well, Paused], "2 of 3 accounts are well, 1 is paused"),
            (&[Well, New, Paused], "1 of 3 accounts is well, 1 is polled for the first time, 1 is paused"),
            (&[New, Paused], "1 is polled for the first time, 1 is paused"),
        ] {
            assert_eq!(headline(healths), said);
        }
    }
}
