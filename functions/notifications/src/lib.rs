//! Notifications: each step of an order, told to its customer.
//!
//! This crate must never delay an order: it consumes events, and dead-letters what it cannot send.

pub mod notify_customer;
mod texts;

use edge::Function;

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![notify_customer::function()]
}
