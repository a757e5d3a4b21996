//! From a parsed command to its tagged response: state check, handler, pending updates, tagged line. The only
//! writer of tagged lines.

use std::io;
use std::time::Instant;

use super::codec::command::{Command, Tagged};
use super::codec::parse::SyntaxError;
use super::command::{
    any, append, auth, compress, context, copy_move, enable, expunge, fetch, idle, list, mailbox, metadata, notify,
    quota, replace, search, select, sort, status, store, thread, uid_batches,
};
use super::conn::{Conn, Output};
use super::error::{CommandError, CommandResult, Condition, Done, Failure};
use super::session::{Session, State};
use super::spec::{Allowed, INVALID, Spec, spec};
use crate::mail::ModSeq;

/// What the connection does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Continue,
    StartTls,
    /// From here on both sides compress.
    StartCompression,
    /// From here on neither side compresses.
    EndCompression,
    /// The client said LOGOUT.
    Logout,
    /// The client sent too much that is no command.
    Misbehaved,
    /// The session cannot go on; BYE has been written.
    Ended,
}

/// Runs one command to its tagged response. `Err`: there is nobody left to answer.
pub(super) async fn execute(session: &mut Session, conn: &mut Conn, tagged: Tagged) -> io::Result<Flow> {
    let Tagged { tag, command } = tagged;
    let facts = spec(&command);
    let started = Instant::now();
    let flow = match &command {
        Command::StartTls => Flow::StartTls,
        Command::Logout => Flow::Logout,
        Command::Compress(_) => Flow::StartCompression,
        Command::Unauthenticate => Flow::EndCompression,
        _ => Flow::Continue,
    };
    let mut result = match refusal(facts, session) {
        None => run(session, conn, &tag, command).await,
        Some(refused) => Err(refused),
    };
    if !matches!(result, Err(CommandError::Io(_) | CommandError::Bye(_))) && flow == Flow::Continue {
        result = updates(session, conn, facts).await.and(result);
        if !matches!(result, Err(CommandError::Io(_) | CommandError::Bye(_))) {
            mod_seq(session, &mut conn.output, &mut result);
        }
    }
    let (condition, flow) = match result {
        Ok(done) => {
            tagged_ok(conn, &tag, facts, &done);
            (Condition::Ok, flow)
        }
        Err(error) => {
            let failure = error.failure()?;
            let flow = if failure.condition == Condition::Bye { Flow::Ended } else { Flow::Continue };
            tagged_failure(conn, &tag, &failure);
            (failure.condition, flow)
        }
    };
    session.deps.metrics.observe(facts.name, condition, started.elapsed());
    Ok(flow)
}

/// Answers what could not be parsed; too many of them end the connection.
pub(super) fn syntax_error(session: &mut Session, conn: &mut Conn, error: &SyntaxError) -> io::Result<Flow> {
    session.upload = None;
    session.bad_commands += 1;
    let failure = Failure { condition: Condition::Bad, code: None, text: error.message };
    tagged_failure(conn, error.tag.as_deref().unwrap_or(b"*"), &failure);
    session.deps.metrics.observe(INVALID, Condition::Bad, std::time::Duration::ZERO);
    let settings = &session.deps.settings;
    let limit = match session.state {
        State::NotAuthenticated => settings.bad_commands_before_login,
        _ => settings.bad_commands,
    };
    Ok(if session.bad_commands >= limit { Flow::Misbehaved } else { Flow::Continue })
}

/// Writes the tagged answer to a command that never reached a handler (an APPEND refused before its literal).
pub(super) fn refuse(conn: &mut Conn, tag: &[u8], error: CommandError) -> io::Result<Flow> {
    let failure = error.failure()?;
    tagged_failure(conn, tag, &failure);
    Ok(if failure.condition == Condition::Bye { Flow::Ended } else { Flow::Continue })
}

/// Ends the session where no command is answered: what cannot be told makes what was told before untrue.
pub(super) fn end(conn: &mut Conn, error: CommandError) -> io::Result<()> {
    let failure = Failure { condition: Condition::Bye, ..error.failure()? };
    tagged_failure(conn, b"*", &failure);
    Ok(())
}

/// Why the present state, or what the client has enabled, does not allow the command.
pub(super) fn refusal(facts: Spec, session: &Session) -> Option<CommandError> {
    let fits = match facts.allowed {
        Allowed::Any => true,
        Allowed::NotAuthenticated => matches!(session.state, State::NotAuthenticated),
        Allowed::Authenticated => matches!(session.state, State::Authenticated(_) | State::Selected(..)),
        Allowed::Selected => matches!(session.state, State::Selected(..)),
    };
    if fits {
        return (facts.by_number && session.features.uid_only).then_some(CommandError::UidRequired);
    }
    Some(match (facts.allowed, &session.state) {
        (Allowed::NotAuthenticated, _) => CommandError::Bad("Already logged in"),
        (_, State::NotAuthenticated) => CommandError::Bad("Log in first"),
        _ => CommandError::Bad("Select a mailbox first"),
    })
}

