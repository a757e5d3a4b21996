//! The accounts: a card each, those in trouble first.

use std::time::SystemTime;

use maud::{Markup, html};

use super::health::Health;
use super::icon::{self, icon};
use super::remedy::remedy;
use super::spark;
use super::text::{count, due, exact, number, piece, when, with_commands};
use crate::http::view::{AccountView, StatusView, Viewer};

pub(super) fn section(viewer: &Viewer, view: &StatusView, now: SystemTime) -> Markup {
    let groups = groups(&view.accounts);
    html! {
        section #accounts aria-labelledby="accounts-title" {
            h2 #accounts-title tabindex="-1" { "Accounts" }
            @if groups.is_empty() {
                p.empty {
                    "No maildrop is set up. Add one under " code { "accounts" } " of the user in " code { "tributary.yaml" } ", then "
                    code { "tributary doctor" } " tries it."
                }
            }
            @for (user, accounts) in groups {
                @if viewer.is_admin { h3 #{ "user-" (piece(user)) } { span.hidden { "Accounts of " } (user) } }
                @for account in accounts { (card(viewer, account, now)) }
            }
        }
    }
}

/// The accounts by user: the user with the worst trouble first, and so within each.
fn groups(accounts: &[AccountView]) -> Vec<(&str, Vec<&AccountView>)> {
    let mut groups: Vec<(&str, Vec<&AccountView>)> = Vec::new();
    let mut sorted: Vec<&AccountView> = accounts.iter().collect();
    sorted.sort_by_key(|account| (Health::of(account), &account.account));
    for account in sorted {
        let (user, _) = names(account);
        match groups.iter_mut().find(|(known, _)| *known == user) {
            Some((_, list)) => list.push(account),
            None => groups.push((user, vec![account])),
        }
    }
    // Users without trouble stand by name: their cards do not change places with every poll.
    groups.sort_by_key(|(user, list)| {
        let worst = list.first().map(|account| Health::of(account)).filter(|worst| worst.is_trouble());
        (worst.is_none(), worst, *user)
    });
    groups
}

/// Of the user, and of the account.
fn names(account: &AccountView) -> (&str, &str) {
    account.account.split_once('/').unwrap_or(("", &account.account))
}

fn card(viewer: &Viewer, account: &AccountView, now: SystemTime) -> Markup {
    let health = Health::of(account);
    let (user, name) = names(account);
    let id = format!("account-{}-{}", piece(user), piece(name));
    html! {
        article.account.(health.class()) #(id) aria-labelledby={ (id) "-name" } {
            div.head {
                h4 #{ (id) "-name" } { (name) }
                p.state { (icon(health.icon())) (health.words()) }
                @if account.polling { p.polling { (icon(icon::POLL)) "polling now" } }
            }
            (problem(account, health))
            dl.facts {
                div { dt { "Last poll" } dd { (when(account.last_attempt, now)) } }
                @if account.last_success != account.last_attempt && health != Health::Well {
                    div { dt { "Last success" } dd { (when(account.last_success, now)) } }
                }
                div { dt { "Next poll" } dd { (next(account, now)) } }
                div { dt { "Backlog" } dd { (account.backlog.map_or_else(|| "unknown".to_owned(), number)) } }
                div { dt { "Fetched" } dd title="since the start of the service" { (number(account.fetched)) } }
                @if account.deletes_pending > 0 {
                    div { dt { "To delete upstream" } dd { (number(account.deletes_pending)) } }
                }
            }
            (rate(account, &id))
            (more(account, &id))
            (actions(viewer, account, &id))
        }
    }
}

/// What is wrong, and what to do.
fn problem(account: &AccountView, health: Health) -> Markup {
    let result = account.last_result.as_deref().unwrap_or_default();
    let remedy = account.last_error.as_deref().map(|error| remedy(&account.account, result, error));
    html! {
        @if let (Some(error), Some(remedy)) = (&account.last_error, remedy) {
            div.problem {
                p { strong { (sentence(error)) } }
                @if !remedy.is_empty() { p { span.todo { "What to do: " } (with_commands(&remedy)) } }
            }
        }
        @if let Some(command) = &account.confirm_with {
            div.problem.held[health == Health::Held] {
                p { strong { (count(account.deletes_held, "deletion")) " upstream wait for your word." } }
                p {
                    span.todo { "What to do: " }
                    "So many at once may be a mistake, so nothing is deleted yet. If it is meant, run " code { (command) } "."
                }
            }
        }
    }
}

