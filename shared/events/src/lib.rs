//! The contract with other systems: versioned wire types. Changes are additive only.
//!
//! This crate contains only the types that leave the platform, and must never contain behaviour,
//! storage or transport. Golden files under `events/contracts/` pin each type.

mod envelope;
mod order;

pub use envelope::{Envelope, EventType, order_event};
pub use order::{ChannelItem, Item, Order, OrderPayment, Step};
