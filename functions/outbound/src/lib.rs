//! Outbound: delivers order events to other companies' systems: webhook endpoints and the data
//! platform.
//!
//! This crate must never decide what an event contains: it forwards orders and envelopes unchanged.

pub mod delete_webhook;
pub mod deliver_to_data_platform;
pub mod deliver_webhook;
mod endpoints;
pub mod get_webhook;
pub mod list_webhook_deliveries;
pub mod list_webhooks;
pub mod put_webhook;
pub mod replay_webhook_delivery;
pub mod rotate_webhook_secret;
pub mod schedule_deliveries;
pub mod webhooks;

use edge::Function;

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![
        deliver_to_data_platform::function(),
        deliver_webhook::function(),
        schedule_deliveries::function(),
        put_webhook::function(),
        get_webhook::function(),
        list_webhooks::function(),
        delete_webhook::function(),
        rotate_webhook_secret::function(),
        list_webhook_deliveries::function(),
        replay_webhook_delivery::function(),
    ]
}