/// The first letter large, a full stop at the end.
fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

fn next(account: &AccountView, now: SystemTime) -> Markup {
    html! {
        @if account.polling { "running" }
        @else if let Some(next) = account.next_poll { (due(next, now)) }
        @else { "none" }
    }
}

fn rate(account: &AccountView, id: &str) -> Markup {
    html! { @if !account.rate.is_empty() { (spark::line(&format!("{id}-rate"), &account.rate)) } }
}

/// What is worth knowing, but not at first sight.
fn more(account: &AccountView, id: &str) -> Markup {
    let undecided = account.deletes_pending.saturating_sub(account.deletes_held + account.deletes_dry_run);
    html! {
        details #{ (id) "-more" } {
            summary { "Details" span.hidden { " of " (names(account).1) } }
            dl {
                div { dt { "Last success" } dd { (account.last_success.map_or_else(|| "never".to_owned(), exact)) } }
                @if let Some(listed) = account.listed { div { dt { "In the maildrop" } dd { (count(listed, "message")) } } }
                @if undecided > 0 { div { dt { "To be deleted upstream" } dd { (count(undecided, "message")) ", with the next polls" } } }
                @if account.deletes_dry_run > 0 {
                    div { dt { "Kept upstream" } dd { (count(account.deletes_dry_run, "message")) ", by " code { "delete_dry_run" } " alone" } }
                }
                @for (reason, number) in &account.deletes_for {
                    div { dt { "Deleted because" } dd { (reason_words(reason)) ": " (count(*number, "message")) } }
                }
                @if account.quarantined > 0 {
                    div { dt { "Not fetched whole" } dd { (count(account.quarantined, "message")) "; what could be had is in the mailbox, with a notice" } }
                }
                @if !account.too_large.is_empty() {
                    div { dt { "Too long, left upstream" } dd { @for item in &account.too_large { div { (item) } } } }
                }
                div { dt { "Server" } dd { @if account.server.is_empty() { "does not say what it is" } @else { (account.server) } } }
                @if !account.faults.is_empty() {
                    div { dt { "Its quirks" } dd { @for fault in &account.faults { code { (fault) } " " } } }
                }
            }
        }
    }
}

/// What a message is that the policy wants deleted upstream.
fn reason_words(reason: &str) -> &str {
    match reason {
        "never" => "stored here",
        "age" => "stored here long enough",
        "expunged" => "expunged here",
        "larger" => "larger than delete_larger_than",
        other => other,
    }
}

fn actions(viewer: &Viewer, account: &AccountView, id: &str) -> Markup {
    let (user, name) = names(account);
    let path = format!("/accounts/{}/{}", piece(user), piece(name));
    let is_paused = Health::of(account) == Health::Paused;
    let (toggle, words, symbol) =
        if is_paused { ("resume", "Resume", icon::PLAY) } else { ("pause", "Pause", icon::PAUSE) };
    html! {
        div.actions role="group" aria-labelledby={ (id) "-name" } {
            @if !is_paused {
                (button(viewer, &format!("{path}/poll"), &format!("{id}-poll"), icon::POLL, "Poll now", account.polling))
            }
            (button(viewer, &format!("{path}/{toggle}"), &format!("{id}-toggle"), symbol, words, false))
        }
    }
}

/// A form of one button.
pub(super) fn button(viewer: &Viewer, path: &str, id: &str, symbol: &str, words: &str, is_off: bool) -> Markup {
    html! {
        form method="post" action=(path) {
            input type="hidden" name="token" value=(viewer.token);
            button #(id) type="submit" disabled[is_off] { (icon(symbol)) (words) }
        }
    }
}
