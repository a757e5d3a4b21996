#!/usr/bin/env bash
# Builds target/debian/tributary_*.deb. Needs cargo-deb: cargo install cargo-deb --locked
# PROFILE=dev packages a debug build, for trying the package out.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${PROFILE:-release}
cargo build --locked --profile "$profile" --bin tributary
directory=$profile
[ "$profile" != dev ] || directory=debug
binary=${CARGO_TARGET_DIR:-target}/$directory/tributary
pages=target/packaging
rm -rf "$pages"
mkdir -p "$pages/man"
"$binary" man --dir "$pages/man"
gzip -9n "$pages"/man/*.1
for shell in bash zsh fish; do "$binary" completions "$shell" >"$pages/tributary.$shell"; done
exec cargo deb --no-build --profile "$profile" "$@"
