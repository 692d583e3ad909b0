//! Coupons: sources that issue one coupon to each customer, and the discount of a coupon.

#![expect(
    clippy::disallowed_types,
    reason = "serde buffers a flattened field in a type that can hold floats"
)]

use crate::{CouponId, CouponSourceId, CustomerId, OrderId, Refusal, Timestamp, Won};
use serde::{Deserialize, Serialize, Serializer};
use std::time::Duration;

/// The maximum number of coupons of one source.
pub const MAX_COUPONS: i64 = 10_000_000;

/// The longest validity of a coupon, in days.
pub const MAX_VALID_DAYS: u32 = 3_650;

/// The discount of a coupon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Discount {
    /// A fixed amount.
    Amount {
        /// The discount in won.
        discount_amount: Won,
    },
    /// A percentage of the order's price, up to a maximum.
    Rate {
        /// The percentage, 1 to 100.
        #[schemars(with = "u8", range(min = 1, max = 100))]
        discount_rate: Percent,
        /// The maximum discount in won.
        max_discount_amount: Won,
    },
}

/// A whole percentage, 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Percent(u8);

/// The number is not a valid percentage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be between 1 and 100")]
pub struct InvalidPercent;

impl TryFrom<i64> for Percent {
    type Error = InvalidPercent;

    fn try_from(percent: i64) -> Result<Self, InvalidPercent> {
        u8::try_from(percent)
            .ok()
            .filter(|percent| (1..=100).contains(percent))
            .map(Self)
            .ok_or(InvalidPercent)
    }
}

impl From<Percent> for i64 {
    fn from(percent: Percent) -> Self {
        percent.0.into()
    }
}

impl Discount {
    /// The discount on an order of `original`. It never exceeds the price of the order. A
    /// percentage is rounded down to whole won.
    pub fn on(self, original: Won) -> Won {
        match self {
            Self::Amount { discount_amount } => discount_amount,
            Self::Rate { discount_rate, max_discount_amount } => {
                original.percent(discount_rate.0).min(max_discount_amount)
            }
        }
        .min(original)
    }
}

/// A source of coupons, with their number, issue period and terms (쿠폰 원본).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CouponSource {
    /// The merchant's id of the source.
    pub source_id: CouponSourceId,
    /// The name shown to customers.
    pub name: String,
    /// The discount of each coupon.
    #[serde(flatten)]
    pub discount: Discount,
    /// The minimum price of an order before the discount.
    #[serde(default)]
    pub minimum_order_amount: Won,
    /// The total number of coupons.
    pub quantity: i64,
    /// The number of coupons that are already issued.
    pub issued: i64,
    /// The start of the issue period, inclusive.
    pub issue_from: Timestamp,
    /// The end of the issue period, exclusive.
    pub issue_until: Timestamp,
    /// The validity of a coupon from its issue, in days of 24 hours.
    pub valid_days: u32,
}

impl CouponSource {
    /// The coupon that a customer gets at `now`. Refused outside the issue period, or if all
    /// coupons are issued.
    pub fn issue(&self, customer: &CustomerId, now: Timestamp) -> Result<Coupon, Refusal> {
        if !(self.issue_from..self.issue_until).contains(&now) {
            return Err(Refusal::CouponNotOpen {
                issue_from: self.issue_from,
                issue_until: self.issue_until,
            });
        }
        if self.issued >= self.quantity {
            return Err(Refusal::CouponSoldOut);
        }
        Ok(Coupon {
            coupon_id: CouponId::of(&self.source_id, customer),
            source_id: self.source_id.clone(),
            name: self.name.clone(),
            discount: self.discount,
            minimum_order_amount: self.minimum_order_amount,
            issued_at: now,
            expires_at: now.plus(Duration::from_hours(24 * u64::from(self.valid_days))),
            used_by: None,
            used_at: None,
        })
    }
}

/// A customer's coupon. Its terms are those of its source at the time of issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Coupon {
    /// The coupon's id.
    pub coupon_id: CouponId,
    /// The source that issued the coupon.
    pub source_id: CouponSourceId,
    /// The name shown to customers.
    pub name: String,
    /// The discount of the coupon.
    #[serde(flatten)]
    pub discount: Discount,
    /// The minimum price of an order before the discount.
    pub minimum_order_amount: Won,
    /// When the coupon was issued.
    pub issued_at: Timestamp,
    /// The end of the coupon's validity, exclusive.
    pub expires_at: Timestamp,
    /// The order that uses the coupon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_by: Option<OrderId>,
    /// When that order used the coupon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
}

/// The status of a coupon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CouponStatus {
    /// The coupon can be used.
    Issued,
    /// An order uses the coupon.
    Used,
    /// The coupon has expired.
    Expired,
}

impl std::str::FromStr for CouponStatus {
    type Err = UnknownCouponStatus;

