//! Outbound: bringing events to other companies' systems.
//!
//! This crate must never decide what an event says: it carries envelopes as they are.

pub mod deliver_to_data_platform;

use edge::Function;

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![deliver_to_data_platform::function()]
}
