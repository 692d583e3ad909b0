//! Every key of the system.
//!
//! | table | pk | sk |
//! |---|---|---|
//! | customers | `CUSTOMER#<id>` | `POINTS` · `LEDGER#<entry>` · `CHARGE#<key hash>` |
//! | customers | `CUSTOMER#<id>` | `CART` · `CART#<product>` · `COUPON#<coupon>` · `PROFILE` · `COMPLETED#<order>` |
//! | customers | `CUSTOMER#<id>` | `HOLDS` · `PHONE-CODE` |
//! | customers | `PHONE#<digest>` | `CODES#<day>` · `MESSAGES#<day>` |
//! | customers | `COUPON-SOURCE#<id>` | `SOURCE` |
//! | products | `PRODUCT#<id>` | `INFO` · `STOCK#0` · `MOVE#<ulid>` · `MOVE#<order>#<version>` · `ADJUST#<key hash>` |
//! | products | `STORE#<id>` | `PROFILE` |
//! | orders | `ORDER#<id>` | `ORDER` · `PAYMENT#<n>` · `COLLECTED` |
//! | orders | `CHARGE#<id>` | `CHARGE` · `PAYMENT#001` |
//! | orders | `RIDER#<id>` | `OPEN-DELIVERIES` |
//! | orders | `REPLY#<key hash>` | `REPLY` |
//! | views | `CUSTOMER#<id>` | `ORDER#<placed at>#<order>` |
//! | views | `ORDER#<id>` | `VIEW` · `NOTIFICATION#<version>#<channel>` |
//! | views | `STORE#<id>` | `ORDER#<placed at>#<order>` |
//! | views | `CUSTOMER#<id>` | `FIRST-ORDER` |
//! | views | `CAMPAIGN#<id>` | `ORDER#<placed at>#<order>` · `DAY#<day>#<n>` · `CUSTOMER#<customer>` |
//! | views | `FEED` | `HEAD` · `MARK#<hour>` |
//! | views | `FEED#<ten thousand>` | `<position>` |
//! | views | `FEED-OF#<order>` | `LAST` |
//! | views | `DELIVERY#<order>` | `DELIVERY` |
//! | views | `NEAR-CUSTOMER#<cell>` · `NEAR-STORE#<cell>` | `<cell within>#<order>` |
//! | views | `SALES#<hour>` | `ORDER#<order>` · `TOTAL#<n>` |
//! | views | `LATE-SALES` | `<hour>#<order>` |
//! | views | `CIRCUIT#<name>` | `STATE` · `CALLS#<version>#<slot>` |
//! | webhooks | `WEBHOOKS` | `<name>` |
//! | webhooks | `DELIVERIES#<name>` | `<delivery>` |
//! | channels | `CHANNELS` | `<channel>` |
//! | channels | `ACCOUNT#<kind>#<account>` | `TURN` |
//! | channels | `CHANNEL#<id>` | `COLLECTION` · `ASKED` · `RUN#<run>` · `ORDER#<placed at>#<order>` · `RECIPIENT#<order>` |
//! | channels | `CHANNEL#<id>` | `PRODUCT#<product there>` · `MAPPING#<product there>` |
//! | channels | `MAPPED#<product>` | `<channel>#<product there>` |
//! | views | `TOP-SELLERS` · `AUDIT` | `LATEST` |
//!
//! The products table has three indexes, on the `INFO` rows alone: every product, by category, by store; the first lists stores
//! too. The orders table has two: orders that wait to be paid and attempts that have not ended, by the time at which somebody must
//! look at them; and the orders of other systems, by system. The views table has one, on the rows of the stores' boards, by store
//! and status. The webhooks table has one, on the deliveries that are to be tried, by receiver and time. The channels table has
//! two, on the rows of orders alone: by channel and status, and those of which something is still to be expected, by channel and
//! since when.

mod partners;

pub use partners::*;

use crate::item::{Item, text};
use domain::{
    CampaignId, ChargeId, CouponId, CouponSourceId, CustomerId, EntryId, InvalidId, OrderId, ProductId, RiderId,
    StoreId, Timestamp,
    campaign::Day,
    geohash::{Cell, Position},
    payment::Payable,
    sales::Hour,
};

/// Where a row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The partition.
    pub pk: String,
    /// The place within it.
    pub sk: String,
}

impl Key {
    fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    /// The key as attributes.
    pub fn item(&self) -> Item {
        Item::from([("pk".into(), text(&self.pk)), ("sk".into(), text(&self.sk))])
    }
}

