//! The only crate that accesses DynamoDB.
//!
//! Keys are built only in [`keys`]. Every write has a condition and names the error that a failed
//! condition means ([`Transaction`]). Each noun has one module, which builds its reads and writes.
//! This crate must never depend on HTTP, Lambda or an event bus.

pub mod attempts;
pub mod attribution;
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
pub mod optimistic;
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
pub use read::{Page, PageRequest, StartKey};
pub use transaction::{CommitError, FailedCondition, ProjectionSource, Transaction, Write};

use aws_sdk_dynamodb::{
    Client,
    config::{StalledStreamProtectionConfig, retry::RetryConfig, timeout::TimeoutConfig},
};
use aws_smithy_async::{rt::sleep::SharedAsyncSleep, time::SharedTimeSource};
use aws_types::SdkConfig;
use domain::{NotStarted, Open, Timestamp, Variables};
use std::{sync::Arc, time::Duration};

/// Timeouts of one call: to connect, and to read the response.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// A handle on the platform's tables.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    tables: Arc<Tables>,
    time: SharedTimeSource,
    sleep: SharedAsyncSleep,
    deadline: Option<Timestamp>,
}

/// The deployed names of the tables.
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
    /// Reads the table names from `CUSTOMERS_TABLE`, `PRODUCTS_TABLE`, `ORDERS_TABLE`,
    /// `VIEWS_TABLE`, `WEBHOOKS_TABLE` and `CHANNELS_TABLE`.
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
            // `retry` holds the only retry policy: the SDK does not retry a cancelled transaction.
            .retry_config(RetryConfig::disabled())
            // Rows are small and calls have a deadline, so stalled stream protection costs more
            // than it saves.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .read_timeout(READ_TIMEOUT)
                    .build(),
            )
            .build();
        Ok(Self {
            client: Client::from_conf(config),
            tables: Arc::new(tables),
            time: aws.time_source().ok_or("the AWS configuration has no time source")?,
            sleep: aws.sleep_impl().ok_or("the AWS configuration has no sleep implementation")?,
            deadline: None,
        })
    }
}

impl Store {
    /// Returns the same store with a deadline: a call is not retried if the retry could end after
    /// it.
    #[must_use]
    pub fn until(&self, deadline: Timestamp) -> Self {
        Self { deadline: Some(deadline), ..self.clone() }
    }

    /// The current time, from the time source of the AWS configuration.
    pub fn now(&self) -> Timestamp {
        let since_epoch = self.time.now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Defines a handle type for each noun, and the method of [`Store`] that returns it.
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
    /// Card payment attempts.
    attempts: Attempts;
    /// The reads of the audit, and its report.
    audits: Audits;
    /// Store boards (projection).
    boards: Boards;
    /// Campaigns and the orders attributed to them (projection).
    campaigns: Campaigns;
    /// Carts.
    carts: Carts;
    /// The change feed (projection).
    change_feed: ChangeFeed;
    /// Orders of sales channels.
    channel_orders: ChannelOrders;
    /// Products of sales channels, and their mappings.
    channel_products: ChannelProducts;
    /// Sales channels and their collection runs.
    channels: Channels;
    /// Charges of points by card.
    charges: Charges;
    /// Circuit breakers.
    circuits: Circuits;
    /// Coupons and their sources.
    coupons: Coupons;
    /// Customer profiles.
    customers: Customers;
    /// Deliveries that wait for a rider (projection).
    deliveries: Deliveries;
    /// Orders of external systems.
    external_orders: ExternalOrders;
    /// Stock reserved by customers' unpaid orders.
    reservations: CustomerReservations;
    /// Notifications.
    notifications: Notifications;
    /// Order views (projection).
    order_views: OrderViews;
    /// Own orders, and the responses stored under idempotency keys.
    orders: Orders;
    /// Verification codes and message limits of phones.
    phones: Phones;
    /// Balances and ledgers.
    points: Points;
    /// Products.
    products: Products;
    /// Riders' open deliveries.
    riders: Riders;
    /// Sales and top sellers.
    sales: Sales;
    /// Stock of products.
    stock: Stocks;
    /// Store profiles.
    stores: Stores;
    /// Webhooks and their deliveries.
    webhooks: Webhooks;
}
