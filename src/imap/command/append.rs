//! APPEND (RFC 9051 section 6.3.12, RFC 4315). The message literal is streamed to the store while it arrives; what can
//! be refused is refused before it.

use crate::imap::codec::command::{AppendArgs, Command};
use crate::imap::codec::fragment::Piece;
use crate::imap::codec::parse;
use crate::imap::conn::Conn;
use crate::imap::dispatch::{self, Flow};
use crate::imap::error::{CommandError, CommandResult, Done};
use crate::imap::session::{Session, Upload};
use crate::imap::spec::spec;
use crate::ingest::{self, Intake};
use crate::store::{self, NewMessage};

/// The message literal is announced: takes or refuses it.
pub(in crate::imap) async fn begin(
    session: &mut Session,
    conn: &mut Conn,
    head: &[Piece],
    size: u64,
    sync: bool,
) -> std::io::Result<Flow> {
    let tagged = match parse::parse_append_head(head, session.features.utf8_names()) {
        Ok(tagged) => tagged,
        Err(error) => {
            conn.input.refuse();
            return dispatch::syntax_error(session, conn, &error);
        }
    };
    match accept(session, &tagged.command, size).await {
        Ok(intake) => {
            session.upload = Some(Upload::Receiving(Box::new(intake)));
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

async fn accept(session: &mut Session, command: &Command, size: u64) -> Result<Intake, CommandError> {
    if let Some(refused) = dispatch::refusal(spec(command), session) {
        return Err(refused);
    }
    let (Command::Append(args), Some(cx)) = (command, session.authenticated()) else {
        return Err(CommandError::Bad("Log in first"));
    };
    cx.target(&args.mailbox).await?;
    if size == 0 {
        return Err(CommandError::No(Some("CANNOT"), "An empty message cannot be appended"));
    }
    if size > cx.deps.settings.append {
        return Err(CommandError::No(Some("TOOBIG"), "The message is too large"));
    }
    if let Some(quota) = cx.store.quota(cx.login.id).filter(|quota| !quota.fits(size)) {
        return Err(store::Error::OverQuota { quota, octets: size }.into());
    }
    Ok(Intake::begin(cx.store).await?)
}

/// The command is complete: the octets are durable already, now the message is (I1).
pub(in crate::imap) async fn append(session: &mut Session, args: AppendArgs) -> CommandResult {
    let upload = session.upload.take();
    let Some(cx) = session.authenticated() else { return Err(CommandError::Bad("Log in first")) };
    let mailbox = cx.target(&args.mailbox).await?;
    let prepared = upload.ok_or(CommandError::Bad("APPEND needs a message literal"))?.into_prepared()?;
    let message = NewMessage {
        body: prepared.body,
        flags: args.flags,
        internal_date: args.date.unwrap_or_else(ingest::now),
        account: None,
    };
    let appended = cx.store.append(mailbox.id, vec![message]).await?;
    match appended.uids.first() {
        Some(uid) => Done::code(format!("APPENDUID {} {}", appended.uid_validity.value(), uid.value())),
        None => Done::ok(),
    }
}
