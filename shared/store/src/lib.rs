//! The only crate that speaks DynamoDB.
//!
//! Keys are built in [`keys`] and nowhere else; every write has a condition and names the refusal that its failure
//! means ([`Transaction`]); each noun has one module that builds its reads and writes. This crate must never know HTTP,
//! Lambda or an event bus.

pub mod attempts;
pub mod audits;
pub mod boards;
pub mod campaigns;
pub mod carts;
pub mod change_feed;
pub mod channel_orders;
pub mod channel_products;
pub mod channels;
pub mod charges;
pub mod circuits;
pub mod coupons;
pub mod customers;
pub mod deliveries;
mod due;
pub mod external_orders;
pub mod item;
pub mod keys;
pub mod notifications;
pub mod order_views;
pub mod orders;
pub mod phones;
pub mod points;
pub mod products;
mod read;
pub mod reservations;
mod retry;
pub mod riders;
pub mod sales;
pub mod stores;
mod transaction;
pub mod transition;
pub mod vault;
pub mod webhooks;

pub use item::Item;
pub use read::{Page, PageRequest};
pub use transaction::{CommitError, FailedCondition, ProjectionSource, Transaction, Write};

use aws_sdk_dynamodb::{
    Client,
    config::{StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig},
};
use aws_smithy_async::{rt::sleep::SharedAsyncSleep, time::SharedTimeSource};
use aws_types::SdkConfig;
use domain::{NotStarted, Open, Timestamp, Variables};
use std::{sync::Arc, time::Duration};

/// How long to wait for a connection, and for an answer, before the call counts as lost.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// The platform's tables, and how to call them.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    tables: Arc<Tables>,
    time: SharedTimeSource,
    sleep: SharedAsyncSleep,
    deadline: Option<Timestamp>,
}

/// The tables' names, as the deployment gave them.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) customers: String,
    pub(crate) products: String,
    pub(crate) orders: String,
    pub(crate) views: String,
    pub(crate) webhooks: String,
    pub(crate) channels: String,
}

impl<E: Variables + AsRef<SdkConfig>> Open<E> for Store {
    /// Opens the tables that `CUSTOMERS_TABLE`, `PRODUCTS_TABLE`, `ORDERS_TABLE`, `VIEWS_TABLE`, `WEBHOOKS_TABLE` and
    /// `CHANNELS_TABLE` name.
    fn open(env: &E) -> Result<Self, NotStarted> {
        let aws = env.as_ref();
        let tables = Tables {
            customers: env.require("CUSTOMERS_TABLE")?,
            products: env.require("PRODUCTS_TABLE")?,
            orders: env.require("ORDERS_TABLE")?,
            views: env.require("VIEWS_TABLE")?,
            webhooks: env.require("WEBHOOKS_TABLE")?,
            channels: env.require("CHANNELS_TABLE")?,
        };
        let config = aws_sdk_dynamodb::config::Builder::from(aws)
            // One policy for every call, in `retry`: the SDK does not retry a cancelled transaction.
            .retry_config(RetryConfig::disabled())
            // Rows are small and calls have a deadline: watching for a stalled stream costs more than it saves.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).build(),
            )
            .build();
        Ok(Self {
            client: Client::from_conf(config),
            tables: Arc::new(tables),
            time: aws.time_source().ok_or("the AWS configuration has no time source")?,
            sleep: aws.sleep_impl().ok_or("the AWS configuration cannot sleep")?,
            deadline: None,
        })
    }
}

impl Store {
    /// The same store, whose calls are not repeated when they could end after `deadline`.
    #[must_use]
    pub fn until(&self, deadline: Timestamp) -> Self {
        Self { deadline: Some(deadline), ..self.clone() }
    }

    /// The time by the clock of the AWS configuration.
    pub fn now(&self) -> Timestamp {
        let since_epoch = self.time.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Each noun has a handle, whose methods build its reads and writes.
macro_rules! handles {
    ($($(#[$documentation:meta])* $method:ident: $handle:ident;)+) => {
        $(
            $(#[$documentation])*
            #[derive(Debug, Clone, Copy)]
            pub struct $handle<'a>(&'a Store);
        )+

        impl Store {
            $(
                $(#[$documentation])*
                pub const fn $method(&self) -> $handle<'_> {
                    $handle(self)
                }
            )+
        }
    };
}

handles! {
    /// Attempts to charge cards.
    attempts: Attempts;
    /// What the audit reads, and its result.
    audits: Audits;
    /// Boards of stores (projection).
    boards: Boards;
    /// Campaigns and the orders that they brought (projection).
    campaigns: Campaigns;
    /// Carts.
    carts: Carts;
    /// The change feed (projection).
    change_feed: ChangeFeed;
    /// Orders of sales channels.
    channel_orders: ChannelOrders;
    /// Products of sales channels, and their mappings.
    channel_products: ChannelProducts;
    /// Sales channels and their runs.
    channels: Channels;
    /// Points that are paid by card.
    charges: Charges;
    /// Circuit breakers.
    circuits: Circuits;
    /// Coupons and their sources.
    coupons: Coupons;
    /// Customers.
    customers: Customers;
    /// Deliveries that wait for a rider (projection).
    deliveries: Deliveries;
    /// Orders of other systems.
    external_orders: ExternalOrders;
    /// The stock that customers' unpaid orders reserve.
    reservations: CustomerReservations;
    /// Notifications.
    notifications: Notifications;
    /// Views of orders (projection).
    order_views: OrderViews;
    /// Orders of this shop, and their replies.
    orders: Orders;
    /// Verification codes and message limits of phones.
    phones: Phones;
    /// Balances and ledgers.
    points: Points;
    /// Products.
    products: Products;
    /// Riders.
    riders: Riders;
    /// Sales and top sellers.
    sales: Sales;
    /// Stock of products.
    stock: Stocks;
    /// Stores.
    stores: Stores;
    /// Webhooks and their deliveries.
    webhooks: Webhooks;
}
