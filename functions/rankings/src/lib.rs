//! Rankings: the best-selling products.
//!
//! Sales are rows, totals are derived from them. This crate must never read orders: it receives
//! them only as events.

pub mod aggregate_top_sellers;
pub mod record_sales;
pub mod top_sellers;

use edge::Function;

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![record_sales::function(), aggregate_top_sellers::function(), top_sellers::function()]
}
