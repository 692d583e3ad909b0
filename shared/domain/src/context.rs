//! The context of a use case: everything that it may depend on besides its input and what is
//! stored.

use crate::{Caller, EntryId, Timestamp};
use ulid::Ulid;

/// The circumstances of one request or message.
#[derive(Debug, Clone)]
pub struct Context {
    /// The caller.
    pub caller: Caller,
    /// When the request arrived.
    pub now: Timestamp,
    /// By when the work must be done.
    pub deadline: Timestamp,
    /// Where new ids come from.
    pub ids: Ids,
}

/// A source of new, time-ordered ids: the time is that of the request, the random bits are drawn by
/// a function that the caller passes in.
#[derive(Debug, Clone, Copy)]
pub struct Ids {
    now: Timestamp,
    random: fn() -> u128,
}

impl Ids {
    /// Ids of this time.
    pub const fn new(now: Timestamp, random: fn() -> u128) -> Self {
        Self { now, random }
    }

    /// A new id.
    pub fn ulid(&self) -> Ulid {
        Ulid::from_parts(u64::try_from(self.now.millis()).unwrap_or_default(), (self.random)())
    }

    /// The id of a new ledger entry.
    pub fn entry(&self) -> EntryId {
        EntryId::from_ulid(self.ulid())
    }
}
