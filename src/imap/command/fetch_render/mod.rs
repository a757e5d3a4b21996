//! From stored rows to FETCH responses. Runs on a blocking thread in steps of bounded size, so that neither memory
//! nor a read transaction grows with a message or a mailbox.

mod section;

use std::ops::Range;
use std::sync::Arc;

use crate::imap::codec::command::{FetchItem, Section, SectionText};
use crate::imap::codec::write;
use crate::imap::session::{mod_seq_item, write_flags};
use crate::mail::{Keyword, Message};
use crate::store::{self, BodyCursor, Reader, RecordRef};

/// One step ends when this much has been rendered.
const STEP: usize = 256 << 10;

/// What to send of each message.
pub(super) struct Plan {
    /// In the order they are sent.
    pub(super) items: Vec<FetchItem>,
    /// FLAGS is not among the items, but shown where the command itself set `\Seen`.
    pub(super) implied_flags: bool,
    pub(super) keywords: Arc<Vec<Keyword>>,
}

/// One message to send.
pub(super) struct Job {
    pub(super) seq: u32,
    pub(super) message: Message,
    pub(super) recent: bool,
    /// The command set `\Seen`: the client must be told.
    pub(super) show_flags: bool,
    pub(super) ghost: bool,
}

/// Renders jobs one after the other; between two steps it stands anywhere, even within a literal.
pub(super) struct Renderer {
    plan: Arc<Plan>,
    jobs: Vec<Job>,
    job: usize,
    /// The next item of the present job; 0: its line has not begun.
    item: usize,
    begun: bool,
    literal: Option<BodyCursor>,
    /// Where the last literal ended: the next one may begin there.
    spare: Option<BodyCursor>,
    /// Expunged messages whose bytes are gone.
    pub(super) missed_ghosts: bool,
    /// Messages that should be readable and are not.
    pub(super) missed_living: bool,
    /// The octets that a literal promised cannot be read: the connection cannot go on.
    pub(super) broken: bool,
}

impl Plan {
    /// Whether an item needs more than the row.
    pub(super) fn reads_store(&self) -> bool {
        self.items.iter().any(|item| !is_small(item))
    }

    /// A whole response of small items.
    pub(super) fn render_row(&self, job: &Job, out: &mut Vec<u8>) {
        begin(out, job);
        let mut first = true;
        for item in &self.items {
            separate(out, &mut first);
            self.small(item, job, out);
        }
        self.implied(job, out, &mut first);
        out.extend_from_slice(b")\r\n");
    }

    fn implied(&self, job: &Job, out: &mut Vec<u8>, first: &mut bool) {
        if self.implied_flags && job.show_flags {
            separate(out, first);
            self.small(&FetchItem::Flags, job, out);
        }
    }

    fn small(&self, item: &FetchItem, job: &Job, out: &mut Vec<u8>) {
        match item {
            FetchItem::Uid => {
                out.extend_from_slice(b"UID ");
                write::number(out, job.message.uid.value().into());
            }
            FetchItem::Flags => {
                out.extend_from_slice(b"FLAGS ");
                write_flags(out, &job.message, &self.keywords, job.recent);
            }
            FetchItem::InternalDate => {
                out.extend_from_slice(b"INTERNALDATE ");
                write::date_time(out, &job.message.internal_date);
            }
            FetchItem::Size => {
                out.extend_from_slice(b"RFC822.SIZE ");
                write::number(out, job.message.size.into());
            }
            FetchItem::ModSeq => mod_seq_item(out, &job.message),
            _ => {}
        }
    }
}

fn is_small(item: &FetchItem) -> bool {
    matches!(item, FetchItem::Uid | FetchItem::Flags | FetchItem::InternalDate | FetchItem::Size | FetchItem::ModSeq)
}

fn begin(out: &mut Vec<u8>, job: &Job) {
    out.extend_from_slice(b"* ");
    write::number(out, job.seq.into());
    out.extend_from_slice(b" FETCH (");
}

fn separate(out: &mut Vec<u8>, first: &mut bool) {
    if !std::mem::take(first) {
        out.push(b' ');
    }
}

