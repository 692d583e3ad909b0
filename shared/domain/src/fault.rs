//! When the machinery fails, as distinct from a rule that refuses.

use std::error::Error;

/// Something outside the rules went wrong: a store, a network, another company's system.
///
/// A refusal tells the caller what to change; a fault tells them only whether to come back.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The same request may succeed in a moment: contention, throttling, a lost connection.
    #[error("busy, and the attempts or the time for it are used up")]
    Busy(#[source] Box<dyn Error + Send + Sync>),
    /// Trying again will not help until somebody mends something.
    #[error("broken: {0}")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
}

impl Fault {
    /// A fault that only people can mend.
    pub fn broken(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Broken(source.into())
    }

    /// A fault that passes.
    pub fn busy(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Busy(source.into())
    }
}
