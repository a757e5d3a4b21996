//! From stored rows to FETCH responses. Runs on a blocking thread in steps of bounded size, so that neither memory
//! nor a read transaction grows with a message or a mailbox.

mod binary;
mod preview;
mod section;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use binary::{Decoding, Measure, Progress};
use preview::preview;
use section::{Shown, is_header, section, section_name};
pub(super) use section::{clip, header, want};

use crate::imap::codec::command::{FetchItem, Section, SectionText};
use crate::imap::codec::write;
use crate::imap::session::{fetch_head, mod_seq_item, write_flags};
use crate::mail::{InternalDate, Keyword, Message, Uid};
use crate::store::{self, BodyCursor, ObjectIds, Reader, RecordRef};

/// One step ends when this much has been rendered: a client that reads slowly costs what is being written to it and what
/// comes after that (DESIGN 2.8).
const STEP: usize = 64 << 10;
/// Octets are read in pieces of this size at most, which may pass the end of a step.
const SLACK: usize = 16 << 10;

/// What to send of each message.
pub(super) struct Plan {
    /// In the order they are sent.
    pub(super) items: Vec<FetchItem>,
    /// The responses are UIDFETCH.
    pub(super) uid_only: bool,
    /// FLAGS is not among the items, but shown where the command itself set `\Seen`.
    pub(super) implied_flags: bool,
    pub(super) keywords: Arc<Vec<Keyword>>,
    pub(super) ids: ObjectIds,
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
    /// Where the present line begins, as long as none of it can have been sent.
    line: Option<usize>,
    begun: bool,
    literal: Option<Literal>,
    /// The BINARY items of the present job, in order: measured, or still to be.
    measures: VecDeque<Measure>,
    measured: usize,
    /// How much of them may still be kept.
    room: usize,
    /// Octets looked through in the present step without anything to send.
    effort: usize,
    /// Where the last literal ended: the next one may begin there.
    spare: Option<BodyCursor>,
    pub(super) missed: Missed,
}

/// A literal whose length has been told.
enum Literal {
    /// Octets of the body as they are.
    Raw(BodyCursor),
    /// Octets made of them.
    Decoded(Decoding),
}

/// What has been read of the present message.
struct Known<'a> {
    record: Option<&'a RecordRef>,
    /// Where nothing but the header is wanted, and it was read lately.
    header: Option<&'a [u8]>,
}

impl Known<'_> {
    fn parts(&self) -> &[u8] {
        self.record.map(RecordRef::parts).unwrap_or_default()
    }
}

/// What could not be had.
#[derive(Default)]
pub(super) struct Missed {
    /// Bytes of messages that are expunged.
    pub(super) ghosts: bool,
    /// Messages that the view has not seen expunged, and whose bytes are gone.
    pub(super) living: Vec<Uid>,
    /// Bytes of messages that are stored, and damaged.
    pub(super) damaged: bool,
    /// Parts with a transfer encoding that is broken or not known.
    pub(super) undecodable: bool,
    /// The octets that a literal promised: the connection cannot go on.
    pub(super) broken: bool,
}

/// Octets of a body, in pieces.
struct Octets(BodyCursor);

impl Octets {
    /// Adds up to about `max` octets; `false`: the body has been collected.
    fn read(&mut self, reader: &Reader, out: &mut Vec<u8>, max: usize) -> store::Result<bool> {
        let before = out.len();
        let readable = reader.read_body(&mut self.0, out, max)?;
        Ok(readable && (out.len() > before || self.0.is_done()))
    }
}

impl Plan {
    /// Whether an item needs more than the row.
    pub(super) fn reads_store(&self) -> bool {
        self.items.iter().any(|item| !is_small(item))
    }

    /// Whether an item needs the record of the message: the whole message does not.
    fn reads_records(&self) -> bool {
        let whole = |section: &Section| section.path.is_empty() && section.text == SectionText::Whole;
        self.items.iter().any(|item| match item {
            FetchItem::Rfc822 => false,
            FetchItem::Section { section, .. } | FetchItem::Binary { section, .. } | FetchItem::BinarySize(section) => {
                !whole(section)
            }
            item => !is_small(item),
        })
    }

    /// Whether all that is wanted besides the row is in the header.
    fn shows_headers(&self) -> bool {
        self.items.iter().filter(|item| !is_small(item)).all(|item| match item {
            FetchItem::Rfc822Header => true,
            FetchItem::Section { section, .. } => is_header(section),
            _ => false,
        })
    }

    /// Whether an item is measured before it is sent.
    fn is_measured(&self) -> bool {
        self.items.iter().any(binary::is_binary)
    }

    /// A whole response of the small items.
    pub(super) fn render_row(&self, job: &Job, out: &mut Vec<u8>) {
        self.begin(out, job);
        let mut first = true;
        for item in self.items.iter().filter(|item| is_small(item)) {
            separate(out, &mut first);
            self.small(item, job, out);
        }
        self.implied(job, out, &mut first);
        out.extend_from_slice(b")\r\n");
    }

