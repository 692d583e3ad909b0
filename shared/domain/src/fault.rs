//! Faults: failures of the infrastructure, as opposed to refusals by a rule.

use std::error::Error;

/// A failure outside the business rules: of a database, a network or another company's system.
///
/// From a refusal, the caller learns what to change. From a fault, only whether to retry.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Transient: the same request may succeed later. Causes are contention, throttling or a lost
    /// connection.
    #[error("busy: all attempts or the available time are used up")]
    Busy(#[source] Box<dyn Error + Send + Sync>),
    /// Permanent: a retry does not help until people fix the cause.
    #[error("broken: {0}")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
}

impl Fault {
    /// A permanent fault, which people must fix.
    pub fn broken(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Broken(source.into())
    }

    /// A transient fault.
    pub fn busy(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Busy(source.into())
    }
}
