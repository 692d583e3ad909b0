//! The partition and sort keys of every row. No key is built outside this module.
//!
//! | table | pk | sk |
//! |---|---|---|
//! | customers | `CUSTOMER#<id>` | `POINTS` · `LEDGER#<entry>` · `CHARGE#<key hash>` |
//! | customers | `CUSTOMER#<id>` | `CART` · `CART#<product>` · `COUPON#<coupon>` |
//! | customers | `CUSTOMER#<id>` | `PROFILE` · `COMPLETED#<order>` · `HOLDS` · `PHONE-CODE` |
//! | customers | `PHONE#<digest>` | `CODES#<day>` · `MESSAGES#<day>` |
//! | customers | `COUPON-SOURCE#<id>` | `SOURCE` |
//! | products | `PRODUCT#<id>` | `INFO` · `STOCK#0` · `ADJUST#<key hash>` |
//! | products | `PRODUCT#<id>` | `MOVE#<ulid>` · `MOVE#<order>#<version>` |
//! | products | `STORE#<id>` | `PROFILE` |
//! | orders | `ORDER#<id>` | `ORDER` · `PAYMENT#<n>` · `EXTERNAL` |
//! | orders | `CHARGE#<id>` | `CHARGE` · `PAYMENT#001` |
//! | orders | `RIDER#<id>` | `OPEN-DELIVERIES` |
//! | orders | `REPLY#<key hash>` | `REPLY` |
//! | views | `CUSTOMER#<id>` | `ORDER#<placed at>#<order>` · `FIRST-ORDER` |
//! | views | `ORDER#<id>` | `VIEW` · `NOTIFICATION#<version>#<channel>` |
//! | views | `STORE#<id>` | `ORDER#<placed at>#<order>` |
//! | views | `CAMPAIGN#<id>` | `ORDER#<placed at>#<order>` · `DAY#<day>#<n>` |
//! | views | `CAMPAIGN#<id>` | `CUSTOMER#<customer>` |
//! | views | `FEED` | `HEAD` · `MARK#<hour>` |
//! | views | `FEED#<position / 10,000>` | `<position>` |
//! | views | `FEED-OF#<order>` | `LAST` |
//! | views | `DELIVERY#<order>` | `DELIVERY` |
//! | views | `NEAR-CUSTOMER#<cell>` · `NEAR-STORE#<cell>` | `<finer cell>#<order>` |
//! | views | `SALES#<hour>` | `ORDER#<order>` · `TOTAL#<n>` |
//! | views | `LATE-SALES` | `<hour>#<order>` |
//! | views | `CIRCUIT#<name>` | `STATE` · `CALLS#<version>#<slot>` |
//! | views | `TOP-SELLERS` · `AUDIT` | `LATEST` |
//! | webhooks | `WEBHOOKS` | `<name>` |
//! | webhooks | `DELIVERIES#<name>` | `<delivery>` |
//! | channels | `CHANNELS` | `<channel>` |
//! | channels | `ACCOUNT#<kind>#<account>` | `RATE-LIMIT` |
//! | channels | `CHANNEL#<id>` | `COLLECTION` · `RUN-REQUEST` · `RUN#<run>` |
//! | channels | `CHANNEL#<id>` | `ORDER#<placed at>#<order>` · `RECIPIENT#<order>` |
//! | channels | `CHANNEL#<id>` | `PRODUCT#<channel product>` · `MAPPING#<channel product>` |
//! | channels | `MAPPED#<product>` | `<channel>#<channel product>` |
//!
//! Secondary indexes, all of them sparse:
//!
//! | table | index | rows |
//! |---|---|---|
//! | products | `all` | `INFO` rows of products, and stores, by id |
//! | products | `by-category`, `by-store` | `INFO` rows of products |
//! | orders | `due` | unpaid orders and unfinished payment attempts, by due time |
//! | orders | `by-source` | external orders, by system and time of placement |
//! | views | `by-store-status` | orders on store boards, by store and status |
//! | webhooks | `due` | pending deliveries, by webhook and time of next attempt |
//! | channels | `by-channel-status` | channel orders, by channel and status |
//! | channels | `open` | open channel orders, by channel and the start of being open |

mod partners;

pub use partners::*;

use crate::item::Key;
use domain::{
    CampaignId, ChargeId, CouponId, CouponSourceId, CustomerId, EntryId, InvalidId, OrderId,
    ProductId, RiderId, StoreId, Timestamp, campaign::Day, geohash::Cell, payment::Payable,
    position::Position, sales::Hour,
};

