//! Coupons: sources from which customers draw one each, and what a coupon takes off an order.

#![expect(clippy::disallowed_types, reason = "what serde makes of a flattened field could hold any number")]

use crate::{CouponId, CouponSourceId, CustomerId, OrderId, Refusal, Timestamp, Won};
use serde::{Deserialize, Serialize, Serializer};
use std::time::Duration;

/// The most coupons of one source.
pub const MAX_COUPONS: i64 = 10_000_000;

/// The longest time that a coupon is valid, in days.
pub const MAX_VALID_DAYS: i64 = 3_650;

/// What a coupon takes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Discount {
    /// A fixed amount.
    Amount {
        /// How much is taken off.
        discount_amount: Won,
    },
    /// A share of the order, up to a limit.
    Rate {
        /// Which share, 1 to 100 %.
        #[schemars(with = "u8", range(min = 1, max = 100))]
        discount_rate: Percent,
        /// The most that is taken off.
        max_discount_amount: Won,
    },
}

/// A share in whole percent, 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Percent(u8);

/// The number is not a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 100")]
pub struct InvalidPercent;

impl TryFrom<i64> for Percent {
    type Error = InvalidPercent;

    fn try_from(percent: i64) -> Result<Self, InvalidPercent> {
        u8::try_from(percent).ok().filter(|percent| (1..=100).contains(percent)).map(Self).ok_or(InvalidPercent)
    }
}

impl From<Percent> for i64 {
    fn from(percent: Percent) -> Self {
        percent.0.into()
    }
}

impl Discount {
    /// What is taken off an order of `original`: never more than the order costs. A share is rounded down to the won.
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

/// Where coupons come from: so many, for so long, on these terms (쿠폰 원본).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CouponSource {
    /// The merchant's id.
    pub source_id: CouponSourceId,
    /// The name customers read.
    pub name: String,
    /// What a coupon takes off.
    #[serde(flatten)]
    pub discount: Discount,
    /// The least that an order must cost before the discount.
    #[serde(default)]
    pub minimum_order_amount: Won,
    /// How many there are in all.
    pub quantity: i64,
    /// How many were issued.
    pub issued: i64,
    /// From when on coupons are issued.
    pub issue_from: Timestamp,
    /// Until when coupons are issued; not at this moment any more.
    pub issue_until: Timestamp,
    /// How long a coupon is valid from its issue, in days of 24 hours.
    pub valid_days: u32,
}

impl CouponSource {
    /// The coupon that a customer draws now.
    pub fn issue(&self, customer: &CustomerId, now: Timestamp) -> Result<Coupon, Refusal> {
        if !(self.issue_from..self.issue_until).contains(&now) {
            return Err(Refusal::CouponNotOpen { issue_from: self.issue_from, issue_until: self.issue_until });
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

/// A customer's coupon. Its terms are those of its source when it was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Coupon {
    /// Its id.
    pub coupon_id: CouponId,
    /// Where it comes from.
    pub source_id: CouponSourceId,
    /// The name customers read.
    pub name: String,
    /// What it takes off.
    #[serde(flatten)]
    pub discount: Discount,
    /// The least that an order must cost before the discount.
    pub minimum_order_amount: Won,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Until when it can be used; not at this moment any more.
    pub expires_at: Timestamp,
    /// The order that uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_by: Option<OrderId>,
    /// Since when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
}

/// Where a coupon stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CouponStatus {
    /// It can be used.
    Issued,
    /// An order uses it.
    Used,
    /// Its time is over.
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

/// The text is not a coupon's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be ISSUED, USED or EXPIRED")]
pub struct UnknownCouponStatus;

/// Why a coupon cannot be used for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The customer has no such coupon.
    #[error("the customer has no such coupon")]
    Unknown,
    /// Another order uses it.
    #[error("it is used")]
    Used,
    /// Its time is over.
    #[error("its time is over")]
    Expired,
    /// The order costs too little.
    #[error("the order must cost at least {0}")]
    BelowMinimum(Won),
}

impl Unusable {
    /// The reason in one word for a machine.
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
    /// Where it stands. A coupon that came back after its time is expired.
    pub fn status(&self, now: Timestamp) -> CouponStatus {
        if self.used_by.is_some() {
            CouponStatus::Used
        } else if now >= self.expires_at {
            CouponStatus::Expired
        } else {
            CouponStatus::Issued
        }
    }

    /// What it takes off an order of `original`, if it can be used for it now.
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
    fn a_share_is_rounded_down_to_the_won_and_capped() {
        assert_eq!(rate(10, 1_000_000).on(won(999)), won(99));
        assert_eq!(rate(33, 1_000_000).on(won(100)), won(33));
        assert_eq!(rate(1, 1_000_000).on(won(99)), Won::ZERO);
        assert_eq!(rate(50, 3_000).on(won(10_000)), won(3_000));
        assert_eq!(rate(100, Won::MAX.get()).on(Won::MAX), Won::MAX);
    }

    #[test]
    fn a_coupon_is_drawn_while_its_source_is_open_and_has_some() {
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
            CouponSource { issued: 2, ..source.clone() }.issue(&customer, Timestamp::from_millis(1_000)),
            Err(Refusal::CouponSoldOut)
        );
        let coupon = at(1_000).unwrap();
        let (first, end) = (Timestamp::from_millis(1_000), Timestamp::from_millis(1_000 + 86_400_000));
        assert_eq!(coupon.discount(won(4_999), first), Err(Unusable::BelowMinimum(won(5_000))));
        assert_eq!(coupon.discount(won(5_000), end.minus(Duration::from_millis(1))), Ok(won(500)));
        assert_eq!(coupon.discount(won(5_000), end), Err(Unusable::Expired));
        let used = Coupon { used_by: OrderId::parse("ord_1").ok(), ..coupon };
        assert_eq!((used.discount(won(5_000), end), used.status(end)), (Err(Unusable::Used), CouponStatus::Used));
    }

    proptest! {
        #[test]
        fn a_discount_is_never_negative_nor_more_than_the_order(
            original in 0..=Won::MAX.get(), amount in 1..=Won::MAX.get(), percent in 1..=100i64,
        ) {
            for discount in [Discount::Amount { discount_amount: won(amount) }, rate(percent, amount)] {
                let taken_off = discount.on(won(original));
                prop_assert!((0..=original).contains(&taken_off.get()));
                prop_assert!(taken_off.get() <= amount);
            }
        }
    }
}
