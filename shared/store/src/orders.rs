//! Orders. An order's row is at once the payment record, the idempotency record and the outbox.

use crate::{
    Item, Orders, Page, PageRequest, Write,
    attempts::{attempt_in, is_attempt},
    audits::Place,
    due::{Due, DueKind},
    item::{read, row, string},
    keys,
    points::balance_in,
    products::Stock,
    read::Query,
    reservations::holds_in,
};
use domain::{
    CouponId, CustomerId, Fault, OrderId, ProductId, Timestamp, Won,
    coupon::Coupon,
    order::{Order, Status},
    outcome::Reply,
    payment::Attempt,
    reservations::Reservations,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// In how many parts the index of unpaid orders is kept, so that no part is hot.
pub const UNPAID_SHARDS: u8 = 8;

/// An order and what only its row has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOrder {
    /// The order as it stands.
    pub order: Order,
    /// What the request that placed it meant.
    pub fingerprint: String,
    /// What that request was answered.
    pub answered: FirstResponse,
}

/// What the request that placed an order was answered: a repeat of it is answered the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FirstResponse {
    /// The order as it was placed.
    #[default]
    Placed,
    /// The order as its card payment left it.
    Paid,
    /// That its first card payment failed: the gateway declined, or knew of no charge when it was asked what became of it.
    PaymentFailed,
}

/// The attributes of an order's row that the order itself does not have.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RowOnly {
    fingerprint: String,
    /// Nothing where it was answered as most are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answered: Option<FirstResponse>,
    /// The part of the index of what is due in which it is, and until when, while it waits to be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_shard: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
}

impl PlacedOrder {
    /// Reads an order's row.
    pub fn of(item: Item) -> Result<Self, Fault> {
        let RowOnly { fingerprint, answered, due_shard: _, due_at: _ } = read(item.clone())?;
        Ok(Self { order: read(item)?, fingerprint, answered: answered.unwrap_or_default() })
    }

    fn item(&self) -> Result<Item, Fault> {
        let Self { order, fingerprint, answered } = self;
        let mut item = row(&keys::order(&order.order_id), order)?;
        let is_unpaid = order.status() == Status::StockAllocated;
        let shard = || Due::new(DueKind::Unpaid, order.order_id.as_str(), UNPAID_SHARDS).shard_name();
        let answered = Some(*answered).filter(|answered| *answered != FirstResponse::Placed);
        let (due_shard, due_at) = (is_unpaid.then(shard), order.pay_by.filter(|_| is_unpaid));
        let row_only = RowOnly { fingerprint: fingerprint.clone(), answered, due_shard, due_at };
        item.extend(serde_dynamo::to_item::<_, Item>(row_only).map_err(Fault::broken)?);
        Ok(item)
    }
}

/// What an order that is about to be placed must know.
#[derive(Debug)]
pub struct PlacementSnapshot {
    /// The stock of each product that exists.
    pub stocks: HashMap<ProductId, Stock>,
    /// The customer's balance.
    pub balance: Won,
    /// The coupon that is to be used, if the customer has it.
    pub coupon: Option<Coupon>,
    /// The order already placed under the same key.
    pub placed: Option<PlacedOrder>,
    /// What the customer's unpaid orders hold, if that was asked for.
    pub holds: Reservations,
}

/// What is read before an order is placed.
#[derive(Debug)]
pub struct PlacementQuery<'a> {
    /// The customer.
    pub customer: &'a CustomerId,
    /// The products.
    pub products: Vec<&'a ProductId>,
    /// The coupon that is to be used.
    pub coupon: Option<&'a CouponId>,
    /// The order.
    pub order: &'a OrderId,
    /// Whether it may hold stock without being paid.
    pub may_reserve: bool,
}

/// Everything that is known of an order.
#[derive(Debug, Clone)]
pub struct OrderWithAttempts {
    /// The order.
    pub placed: PlacedOrder,
    /// Every attempt to pay it at the gateway, the first first.
    pub attempts: Vec<Attempt>,
}

/// The first response to a request under an idempotency key, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredReply {
    /// What the request means.
    pub fingerprint: String,
    /// Whether the request was done, or only accepted.
    is_done: bool,
    /// The body.
    body: String,
}

