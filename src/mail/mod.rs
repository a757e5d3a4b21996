//! The vocabulary of mail, as IMAP names it (layer 0: no I/O, no clock, no dependency on any other module).

mod account;
mod flag;
mod ids;
mod message;
mod name;
mod set;

pub use account::{account_keyword, account_mailbox, is_among_accounts};
pub use flag::{FlagList, FlagOp, Flags, Keyword, KeywordSet, MAX_KEYWORD_LEN, MAX_KEYWORDS};
pub use ids::{AccountId, BodyId, MAX_UID, MailboxId, ModSeq, Seq, ThreadId, Uid, UidValidity, UserId};
pub use message::{InternalDate, Message};
pub use name::{DELIMITER, MAX_NAME_LEN, MailboxName, NameError, SpecialUse};
pub use set::{SequenceSet, SetNumber, UidSet};
