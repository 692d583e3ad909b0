//! Outbound: what other companies' systems get of orders, brought to them or pulled by them.
//!
//! This crate must never decide what an event says: it carries orders and envelopes as they are.

pub mod deliver_to_data_platform;
pub mod get_integration_order;
pub mod list_changed_orders;
pub mod project_change_feed;

use edge::Function;

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![
        deliver_to_data_platform::function(),
        project_change_feed::function(),
        list_changed_orders::function(),
        get_integration_order::function(),
    ]
}
