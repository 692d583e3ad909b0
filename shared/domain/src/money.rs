//! Money: whole Korean won. One point is one won.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An amount of won, from −10^12 to 10^12. Only a ledger entry that reduces the balance is
/// negative.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(try_from = "i64", into = "i64")]
pub struct Won(i64);

/// The amount is outside ±[`Won::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an amount must not exceed {} won", Won::MAX.0)]
pub struct AmountTooLarge;

impl Won {
    /// Zero won.
    pub const ZERO: Self = Self(0);
    /// The largest amount and the largest balance: 10^12 won.
    pub const MAX: Self = Self(1_000_000_000_000);

    /// Accepts an amount within ±[`Won::MAX`].
    pub const fn new(won: i64) -> Result<Self, AmountTooLarge> {
        if won.unsigned_abs() <= Self::MAX.0.unsigned_abs() {
            Ok(Self(won))
        } else {
            Err(AmountTooLarge)
        }
    }

    /// The amount as a whole number of won.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum. Fails if it is outside ±[`Won::MAX`].
    pub fn plus(self, other: Self) -> Result<Self, AmountTooLarge> {
        Self::new(self.0 + other.0)
    }

    /// The amount times `count`. Fails if the result is outside ±[`Won::MAX`].
    pub fn times(self, count: u32) -> Result<Self, AmountTooLarge> {
        self.0.checked_mul(i64::from(count)).ok_or(AmountTooLarge).and_then(Self::new)
    }

    /// The difference, limited to ±[`Won::MAX`].
    pub fn less(self, other: Self) -> Self {
        Self((self.0 - other.0).clamp(-Self::MAX.0, Self::MAX.0))
    }

    /// The part of the amount that belongs to `units` of `of` units, rounded towards zero. The
    /// whole amount if `units` is at least `of`.
    #[must_use]
    pub fn share(self, units: u32, of: u32) -> Self {
        if units >= of {
            return self;
        }
        let share = i128::from(self.0) * i128::from(units) / i128::from(of);
        Self(i64::try_from(share).unwrap_or(self.0))
    }

    /// `percent` percent of the amount, rounded down to whole won.
    pub const fn percent(self, percent: u8) -> Self {
        Self((self.0 * percent as i64).div_euclid(100))
    }
}

impl std::ops::Neg for Won {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl TryFrom<i64> for Won {
    type Error = AmountTooLarge;

    fn try_from(won: i64) -> Result<Self, AmountTooLarge> {
        Self::new(won)
    }
}

impl From<Won> for i64 {
    fn from(won: Won) -> Self {
        won.0
    }
}

impl fmt::Display for Won {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} won", self.0)
    }
}

impl schemars::JsonSchema for Won {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Won".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "integer", "minimum": -Won::MAX.0, "maximum": Won::MAX.0, "description": "Won (원); one point is one won."
        })
    }
}
