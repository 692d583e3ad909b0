//! Products: what is sold, for how much, and how many are left.

use crate::{ProductId, StoreId, Timestamp, Won};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether a product can be ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProductStatus {
    /// It can be ordered (판매중).
    #[default]
    Active,
    /// It is shown but cannot be ordered (판매중지).
    Inactive,
}

impl fmt::Display for ProductStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What is known of a product besides its stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// The merchant's id.
    pub product_id: ProductId,
    /// The name customers read.
    pub name: String,
    /// The category it is listed under.
    pub category: String,
    /// A longer text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The price of one unit.
    pub price: Price,
    /// Whether it can be ordered.
    pub status: ProductStatus,
    /// The store that makes it; its orders are delivered. It never changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_id: Option<StoreId>,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last changed; its stock aside.
    pub updated_at: Timestamp,
}

/// The price of one unit: 0 to 10^9 won.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Price(Won);

/// The price is not one that a product can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a price is 0 to {} won", Price::MAX)]
pub struct InvalidPrice;

impl Price {
    /// The highest price of one unit, in won.
    pub const MAX: i64 = 1_000_000_000;

    /// The price in won.
    pub const fn won(self) -> Won {
        self.0
    }
}

impl TryFrom<i64> for Price {
    type Error = InvalidPrice;

    fn try_from(won: i64) -> Result<Self, InvalidPrice> {
        let in_range = (0..=Self::MAX).contains(&won);
        Won::new(won).ok().filter(|_| in_range).map(Self).ok_or(InvalidPrice)
    }
}

impl From<Price> for i64 {
    fn from(price: Price) -> Self {
        price.0.get()
    }
}

/// The largest stock of one product, in units.
pub const MAX_STOCK: i64 = 1_000_000_000;

/// The largest single change of a stock by hand, in units.
pub const MAX_ADJUSTMENT: i64 = 1_000_000;

/// A change of a stock that is not an order: units that came in (positive) or went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adjustment(i64);

/// The change is none, or too large, or would fill the stock beyond its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stock changes by 1 to {MAX_ADJUSTMENT} units either way and holds at most {MAX_STOCK}")]
pub struct InvalidAdjustment;

impl Adjustment {
    /// Accepts ±1 to ±[`MAX_ADJUSTMENT`] units.
    pub fn new(delta: i64) -> Result<Self, InvalidAdjustment> {
        let in_range = delta != 0 && delta.unsigned_abs() <= MAX_ADJUSTMENT.unsigned_abs();
        if in_range { Ok(Self(delta)) } else { Err(InvalidAdjustment) }
    }

    /// The change in units.
    pub const fn delta(self) -> i64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_zero_to_a_billion_won() {
        assert!(Price::try_from(0).is_ok());
        assert!(Price::try_from(Price::MAX).is_ok());
        assert_eq!(Price::try_from(-1), Err(InvalidPrice));
        assert_eq!(Price::try_from(Price::MAX + 1), Err(InvalidPrice));
        assert_eq!(Price::try_from(i64::MIN), Err(InvalidPrice));
    }

    #[test]
    fn an_adjustment_moves_something_but_not_the_whole_world() {
        assert!(Adjustment::new(-1).is_ok());
        assert!(Adjustment::new(MAX_ADJUSTMENT).is_ok());
        for bad in [0, MAX_ADJUSTMENT + 1, -MAX_ADJUSTMENT - 1, i64::MIN, i64::MAX] {
            assert_eq!(Adjustment::new(bad), Err(InvalidAdjustment), "{bad}");
        }
    }
}