/// The sort key prefix of a ledger entry.
pub(crate) const LEDGER: &str = "LEDGER#";
/// The sort key prefix of a stock movement.
pub(crate) const MOVE: &str = "MOVE#";
/// The sort key of a cart's version row, and the prefix of its lines.
pub(crate) const CART: &str = "CART";
/// The sort key prefix of a coupon.
pub(crate) const COUPON: &str = "COUPON#";
/// The partition key prefix of a rider.
pub(crate) const RIDER: &str = "RIDER#";
/// The sort key of a rider's open deliveries.
pub(crate) const OPEN_DELIVERIES: &str = "OPEN-DELIVERIES";
/// The partition key prefix of a charge of points by card.
const CHARGES: &str = "CHARGE#";
/// The sort key of a charge of points by card.
pub(crate) const CHARGE: &str = "CHARGE";
/// The sort key prefix of a payment attempt.
pub(crate) const ATTEMPT: &str = "PAYMENT#";
/// The sort key prefix of an order in a list of orders (of a customer, a campaign or a channel).
pub(crate) const LISTED: &str = "ORDER#";
/// The sort key prefix of a completed order of a customer.
pub(crate) const COMPLETED: &str = "COMPLETED#";
/// The sort key of a customer's stock reservations.
pub(crate) const HOLDS: &str = "HOLDS";
/// The sort key of a customer's or a store's profile.
pub(crate) const PROFILE: &str = "PROFILE";
/// The sort key of an order view.
pub(crate) const VIEW: &str = "VIEW";
/// The sort key prefix of a notification.
pub(crate) const NOTIFICATION: &str = "NOTIFICATION#";
/// The sort key prefix of an order on a store's board.
pub(crate) const ON_BOARD: &str = "ORDER#";
/// The geohash precision of the partitions of open deliveries: cells of 39 by 20 km at the equator.
pub(crate) const COARSE_CELL: u32 = 4;
/// The geohash precision of their sort keys: cells of 38 by 19 m.
const FINE_CELL: u32 = 8;
/// The sort key prefix of a sale.
pub(crate) const SALE: &str = "ORDER#";
/// The sort key prefix of an hour's totals.
pub(crate) const TOTAL: &str = "TOTAL#";

/// The partition key of a customer, in the customers and the views table.
pub fn customer(id: &CustomerId) -> String {
    format!("CUSTOMER#{id}")
}

/// The key of a customer's balance.
pub fn points(id: &CustomerId) -> Key {
    Key::new(customer(id), "POINTS")
}

/// The key of a ledger entry.
pub fn ledger(id: &CustomerId, entry: &EntryId) -> Key {
    Key::new(customer(id), format!("{LEDGER}{entry}"))
}

/// The key of the charge made under an idempotency key.
pub fn charge(id: &CustomerId, key_hash: &str) -> Key {
    Key::new(customer(id), format!("CHARGE#{key_hash}"))
}

/// The key of a cart's version row, which counts the changes of the cart.
pub fn cart(id: &CustomerId) -> Key {
    Key::new(customer(id), CART)
}

/// The key of a cart line.
pub fn cart_line(id: &CustomerId, product: &ProductId) -> Key {
    Key::new(customer(id), format!("{CART}#{product}"))
}

/// The key of a customer's coupon.
pub fn coupon(id: &CustomerId, coupon: &CouponId) -> Key {
    Key::new(customer(id), format!("{COUPON}{coupon}"))
}

/// The key of a coupon source.
pub fn coupon_source(id: &CouponSourceId) -> Key {
    Key::new(format!("COUPON-SOURCE#{id}"), "SOURCE")
}

/// The partition key of a product.
pub fn product(id: &ProductId) -> String {
    format!("PRODUCT#{id}")
}

/// The key of a product's master data, without its stock.
pub fn info(id: &ProductId) -> Key {
    Key::new(product(id), "INFO")
}

/// The key of a product's stock, together with the attributes that an order asserts.
pub fn stock(id: &ProductId) -> Key {
    Key::new(product(id), "STOCK#0")
}

/// The key of a stock movement that is not an order.
pub fn movement(id: &ProductId, ulid: &str) -> Key {
    Key::new(product(id), format!("{MOVE}{ulid}"))
}

/// The sort key prefix of the movements that a channel order makes in a stock.
pub fn movements_of(order: &OrderId) -> String {
    format!("{MOVE}{order}#")
}

/// The key of the movement that one version of a channel order makes in a stock.
pub fn movement_of(id: &ProductId, order: &OrderId, version: u32) -> Key {
    Key::new(product(id), format!("{}{version:06}", movements_of(order)))
}

/// The key of the stock adjustment made under an idempotency key.
pub fn adjustment(id: &ProductId, key_hash: &str) -> Key {
    Key::new(product(id), format!("ADJUST#{key_hash}"))
}