    fn from_str(text: &str) -> Result<Self, UnknownCouponStatus> {
        match text {
            "ISSUED" => Ok(Self::Issued),
            "USED" => Ok(Self::Used),
            "EXPIRED" => Ok(Self::Expired),
            _ => Err(UnknownCouponStatus),
        }
    }
}

/// The text is not a coupon status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be ISSUED, USED or EXPIRED")]
pub struct UnknownCouponStatus;

/// Why a coupon cannot be used for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The customer has no such coupon.
    #[error("the customer has no such coupon")]
    Unknown,
    /// Another order uses the coupon.
    #[error("it is already used")]
    Used,
    /// The coupon has expired.
    #[error("it has expired")]
    Expired,
    /// The price of the order is below the coupon's minimum.
    #[error("the order must cost at least {0}")]
    BelowMinimum(Won),
}

impl Unusable {
    /// The reason as a machine-readable word.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::BelowMinimum(_) => "below-minimum-order-amount",
        }
    }
}

impl Serialize for Unusable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.slug())
    }
}

impl Coupon {
    /// The status at `now`. A coupon that an order releases after the end of its validity is
    /// `Expired`.
    pub fn status(&self, now: Timestamp) -> CouponStatus {
        if self.used_by.is_some() {
            CouponStatus::Used
        } else if now >= self.expires_at {
            CouponStatus::Expired
        } else {
            CouponStatus::Issued
        }
    }

    /// The discount on an order of `original`, if the coupon can be used for it at `now`.
    pub fn discount(&self, original: Won, now: Timestamp) -> Result<Won, Unusable> {
        match self.status(now) {
            CouponStatus::Used => Err(Unusable::Used),
            CouponStatus::Expired => Err(Unusable::Expired),
            CouponStatus::Issued if original < self.minimum_order_amount => {
                Err(Unusable::BelowMinimum(self.minimum_order_amount))
            }
            CouponStatus::Issued => Ok(self.discount.on(original)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn won(amount: i64) -> Won {
        Won::new(amount).unwrap()
    }

    fn rate(percent: i64, max: i64) -> Discount {
        Discount::Rate { discount_rate: percent.try_into().unwrap(), max_discount_amount: won(max) }
    }

    #[test]
    fn a_percentage_is_rounded_down_to_whole_won_and_capped() {
        assert_eq!(rate(10, 1_000_000).on(won(999)), won(99));
        assert_eq!(rate(33, 1_000_000).on(won(100)), won(33));
        assert_eq!(rate(1, 1_000_000).on(won(99)), Won::ZERO);
        assert_eq!(rate(50, 3_000).on(won(10_000)), won(3_000));
        assert_eq!(rate(100, Won::MAX.get()).on(Won::MAX), Won::MAX);
    }

    #[test]
    fn a_coupon_is_issued_only_in_the_issue_period_and_while_coupons_are_left() {
        let source = CouponSource {
            source_id: CouponSourceId::parse("spring").unwrap(),
            name: "Spring".into(),
            discount: rate(10, 1_000),
            minimum_order_amount: won(5_000),
            quantity: 2,
            issued: 1,
            issue_from: Timestamp::from_millis(1_000),
            issue_until: Timestamp::from_millis(2_000),
            valid_days: 1,
        };
        let customer = CustomerId::parse("c1").unwrap();
        let at = |millis| source.issue(&customer, Timestamp::from_millis(millis));
        assert!(matches!(at(999), Err(Refusal::CouponNotOpen { .. })));
        assert!(matches!(at(2_000), Err(Refusal::CouponNotOpen { .. })));
        assert_eq!(
            CouponSource { issued: 2, ..source.clone() }
                .issue(&customer, Timestamp::from_millis(1_000)),
            Err(Refusal::CouponSoldOut)
        );
        let coupon = at(1_000).unwrap();
        let (first, end) =
            (Timestamp::from_millis(1_000), Timestamp::from_millis(1_000 + 86_400_000));
        assert_eq!(coupon.discount(won(4_999), first), Err(Unusable::BelowMinimum(won(5_000))));
        assert_eq!(coupon.discount(won(5_000), end.minus(Duration::from_millis(1))), Ok(won(500)));
        assert_eq!(coupon.discount(won(5_000), end), Err(Unusable::Expired));
        let used = Coupon { used_by: OrderId::parse("ord_1").ok(), ..coupon };
        assert_eq!(
            (used.discount(won(5_000), end), used.status(end)),
            (Err(Unusable::Used), CouponStatus::Used)
        );
    }

    proptest! {
        #[test]
        fn a_discount_is_never_negative_and_never_exceeds_the_price(
            original in 0..=Won::MAX.get(), amount in 1..=Won::MAX.get(), percent in 1..=100i64,
        ) {
            for discount in [Discount::Amount { discount_amount: won(amount) }, rate(percent, amount)] {
                let amount_off = discount.on(won(original));
                prop_assert!((0..=original).contains(&amount_off.get()));
                prop_assert!(amount_off.get() <= amount);
            }
        }
    }
}
