//! Orders: placing and paying them, showing them, and telling the world of each change.
//!
//! This crate must never change an order without raising its version: the stream of the orders table is the outbox.

pub mod get_order;
mod outbox;
pub mod place_order;
mod prices;
pub mod relay_orders;

use edge::Function;

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![place_order::function(), get_order::function(), relay_orders::function()]
}