/// The key of an own order.
pub fn order(id: &OrderId) -> Key {
    Key::new(order_rows(id), ORDER)
}

/// The partition key of an order, in the orders and the views table.
pub fn order_rows(id: &OrderId) -> String {
    format!("ORDER#{id}")
}

/// The partition key of an order or a charge.
pub fn payable_rows(payable: &Payable) -> String {
    match payable {
        Payable::Order(id) => order_rows(id),
        Payable::Charge(id) => charge_rows(id),
    }
}

/// Parses the partition key of an order or a charge.
pub(crate) fn payable_in(pk: &str) -> Result<Payable, InvalidId> {
    Payable::try_from(pk.split_once('#').map_or(pk, |(_, id)| id).to_owned())
}

/// The key of a payment attempt.
pub fn attempt(payable: &Payable, attempt: u32) -> Key {
    Key::new(payable_rows(payable), format!("{ATTEMPT}{attempt:03}"))
}

/// The partition key of a charge of points by card.
pub fn charge_rows(id: &ChargeId) -> String {
    format!("{CHARGES}{id}")
}

/// The key of a charge of points by card.
pub fn card_charge(id: &ChargeId) -> Key {
    Key::new(charge_rows(id), CHARGE)
}

/// The key of a rider's open deliveries: orders picked up and not yet delivered.
pub fn open_deliveries(id: &RiderId) -> Key {
    Key::new(format!("{RIDER}{id}"), OPEN_DELIVERIES)
}

/// The key of a customer's stock reservations.
pub fn holds(id: &CustomerId) -> Key {
    Key::new(customer(id), HOLDS)
}

/// The sort key of an external order.
pub const EXTERNAL_ORDER: &str = "EXTERNAL";

/// The sort key of an own order.
pub(crate) const ORDER: &str = "ORDER";

/// The key of an external order.
pub fn external_order(id: &OrderId) -> Key {
    Key::new(order_rows(id), EXTERNAL_ORDER)
}

/// The key of a customer's first order.
pub fn first_order(id: &CustomerId) -> Key {
    Key::new(customer(id), "FIRST-ORDER")
}

/// The partition key of a campaign.
pub fn campaign(id: &CampaignId) -> String {
    format!("CAMPAIGN#{id}")
}

/// The key of an order attributed to a campaign.
pub fn campaign_order(id: &CampaignId, placed_at: Timestamp, order: &OrderId) -> Key {
    Key::new(campaign(id), format!("{LISTED}{placed_at}#{order}"))
}

/// The sort key prefix of a campaign's daily totals.
pub(crate) const CAMPAIGN_DAY: &str = "DAY#";

/// The key of one shard of a campaign's daily totals.
pub fn campaign_day(id: &CampaignId, day: Day, part: u8) -> Key {
    Key::new(campaign(id), format!("{CAMPAIGN_DAY}{day}#{part}"))
}

/// The key of the days on which a customer ordered through a campaign.
pub fn campaign_customer(id: &CampaignId, customer_id: &CustomerId) -> Key {
    Key::new(campaign(id), customer(customer_id))
}

/// The partition key of the change feed's head and marks.
pub const FEED: &str = "FEED";
/// The sort key prefix of an hour mark of the change feed.
pub(crate) const MARK: &str = "MARK#";
/// The number of change feed positions in one partition.
pub(crate) const IN_PARTITION: u64 = 10_000;

/// The key of the change feed's head: its last position.
pub fn feed_head() -> Key {
    Key::new(FEED, "HEAD")
}

/// The key of an hour mark: the first position of the hour.
pub fn feed_mark(hour: Hour) -> Key {
    Key::new(FEED, format!("{MARK}{hour}"))
}

/// The partition key of a change feed position.
pub fn feed_partition(position: u64) -> String {
    format!("FEED#{:016}", position / IN_PARTITION)
}

/// The sort key of a change feed position, zero-padded so that it sorts numerically.
pub fn feed_place(position: u64) -> String {
    format!("{position:020}")
}

/// The key of a change feed entry.
pub fn feed_entry(position: u64) -> Key {
    Key::new(feed_partition(position), feed_place(position))
}

/// The key of an order's last version in the change feed.
pub fn feed_of(order: &OrderId) -> Key {
    Key::new(format!("FEED-OF#{order}"), "LAST")
}

/// The key of the response stored under an idempotency key, for a request on an order.
pub fn reply(key_hash: &str) -> Key {
    Key::new(format!("REPLY#{key_hash}"), "REPLY")
}