impl StoredReply {
    /// A response with an order.
    pub fn of_order(fingerprint: &str, is_done: bool, order: &Order) -> Result<Self, Fault> {
        let body = serde_json::to_string(&events::Order::from(order)).map_err(Fault::broken)?;
        Ok(Self { fingerprint: fingerprint.to_owned(), is_done, body })
    }
}

impl From<StoredReply> for Reply {
    fn from(StoredReply { is_done, body, .. }: StoredReply) -> Self {
        Self { is_done, body }
    }
}

/// The order that an image of the stream holds, in DynamoDB's JSON or in `serde_dynamo`'s items.
pub fn order_in_image(image: serde_dynamo::Item) -> Result<Order, Fault> {
    serde_dynamo::from_item(image).map_err(Fault::broken)
}

impl Orders<'_> {
    /// Everything that decides whether an order can be placed, as of one moment, in one call: an order that is placed
    /// meanwhile shows itself and its effects, or neither.
    pub async fn read_for_placement(self, placement_query: &PlacementQuery<'_>) -> Result<PlacementSnapshot, Fault> {
        let PlacementQuery { customer, products, coupon, order, may_reserve } = placement_query;
        let (points, order, holds) = (keys::points(customer), keys::order(order), keys::holds(customer));
        let coupon = coupon.map(|coupon| keys::coupon(customer, coupon));
        let of_customer = [Some(points.clone()), coupon.clone(), may_reserve.then(|| holds.clone())];
        let of_customer = of_customer.into_iter().flatten().map(|key| (self.0.tables.customers.as_str(), key));
        let stocks = products.iter().map(|id| (self.0.tables.products.as_str(), keys::stock(id)));
        let all = stocks.chain(of_customer).chain([(self.0.tables.orders.as_str(), order.clone())]);
        let mut found = self.0.snapshot(all).await?;
        let stocks = products.iter().filter_map(|id| Some(((*id).clone(), found.take(&keys::stock(id))?)));
        Ok(PlacementSnapshot {
            stocks: stocks.map(|(id, item)| Ok((id, Stock::of(item)?))).collect::<Result<_, Fault>>()?,
            balance: balance_in(found.take(&points).as_ref())?,
            coupon: coupon.and_then(|key| found.take(&key)).map(read).transpose()?,
            placed: found.take(&order).map(PlacedOrder::of).transpose()?,
            holds: holds_in(found.take(&holds))?,
        })
    }

    /// An order as the last write left it.
    pub async fn get(self, id: &OrderId) -> Result<Option<PlacedOrder>, Fault> {
        self.0.get(&self.0.tables.orders, &keys::order(id)).await?.map(PlacedOrder::of).transpose()
    }

    /// Everything that is known of an order, in one call.
    pub async fn with_attempts(self, id: &OrderId) -> Result<Option<OrderWithAttempts>, Fault> {
        let pk = keys::order_rows(id);
        let query = Query { table: &self.0.tables.orders, pk: &pk, prefix: "", newest_first: false };
        let (mut placed, mut attempts) = (None, Vec::new());
        for item in self.0.query_all(&query).await? {
            if is_attempt(string(&item, "sk")?) {
                attempts.push(attempt_in(item)?);
            } else {
                placed = Some(PlacedOrder::of(item)?);
            }
        }
        Ok(placed.map(|placed| OrderWithAttempts { placed, attempts }))
    }

    /// Writes a new order.
    pub fn put(self, placed: &PlacedOrder) -> Result<Write, Fault> {
        Ok(Write::put(&self.0.tables.orders, placed.item()?).when_new())
    }

    /// Writes an order anew, if it is still at the version that was seen.
    pub(crate) fn replace(self, placed: &PlacedOrder, seen_version: u32) -> Result<Write, Fault> {
        let put = Write::put(&self.0.tables.orders, placed.item()?).when("version = :seen");
        Ok(put.value(":seen", crate::item::number(seen_version.into())))
    }

    /// Asserts that an order is still at the version that was seen.
    pub fn check(self, seen: &Order) -> Write {
        Write::check(&self.0.tables.orders, keys::order(&seen.order_id))
            .when("version = :seen")
            .value(":seen", crate::item::number(seen.version.into()))
    }

    /// What a request about an order was answered under its key.
    pub async fn reply(self, key_hash: &str) -> Result<Option<StoredReply>, Fault> {
        self.0.get(&self.0.tables.orders, &keys::reply(key_hash)).await?.map(read).transpose()
    }

    /// Keeps what a request about an order is answered under its key, if nothing was yet.
    pub fn put_reply(self, key_hash: &str, reply: &StoredReply) -> Result<Write, Fault> {
        Ok(Write::put(&self.0.tables.orders, row(&keys::reply(key_hash), reply)?).when_new())
    }

    /// Keeps another answer in place of the one that was kept while it was not known.
    pub fn replace_reply(self, key_hash: &str, reply: &StoredReply) -> Result<Write, Fault> {
        Ok(Write::put(&self.0.tables.orders, row(&keys::reply(key_hash), reply)?).when("attribute_exists(pk)"))
    }

    /// Forgets it: the request was refused after all, and a repeat is tried afresh.
    pub fn remove_reply(self, key_hash: &str) -> Write {
        Write::delete(&self.0.tables.orders, keys::reply(key_hash)).when("attribute_exists(pk)")
    }

    /// A page of the orders in one part of the index that wait to be paid although their time was over at `now`, the longest
    /// overdue first, and where the next page begins. The index follows the orders by a moment: who acts on one must assert
    /// that it still waits.
    pub async fn overdue(
        self,
        shard: u8,
        now: Timestamp,
        from: Option<Place>,
    ) -> Result<(Vec<OrderId>, Option<Place>), Fault> {
        let (rows, next) = self.0.overdue(&DueKind::Unpaid.shard_name(shard), now, from).await?;
        let id = |item: &Item| string(item, "pk").map(|pk| OrderId::parse(pk.trim_start_matches("ORDER#")));
        let ids = rows.iter().map(|item| id(item)?.map_err(Fault::broken));
        Ok((ids.collect::<Result<_, _>>()?, next))
    }

    /// Lists an order among its customer's, if it is not yet.
    pub fn list_entry(self, customer: &CustomerId, placed_at: Timestamp, order: &OrderId) -> Write {
        Write::put(&self.0.tables.views, keys::listed_order(customer, placed_at, order).item()).when_new()
    }

    /// A customer's orders as they stand, the newest first. A page's `next` is the place of its last order.
    pub async fn list(self, customer: &CustomerId, page: &PageRequest) -> Result<Page<Order>, Fault> {
        let Page { entries: ids, next } = self.ids(customer, page).await?;
        let table = self.0.tables.orders.as_str();
        let mut found = self.0.batch_get(ids.iter().map(|id| (table, keys::order(id)))).await?;
        let orders = ids.iter().filter_map(|id| found.take(&keys::order(id)));
        let entries = orders.map(|item| Ok(PlacedOrder::of(item)?.order)).collect::<Result<_, Fault>>()?;
        Ok(Page { entries, next })
    }

    /// The ids of a customer's orders, the newest first. A page's `next` is the place of its last order.
    pub(crate) async fn ids(self, customer: &CustomerId, page: &PageRequest) -> Result<Page<OrderId>, Fault> {
        let pk = keys::customer(customer);
        let query = Query { table: &self.0.tables.views, pk: &pk, prefix: keys::LISTED, newest_first: true };
        let after = page.after.as_ref().map(|place| format!("{}{place}", keys::LISTED));
        let rows = self.0.query(&query, &PageRequest { after, ..*page }).await?;
        let id = |item: &Item| {
            let id = string(item, "sk")?.rsplit('#').next().unwrap_or_default();
            OrderId::parse(id).map_err(Fault::broken)
        };
        let entries = rows.entries.iter().map(id).collect::<Result<_, _>>()?;
        Ok(Page { entries, next: rows.next.map(|sk| sk.trim_start_matches(keys::LISTED).to_owned()) })
    }
}
