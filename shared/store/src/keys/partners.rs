//! Keys of webhooks and sales channels: data shared with other companies.

use super::{Key, LISTED};
use domain::{ChannelId, DeliveryId, OrderId, ProductId, RunId, Timestamp, WebhookName};

/// The partition key of [`webhook`].
pub const WEBHOOKS: &str = "WEBHOOKS";

/// The key of a webhook.
pub fn webhook(name: &WebhookName) -> Key {
    Key::new(WEBHOOKS, name.as_str())
}

/// The partition key of a webhook's deliveries.
pub fn webhook_deliveries(name: &WebhookName) -> String {
    format!("DELIVERIES#{name}")
}

/// The key of a webhook delivery.
pub fn webhook_delivery(name: &WebhookName, id: &DeliveryId) -> Key {
    Key::new(webhook_deliveries(name), id.as_str())
}

/// The partition key of [`channel`].
pub const CHANNELS: &str = "CHANNELS";
/// The sort key prefix of an ended collection run.
pub(crate) const RUN: &str = "RUN#";
/// The sort key prefix of a channel's product.
pub(crate) const CHANNEL_PRODUCT: &str = "PRODUCT#";
/// The sort key prefix of a product mapping.
pub(crate) const MAPPING: &str = "MAPPING#";

/// The key of a sales channel.
pub fn channel(id: &ChannelId) -> Key {
    Key::new(CHANNELS, id.as_str())
}

/// The partition key of a channel's data.
pub fn channel_rows(id: &ChannelId) -> String {
    format!("CHANNEL#{id}")
}

/// The key of an account's rate limiter: the time of the next permitted call.
pub fn rate_limit(account: &str) -> Key {
    Key::new(format!("ACCOUNT#{account}"), "RATE-LIMIT")
}

/// The key of a channel's collection state.
pub fn collection(id: &ChannelId) -> Key {
    Key::new(channel_rows(id), "COLLECTION")
}

/// The key of a requested collection run that has not started.
pub fn run_request(id: &ChannelId) -> Key {
    Key::new(channel_rows(id), "RUN-REQUEST")
}

/// The key of an ended collection run.
pub fn run(id: &ChannelId, run: &RunId) -> Key {
    Key::new(channel_rows(id), format!("{RUN}{run}"))
}

/// The key of an order in its channel's list.
pub fn channel_order(id: &ChannelId, placed_at: Timestamp, order: &OrderId) -> Key {
    Key::new(channel_rows(id), format!("{LISTED}{placed_at}#{order}"))
}

/// The key of the recipient of a channel order.
pub fn recipient(id: &ChannelId, order: &OrderId) -> Key {
    Key::new(channel_rows(id), format!("RECIPIENT#{order}"))
}

/// The key of a channel's product.
pub fn channel_product(id: &ChannelId, product: &ProductId) -> Key {
    Key::new(channel_rows(id), format!("{CHANNEL_PRODUCT}{product}"))
}

/// The key of the mapping of a channel's product to one of ours.
pub fn mapping(id: &ChannelId, product: &ProductId) -> Key {
    Key::new(channel_rows(id), format!("{MAPPING}{product}"))
}

/// The partition key of the mappings to one of our products.
pub fn mapped(product: &ProductId) -> String {
    format!("MAPPED#{product}")
}

/// The key of a mapping under our product: the reverse of [`mapping`].
pub fn reverse_mapping(product: &ProductId, id: &ChannelId, external_id: &ProductId) -> Key {
    Key::new(mapped(product), format!("{id}#{external_id}"))
}
