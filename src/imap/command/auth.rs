//! STARTTLS, LOGIN, AUTHENTICATE PLAIN (RFC 9051 section 6.2, RFC 4616, RFC 4959) and UNAUTHENTICATE (RFC 8437).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::time::Instant;

use crate::auth::Denied;
use crate::imap::capability;
use crate::imap::conn::Conn;
use crate::imap::error::{CommandError, CommandResult, Done, STOPPING};
use crate::imap::session::{Features, Login, Session, State};
use crate::secret::Secret;

/// One answer for a wrong name and a wrong password (I10).
const DENIED: CommandError = CommandError::No(Some("AUTHENTICATIONFAILED"), "Wrong user name or password");
const CLEARTEXT: CommandError = CommandError::No(Some("PRIVACYREQUIRED"), "Start TLS first");

pub(in crate::imap) fn start_tls(session: &Session) -> CommandResult {
    if session.tls {
        return Err(CommandError::Bad("TLS is active already"));
    }
    Done::text("Begin TLS negotiation now")
}

pub(in crate::imap) async fn login(
    session: &mut Session,
    conn: &mut Conn,
    user: &[u8],
    password: Secret,
) -> CommandResult {
    if !session.may_log_in() {
        return Err(CLEARTEXT);
    }
    admit(session, conn, user, &password).await
}

pub(in crate::imap) async fn authenticate(
    session: &mut Session,
    conn: &mut Conn,
    mechanism: &str,
    initial: Option<Vec<u8>>,
) -> CommandResult {
    if mechanism != "PLAIN" {
        return Err(CommandError::No(Some("CANNOT"), "Unsupported authentication mechanism"));
    }
    if !session.may_log_in() {
        return Err(CLEARTEXT);
    }
    let response = match initial {
        Some(initial) => initial,
        None => challenge(session, conn).await?,
    };
    let (authzid, user, password) = plain(&response).ok_or(CommandError::Bad("Malformed PLAIN response"))?;
    if !authzid.is_empty() && authzid != user {
        return Err(CommandError::No(Some("AUTHORIZATIONFAILED"), "Acting for another user is not offered"));
    }
    admit(session, conn, &user, &password).await
}

/// The empty challenge of PLAIN and the client's answer. `*` cancels (RFC 9051 section 6.2.2).
async fn challenge(session: &Session, conn: &mut Conn) -> Result<Vec<u8>, CommandError> {
    conn.output.push("+ \r\n");
    conn.output.flush().await?;
    let deadline = Instant::now() + session.deps.settings.login_timeout;
    let line = tokio::select! {
        biased;
        () = session.shutdown.cancelled() => return Err(CommandError::Bye(STOPPING)),
        line = conn.next_line(Some(deadline)) => line?.ok_or(CommandError::Bad("The response is too long"))?,
    };
    if line == b"*" {
        return Err(CommandError::Bad("Authentication cancelled"));
    }
    STANDARD.decode(line.trim_ascii()).map_err(|_| CommandError::Bad("The response is not base64"))
}

/// RFC 4616: `[authzid] NUL authcid NUL passwd`.
fn plain(response: &[u8]) -> Option<(&[u8], Vec<u8>, Secret)> {
    let mut parts = response.split(|b| *b == 0);
    let (authzid, authcid, password) = (parts.next()?, parts.next()?, parts.next()?);
    let password = std::str::from_utf8(password).ok()?;
    parts.next().is_none().then(|| (authzid, authcid.to_vec(), Secret::new(password)))
}

async fn admit(session: &mut Session, conn: &mut Conn, user: &[u8], password: &Secret) -> CommandResult {
    let name = std::str::from_utf8(user).map_err(|_| DENIED)?;
    let deps = std::sync::Arc::clone(&session.deps);
    let user = deps.users.verify(name, password, session.peer.ip()).await.map_err(|denied| {
        tracing::info!(peer = %session.peer, session = session.id, reason = %denied, "login refused");
        match denied {
            Denied::Busy => CommandError::No(Some("UNAVAILABLE"), "Too many logins at once, try again"),
            _ => DENIED,
        }
    })?;
    let id = deps.store.ensure_user(&user.name).await?;
    let membership = session.registry.join(session.id, &user.name, session.peer.ip());
    // Whoever takes a user away ends the sessions that are listed under it: this one was not, while it was checked.
    if !deps.users.has(&user.name) {
        return Err(DENIED);
    }
    conn.set_path(session.registry.path(&user.name, session.peer.ip()));
    tracing::info!(user = %user.name, peer = %session.peer, session = session.id, tls = session.tls, "login");
    let login = Login { user, id, _membership: membership };
    session.transition(|_| (State::Authenticated(login), ()));
    session.bad_commands = 0;
    conn.input.set_limits(deps.settings.fragment_limits(true));
    // RFC 9051 section 6.2.3: the capabilities differ now; the code saves the client a round trip.
    Ok(Done {
        code: Some(format!("CAPABILITY {}", capability::capabilities(session))),
        text: Some("Logged in"),
        ..Done::default()
    })
}

/// UNAUTHENTICATE (RFC 8437): all that the user has set up is forgotten, what is left is the connection and its TLS. NO is not
/// allowed: the client may have sent the next login already. The connection ends compression after the tagged response.
pub(in crate::imap) fn unauthenticate(session: &mut Session, conn: &mut Conn) -> CommandResult {
    if session.hides("UNAUTHENTICATE") {
        return Err(CommandError::Bad("UNAUTHENTICATE is not offered"));
    }
    if let Some(cx) = session.authenticated() {
        let user = cx.login.user.name.clone();
        tracing::info!(user, peer = %session.peer, session = session.id, "unauthenticated");
    }
    session.transition(|_| (State::NotAuthenticated, ()));
    session.features = Features::default();
    session.notify = None;
    session.upload = None;
    session.bad_commands = 0;
    session.login_since = Instant::now();
    conn.input.set_limits(session.deps.settings.fragment_limits(false));
    Ok(Done {
        code: Some(format!("CAPABILITY {}", capability::capabilities(session))),
        text: Some("Not authenticated any more"),
        ..Done::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_takes_three_fields() {
        let ok = |r: &[u8]| plain(r).map(|(z, user, password)| (z.to_vec(), user, password.expose().to_owned()));
        let fields = |z: &[u8], user: &[u8], password: &str| Some((z.to_vec(), user.to_vec(), password.to_owned()));
        assert_eq!(ok(b"\0alice\0secret"), fields(b"", b"alice", "secret"));
        assert_eq!(ok(b"bob\0alice\0"), fields(b"bob", b"alice", ""));
        assert_eq!(ok(b"\0alice"), None);
        assert_eq!(ok(b"\0alice\0a\0b"), None);
        assert_eq!(ok(b"\0alice\0\xff"), None);
    }
}
