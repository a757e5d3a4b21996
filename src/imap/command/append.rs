//! APPEND (RFC 9051 section 6.3.12, RFC 3502, RFC 4469, RFC 4315). The message literals are streamed to the store while they
//! arrive; what can be refused is refused before each of them. All messages of one command get in, or none.

use super::{catenate, replace};
use crate::imap::codec::command::{AppendArgs, AppendMessage, AppendPart, Command};
use crate::imap::codec::fragment::Piece;
use crate::imap::codec::{parse, write};
use crate::imap::conn::Conn;
use crate::imap::dispatch::{self, Flow};
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::{Authenticated, Session, Upload};
use crate::imap::spec::spec;
use crate::ingest;
use crate::mail::UidSet;
use crate::store::{self, Appended, NewMessage, Stored};

/// A message literal of an APPEND or REPLACE is announced: takes or refuses it.
pub(in crate::imap) async fn begin(
    session: &mut Session,
    conn: &mut Conn,
    head: &[Piece],
    sync: bool,
) -> std::io::Result<Flow> {
    let tagged = match parse::parse_append_head(head, session.features.utf8_names()) {
        Ok(tagged) => tagged,
        Err(error) => {
            conn.input.refuse();
            return dispatch::syntax_error(session, conn, &error);
        }
    };
    match accept(session, &tagged.command).await {
        Ok(upload) => {
            session.upload = Some(upload);
            conn.input.accept_stream();
            if sync {
                conn.output.line("+ Ready for literal data");
            }
            Ok(Flow::Continue)
        }
        Err(error) => {
            conn.input.refuse();
            dispatch::refuse(conn, &tagged.tag, error)
        }
    }
}

async fn accept(session: &mut Session, command: &Command) -> Result<Upload, CommandError> {
    let mut upload = session.upload.take().unwrap_or_default();
    if let Some(refused) = dispatch::refusal(spec(command), session) {
        return Err(refused);
    }
    let (args, freed) = match command {
        Command::Append(args) => (args, Stored::default()),
        Command::Replace(args) => (&args.append, replace::named(session, args)?.stored()),
        _ => return Err(CommandError::Bad("Unexpected literal")),
    };
    let Some(cx) = session.authenticated() else { return Err(CommandError::Bad("Log in first")) };
    cx.target(&args.mailbox).await?;
    receive(&cx, &args.messages, &mut upload, freed, false).await?;
    Ok(upload)
}

/// The command is complete: the octets are durable already, now the messages are (I1).
pub(in crate::imap) async fn append(session: &mut Session, args: AppendArgs) -> CommandResult {
    let upload = session.upload.take().unwrap_or_default();
    let Some(mut cx) = session.authenticated() else { return Err(CommandError::Bad("Log in first")) };
    let mailbox = cx.target(&args.mailbox).await?;
    let messages = complete(&cx, args.messages, upload, Stored::default()).await?;
    let appended = cx.store.append(mailbox.id, messages).await?;
    cx.has_appended(mailbox.id, &appended);
    Done::code(append_uid(&appended))
}

/// The messages of a complete command. `freed`: what goes at the same time.
pub(super) async fn complete(
    cx: &Authenticated<'_>,
    messages: Vec<AppendMessage>,
    mut upload: Upload,
    freed: Stored,
) -> Result<Vec<NewMessage>, CommandError> {
    receive(cx, &messages, &mut upload, freed, true).await?;
    let messages = messages.into_iter().zip(upload.into_prepared()).map(|(message, prepared)| NewMessage {
        body: prepared.body,
        flags: message.flags,
        internal_date: message.date.unwrap_or_else(ingest::now),
        account: None,
    });
    Ok(messages.collect())
}

/// Brings `upload` to where the command is: at its end (`whole`), or before the literal with which `messages` end. What lies
/// between is URLs, and the ends of messages.
async fn receive(
    cx: &Authenticated<'_>,
    messages: &[AppendMessage],
    upload: &mut Upload,
    freed: Stored,
    whole: bool,
) -> Result<(), CommandError> {
    for (index, message) in messages.iter().enumerate().skip(upload.messages()) {
        let is_open = !whole && index + 1 == messages.len();
        let mut parts = message.parts.iter().skip(upload.parts());
        let announced = if is_open { parts.next_back() } else { None };
        for part in parts {
            match part {
                AppendPart::Url(url) => catenate::copy(cx, url, upload, freed).await?,
                AppendPart::Literal(_) => return Err(CommandError::Bad("A message literal is missing")),
            }
        }
        match announced {
            // How a client calls a MULTIAPPEND off (RFC 3502 section 6.3.11).
            Some(AppendPart::Literal(0)) if !message.catenated => return Err(CommandError::empty_message()),
            Some(AppendPart::Literal(size)) => {
                check_room(cx, upload, *size, freed)?;
                upload.begin_part(cx.store, *size).await?;
            }
            _ => upload.end_message().await?,
        }
    }
    Ok(())
}

/// Whether so many octets more may follow in the present message.
pub(super) fn check_room(
    cx: &Authenticated<'_>,
    upload: &Upload,
    size: u64,
    freed: Stored,
) -> Result<(), CommandError> {
    if upload.size().saturating_add(size) > cx.deps.settings.append {
        return Err(CommandError::No(Some("TOOBIG"), "The message is too large"));
    }
    let octets = upload.total().saturating_add(size);
    let more = Stored { octets, messages: upload.messages() as u64 + 1 };
    match cx.store.quota(cx.login.id).map(|quota| quota.without(freed)) {
        Some(quota) if !quota.fits_all(more) => Err(store::Error::OverQuota { quota, octets }.into()),
        _ => Ok(()),
    }
}

/// `"APPENDUID" SP nz-number SP append-uid`, `append-uid =/ uid-set` with one UID a message, in order (RFC 4315 section 4)
pub(super) fn append_uid(appended: &Appended) -> String {
    let mut code = format!("APPENDUID {} ", appended.uid_validity.value()).into_bytes();
    write::uid_set(&mut code, &appended.uids.iter().copied().collect::<UidSet>());
    String::from_utf8_lossy(&code).into_owned()
}
