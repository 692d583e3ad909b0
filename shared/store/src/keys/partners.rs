//! The keys of the rows of webhooks and sales channels: of what is shared with other companies.

use super::{Key, LISTED};
use domain::{ChannelId, DeliveryId, OrderId, ProductId, RunId, Timestamp, WebhookName};

/// The partition of [`webhook`].
pub const WEBHOOKS: &str = "WEBHOOKS";

/// A webhook.
pub fn webhook(name: &WebhookName) -> Key {
    Key::new(WEBHOOKS, name.as_str())
}

/// The deliveries to a webhook.
pub fn webhook_deliveries(name: &WebhookName) -> String {
    format!("DELIVERIES#{name}")
}

/// A delivery to a webhook.
pub fn webhook_delivery(name: &WebhookName, id: &DeliveryId) -> Key {
    Key::new(webhook_deliveries(name), id.as_str())
}

/// The partition of [`channel`].
pub const CHANNELS: &str = "CHANNELS";
/// The prefix of the sort key of a collection that has ended.
pub(crate) const RUN: &str = "RUN#";
/// The prefix of the sort key of a product as a channel has it.
pub(crate) const CHANNEL_PRODUCT: &str = "PRODUCT#";
/// The prefix of the sort key of which product of ours a channel's is.
pub(crate) const MAPPING: &str = "MAPPING#";

/// A sales channel.
pub fn channel(id: &ChannelId) -> Key {
    Key::new(CHANNELS, id.as_str())
}

/// A channel's rows.
pub fn channel_rows(id: &ChannelId) -> String {
    format!("CHANNEL#{id}")
}

/// When an account may call its marketplace next.
pub fn turn(account: &str) -> Key {
    Key::new(format!("ACCOUNT#{account}"), "TURN")
}

/// How far a channel is collected.
pub fn collection(id: &ChannelId) -> Key {
    Key::new(channel_rows(id), "COLLECTION")
}

/// The collection that somebody has asked for, and that has not begun.
pub fn run_request(id: &ChannelId) -> Key {
    Key::new(channel_rows(id), "ASKED")
}

/// A collection that has ended.
pub fn run(id: &ChannelId, run: &RunId) -> Key {
    Key::new(channel_rows(id), format!("{RUN}{run}"))
}

/// An order in the list of its channel's.
pub fn channel_order(id: &ChannelId, placed_at: Timestamp, order: &OrderId) -> Key {
    Key::new(channel_rows(id), format!("{LISTED}{placed_at}#{order}"))
}

/// To whom an order goes.
pub fn recipient(id: &ChannelId, order: &OrderId) -> Key {
    Key::new(channel_rows(id), format!("RECIPIENT#{order}"))
}

/// A product as a channel has it.
pub fn channel_product(id: &ChannelId, product: &ProductId) -> Key {
    Key::new(channel_rows(id), format!("{CHANNEL_PRODUCT}{product}"))
}

/// Which product of ours a channel's is.
pub fn mapping(id: &ChannelId, product: &ProductId) -> Key {
    Key::new(channel_rows(id), format!("{MAPPING}{product}"))
}

/// The products of channels that are a product of ours.
pub fn mapped(product: &ProductId) -> String {
    format!("MAPPED#{product}")
}

/// That a product of a channel is a product of ours.
pub fn mapped_there(product: &ProductId, id: &ChannelId, there: &ProductId) -> Key {
    Key::new(mapped(product), format!("{id}#{there}"))
}
