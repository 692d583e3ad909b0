//! How channels and their collections are shown, and why a channel is refused.

use crate::session::expire_at;
use domain::{ChannelId, ProductId, Refusal, RunId, Timestamp, Won};
use schemars::JsonSchema;
use serde::Serialize;
use store::{
    channel_products::{ChannelProduct, Mapping},
    channels::{Channel, Collection, Run, Stage},
};

/// The shortest and the longest interval between collections, in minutes, and the usual one.
pub(crate) const INTERVALS: std::ops::RangeInclusive<u32> = 1..=1_440;
pub(crate) const DEFAULT_INTERVAL: u32 = 10;

/// The longest name of a channel, in characters.
const MAX_NAME: usize = 100;

/// A channel as it is shown. Its credentials are not.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelResponse {
    /// Its id: the `source` of its orders.
    channel_id: ChannelId,
    /// What the operator calls it.
    name: String,
    /// The kind of marketplace: `COUPANG`, `SMARTSTORE`, `HTTP` or `MOCK`.
    #[serde(rename = "type")]
    kind: String,
    /// Which account it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// It is collected every so many minutes.
    interval_minutes: u32,
    /// Whether it is collected.
    active: bool,
    /// Since when we have its credentials.
    credentials_since: Timestamp,
    /// When they expire, if they do: new ones are needed before.
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials_expire_at: Option<Timestamp>,
    /// Up to where every order is collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    collected_until: Option<Timestamp>,
    /// When it was registered.
    created_at: Timestamp,
    /// When it last changed.
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

/// Where a collection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunStatus {
    /// It goes on, or is about to.
    Running,
    /// Everything was collected.
    Done,
    /// It was given up; the next one begins where this one did.
    Failed,
}

/// What is being collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Collecting {
    /// Orders.
    Orders,
    /// Products.
    Products,
    /// Stocks are told.
    Stocks,
}

/// A collection of a channel.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunAnswer {
    /// Its id.
    run_id: RunId,
    /// Where it stands.
    status: RunStatus,
    /// What is being collected, while it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    collecting: Option<Collecting>,
    /// When it began.
    begun_at: Timestamp,
    /// When it ended, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    /// From when on orders are collected in it.
    from: Timestamp,
    /// Until when.
    until: Timestamp,
    /// Calls that were made of the marketplace.
    calls: u32,
    /// Orders that it told of; one that was told of twice counts twice.
    orders: u32,
    /// Of these, those that were news.
    changed: u32,
    /// Products that it told of.
    products: u32,
    /// Stocks that it was told.
    stocks: u32,
    /// Entries that it told of and that were not understood: the next run begins before them.
    unread: u32,
    /// What went wrong last, if it is not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What you should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

impl From<Run> for RunAnswer {
    fn from(run: Run) -> Self {
        let unread = format!("{} entries are not understood, such as {}", run.unread, run.such_as.join(", "));
        let warnings: Vec<String> = run.warning.into_iter().chain((run.unread > 0).then_some(unread)).collect();
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
            unread: run.unread,
            error: run.error,
            warning: (!warnings.is_empty()).then(|| warnings.join("; ")),
        }
    }
}

/// A product, ours or as a channel has it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelProductAnswer {
    /// On which channel; ours, if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) channel_id: Option<ChannelId>,
    /// Its id there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) external_id: Option<ProductId>,
    /// Our product: itself, or the one that it is mapped to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) product_id: Option<ProductId>,
    /// What it is called.
    pub(crate) name: String,
    /// Where it stands, in the channel's words.
    pub(crate) status: String,
    /// Its price, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price: Option<Won>,
    /// How many can be bought, if that is known: as we told the channel, as it told us, or as we know of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stock: Option<i64>,
    /// Why the channel could not be told of our stock, if the last try was in vain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stock_error: Option<String>,
}

impl ChannelProductAnswer {
    pub(crate) fn of(product: ChannelProduct, mapping: Option<&Mapping>) -> Self {
        Self {
            channel_id: Some(product.channel_id),
            external_id: Some(product.external_id),
            product_id: mapping.map(|mapping| mapping.product_id.clone()),
            name: product.name,
            status: product.status,
            price: product.price,
            stock: mapping.and_then(|mapping| mapping.stock_there).or(product.stock),
            stock_error: mapping.and_then(|mapping| mapping.error.clone()),
        }
    }
}

/// A channel's name.
pub(crate) fn checked_name(name: String) -> Result<String, Refusal> {
    if (1..=MAX_NAME).contains(&name.chars().count()) {
        Ok(name)
    } else {
        Err(Refusal::field("name", format!("must be 1 to {MAX_NAME} characters")))
    }
}

/// An interval in minutes.
pub(crate) fn checked_interval(minutes: u32) -> Result<u32, Refusal> {
    if INTERVALS.contains(&minutes) {
        Ok(minutes)
    } else {
        Err(Refusal::field("intervalMinutes", format!("must be {} to {}", INTERVALS.start(), INTERVALS.end())))
    }
}
