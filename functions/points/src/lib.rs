//! Points: charges, balances, and the ledger that explains each balance.
//!
//! This crate must never debit points for an order: that is part of placing the order.

mod by_card;
pub mod charge_points;
pub mod get_charge;
pub mod get_points;
pub mod list_point_history;

use edge::Function;

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![
        charge_points::function(),
        get_charge::function(),
        get_points::function(),
        list_point_history::function(),
    ]
}