/// The prefix of a ledger entry's sort key.
pub(crate) const LEDGER: &str = "LEDGER#";
/// The prefix of a stock movement's sort key.
pub(crate) const MOVE: &str = "MOVE#";
/// The prefix of the sort keys of a cart: of its lines, and of the cart itself.
pub(crate) const CART: &str = "CART";
/// The prefix of a coupon's sort key.
pub(crate) const COUPON: &str = "COUPON#";
/// The prefix of the partition key of a rider's rows.
pub(crate) const RIDER: &str = "RIDER#";
/// The sort key of the orders that a rider has.
pub(crate) const OPEN_DELIVERIES: &str = "OPEN-DELIVERIES";
/// The prefix of the partition key of a charge by card.
const CHARGES: &str = "CHARGE#";
/// The sort key of a charge by card.
pub(crate) const CHARGE: &str = "CHARGE";
/// The prefix of a payment attempt's sort key.
pub(crate) const ATTEMPT: &str = "PAYMENT#";
/// The prefix of the sort key of an order in the list of its customer's.
pub(crate) const LISTED: &str = "ORDER#";
/// The prefix of the sort key of an order that a customer has got.
pub(crate) const COMPLETED: &str = "COMPLETED#";
/// The sort key of what a customer's unpaid orders hold.
pub(crate) const HOLDS: &str = "HOLDS";
/// The sort key of what is known of a customer, or of a store.
pub(crate) const PROFILE: &str = "PROFILE";
/// The sort key of an order's view.
pub(crate) const VIEW: &str = "VIEW";
/// The prefix of a notification's sort key.
pub(crate) const NOTIFICATION: &str = "NOTIFICATION#";
/// The prefix of the sort key of an order on its store's board.
pub(crate) const ON_BOARD: &str = "ORDER#";
/// The precision of the cells into which open deliveries are parted: 39 by 20 km at the equator.
pub(crate) const COARSE_CELL: u32 = 4;
/// The precision of the cells by which they sort within: 38 by 19 m.
const FINE_CELL: u32 = 8;
/// The prefix of a sale's sort key.
pub(crate) const SALE: &str = "ORDER#";
/// The prefix of a sort key of an hour's totals.
pub(crate) const TOTAL: &str = "TOTAL#";

/// A customer's rows.
pub fn customer(id: &CustomerId) -> String {
    format!("CUSTOMER#{id}")
}

/// A customer's balance.
pub fn points(id: &CustomerId) -> Key {
    Key::new(customer(id), "POINTS")
}

/// One change of a balance.
pub fn ledger(id: &CustomerId, entry: &EntryId) -> Key {
    Key::new(customer(id), format!("{LEDGER}{entry}"))
}

/// A charge already made under an idempotency key.
pub fn charge(id: &CustomerId, key_hash: &str) -> Key {
    Key::new(customer(id), format!("CHARGE#{key_hash}"))
}

/// A customer's cart as a whole: how often it was changed.
pub fn cart(id: &CustomerId) -> Key {
    Key::new(customer(id), CART)
}

/// A line of a customer's cart.
pub fn cart_line(id: &CustomerId, product: &ProductId) -> Key {
    Key::new(customer(id), format!("{CART}#{product}"))
}

/// A customer's coupon.
pub fn coupon(id: &CustomerId, coupon: &CouponId) -> Key {
    Key::new(customer(id), format!("{COUPON}{coupon}"))
}

/// A source of coupons.
pub fn coupon_source(id: &CouponSourceId) -> Key {
    Key::new(format!("COUPON-SOURCE#{id}"), "SOURCE")
}

/// A product's rows.
pub fn product(id: &ProductId) -> String {
    format!("PRODUCT#{id}")
}

/// What is known of a product besides its stock.
pub fn info(id: &ProductId) -> Key {
    Key::new(product(id), "INFO")
}

/// A product's stock, with what an order must assert of it.
pub fn stock(id: &ProductId) -> Key {
    Key::new(product(id), "STOCK#0")
}

/// One change of a stock that was not an order.
pub fn movement(id: &ProductId, ulid: &str) -> Key {
    Key::new(product(id), format!("{MOVE}{ulid}"))
}

/// The prefix of the sort keys of what an order of a channel took from a stock, and gave back.
pub fn movements_of(order: &OrderId) -> String {
    format!("{MOVE}{order}#")
}

/// What a version of an order of a channel took from a stock, or gave back.
pub fn movement_of(id: &ProductId, order: &OrderId, version: u32) -> Key {
    Key::new(product(id), format!("{}{version:06}", movements_of(order)))
}

