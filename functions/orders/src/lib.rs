//! Orders: places, pays, cancels and shows them, settles their payments, and publishes each of
//! their changes.
//!
//! This crate must never change an order without incrementing its version: the stream of the orders
//! table is the outbox.

pub mod cancel_order;
pub mod expire_orders;
pub mod get_order;
pub mod list_order_payments;
pub mod list_orders;
mod outbox;
pub mod pay_order;
pub mod place_order;
pub mod project_customer_orders;
pub mod relay_orders;
pub mod settle_payments;
pub mod sweep_payments;

use edge::Function;

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![
        place_order::function(),
        pay_order::function(),
        settle_payments::function(),
        sweep_payments::function(),
        cancel_order::function(),
        expire_orders::function(),
        get_order::function(),
        list_orders::function(),
        list_order_payments::function(),
        project_customer_orders::function(),
        relay_orders::function(),
    ]
}
