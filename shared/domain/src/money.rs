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
        #[expect(clippy::cast_possible_truncation, reason = "a part is no larger than the whole")]
        Self(share as i64)
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOST: i64 = Won::MAX.get();

    fn amounts() -> impl Strategy<Value = Won> {
        prop_oneof![-MOST..=MOST, Just(-MOST), Just(0), Just(MOST)]
            .prop_map(|won| Won::new(won).unwrap())
    }

    #[test]
    fn an_amount_is_at_most_a_trillion_won_either_way() {
        for won in [-MOST, -1, 0, 1, MOST] {
            assert_eq!(Won::new(won).map(Won::get), Ok(won));
            assert_eq!(serde_json::from_str::<Won>(&won.to_string()).unwrap().get(), won);
        }
        for won in [i64::MIN, -MOST - 1, MOST + 1, i64::MAX] {
            assert_eq!(Won::new(won), Err(AmountTooLarge), "{won}");
            let error = serde_json::from_str::<Won>(&won.to_string()).unwrap_err().to_string();
            assert_eq!(error, "an amount must not exceed 1000000000000 won");
        }
        assert!(serde_json::from_str::<Won>("1.5").is_err(), "money has no fractions");
    }

    #[test]
    fn a_percentage_is_rounded_down() {
        for (won, percent, expected) in
            [(999, 10, 99), (1_000, 10, 100), (1, 99, 0), (5, 100, 5), (5, 0, 0), (-5, 10, -1)]
        {
            assert_eq!(Won::new(won).unwrap().percent(percent).get(), expected, "{won} {percent}");
        }
    }

    #[test]
    fn a_share_of_all_units_or_more_is_the_whole_amount() {
        let amount = Won::new(1_000).unwrap();
        for (units, of, expected) in
            [(0, 3, 0), (1, 3, 333), (2, 3, 666), (3, 3, 1_000), (4, 3, 1_000), (0, 0, 1_000)]
        {
            assert_eq!(amount.share(units, of).get(), expected, "{units} of {of}");
        }
    }

    proptest! {
        #[test]
        fn a_sum_is_exact_or_refused(a in amounts(), b in amounts()) {
            let exact = a.get() + b.get();
            prop_assert_eq!(a.plus(b), Won::new(exact));
            prop_assert_eq!(a.plus(b), b.plus(a));
            if let Ok(sum) = a.plus(b) {
                prop_assert_eq!(sum.less(b), a);
            }
        }

        #[test]
        fn a_product_is_the_repeated_sum_or_refused(amount in amounts(), count in 0..2_000_u32) {
            let exact = i128::from(amount.get()) * i128::from(count);
            match amount.times(count) {
                Ok(product) => prop_assert_eq!(i128::from(product.get()), exact),
                Err(AmountTooLarge) => prop_assert!(exact.abs() > i128::from(MOST)),
            }
        }

        #[test]
        fn a_difference_is_exact_within_the_limits(a in amounts(), b in amounts()) {
            prop_assert_eq!(a.less(b).get(), (a.get() - b.get()).clamp(-MOST, MOST));
        }

        #[test]
        fn the_shares_of_all_units_lose_less_than_a_won_each(
            amount in amounts(), of in 1..100_u32, cut in 0..100_u32,
        ) {
            let cut = cut % of;
            let shared = amount.share(cut, of).get() + amount.share(of - cut, of).get();
            prop_assert!(shared.abs() <= amount.get().abs(), "the shares exceed the amount");
            prop_assert!((amount.get() - shared).abs() <= 1);
            prop_assert!(amount.share(cut, of).get().abs() <= amount.share(cut + 1, of).get().abs());
        }

        #[test]
        fn a_percentage_never_exceeds_the_amount(won in 0..=MOST, percent in 0..=100_u8) {
            let part = Won::new(won).unwrap().percent(percent).get();
            prop_assert!((0..=won).contains(&part));
            prop_assert!((part + 1) * 100 > won * i64::from(percent), "rounded down by less than one");
        }
    }
}
