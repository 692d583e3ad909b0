//! Points: a customer's balance and the ledger that explains it.

use crate::{EntryId, Timestamp, Won};
use serde::{Deserialize, Serialize};

/// How many points one charge may add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChargeAmount(Won);

/// The amount is not one that can be charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a charge is 1 to {} points", ChargeAmount::MAX)]
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
    /// An order's points came back (환불).
    Refund,
}

/// One change of a balance: a row that is written once and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The entry's id; ids sort by time.
    pub entry_id: EntryId,
    /// Why the balance changed.
    pub kind: EntryKind,
    /// By how much: negative where points were used.
    pub amount: Won,
    /// What it was for: an order's id, the id of a charge by card, or the charge's own entry id.
    pub reference: String,
    /// Why, where an operator said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}
