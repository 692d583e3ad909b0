//! Campaigns: which orders they brought, and what that amounts to by the day (KST).

use crate::{Timestamp, Won};
use std::{fmt, ops::AddAssign, str::FromStr, time::Duration};

/// Korea is so far ahead of UTC, all year.
pub const KST: Duration = Duration::from_hours(9);

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// A day in Korea; written `2026-01-05`, so text sorts as time does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// The day in which a moment lies.
    pub fn of(time: Timestamp) -> Self {
        Self(time.plus(KST).millis().div_euclid(DAY_MILLIS))
    }

    /// How many days after 1 January 1970 it is.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The day so many days later.
    #[must_use]
    pub const fn plus(self, days: i64) -> Self {
        Self(self.0.saturating_add(days))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noon = Timestamp::from_millis(self.0 * DAY_MILLIS + DAY_MILLIS / 2);
        f.write_str(noon.to_string().get(..10).unwrap_or_default())
    }
}

/// The text is not a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a day, such as 2026-01-05")]
pub struct InvalidDay;

impl FromStr for Day {
    type Err = InvalidDay;

    fn from_str(text: &str) -> Result<Self, InvalidDay> {
        let noon: Timestamp = format!("{text}T12:00:00Z").parse().map_err(|_| InvalidDay)?;
        let day = Self(noon.millis().div_euclid(DAY_MILLIS));
        if day.to_string() == text { Ok(day) } else { Err(InvalidDay) }
    }
}

/// What the orders of a campaign amount to, in won. An order counts once it is paid, whatever becomes of it; what is called off
/// afterwards counts among the cancelled too, and is no longer part of the net revenue and the discount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Orders that were paid, those that were called off afterwards among them.
    pub orders: i64,
    /// Those of them that were called off.
    pub cancelled: i64,
    /// What all of them would have cost before discounts.
    pub gross: i64,
    /// What was taken off those that stand.
    pub discount: i64,
    /// What those that stand have paid.
    pub net: i64,
}

impl Figures {
    /// What one paid order amounts to.
    pub fn of_order(original: Won, discount: Won, total: Won, is_aborted: bool) -> Self {
        let if_it_stands = |amount: Won| if is_aborted { 0 } else { amount.get() };
        Self {
            orders: 1,
            cancelled: i64::from(is_aborted),
            gross: original.get(),
            discount: if_it_stands(discount),
            net: if_it_stands(total),
        }
    }

    /// What is to be added to `before` to get this.
    #[must_use]
    pub const fn less(self, before: Self) -> Self {
        Self {
            orders: self.orders - before.orders,
            cancelled: self.cancelled - before.cancelled,
            gross: self.gross - before.gross,
            discount: self.discount - before.discount,
            net: self.net - before.net,
        }
    }

    /// What an order that stands has paid on average, in whole won; nothing, if none stands.
    pub const fn average(self) -> i64 {
        let standing = self.orders - self.cancelled;
        if standing > 0 { self.net / standing } else { 0 }
    }
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.orders += other.orders;
        self.cancelled += other.cancelled;
        self.gross += other.gross;
        self.discount += other.discount;
        self.net += other.net;
    }
}

/// The days before and after a day among those on which a customer ordered; none, if the day is one of them.
pub fn neighbours(days: &[Day], day: Day) -> Option<(Option<Day>, Option<Day>)> {
    if days.contains(&day) {
        return None;
    }
    let before = days.iter().copied().filter(|other| *other < day).max();
    let after = days.iter().copied().filter(|other| *other > day).min();
    Some((before, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_korea() {
        let day = |text: &str| Day::of(text.parse().unwrap()).to_string();
        assert_eq!(day("2026-01-04T14:59:59.999Z"), "2026-01-04");
        assert_eq!(day("2026-01-04T15:00:00.000Z"), "2026-01-05");
        assert_eq!("2026-01-05".parse(), Ok(Day::of("2026-01-05T03:04:05Z".parse().unwrap())));
        for bad in ["2026-1-5", "2026-02-30", "yesterday", "", "2026-01-05T00"] {
            assert_eq!(bad.parse::<Day>(), Err(InvalidDay), "{bad}");
        }
    }

    #[test]
    fn what_is_called_off_counts_and_brings_nothing() {
        let won = |amount| Won::new(amount).unwrap();
        let (stands, gone) = (
            Figures::of_order(won(10_000), won(1_000), won(9_000), false),
            Figures::of_order(won(10_000), won(1_000), won(9_000), true),
        );
        let mut both = stands;
        both += gone;
        assert_eq!(both, Figures { orders: 2, cancelled: 1, gross: 20_000, discount: 1_000, net: 9_000 });
        assert_eq!((both.average(), gone.average()), (9_000, 0));
        let mut restated = stands;
        restated += gone.less(stands);
        assert_eq!(restated, gone);
    }
}
