//! Notifications: messages to customers about the status of their orders.
//!
//! This crate must never delay an order: it consumes events, and a message that cannot be sent ends
//! in the dead-letter queue.

pub mod notify_customer;
mod texts;

use edge::Function;

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![notify_customer::function()]
}
