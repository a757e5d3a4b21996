//! Tagged responses: what a command must have brought, and what the client works out by itself.

use crate::replica::cache::Cache;
use crate::replica::command::{Command, Flags, Key, Kind};
use crate::replica::parse::{code, numbers};
use crate::replica::picture::{Checked, Known, Picture, ensure};

impl Picture {
    /// The tagged response, without its tag.
    pub fn tagged(&mut self, line: &str, command: &Command) -> Checked {
        if self.read_only && command.writes() {
            ensure(line.starts_with("NO [READ-ONLY]"), || "a change after EXAMINE".to_owned())?;
            self.settle_mod_seq();
            return Ok(());
        }
        let expunged = line.starts_with("NO [EXPUNGEISSUED]") && !command.by_uid;
        // RFC 7162 section 3.1.3: some had changed, and others are gone.
        let conditional = command.text.contains("UNCHANGEDSINCE") && matches!(command.kind, Kind::Store { .. });
        let modified = line.starts_with("NO [MODIFIED ") && conditional && !command.by_uid;
        let expected = line.starts_with("OK") || expunged || modified;
        ensure(expected, || format!("{} was answered so", command.text))?;
        self.status_response(line, Some(command))?;
        self.settle_mod_seq();
        let is_ok = line.starts_with("OK");
        match &command.kind {
            Kind::Select { mailbox, cache, told } => {
                let fits = self.answer.closed == self.answer.had_mailbox;
                ensure(fits, || "not told that the mailbox before is closed".to_owned())?;
                self.mailbox = Some(mailbox.clone());
                self.read_only = line.starts_with("OK [READ-ONLY]");
                let usable = cache.as_ref().is_some_and(|cache| cache.uid_validity == self.uid_validity);
                match usable && *told {
                    true => self.take_over()?,
                    false if !usable => self.resyncing = None,
                    false => {}
                }
            }
            Kind::Leave => {
                let constants = std::sync::Arc::clone(&self.constants);
                *self = Self { alone: self.alone, ..Self::new(constants, self.features) };
            }
            Kind::Store { .. } => self.stored(line, command)?,
            Kind::Fetch { since } => self.all_answered(command, is_ok && !since)?,
            Kind::Search { save, .. } => self.all_found(command, *save)?,
            Kind::Copy { moves, .. } if is_ok => self.all_copied(command, *moves)?,
            Kind::Append { mailbox, bodies } => self.appended(line, mailbox, bodies)?,
            _ => {}
        }
        Ok(())
    }

    /// What is kept when the connection ends now: all up to the first message of which something is not known.
    pub fn remembered(&self) -> Option<Cache> {
        if self.resyncing.is_some() {
            return self.resyncing.clone();
        }
        self.mailbox.as_ref()?;
        let known = self.messages.iter().map_while(|m| Some((m.uid?, (m.flags.clone()?, m.mod_seq))));
        let messages: std::collections::BTreeMap<_, _> = known.collect();
        let complete_to = messages.keys().next_back().copied().unwrap_or(0);
        Some(Cache { uid_validity: self.uid_validity, mod_seq: self.mod_seq, messages, complete_to })
    }

    /// The first UID of which something may not be known.
    pub fn incomplete_from(&self) -> u32 {
        let known = self.messages.iter().take_while(|m| m.uid.is_some() && m.flags.is_some());
        known.last().and_then(|m| m.uid).map_or(1, |uid| uid + 1)
    }