/// An adjustment already made under an idempotency key.
pub fn adjustment(id: &ProductId, key_hash: &str) -> Key {
    Key::new(product(id), format!("ADJUST#{key_hash}"))
}

/// An order.
pub fn order(id: &OrderId) -> Key {
    Key::new(order_rows(id), "ORDER")
}

/// An order's rows.
pub fn order_rows(id: &OrderId) -> String {
    format!("ORDER#{id}")
}

/// The rows of an order or of a charge.
pub fn payable_rows(payable: &Payable) -> String {
    match payable {
        Payable::Order(id) => order_rows(id),
        Payable::Charge(id) => charge_rows(id),
    }
}

/// What the rows of this partition are of.
pub(crate) fn payable_in(pk: &str) -> Result<Payable, InvalidId> {
    Payable::try_from(pk.split_once('#').map_or(pk, |(_, id)| id).to_owned())
}

/// An attempt to charge a card.
pub fn attempt(payable: &Payable, attempt: u32) -> Key {
    Key::new(payable_rows(payable), format!("{ATTEMPT}{attempt:03}"))
}

/// The rows of a charge by card.
pub fn charge_rows(id: &ChargeId) -> String {
    format!("{CHARGES}{id}")
}

/// Points that a customer charges by card.
pub fn card_charge(id: &ChargeId) -> Key {
    Key::new(charge_rows(id), CHARGE)
}

/// The orders that a rider has picked up and not delivered yet.
pub fn open_deliveries(id: &RiderId) -> Key {
    Key::new(format!("{RIDER}{id}"), OPEN_DELIVERIES)
}

/// What the unpaid orders of a customer hold.
pub fn holds(id: &CustomerId) -> Key {
    Key::new(customer(id), HOLDS)
}

/// The sort key of an order that another system made.
pub const COLLECTED: &str = "COLLECTED";

/// An order that another system made.
pub fn collected(id: &OrderId) -> Key {
    Key::new(order_rows(id), COLLECTED)
}

/// A customer's first order of all.
pub fn first_order(id: &CustomerId) -> Key {
    Key::new(customer(id), "FIRST-ORDER")
}

/// A campaign's rows.
pub fn campaign(id: &CampaignId) -> String {
    format!("CAMPAIGN#{id}")
}

/// An order that a campaign brought.
pub fn campaign_order(id: &CampaignId, placed_at: Timestamp, order: &OrderId) -> Key {
    Key::new(campaign(id), format!("{LISTED}{placed_at}#{order}"))
}

/// The prefix of the sort key of a day's sums in a campaign.
pub(crate) const CAMPAIGN_DAY: &str = "DAY#";

/// A part of a day's sums in a campaign.
pub fn campaign_day(id: &CampaignId, day: Day, part: u8) -> Key {
    Key::new(campaign(id), format!("{CAMPAIGN_DAY}{day}#{part}"))
}

/// The days on which a customer ordered through a campaign.
pub fn campaign_customer(id: &CampaignId, customer_id: &CustomerId) -> Key {
    Key::new(campaign(id), customer(customer_id))
}

/// Where the change feed is.
pub const FEED: &str = "FEED";
/// The prefix of the sort key of an hour's mark in the change feed.
pub(crate) const MARK: &str = "MARK#";
/// So many positions of the change feed are in one partition.
pub(crate) const IN_PARTITION: u64 = 10_000;

/// How far the change feed goes.
pub fn feed_head() -> Key {
    Key::new(FEED, "HEAD")
}

/// Where in the change feed an hour begins.
pub fn feed_mark(hour: Hour) -> Key {
    Key::new(FEED, format!("{MARK}{hour}"))
}

/// The partition of a position of the change feed.
pub fn feed_partition(position: u64) -> String {
    format!("FEED#{:016}", position / IN_PARTITION)
}

/// A position of the change feed as a sort key.
pub fn feed_place(position: u64) -> String {
    format!("{position:020}")
}

/// A position of the change feed.
pub fn feed_entry(position: u64) -> Key {
    Key::new(feed_partition(position), feed_place(position))
}

/// Which version of an order the change feed has last.
pub fn feed_of(order: &OrderId) -> Key {
    Key::new(format!("FEED-OF#{order}"), "LAST")
}

/// What a request about an order was answered under its idempotency key.
pub fn reply(key_hash: &str) -> Key {
    Key::new(format!("REPLY#{key_hash}"), "REPLY")
}