    fn begin(&self, out: &mut Vec<u8>, job: &Job) {
        fetch_head(out, self.uid_only, job.seq, job.message.uid);
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
            FetchItem::EmailId => {
                out.extend_from_slice(b"EMAILID (");
                out.extend_from_slice(self.ids.email(job.message.body).as_bytes());
                out.push(b')');
            }
            FetchItem::ThreadId => match self.ids.thread(job.message.thread) {
                Some(thread) => {
                    out.extend_from_slice(b"THREADID (");
                    out.extend_from_slice(thread.as_bytes());
                    out.push(b')');
                }
                None => out.extend_from_slice(b"THREADID NIL"),
            },
            FetchItem::SaveDate => {
                out.extend_from_slice(b"SAVEDATE ");
                match job.message.saved {
                    0 => write::nil(out),
                    saved => write::date_time(out, &InternalDate { unix: saved.into(), offset_minutes: 0 }),
                }
            }
            _ => {}
        }
    }
}

fn is_small(item: &FetchItem) -> bool {
    matches!(
        item,
        FetchItem::Uid
            | FetchItem::Flags
            | FetchItem::InternalDate
            | FetchItem::Size
            | FetchItem::ModSeq
            | FetchItem::EmailId
            | FetchItem::ThreadId
            | FetchItem::SaveDate
    )
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
            line: None,
            begun: false,
            literal: None,
            measures: VecDeque::new(),
            measured: 0,
            room: binary::KEPT,
            effort: 0,
            spare,
            missed: Missed::default(),
        }
    }

    /// The place where the last literal ended.
    pub(super) fn into_spare(self) -> Option<BodyCursor> {
        self.spare
    }

    pub(super) fn is_done(&self) -> bool {
        self.job >= self.jobs.len()
    }

    /// Renders until `out` holds [`STEP`] octets, as many have been looked through, or all is done; gives both back.
    pub(super) fn step(mut self, reader: &Reader, mut out: Vec<u8>) -> store::Result<(Self, Vec<u8>)> {
        (self.effort, self.line) = (0, None);
        while out.len() + self.effort < STEP && !self.missed.broken && !self.is_done() {
            let done = match self.literal.take() {
                Some(literal) => self.continue_literal(literal, reader, &mut out),
                None => self.continue_job(reader, &mut out),
            };
            if let Err(error) = done {
                if !self.missed.damaged {
                    tracing::error!(%error, "a message cannot be read");
                }
                // Expunged or not: what is damaged is not what was expunged.
                self.missed.damaged = true;
                self.miss(&mut out);
            }
        }
        Ok((self, out))
    }

    fn continue_literal(&mut self, literal: Literal, reader: &Reader, out: &mut Vec<u8>) -> store::Result<()> {
        match literal {
            Literal::Raw(cursor) => {
                let before = out.len();
                // A vector that doubles would cost twice as much.
                out.reserve_exact((STEP + SLACK).saturating_sub(before));
                let mut octets = Octets(cursor);
                let readable = octets.read(reader, out, STEP.saturating_sub(before).max(1))?;
                // NUL never leaves in a literal (RFC 9051 section 4.3): it goes out as 0x80, as Dovecot does.
                write::replace_nul(out.get_mut(before..).unwrap_or_default());
                if !readable {
                    self.miss(out);
                } else if octets.0.is_done() {
                    self.spare = Some(octets.0);
                } else {
                    self.literal = Some(Literal::Raw(octets.0));
                }
            }
            Literal::Decoded(mut decoding) => {
                if !decoding.step(reader, out)? {
                    self.miss(out);
                } else if !decoding.is_done() {
                    self.literal = Some(Literal::Decoded(decoding));
                }
            }
        }
        Ok(())
    }

    /// Renders items of the present job until a literal has to be streamed or the job ends.
    fn continue_job(&mut self, reader: &Reader, out: &mut Vec<u8>) -> store::Result<()> {
        let Some(job) = self.jobs.get(self.job) else { return Ok(()) };
        let plan = Arc::clone(&self.plan);
        let header = if plan.shows_headers() { reader.kept_header(job.message.body)? } else { None };
        let reads_record = header.is_none() && plan.reads_records();
        let record = if reads_record { reader.record(job.message.body)? } else { None };
        if record.is_none() && reads_record {
            self.miss(out);
            return Ok(());
        }
        let known = Known { record: record.as_ref(), header: header.as_deref() };
        if !self.begun {
            if plan.is_measured() && !self.measure(&plan, known.record, reader, out)? {
                return Ok(());
            }
            self.line = Some(out.len());
            if let Some(job) = self.jobs.get(self.job) {
                plan.begin(out, job);
            }
            self.begun = true;
        }
        let Some(job) = self.jobs.get(self.job) else { return Ok(()) };
        let mut first = self.item == 0;
        while let Some(item) = plan.items.get(self.item) {
            separate(out, &mut first);
            self.item += 1;
            if is_small(item) {
                plan.small(item, job, out);
            } else if binary::is_binary(item) {
                let decoding = self.measures.pop_front().and_then(|measure| measure.render(item, job, out));
                if let Some(decoding) = decoding {
                    return self.continue_literal(Literal::Decoded(decoding), reader, out);
                }
            } else {
                match large(item, job, &known, reader, out)? {
                    Shown::Whole => {}
                    Shown::Literal(span) => {
                        let body = job.message.body;
                        let spare = self.spare.take();
                        let spare = spare.and_then(|mut spare| spare.advance_to(body, &span).then_some(spare));
                        let literal = Literal::Raw(spare.unwrap_or_else(|| cursor(item, job, span)));
                        // At once, so that nothing is sent of a message whose bytes are gone.
                        return self.continue_literal(literal, reader, out);
                    }
                    Shown::Gone => {
                        self.miss(out);
                        return Ok(());
                    }
                }
            }
        }
        plan.implied(job, out, &mut first);
        out.extend_from_slice(b")\r\n");
        self.next_job();
        Ok(())
    }

    /// Finds out what the BINARY items of the present job show. `false`: not yet, or the job is passed over.
    fn measure(
        &mut self,
        plan: &Plan,
        record: Option<&RecordRef>,
        reader: &Reader,
        out: &mut Vec<u8>,
    ) -> store::Result<bool> {
        let Some(job) = self.jobs.get(self.job) else { return Ok(false) };
        let Some(item) = plan.items.iter().filter(|item| binary::is_binary(item)).nth(self.measured) else {
            return Ok(true);
        };
        if self.measures.len() == self.measured {
            let parts = record.map(RecordRef::parts).unwrap_or_default();
            match Measure::of(item, job, parts, reader)? {
                Ok(measure) => self.measures.push_back(measure),
                Err(failed) => {
                    self.fail(&failed, plan, out);
                    return Ok(false);
                }
            }
        }
        let Some(measure) = self.measures.back_mut() else { return Ok(false) };
        match measure.step(reader, &mut self.room)? {
            Progress::More(octets) => self.effort += octets,
            Progress::Done => self.measured += 1,
            failed => self.fail(&failed, plan, out),
        }
        Ok(false)
    }

    /// Passes over the present job: none of it was sent. That it is `\Seen` now, the client is told all the same.
    fn fail(&mut self, why: &Progress, plan: &Plan, out: &mut Vec<u8>) {
        if matches!(why, Progress::Gone) {
            return self.miss(out);
        }
        self.missed.undecodable = true;
        if let Some(job) = self.jobs.get(self.job).filter(|job| job.show_flags) {
            plan.render_row(job, out);
        }
        self.next_job();
    }

    /// The bytes of the present job are not there: its line is taken back, unless some of it was sent.
    fn miss(&mut self, out: &mut Vec<u8>) {
        if self.begun {
            let Some(line) = self.line else {
                self.missed.broken = true;
                return;
            };
            out.truncate(line);
        }
        match self.jobs.get(self.job) {
            Some(job) if !job.ghost => self.missed.living.push(job.message.uid),
            _ => self.missed.ghosts = true,
        }
        self.next_job();
    }

    fn next_job(&mut self) {
        (self.job, self.item, self.begun, self.line) = (self.job + 1, 0, false, None);
        self.measures.clear();
        (self.measured, self.room) = (0, binary::KEPT);
    }
}

