//! Outcomes: what a use case came to, if it was not refused.

use std::time::Duration;

/// What a use case came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It is done.
    Done(T),
    /// It is accepted and continues without the caller, or waits for the caller's next request.
    Accepted {
        /// The state now.
        value: T,
        /// When it makes sense to ask again, if that is known.
        retry_after: Option<Duration>,
    },
    /// The request repeats another one: nothing was done.
    Replayed(Reply),
}

/// The first response to a request under an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Whether the request was done, or only accepted.
    pub is_done: bool,
    /// The body, byte for byte.
    pub body: String,
}

impl<T> Outcome<T> {
    /// It is accepted; nothing is known of how long it takes.
    pub const fn accepted(value: T) -> Self {
        Self::Accepted { value, retry_after: None }
    }

    /// The same outcome with its value converted.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Done(value) => Outcome::Done(convert(value)),
            Self::Accepted { value, retry_after } => {
                Outcome::Accepted { value: convert(value), retry_after }
            }
            Self::Replayed(reply) => Outcome::Replayed(reply),
        }
    }
}