/// The key of an order in its customer's list.
pub fn listed_order(customer_id: &CustomerId, placed_at: Timestamp, order: &OrderId) -> Key {
    Key::new(customer(customer_id), format!("{LISTED}{placed_at}#{order}"))
}

/// The key of a customer's profile.
pub fn customer_profile(id: &CustomerId) -> Key {
    Key::new(customer(id), PROFILE)
}

/// The key of the verification code sent to a customer's phone.
pub fn phone_code(id: &CustomerId) -> Key {
    Key::new(customer(id), "PHONE-CODE")
}

/// What is counted per phone number and day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Messages with a verification code.
    Codes,
    /// Messages of any kind.
    Messages,
}

/// The key of the number of messages sent to a phone number on one day.
pub fn phone_count(kind: Counted, phone_digest: &str, day: Day) -> Key {
    let kind = match kind {
        Counted::Codes => "CODES",
        Counted::Messages => "MESSAGES",
    };
    Key::new(format!("PHONE#{phone_digest}"), format!("{kind}#{day}"))
}

/// The key of a completed order of a customer.
pub fn completed(id: &CustomerId, order: &OrderId) -> Key {
    Key::new(customer(id), format!("{COMPLETED}{order}"))
}

/// The key of a store's profile.
pub fn store_profile(id: &StoreId) -> Key {
    Key::new(store(id), PROFILE)
}

/// The partition key of a store, in the products and the views table.
pub fn store(id: &StoreId) -> String {
    format!("STORE#{id}")
}

/// The key of an order view.
pub fn order_view(id: &OrderId) -> Key {
    Key::new(order_rows(id), VIEW)
}

/// The sort key prefix of the notifications of one order version.
pub fn notifications(version: u32) -> String {
    format!("{NOTIFICATION}{version:06}#")
}

/// The key of a notification of an order version by one channel.
pub fn notification(id: &OrderId, version: u32, channel: impl std::fmt::Display) -> Key {
    Key::new(order_rows(id), format!("{}{channel}", notifications(version)))
}

/// The key of an order on its store's board.
pub fn on_board(store_id: &StoreId, placed_at: Timestamp, order: &OrderId) -> Key {
    Key::new(store(store_id), format!("{ON_BOARD}{placed_at}#{order}"))
}

/// The key of an order's delivery row, which remains after the order stops waiting for a rider.
pub fn delivery(order: &OrderId) -> Key {
    Key::new(format!("DELIVERY#{order}"), "DELIVERY")
}

/// The end of a delivery that a search is near to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryEnd {
    /// The customer: the destination.
    Customer,
    /// The store: the origin.
    Store,
}

/// The partition key of the deliveries whose customer or store is in a coarse cell.
pub fn near(end: DeliveryEnd, coarse: Cell) -> String {
    match end {
        DeliveryEnd::Customer => format!("NEAR-CUSTOMER#{coarse}"),
        DeliveryEnd::Store => format!("NEAR-STORE#{coarse}"),
    }
}

/// The key of a delivery whose customer or store is at a position.
pub fn nearby(end: DeliveryEnd, position: Position, order: &OrderId) -> Key {
    Key::new(
        near(end, Cell::of(position, COARSE_CELL)),
        format!("{}#{order}", Cell::of(position, FINE_CELL)),
    )
}

/// The key of a circuit's state.
pub fn circuit(name: &str) -> Key {
    Key::new(format!("CIRCUIT#{name}"), "STATE")
}

/// The key of the call counts of one time slot, for one version of a circuit.
pub fn circuit_calls(name: &str, version: u32, slot: i64) -> Key {
    Key::new(format!("CIRCUIT#{name}"), format!("CALLS#{version}#{slot}"))
}

/// The partition key of an hour's sales.
pub fn sales(hour: Hour) -> String {
    format!("SALES#{hour}")
}

/// The key of one order's sale.
pub fn sale(hour: Hour, order: &OrderId) -> Key {
    Key::new(sales(hour), format!("{SALE}{order}"))
}

/// The key of one part of an hour's totals.
pub fn total(hour: Hour, part: usize) -> Key {
    Key::new(sales(hour), format!("{TOTAL}{part:03}"))
}

/// The partition key of [`late_sale`].
pub const LATE_SALES: &str = "LATE-SALES";

/// The key of the note on a sale that was recorded after its hour had ended.
pub fn late_sale(hour: Hour, order: &OrderId) -> Key {
    Key::new(LATE_SALES, format!("{hour}#{order}"))
}

/// The key of the latest top sellers.
pub fn top_sellers() -> Key {
    Key::new("TOP-SELLERS", "LATEST")
}

/// The key of the latest audit report.
pub fn audit() -> Key {
    Key::new("AUDIT", "LATEST")
}
