# syntax=docker/dockerfile:1
# The service alone, without shell, package manager or root: docs/operations.md says how to run it.
#
#   docker build -t tributary .
#   docker run --rm -p 127.0.0.1:1143:1143 -p 127.0.0.1:8025:8025 tributary \
#       demo --imap 0.0.0.0:1143 --imaps 0.0.0.0:1993 --http 0.0.0.0:8025

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
# The packages first: they change seldom, and are then taken from the layer cache.
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY benches ./benches
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
    && cargo build --release --locked --bin tributary \
    && rm -rf src target/release/tributary target/release/deps/*tributary* target/release/.fingerprint/tributary-*
COPY src ./src
RUN cargo build --release --locked --bin tributary && mkdir /data

# glibc, CA certificates and time zones, and nothing that could be run: 35 MB with the service. A tunnel, or a secret from a
# command, needs its program: add it in an image made FROM this one, on debian:bookworm-slim.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="Tributary" \
      org.opencontainers.image.description="Many POP3 maildrops flow into one IMAP mailbox" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /src/target/release/tributary /usr/bin/tributary
# The user of the base image.
COPY --from=build --chown=65532:65532 --chmod=0700 /data /var/backups/tributary
COPY --from=build --chown=65532:65532 --chmod=0700 /data /var/lib/tributary
USER 65532:65532
VOLUME /var/lib/tributary
# IMAP, IMAP with implicit TLS, HTTP: without root a port is above 1024.
EXPOSE 1143 1993 8025
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/usr/bin/tributary", "healthcheck", "--http", "127.0.0.1:8025"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/tributary"]
CMD ["serve", "-c", "/etc/tributary/tributary.yaml"]
