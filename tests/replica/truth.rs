//! What the store holds, and whether a picture agrees with it.

use tributary::mail::{Keyword, MailboxId};
use tributary::store::Store;

use crate::replica::command::Flags;
use crate::replica::picture::{Checked, Known, Picture, ensure};

pub struct Message {
    pub uid: u32,
    pub flags: Flags,
    pub mod_seq: u64,
    /// Tells its octets from others.
    pub body: String,
}

/// A mailbox as it is now.
pub struct Truth {
    pub messages: Vec<Message>,
    pub highest_mod_seq: u64,
    pub uid_next: u32,
    pub uid_validity: u32,
}

impl Truth {
    pub async fn of(store: &Store, mailbox: MailboxId) -> Self {
        let snapshot = store.watch(mailbox).await.unwrap().current().unwrap();
        let mut messages = Vec::new();
        for m in snapshot.iter() {
            let keywords = m.keywords.iter().filter_map(|index| snapshot.keywords.get(index));
            let keywords = keywords.map(|keyword: &Keyword| keyword.as_str().to_ascii_lowercase());
            let flags = m.flags.names().map(str::to_ascii_lowercase).chain(keywords).collect();
            let (uid, mod_seq, body) = (m.uid.value(), m.mod_seq.0, format!("{:?}", m.body));
            messages.push(Message { uid, flags, mod_seq, body });
        }
        Self {
            messages,
            highest_mod_seq: snapshot.counts.highest_mod_seq.0,
            uid_next: snapshot.counts.uid_next,
            uid_validity: snapshot.uid_validity.value(),
        }
    }

    /// Whether all that is known is so. `complete`: everything is known, too.
    pub fn agrees(&self, picture: &Picture, complete: bool) -> Checked {
        let (told, there) = (picture.messages.len(), self.messages.len());
        ensure(told == there, || format!("{told} messages instead of {there}"))?;
        let told = picture.highest_told.max(picture.mod_seq);
        ensure(told <= self.highest_mod_seq, || format!("HIGHESTMODSEQ is {}, not {told}", self.highest_mod_seq))?;
        let same = picture.uid_validity == u64::from(self.uid_validity);
        ensure(same, || format!("UIDVALIDITY is {}, not {}", self.uid_validity, picture.uid_validity))?;
        ensure(picture.uid_next <= self.uid_next, || format!("UIDNEXT is {}", self.uid_next))?;
        // Without counting, which of the messages are not known does not matter.
        let mut known = picture.messages.iter().filter(|m| m.uid.is_some()).peekable();
        for (at, now) in self.messages.iter().enumerate() {
            let message = match picture.features.uid_only {
                false => picture.messages.get(at),
                true => known.next_if(|m| m.uid == Some(now.uid)),
            };
            let Some(message) = message else {
                ensure(!complete, || format!("UID {} is not known", now.uid))?;
                continue;
            };
            let fits = self.fits(message, now, complete, picture.features.condstore);
            ensure(fits, || {
                let Message { uid, flags, mod_seq, .. } = now;
                format!("message {} is {uid} {flags:?} {mod_seq}, and by the client {message:?}", at + 1)
            })?;
        }
        let more = known.next().filter(|_| picture.features.uid_only);
        ensure(more.is_none(), || format!("{more:?} is not there"))
    }

    fn fits(&self, told: &Known, now: &Message, complete: bool, condstore: bool) -> bool {
        told.uid.map_or(!complete, |uid| uid == now.uid)
            && told.flags.as_ref().map_or(!complete, |flags| *flags == now.flags)
            && (!condstore || told.mod_seq == 0 || told.mod_seq == now.mod_seq)
    }
}
