//! Campaigns: the orders that a campaign brought, summed per day (KST).

use crate::{Timestamp, Won};
use serde::{Deserialize, Serialize};
use std::{fmt, ops::AddAssign, str::FromStr, time::Duration};

/// The offset of Korea Standard Time from UTC. It is the same all year.
pub const KST: Duration = Duration::from_hours(9);

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// A calendar day in Korea. Written as `2026-01-05`, so that text order equals time order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(i64);

impl Day {
    /// The day that contains `time`.
    pub fn of(time: Timestamp) -> Self {
        Self(time.plus(KST).millis().div_euclid(DAY_MILLIS))
    }

    /// The number of days since 1 January 1970.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The day `days` days later.
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

/// The text is not a valid day.
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

impl TryFrom<String> for Day {
    type Error = InvalidDay;

    fn try_from(text: String) -> Result<Self, InvalidDay> {
        text.parse()
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

/// The figures of a campaign's orders. Amounts are in won.
///
/// An order counts once it is paid, whatever happens to it later. An order that is cancelled
/// afterwards also counts as cancelled, and no longer contributes to the net revenue and the
/// discount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Paid orders, including those that were cancelled afterwards.
    pub orders: i64,
    /// Paid orders that were cancelled, rejected or expired afterwards.
    pub cancelled: i64,
    /// The price of all paid orders before discounts.
    pub gross: i64,
    /// The discounts of the orders that were not cancelled.
    pub discount: i64,
    /// The amount paid for the orders that were not cancelled.
    pub net: i64,
}

impl Figures {
    /// The figures of one paid order.
    pub fn of_order(original: Won, discount: Won, total: Won, is_aborted: bool) -> Self {
        let unless_aborted = |amount: Won| if is_aborted { 0 } else { amount.get() };
        Self {
            orders: 1,
            cancelled: i64::from(is_aborted),
            gross: original.get(),
            discount: unless_aborted(discount),
            net: unless_aborted(total),
        }
    }

    /// The difference that must be added to `before` to get `self`.
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

    /// The average amount paid for an order that was not cancelled, in whole won. 0 if there is no
    /// such order.
    pub const fn average(self) -> i64 {
        let active = self.orders - self.cancelled;
        if active > 0 { self.net / active } else { 0 }
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

/// The nearest days before and after `day` among the days on which a customer ordered. `None` if
/// `day` is one of them.
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
    fn a_cancelled_order_is_counted_but_adds_no_revenue() {
        let won = |amount| Won::new(amount).unwrap();
        let (active, cancelled) = (
            Figures::of_order(won(10_000), won(1_000), won(9_000), false),
            Figures::of_order(won(10_000), won(1_000), won(9_000), true),
        );
        let mut both = active;
        both += cancelled;
        assert_eq!(
            both,
            Figures { orders: 2, cancelled: 1, gross: 20_000, discount: 1_000, net: 9_000 }
        );
        assert_eq!((both.average(), cancelled.average()), (9_000, 0));
        let mut restated = active;
        restated += cancelled.less(active);
        assert_eq!(restated, cancelled);
    }
}
