//! Channels: accounts with marketplaces. Their orders and products are collected into one standard
//! model, and our stock levels are sent to them.
//!
//! This crate must never contain anything specific to one marketplace: that belongs in the
//! marketplace's file in `shared/partners/src/channels`.

pub mod channel_response;
pub mod collect_channel;
pub mod collect_channel_now;
pub mod create_channel;
pub mod delete_channel;
pub mod get_channel;
pub mod list_channel_orders;
pub mod list_channel_products;
pub mod list_channel_runs;
pub mod list_channels;
pub mod map_channel_product;
mod queue;
mod run_step;
pub mod schedule_collections;
mod session;
mod stocks;
pub mod test_channel;
pub mod update_channel;
mod upsert;

use edge::Function;

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![
        create_channel::function(),
        list_channels::function(),
        get_channel::function(),
        update_channel::function(),
        delete_channel::function(),
        test_channel::function(),
        collect_channel_now::function(),
        list_channel_runs::function(),
        schedule_collections::function(),
        collect_channel::function(),
        list_channel_products::function(),
        map_channel_product::function(),
        list_channel_orders::function(),
    ]
}