async fn run(session: &mut Session, conn: &mut Conn, tag: &[u8], command: Command) -> CommandResult {
    match command {
        Command::Capability => any::capability(session, &mut conn.output),
        Command::Noop => any::noop(session),
        Command::Logout => any::logout(&mut conn.output),
        Command::Id(fields) => any::id(session, fields.as_deref(), &mut conn.output),
        Command::StartTls => auth::start_tls(session),
        Command::Login { user, password } => auth::login(session, conn, &user, password).await,
        Command::Authenticate { mechanism, initial } => auth::authenticate(session, conn, &mechanism, initial).await,
        Command::Select(args) => select::select(session, &mut conn.output, &args, false).await,
        Command::Examine(args) => select::select(session, &mut conn.output, &args, true).await,
        Command::Idle => idle::idle(session, conn).await,
        Command::Append(args) => append::append(session, args).await,
        Command::Replace(args) => replace::replace(session, conn, args).await,
        Command::Unauthenticate => auth::unauthenticate(session, conn),
        Command::Compress(mechanism) => compress::compress(conn, &mechanism),
        Command::Enable(names) => enable::enable(session, &names, &mut conn.output),
        Command::Delete(name, supplied) => mailbox::delete(session, &mut conn.output, &name, supplied.as_deref()).await,
        Command::Notify(args) => notify::notify(session, args, &mut conn.output).await,
        Command::Close => expunge::close(session).await,
        Command::Unselect => {
            session.unselect();
            Done::ok()
        }
        other => run_authenticated(session, conn, tag, other).await,
    }
}

async fn run_authenticated(session: &mut Session, conn: &mut Conn, tag: &[u8], command: Command) -> CommandResult {
    let out = &mut conn.output;
    let Some(mut cx) = session.authenticated() else { return Err(CommandError::Bad("Log in first")) };
    match command {
        Command::Create(args) => mailbox::create(&mut cx, &args, out).await,
        Command::Rename(from, to, supplied) => mailbox::rename(&mut cx, &from, &to, supplied.as_deref(), out).await,
        Command::Subscribe(name) => mailbox::subscribe(&mut cx, &name, true).await,
        Command::Unsubscribe(name) => mailbox::subscribe(&mut cx, &name, false).await,
        Command::List(args) => list::list(&mut cx, &args, out).await,
        Command::Lsub(args) => list::lsub(&cx, &args, out).await,
        Command::Namespace => list::namespace(out),
        Command::Status(name, items) => status::status(&mut cx, &name, &items, out).await,
        Command::GetQuota(root) => quota::get_quota(&cx, &root, out),
        Command::GetQuotaRoot(name) => quota::get_quota_root(&cx, &name, out),
        Command::SetQuota(root) => quota::set_quota(&cx, &root),
        Command::GetMetadata(args) => metadata::get(&cx, &args, out).await,
        Command::SetMetadata(args) => metadata::set(&mut cx, args).await,
        other => run_selected(session, conn, tag, other).await,
    }
}

async fn run_selected(session: &mut Session, conn: &mut Conn, tag: &[u8], command: Command) -> CommandResult {
    let out = &mut conn.output;
    let Some(mut cx) = session.selected() else { return Err(CommandError::Bad("Select a mailbox first")) };
    match command {
        Command::Check => Done::ok(),
        Command::Expunge(set) => expunge::expunge(&mut cx, set.as_ref(), out).await,
        Command::Search(args) => search::search(&mut cx, args, tag, out).await,
        Command::Sort(args) => sort::sort(&mut cx, args, tag, out).await,
        Command::Thread(args) => thread::thread(&mut cx, args, tag, out).await,
        Command::CancelUpdate(tags) => context::cancel(&mut cx, &tags),
        Command::UidBatches(size, range) => uid_batches::uid_batches(&cx, size, range, tag, out).await,
        Command::Fetch(args) => fetch::fetch(&mut cx, args, out).await,
        Command::Store(args) => store::store(&mut cx, &args, out).await,
        Command::Copy(args) => copy_move::copy(&mut cx, &args).await,
        Command::Move(args) => copy_move::move_messages(&mut cx, &args, out).await,
        _ => Err(CommandError::Bad("Unknown command")),
    }
}

/// Everything that happened to the selected mailbox goes out before the tagged line, and so does what NOTIFY asked for.
async fn updates(session: &mut Session, conn: &mut Conn, facts: Spec) -> Result<(), CommandError> {
    if let Some(mut cx) = session.selected() {
        // What NOTIFY allows at any time waits at a SELECT all the same, until its description is complete.
        let expunge = facts.may_expunge || cx.telling().expunge && facts.allowed == Allowed::Selected;
        notify::announce(&mut cx, &mut conn.output, expunge).await?;
    }
    notify::tell_others(session, &mut conn.output).await
}

/// HIGHESTMODSEQ where the client must have it: as the code of the tagged response, or on a line of its own. After the
/// updates, so that it covers nothing that the client has not been told (IMAP-RULES 21).
fn mod_seq(session: &mut Session, out: &mut Output, result: &mut CommandResult) {
    let Some(mut cx) = session.selected() else { return };
    let tagged = result.as_mut().ok().filter(|done| done.mod_seq);
    let Some(ModSeq(highest)) = cx.mod_seq_due(tagged.is_some()) else { return };
    match tagged {
        Some(done) => done.code = Some(format!("HIGHESTMODSEQ {highest}")),
        None => out.line(format!("* OK [HIGHESTMODSEQ {highest}] Highest mod-sequence")),
    }
}

fn tagged_ok(conn: &mut Conn, tag: &[u8], facts: Spec, done: &Done) {
    let out = &mut conn.output;
    out.push(tag);
    out.push(" OK ");
    if let Some(code) = &done.code {
        out.push(format!("[{code}] "));
    }
    match done.text {
        Some(text) => out.line(text),
        None => out.line(format!("{} completed", facts.name.to_ascii_uppercase().replace('_', " "))),
    }
}

fn tagged_failure(conn: &mut Conn, tag: &[u8], failure: &Failure) {
    let out = &mut conn.output;
    out.push(if failure.condition == Condition::Bye { b"*" } else { tag });
    out.push(format!(" {} ", failure.condition.word()));
    if let Some(code) = &failure.code {
        out.push(format!("[{code}] "));
    }
    out.line(failure.text);
}