    /// After SELECT with QRESYNC the messages are those of the cache, as it was corrected, and then what is new.
    fn take_over(&mut self) -> Checked {
        let Some(cache) = self.resyncing.take() else { return Ok(()) };
        let (known, exists) = (cache.messages.len(), self.messages.len());
        ensure(known <= exists, || format!("{known} messages are cached and {exists} are there"))?;
        for (at, (uid, (flags, mod_seq))) in cache.messages.into_iter().enumerate() {
            // A client with UIDONLY is not told by place: what it was told may stand anywhere.
            let message = &mut self.messages[at];
            let found = message.uid;
            ensure(found.is_none_or(|told| told == uid) || self.features.uid_only, || {
                format!("message {} is {found:?}, and {uid} by the cache", at + 1)
            })?;
            let unknown = Known { uid: Some(uid), flags: Some(flags), mod_seq, ..Known::default() };
            if found.is_none() {
                *message = unknown;
            } else if found != Some(uid) {
                self.insert_by_uid(unknown)?;
            }
        }
        let past = |m: &Known| m.uid.is_none_or(|uid| uid > cache.complete_to);
        let strange = self.messages.iter().skip(known).find(|m| !past(m)).and_then(|m| m.uid);
        ensure(strange.is_none(), || format!("{strange:?} is told of, and the cache knows that there is none"))
    }

    fn insert_by_uid(&mut self, message: Known) -> Checked {
        if self.messages.iter().any(|m| m.uid == message.uid) {
            return Ok(());
        }
        let blank = self.messages.iter().position(|m| m.uid.is_none()).ok_or("more messages than there are")?;
        self.messages.remove(blank);
        let at = self.messages.iter().position(|m| m.uid > message.uid).unwrap_or(self.messages.len());
        self.messages.insert(at, message);
        Ok(())
    }

    /// Without QRESYNC: of what has been found again the cache has the flags, until the server says otherwise.
    pub fn adopt(&mut self) {
        let Some(cache) = &self.resyncing else { return };
        for message in self.messages.iter_mut().filter(|m| m.flags.is_none()) {
            let known = message.uid.and_then(|uid| cache.messages.get(&uid));
            let Some((flags, mod_seq)) = known else { continue };
            message.flags = Some(flags.clone());
            message.mod_seq = message.mod_seq.max(*mod_seq);
        }
    }

    /// What a STORE did and the server did not say: the client works it out.
    fn stored(&mut self, line: &str, command: &Command) -> Checked {
        let Kind::Store { op, flags: list, silent } = &command.kind else { return Ok(()) };
        let modified = code(line, "MODIFIED").map(numbers).unwrap_or_default();
        let complete = line.starts_with("OK") && modified.is_empty();
        let saved = self.answer.saved.clone();
        for (number, message) in (1..).zip(&mut self.messages) {
            let name = if command.by_uid { message.uid } else { Some(number) };
            let named = command.has(number, message.uid, &saved);
            if message.told || named == Some(false) || name.is_some_and(|n| modified.contains(&n)) {
                continue;
            }
            ensure(*silent || !complete || named.is_none(), || format!("no FETCH for message {number}"))?;
            message.flags = message.flags.take().filter(|_| complete && named.is_some()).map(|mut flags| {
                match op {
                    '+' => flags.extend(list.iter().cloned()),
                    '-' => flags.retain(|flag| !list.contains(flag)),
                    _ => flags = list.clone(),
                }
                flags
            });
        }
        Ok(())
    }

    /// A message that was named, and is still there, has been answered.
    fn all_answered(&self, command: &Command, complete: bool) -> Checked {
        if !complete {
            return Ok(());
        }
        let named = |n: u32, m: &Known| command.has(n, m.uid, &self.answer.saved) == Some(true);
        let missing = (1..).zip(&self.messages).find(|(n, m)| named(*n, m) && !m.answered && !self.is_new(m));
        ensure(missing.is_none(), || format!("{missing:?} was asked for and not answered"))
    }

    /// A message that came while the command ran is not among those it named, which the server settles as it begins. A FETCH
    /// that sets `\Seen` tells of arrivals first, and at its end of what has become of their flags by then.
    fn is_new(&self, message: &Known) -> bool {
        message.arrived || message.uid.is_none() || !self.alone && message.flags.is_none()
    }

