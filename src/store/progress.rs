//! How far long work is.

/// How far long work is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, in a word or two.
    pub phase: &'static str,
    /// How much of it is done; octets, messages or bodies, as the phase has it.
    pub done: u64,
    /// Of how much; 0 where it is not known.
    pub total: u64,
}

/// Whom it is told; to be called often, and cheap.
pub type Tell<'f> = &'f (dyn Fn(Progress) + Send + Sync);