impl Renderer {
    pub(super) fn new(plan: Arc<Plan>, jobs: Vec<Job>, spare: Option<BodyCursor>) -> Self {
        Self {
            plan,
            jobs,
            job: 0,
            item: 0,
            begun: false,
            literal: None,
            spare,
            missed_ghosts: false,
            missed_living: false,
            broken: false,
        }
    }

    /// The place where the last literal ended.
    pub(super) fn into_spare(self) -> Option<BodyCursor> {
        self.spare
    }

    pub(super) fn is_done(&self) -> bool {
        self.job >= self.jobs.len()
    }

    /// Renders until `out` holds [`STEP`] octets or all is done; gives both back.
    pub(super) fn step(mut self, reader: &Reader, mut out: Vec<u8>) -> store::Result<(Self, Vec<u8>)> {
        while out.len() < STEP && !self.broken && !self.is_done() {
            if self.literal.is_some() {
                self.continue_literal(reader, &mut out)?;
            } else {
                self.continue_job(reader, &mut out)?;
            }
        }
        Ok((self, out))
    }

    fn continue_literal(&mut self, reader: &Reader, out: &mut Vec<u8>) -> store::Result<()> {
        let Some(cursor) = &mut self.literal else { return Ok(()) };
        let before = out.len();
        let readable = reader.read_body(cursor, out, STEP.saturating_sub(before).max(1))?;
        // NUL never leaves in a literal (RFC 9051 section 4.3): it goes out as 0x80, as Dovecot does.
        write::replace_nul(out.get_mut(before..).unwrap_or_default());
        if cursor.is_done() {
            self.spare = self.literal.take();
        } else if !readable || out.len() == before {
            self.broken = true;
        }
        Ok(())
    }

    /// Renders items of the present job until a literal has to be streamed or the job ends.
    fn continue_job(&mut self, reader: &Reader, out: &mut Vec<u8>) -> store::Result<()> {
        let Some(job) = self.jobs.get(self.job) else { return Ok(()) };
        let Some(record) = reader.record(job.message.body)? else {
            self.missed_ghosts |= job.ghost;
            self.missed_living |= !job.ghost;
            self.job += 1;
            return Ok(());
        };
        let plan = Arc::clone(&self.plan);
        if !self.begun {
            begin(out, job);
            self.begun = true;
        }
        let mut first = self.item == 0;
        while let Some(item) = plan.items.get(self.item) {
            separate(out, &mut first);
            self.item += 1;
            if is_small(item) {
                plan.small(item, job, out);
            } else if let Some(span) = large(item, job, &record, reader, out)? {
                let body = job.message.body;
                let spare = self.spare.take().and_then(|mut spare| spare.advance_to(body, &span).then_some(spare));
                self.literal = Some(spare.unwrap_or_else(|| BodyCursor::new(body, span)));
                return Ok(());
            }
        }
        plan.implied(job, out, &mut first);
        out.extend_from_slice(b")\r\n");
        (self.job, self.item, self.begun) = (self.job + 1, 0, false);
        Ok(())
    }
}

/// Renders an item that needs the record or the body. Returned: the octets of the body that follow as a literal.
fn large(
    item: &FetchItem,
    job: &Job,
    record: &RecordRef,
    reader: &Reader,
    out: &mut Vec<u8>,
) -> store::Result<Option<Range<u64>>> {
    let top = |text| Section { path: Vec::new(), text };
    match item {
        FetchItem::Envelope => named(out, "ENVELOPE ", record.envelope()),
        FetchItem::Body => named(out, "BODY ", record.body()),
        FetchItem::BodyStructure => named(out, "BODYSTRUCTURE ", record.body_structure()),
        FetchItem::Rfc822 => {
            return section::section(&top(SectionText::Whole), None, b"RFC822", job, record, reader, out);
        }
        FetchItem::Rfc822Header => {
            return section::section(&top(SectionText::Header), None, b"RFC822.HEADER", job, record, reader, out);
        }
        FetchItem::Rfc822Text => {
            return section::section(&top(SectionText::Text), None, b"RFC822.TEXT", job, record, reader, out);
        }
        FetchItem::Section { section: wanted, partial, .. } => {
            return section::section(wanted, *partial, &section::label(wanted, *partial), job, record, reader, out);
        }
        _ => {}
    }
    Ok(None)
}

fn named(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(value);
}
