//! Sales, and the top sellers that are derived from them.

use crate::{OrderId, ProductId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, time::Duration};

/// The period of the top sellers: the payments of 72 hours.
pub const WINDOW: Duration = Duration::from_hours(72);

/// The number of products in the list of top sellers.
pub const TOP: usize = 5;

const HOUR_MILLIS: i64 = 60 * 60 * 1000;

/// An hour of the clock (UTC): the unit in which sales are stored and summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(i64);

impl Hour {
    /// The hour that contains `time`.
    pub const fn of(time: Timestamp) -> Self {
        Self(time.millis().div_euclid(HOUR_MILLIS))
    }

    /// The first millisecond of the hour.
    pub const fn start(self) -> Timestamp {
        Timestamp::from_millis(self.0 * HOUR_MILLIS)
    }

    /// The first millisecond after the hour.
    pub const fn end(self) -> Timestamp {
        Timestamp::from_millis((self.0 + 1) * HOUR_MILLIS)
    }

    /// Reads the format that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let start: Timestamp = format!("{text}:00:00Z").parse().ok()?;
        Some(Self::of(start))
    }
}

/// Written as `2026-01-05T03`, so that text order equals time order.
impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.start().to_string().get(..13).unwrap_or_default())
    }
}

/// The payments that count for a list of top sellers at `as_of`: those after `as_of` − [`WINDOW`],
/// up to and including `as_of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    as_of: Timestamp,
}

impl Window {
    /// The window that ends at `as_of`.
    pub const fn ending(as_of: Timestamp) -> Self {
        Self { as_of }
    }

    /// Whether a payment at `paid_at` counts.
    pub fn contains(self, paid_at: Timestamp) -> bool {
        self.as_of.minus(WINDOW) < paid_at && paid_at <= self.as_of
    }

    /// Every hour that overlaps the window, oldest first.
    pub fn hours(self) -> impl Iterator<Item = Hour> {
        (Hour::of(self.as_of.minus(WINDOW)).0..=Hour::of(self.as_of).0).map(Hour)
    }

    /// Whether the whole hour is in the window.
    pub fn covers(self, hour: Hour) -> bool {
        self.contains(hour.start()) && hour.end() <= self.as_of
    }
}

/// The units that one order sold. An order has one sale, which is replaced only by a later version
/// of the same order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sale {
    /// The order's id.
    pub order_id: OrderId,
    /// The version of the order that this sale is derived from.
    pub version: u32,
    /// When the order was paid.
    pub paid_at: Timestamp,
    /// Units sold of each product. Empty once the order is cancelled.
    pub sold: Sold,
}

/// Units sold of each product.
pub type Sold = BTreeMap<ProductId, i64>;

/// Adds `more` to `sum`.
pub fn add_sales(sum: &mut Sold, more: &Sold) {
    for (product, units) in more {
        *sum.entry(product.clone()).or_default() += units;
    }
}

/// Products by units sold, best sellers first. Ties are ordered by product id. Products without
/// sales are omitted.
pub fn rank(sold: Sold) -> Vec<(ProductId, i64)> {
    let mut ranked: Vec<_> = sold.into_iter().filter(|(_, units)| *units > 0).collect();
    ranked.sort_by(|(a, a_units), (b, b_units)| b_units.cmp(a_units).then_with(|| a.cmp(b)));
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_written_in_a_sortable_form_and_read_back() {
        let hour = Hour::of("2026-01-05T03:59:59.999Z".parse().unwrap());
        assert_eq!(hour.to_string(), "2026-01-05T03");
        assert_eq!(Hour::parse("2026-01-05T03"), Some(hour));
        assert_eq!(Hour::parse("2026-01-05"), None);
        assert_eq!(hour.end(), "2026-01-05T04:00:00Z".parse().unwrap());
    }

    #[test]
    fn the_window_is_72_hours_to_the_millisecond() {
        let window = Window::ending("2026-01-05T03:04:05.678Z".parse().unwrap());
        assert!(window.contains("2026-01-05T03:04:05.678Z".parse().unwrap()));
        assert!(!window.contains("2026-01-05T03:04:05.679Z".parse().unwrap()));
        assert!(window.contains("2026-01-02T03:04:05.679Z".parse().unwrap()));
        assert!(!window.contains("2026-01-02T03:04:05.678Z".parse().unwrap()));
        let hours: Vec<_> = window.hours().collect();
        assert_eq!(hours.len(), 73);
        assert_eq!(hours.iter().filter(|hour| window.covers(**hour)).count(), 71);
    }

    #[test]
    fn ties_are_ordered_by_product_id_and_unsold_products_are_omitted() {
        let sold = [("b", 2), ("a", 2), ("c", 5), ("d", 0)]
            .map(|(id, units)| (ProductId::parse(id).unwrap(), units));
        let ranked: Vec<_> =
            rank(sold.into()).into_iter().map(|(id, units)| (id.to_string(), units)).collect();
        assert_eq!(ranked, [("c".into(), 5), ("a".into(), 2), ("b".into(), 2)]);
    }
}
