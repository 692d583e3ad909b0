//! What we promise other systems: versioned wire types, changed by addition only.
//!
//! This crate must never hold behaviour, storage or transport: only the shapes that leave the platform. The golden files
//! under `events/contracts/` hold each of them still.

mod envelope;
mod order;

pub use envelope::{Envelope, EventType, order_event};
pub use order::{ChannelItem, Item, Order, OrderPayment, PaymentMethod, Step};
