//! The devices: a row each session of a mail program.

use std::time::SystemTime;

use maud::{Markup, html};

use super::accounts::button;
use super::icon;
use super::text::when;
use crate::http::view::{DeviceView, StatusView, Viewer};

pub(super) fn section(viewer: &Viewer, view: &StatusView, now: SystemTime) -> Markup {
    html! {
        section #devices aria-labelledby="devices-title" {
            h2 #devices-title tabindex="-1" { "Devices" }
            @if view.devices.is_empty() {
                p.empty {
                    "No mail program is connected. Set one up with the name and password that you have logged in with here, \
                     server: this machine, by IMAP with TLS."
                }
            } @else {
                table {
                    thead {
                        tr {
                            @if viewer.is_admin { th scope="col" { "User" } }
                            th scope="col" { "Program" }
                            th scope="col" { "Address" }
                            th scope="col" { "Mailbox" }
                            th scope="col" { "Since" }
                            th scope="col" { "Active" }
                            th scope="col" { span.hidden { "What can be done" } }
                        }
                    }
                    tbody { @for device in &view.devices { (row(viewer, device, now)) } }
                }
            }
        }
    }
}

fn row(viewer: &Viewer, device: &DeviceView, now: SystemTime) -> Markup {
    let program = if device.client.is_empty() { "Unnamed program" } else { &device.client };
    html! {
        tr {
            @if viewer.is_admin { td data-label="User" { (device.user) } }
            th scope="row" data-label="Program" { (program) }
            td data-label="Address" {
                (device.address) " "
                @if device.tls { span.tag { "TLS" } } @else { span.tag.warn { "not encrypted" } }
            }
            td data-label="Mailbox" { @if let Some(mailbox) = &device.mailbox { (mailbox) } @else { "none" } }
            td data-label="Since" { (when(device.since, now)) }
            td data-label="Active" { @if device.idle { "waits for news" } @else { (when(device.active, now)) } }
            td.act {
                (button(viewer, &format!("/devices/{}/disconnect", device.id), &format!("device-{}", device.id), icon::CLOSE, "Disconnect", false))
            }
        }
    }
}
