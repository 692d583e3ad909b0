//! The use cases on orders that several contexts need: placing and paying them, changing their
//! status, taking in orders of other systems, listing them.
//!
//! A use case takes a [`domain::Context`] and typed input, and returns a [`domain::Outcome`] or a
//! [`domain::Failure`]. This crate must never know HTTP, Lambda or a queue: the functions translate
//! between those and the use cases.

pub mod access;
pub mod card_payment;
pub mod external_order;
pub mod external_order_update;
pub mod idempotency;
pub mod listing;
pub mod payment;
pub mod payment_request;
pub mod placement;
mod placement_transaction;
pub mod point_charge;
mod price_memory;
mod pricing;
pub mod transition;
