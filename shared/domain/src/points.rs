//! Points: a customer's balance, and the ledger of its changes.

use crate::{EntryId, Timestamp, Won, actor::Actor};
use serde::{Deserialize, Serialize};

/// The number of points that one charge adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChargeAmount(Won);

/// The amount is not valid for a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a charge must be between 1 and {} points", ChargeAmount::MAX)]
pub struct InvalidAmount;

impl ChargeAmount {
    /// The largest single charge, in points.
    pub const MAX: i64 = 10_000_000;

    /// Accepts 1 to [`ChargeAmount::MAX`] points.
    pub fn new(points: i64) -> Result<Self, InvalidAmount> {
        let in_range = (1..=Self::MAX).contains(&points);
        Won::new(points).ok().filter(|_| in_range).map(Self).ok_or(InvalidAmount)
    }

    /// The amount in won.
    pub const fn won(self) -> Won {
        self.0
    }
}

/// Why a balance changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EntryKind {
    /// The customer charged points (충전).
    Charge,
    /// Points paid for an order (사용).
    Use,
    /// The points of an order were refunded (환불).
    Refund,
}

/// One change of a balance. Its row is written once and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The entry's id; ids sort by time.
    pub entry_id: EntryId,
    /// Why the balance changed.
    pub kind: EntryKind,
    /// The change of the balance. Negative if points were used.
    pub amount: Won,
    /// What the change is for: the id of an order or of a charge by card, or the entry's own id for
    /// any other charge.
    pub reference: String,
    /// The reason for a charge, if one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who changed it: `customer:<id>`, `operator:<id>` or `system`. Entries made before this was
    /// recorded have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub by: Option<Actor>,
    /// When the balance changed.
    pub at: Timestamp,
}
