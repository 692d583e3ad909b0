//! Products: what is sold, the prices, and the limits of the stock.

use crate::{ProductId, StoreId, Timestamp, Won};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether a product can be ordered.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProductStatus {
    /// The product can be ordered (판매중).
    #[default]
    Active,
    /// The product is shown but cannot be ordered (판매중지).
    Inactive,
}

impl fmt::Display for ProductStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A product, without its stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// The merchant's id of the product.
    pub product_id: ProductId,
    /// The name shown to customers.
    pub name: String,
    /// The category under which the product is listed.
    pub category: String,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The price of one unit.
    pub price: Price,
    /// Whether the product can be ordered.
    pub status: ProductStatus,
    /// The store that makes the product. Its orders are delivered by a rider. A product's store
    /// never changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_id: Option<StoreId>,
    /// When the product was created.
    pub created_at: Timestamp,
    /// When the product was last changed. Changes of its stock do not count.
    pub updated_at: Timestamp,
}

/// The price of one unit: 0 to 10^9 won.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Price(Won);

/// The price is not valid for a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a price must be between 0 and {} won", Price::MAX)]
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

/// The largest single manual change of a stock, in units.
pub const MAX_ADJUSTMENT: i64 = 1_000_000;

/// A change of a stock without an order: units added (positive) or removed (negative).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adjustment(i64);

/// The change is 0, is too large, or would exceed the limit of the stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a stock change must be 1 to {MAX_ADJUSTMENT} units up or down, and a stock must not exceed {MAX_STOCK} units"
)]
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
    fn a_price_is_between_zero_and_a_billion_won() {
        assert!(Price::try_from(0).is_ok());
        assert!(Price::try_from(Price::MAX).is_ok());
        assert_eq!(Price::try_from(-1), Err(InvalidPrice));
        assert_eq!(Price::try_from(Price::MAX + 1), Err(InvalidPrice));
        assert_eq!(Price::try_from(i64::MIN), Err(InvalidPrice));
    }

    #[test]
    fn an_adjustment_is_not_zero_and_has_a_limit() {
        assert!(Adjustment::new(-1).is_ok());
        assert!(Adjustment::new(MAX_ADJUSTMENT).is_ok());
        for bad in [0, MAX_ADJUSTMENT + 1, -MAX_ADJUSTMENT - 1, i64::MIN, i64::MAX] {
            assert_eq!(Adjustment::new(bad), Err(InvalidAdjustment), "{bad}");
        }
    }
}