/// The cursor for a literal of `span`. What ends before the message does, and will not be read on from, cannot be checked
/// against the hash of the message.
fn cursor(item: &FetchItem, job: &Job, span: Range<u64>) -> BodyCursor {
    let body = job.message.body;
    let read_on = matches!(item, FetchItem::Section { partial: Some(_), .. });
    if read_on || span.end >= u64::from(job.message.size) {
        BodyCursor::new(body, span)
    } else {
        BodyCursor::unverified(body, span)
    }
}

/// Renders an item that needs the record or the body.
fn large(item: &FetchItem, job: &Job, known: &Known<'_>, reader: &Reader, out: &mut Vec<u8>) -> store::Result<Shown> {
    let (name, value): (&str, fn(&RecordRef) -> &[u8]) = match item {
        FetchItem::Envelope => ("ENVELOPE ", RecordRef::envelope),
        FetchItem::Body => ("BODY ", RecordRef::body),
        FetchItem::BodyStructure => ("BODYSTRUCTURE ", RecordRef::body_structure),
        FetchItem::Preview { .. } => {
            let Some(text) = preview(job.message.body, known.parts(), reader)? else { return Ok(Shown::Gone) };
            out.extend_from_slice(b"PREVIEW ");
            write::string(out, text.as_bytes());
            return Ok(Shown::Whole);
        }
        FetchItem::Section { section: wanted, partial, .. } => {
            return section(wanted, *partial, &section_name(b"BODY", wanted, *partial), job, known, reader, out);
        }
        other => {
            let (name, text): (&[u8], _) = match other {
                FetchItem::Rfc822 => (b"RFC822", SectionText::Whole),
                FetchItem::Rfc822Header => (b"RFC822.HEADER", SectionText::Header),
                FetchItem::Rfc822Text => (b"RFC822.TEXT", SectionText::Text),
                _ => return Ok(Shown::Whole),
            };
            return section(&Section { path: Vec::new(), text }, None, name, job, known, reader, out);
        }
    };
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(known.record.map(value).unwrap_or_default());
    Ok(Shown::Whole)
}