/// An order in the list of its customer's.
pub fn listed_order(customer_id: &CustomerId, placed_at: Timestamp, order: &OrderId) -> Key {
    Key::new(customer(customer_id), format!("{LISTED}{placed_at}#{order}"))
}

/// What is known of a customer.
pub fn customer_profile(id: &CustomerId) -> Key {
    Key::new(customer(id), PROFILE)
}

/// The code that was sent to a customer's phone.
pub fn phone_code(id: &CustomerId) -> Key {
    Key::new(customer(id), "PHONE-CODE")
}

/// What is counted for a phone number and a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Codes that show whose the phone is.
    Codes,
    /// Messages of any kind.
    Messages,
}

/// How many messages of a kind a phone number got in a day.
pub fn phone_count(kind: Counted, phone_digest: &str, day: Day) -> Key {
    let kind = match kind {
        Counted::Codes => "CODES",
        Counted::Messages => "MESSAGES",
    };
    Key::new(format!("PHONE#{phone_digest}"), format!("{kind}#{day}"))
}

/// That a customer has got an order.
pub fn completed(id: &CustomerId, order: &OrderId) -> Key {
    Key::new(customer(id), format!("{COMPLETED}{order}"))
}

/// What is known of a store.
pub fn store_profile(id: &StoreId) -> Key {
    Key::new(store(id), PROFILE)
}

/// A store's rows.
pub fn store(id: &StoreId) -> String {
    format!("STORE#{id}")
}

/// An order's view.
pub fn order_view(id: &OrderId) -> Key {
    Key::new(order_rows(id), VIEW)
}

/// The prefix of the notifications of one version of an order.
pub fn notifications(version: u32) -> String {
    format!("{NOTIFICATION}{version:06}#")
}

/// A notification of a version of an order.
pub fn notification(id: &OrderId, version: u32, channel: impl std::fmt::Display) -> Key {
    Key::new(order_rows(id), format!("{}{channel}", notifications(version)))
}

/// An order on its store's board.
pub fn on_board(store_id: &StoreId, placed_at: Timestamp, order: &OrderId) -> Key {
    Key::new(store(store_id), format!("{ON_BOARD}{placed_at}#{order}"))
}

/// An order that waits for a rider, or did.
pub fn delivery(order: &OrderId) -> Key {
    Key::new(format!("DELIVERY#{order}"), "DELIVERY")
}

/// Near whom a delivery is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Near {
    /// Near the customer to whom it goes.
    Customer,
    /// Near the store from which it comes.
    Store,
}

/// The deliveries near a customer or store whose position is in this coarse cell.
pub fn near(whom: Near, coarse: Cell) -> String {
    match whom {
        Near::Customer => format!("NEAR-CUSTOMER#{coarse}"),
        Near::Store => format!("NEAR-STORE#{coarse}"),
    }
}

/// A delivery near a customer or store at this position.
pub fn nearby(whom: Near, position: Position, order: &OrderId) -> Key {
    Key::new(near(whom, Cell::of(position, COARSE_CELL)), format!("{}#{order}", Cell::of(position, FINE_CELL)))
}

/// A circuit's state.
pub fn circuit(name: &str) -> Key {
    Key::new(format!("CIRCUIT#{name}"), "STATE")
}

/// The calls of a slot of time, since a circuit's last change.
pub fn circuit_calls(name: &str, version: u32, slot: i64) -> Key {
    Key::new(format!("CIRCUIT#{name}"), format!("CALLS#{version}#{slot}"))
}

/// The sales of an hour.
pub fn sales(hour: Hour) -> String {
    format!("SALES#{hour}")
}

/// What one order sold.
pub fn sale(hour: Hour, order: &OrderId) -> Key {
    Key::new(sales(hour), format!("{SALE}{order}"))
}

/// A part of an hour's totals.
pub fn total(hour: Hour, part: usize) -> Key {
    Key::new(sales(hour), format!("{TOTAL}{part:03}"))
}

/// The partition of [`late_sale`].
pub const LATE_SALES: &str = "LATE-SALES";

/// A sale that was told after its hour had ended.
pub fn late_sale(hour: Hour, order: &OrderId) -> Key {
    Key::new(LATE_SALES, format!("{hour}#{order}"))
}

/// The top sellers as last counted.
pub fn top_sellers() -> Key {
    Key::new("TOP-SELLERS", "LATEST")
}

/// The last audit of the books.
pub fn audit() -> Key {
    Key::new("AUDIT", "LATEST")
}
