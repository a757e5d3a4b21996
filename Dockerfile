# syntax=docker/dockerfile:1
# Builds the service and puts it alone, as an unprivileged user, into a small Debian.
#
#   docker build -t tributary .
#   docker run --rm -p 127.0.0.1:1143:1143 -p 127.0.0.1:8025:8025 tributary \
#       demo --imap 0.0.0.0:1143 --imaps 0.0.0.0:1993 --http 0.0.0.0:8025

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY src ./src
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin tributary \
    && cp target/release/tributary /usr/local/bin/tributary

FROM debian:bookworm-slim
# ca-certificates: upstream servers are checked against them. curl: the health check.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/tributary --shell /usr/sbin/nologin tributary \
    && install --directory --owner tributary --group tributary --mode 0700 /var/lib/tributary
COPY --from=build /usr/local/bin/tributary /usr/local/bin/tributary
USER tributary
VOLUME /var/lib/tributary
# IMAP, IMAP with implicit TLS, HTTP: an unprivileged user binds ports above 1024.
EXPOSE 1143 1993 8025
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD curl --fail --silent --show-error --max-time 4 http://127.0.0.1:8025/readyz
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/tributary"]
CMD ["serve", "-c", "/etc/tributary/tributary.yaml"]
