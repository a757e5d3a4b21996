//! Style and script of the pages, and the picture of the tab: compiled in, so that the binary is all there is.

use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};
use serde::Deserialize;

#[derive(RustEmbed)]
#[folder = "src/http/page/assets/"]
struct Assets;

/// Octets of a hash that a URL shows.
const VERSION: usize = 8;

#[derive(Deserialize)]
pub(super) struct Version {
    v: Option<String>,
}

/// The URL of a file, which changes with its content, so that browsers may keep it.
pub(super) fn asset_url(name: &str) -> String {
    match Assets::get(name) {
        Some(file) => format!("/assets/{name}?v={}", version(&file)),
        None => format!("/assets/{name}"),
    }
}

fn version(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    hash.iter().take(VERSION).map(|octet| format!("{octet:02x}")).collect()
}

pub(super) async fn asset(Path(name): Path<String>, Query(asked): Query<Version>) -> Response {
    let Some(file) = Assets::get(&name) else { return StatusCode::NOT_FOUND.into_response() };
    let kind = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    // Only what was asked for by this very content stays the same for ever.
    let keep = match asked.v {
        Some(asked) if asked == version(&file) => "public, max-age=31536000, immutable",
        _ => "no-cache",
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)], file.data).into_response()
}
