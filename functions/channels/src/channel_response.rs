//! The responses of the channel API, and the validation that its requests share.

use crate::session::expire_at;
use domain::{ChannelId, ProductId, Refusal, RunId, Timestamp, Won};
use schemars::JsonSchema;
use serde::Serialize;
use store::{
    channel_products::{ChannelProduct, Mapping},
    channels::{Channel, Collection, Run, Stage},
};

/// The allowed intervals between two collections, in minutes.
pub(crate) const INTERVALS: std::ops::RangeInclusive<u32> = 1..=1_440;

/// The default interval between two collections, in minutes.
pub(crate) const DEFAULT_INTERVAL: u32 = 10;

/// The maximum length of a channel's name, in characters.
const MAX_NAME: usize = 100;

/// A channel as the API returns it, without its credentials.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelResponse {
    /// The channel's id. It is the `source` of the channel's orders.
    channel_id: ChannelId,
    /// The name that the operator chose.
    name: String,
    /// The type of marketplace: `COUPANG`, `SMARTSTORE`, `HTTP` or `MOCK`.
    #[serde(rename = "type")]
    kind: String,
    /// The account at the marketplace.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// Minutes between two collections.
    interval_minutes: u32,
    /// Whether the channel is collected.
    active: bool,
    /// When the current credentials were stored.
    credentials_since: Timestamp,
    /// When the credentials expire, if they do. New ones are needed before then.
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials_expire_at: Option<Timestamp>,
    /// The watermark: every order up to this time is collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    collected_until: Option<Timestamp>,
    /// When the channel was registered.
    created_at: Timestamp,
    /// When the channel was last changed.
    updated_at: Timestamp,
}

impl ChannelResponse {
    pub(crate) fn of(channel: Channel, collection: Option<&Collection>) -> Self {
        Self {
            credentials_expire_at: expire_at(&channel),
            channel_id: channel.channel_id,
            name: channel.name,
            kind: channel.kind,
            account: channel.account,
            interval_minutes: channel.interval_minutes,
            active: channel.active,
            credentials_since: channel.credentials_since,
            collected_until: collection.and_then(|collection| collection.collected_until),
            created_at: channel.created_at,
            updated_at: channel.updated_at,
        }
    }
}

/// The status of a collection run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunStatus {
    /// The run is in progress, or waits to continue.
    Running,
    /// Everything was collected.
    Done,
    /// The run ended with an error. The next run starts where this one started.
    Failed,
}

/// What a collection run is working on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Collecting {
    /// Orders are collected.
    Orders,
    /// Products are collected.
    Products,
    /// Stock levels are sent to the marketplace.
    Stocks,
}

/// A collection run of a channel.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunResponse {
    /// The run's id.
    run_id: RunId,
    /// The run's status.
    status: RunStatus,
    /// What the run is working on, while it is in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    collecting: Option<Collecting>,
    /// When the run started.
    begun_at: Timestamp,
    /// When the run ended, if it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    /// The start of the time range whose orders are collected.
    from: Timestamp,
    /// The end of that time range.
    until: Timestamp,
    /// The number of calls to the marketplace.
    calls: u32,
    /// The number of orders that the marketplace reported. An order reported twice counts twice.
    orders: u32,
    /// How many of these were new or changed.
    changed: u32,
    /// The number of products that the marketplace reported.
    products: u32,
    /// The number of stock levels that were sent to the marketplace.
    stocks: u32,
    /// The number of malformed entries. The next run starts before them.
    unread: u32,
    /// The last error, unless a later call succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Warnings for the operator: credentials that expire soon, malformed entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

impl From<Run> for RunResponse {
    fn from(run: Run) -> Self {
        let unread = format!(
            "{} malformed entries, such as {}",
            run.malformed,
            run.malformed_examples.join(", ")
        );
        let warnings: Vec<String> =
            run.warning.into_iter().chain((run.malformed > 0).then_some(unread)).collect();
        let status = match (run.ended_at, &run.error) {
            (None, _) => RunStatus::Running,
            (Some(_), None) => RunStatus::Done,
            (Some(_), Some(_)) => RunStatus::Failed,
        };
        let collecting = match run.stage {
            Stage::Orders { .. } => Some(Collecting::Orders),
            Stage::Products { .. } => Some(Collecting::Products),
            Stage::Stocks { .. } => Some(Collecting::Stocks),
            Stage::Over => None,
        };
        Self {
            run_id: run.run_id,
            status,
            collecting: collecting.filter(|_| status == RunStatus::Running),
            begun_at: run.begun_at,
            ended_at: run.ended_at,
            from: run.from,
            until: run.until,
            calls: run.calls,
            orders: run.orders,
            changed: run.changed,
            products: run.products,
            stocks: run.stocks,
            unread: run.malformed,
            error: run.error,
            warning: (!warnings.is_empty()).then(|| warnings.join("; ")),
        }
    }
}

/// A product: one of ours, or one that a channel lists.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelProductResponse {
    /// The channel that lists it. Absent for our own products.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) channel_id: Option<ChannelId>,
    /// The product's id on the channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) external_id: Option<ProductId>,
    /// The id of our product: the product itself, or the one that the channel's product is mapped
    /// to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) product_id: Option<ProductId>,
    /// The product's name.
    pub(crate) name: String,
    /// The product's status. For a channel's product it is the channel's own term.
    pub(crate) status: String,
    /// The price, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price: Option<Won>,
    /// The number of units for sale, if known. For a channel's product it is the number that we
    /// last sent to the channel, or else the number that the channel reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stock: Option<i64>,
    /// Why the last attempt to send our stock to the channel failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stock_error: Option<String>,
}

impl ChannelProductResponse {
    pub(crate) fn of(product: ChannelProduct, mapping: Option<&Mapping>) -> Self {
        Self {
            channel_id: Some(product.channel_id),
            external_id: Some(product.external_id),
            product_id: mapping.map(|mapping| mapping.product_id.clone()),
            name: product.name,
            status: product.status,
            price: product.price,
            stock: mapping.and_then(|mapping| mapping.stock_sent).or(product.stock),
            stock_error: mapping.and_then(|mapping| mapping.error.clone()),
        }
    }
}

/// Checks the length of a channel's name.
pub(crate) fn checked_name(name: String) -> Result<String, Refusal> {
    if (1..=MAX_NAME).contains(&name.chars().count()) {
        Ok(name)
    } else {
        Err(Refusal::field("name", format!("must be 1 to {MAX_NAME} characters")))
    }
}

/// Checks that an interval is within [`INTERVALS`].
pub(crate) fn checked_interval(minutes: u32) -> Result<u32, Refusal> {
    if INTERVALS.contains(&minutes) {
        Ok(minutes)
    } else {
        Err(Refusal::field(
            "intervalMinutes",
            format!("must be {} to {}", INTERVALS.start(), INTERVALS.end()),
        ))
    }
}