    /// Whether the message fits the SEARCH, as far as it is known.
    pub(super) fn matches(&self, command: &Command, number: u32, message: &Known) -> Option<bool> {
        let Kind::Search { key, .. } = &command.kind else { return None };
        Some(command.has(number, message.uid, &self.saved)? && fits(key, message.flags.as_ref())?)
    }

    pub(super) fn found(&mut self, hits: Vec<u32>, running: Option<&Command>) -> Checked {
        let is_search = running.is_some_and(|c| matches!(c.kind, Kind::Search { .. }));
        ensure(is_search && self.answer.hits.is_none(), || "SEARCH out of place, or again".to_owned())?;
        self.answer.hits = Some(hits);
        Ok(())
    }

    /// What was found fits, before or after the news; what fits before and after has been found, unless it may be gone.
    fn all_found(&mut self, command: &Command, save: bool) -> Checked {
        let Kind::Search { key, .. } = &command.kind else { return Ok(()) };
        let hits = self.answer.hits.take().ok_or("nothing was found nor not found")?;
        for (number, message) in (1..).zip(&self.messages) {
            let Some(name) = (if command.by_uid { message.uid } else { Some(number) }) else { continue };
            let now = fits(key, message.flags.as_ref());
            let is_hit = hits.contains(&name);
            let strange = is_hit && message.matched == Some(false) && now == Some(false);
            ensure(!strange, || format!("{name} was found and does not fit"))?;
            let missed = !is_hit && command.may_expunge && message.matched == Some(true) && now == Some(true);
            ensure(!missed, || format!("{name} fits and was not found"))?;
        }
        let past_end = !command.by_uid && hits.iter().any(|n| *n as usize > self.messages.len());
        ensure(!past_end, || "a number is out of range".to_owned())?;
        if save {
            self.saved = hits.into_iter().collect();
        }
        Ok(())
    }

    /// A message that was named and is still there has been copied; one that was to be moved is not there.
    fn all_copied(&self, command: &Command, moves: bool) -> Checked {
        if !command.by_uid {
            return Ok(());
        }
        for (number, message) in (1..).zip(&self.messages) {
            let named = command.has(number, message.uid, &self.answer.saved) == Some(true);
            let Some(uid) = message.uid.filter(|_| named && !self.is_new(message)) else { continue };
            ensure(!moves, || format!("{uid} was to be moved and is still there"))?;
            ensure(self.answer.copied.contains(&uid), || format!("{uid} was to be copied and is not in COPYUID"))?;
        }
        Ok(())
    }

    fn appended(&self, line: &str, mailbox: &str, bodies: &[String]) -> Checked {
        let uids = numbers(code(line, "APPENDUID").and_then(|value| value.rsplit(' ').next()).ok_or("no APPENDUID")?);
        ensure(uids.len() == bodies.len(), || format!("{} UIDs of {} messages", uids.len(), bodies.len()))?;
        let selected = self.mailbox.as_deref() == Some(mailbox);
        ensure(!selected || !self.alone || self.answer.exists, || "no EXISTS for the new message".to_owned())?;
        let mut constants = self.constants.lock().unwrap();
        for (uid, body) in uids.into_iter().zip(bodies) {
            let literal = format!("{{{}}}\r\n{body}", body.len());
            let given = constants.insert((mailbox.to_owned(), uid, "given".to_owned()), String::new());
            ensure(given.is_none(), || format!("UID {uid} of {mailbox} was given out before"))?;
            let key = (mailbox.to_owned(), uid, "BODY[]".to_owned());
            let stored = constants.entry(key).or_insert_with(|| literal.clone());
            ensure(*stored == literal, || format!("UID {uid} is not what was appended"))?;
        }
        Ok(())
    }
}

fn fits(key: &Key, flags: Option<&Flags>) -> Option<bool> {
    match key {
        Key::All => Some(true),
        Key::Has(flag) => flags.map(|flags| flags.contains(flag)),
        Key::Lacks(flag) => flags.map(|flags| !flags.contains(flag)),
    }
}
