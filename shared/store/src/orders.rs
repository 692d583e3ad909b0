//! Own orders. The row of an order is at once its payment record, its idempotency record and its
//! outbox.

use crate::{
    Item, Orders, Page, PageRequest, StartKey, Write,
    attempts::{attempt_in, is_attempt},
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

/// The number of shards of unpaid orders in the `due` index, so that no shard is hot.
pub const UNPAID_SHARDS: u8 = 8;

/// An order, with the attributes that only its row has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOrder {
    /// The order in its current state.
    pub order: Order,
    /// The fingerprint of the request that placed the order.
    pub fingerprint: String,
    /// The first response to that request.
    pub answered: FirstResponse,
}

/// The first response to the request that placed an order. A replay receives the same response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FirstResponse {
    /// The order as it was placed.
    #[default]
    Placed,
    /// The order after its card payment.
    Paid,
    /// A payment failure: the gateway declined the first card payment, or knew of no charge when
    /// its result was queried.
    PaymentFailed,
}

/// The attributes of the row that [`Order`] does not have.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RowOnly {
    fingerprint: String,
    /// `None` for the default, `Placed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answered: Option<FirstResponse>,
    /// The shard of the `due` index and the due time, while the payment is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_shard: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
}

impl PlacedOrder {
    /// Reads an order from its row.
    pub fn of(item: Item) -> Result<Self, Fault> {
        let RowOnly { fingerprint, answered, due_shard: _, due_at: _ } = read(item.clone())?;
        Ok(Self { order: read(item)?, fingerprint, answered: answered.unwrap_or_default() })
    }

    fn item(&self) -> Result<Item, Fault> {
        let Self { order, fingerprint, answered } = self;
        let mut item = row(&keys::order(&order.order_id), order)?;
        let is_unpaid = order.status() == Status::StockAllocated;
        let shard =
            || Due::new(DueKind::Unpaid, order.order_id.as_str(), UNPAID_SHARDS).shard_name();
        let answered = Some(*answered).filter(|answered| *answered != FirstResponse::Placed);
        let (due_shard, due_at) = (is_unpaid.then(shard), order.pay_by.filter(|_| is_unpaid));
        let row_only = RowOnly { fingerprint: fingerprint.clone(), answered, due_shard, due_at };
        item.extend(serde_dynamo::to_item::<_, Item>(row_only).map_err(Fault::broken)?);
        Ok(item)
    }
}

/// Everything that decides whether an order can be placed.
#[derive(Debug)]
pub struct PlacementSnapshot {
    /// The stock of each product. Unknown products are left out.
    pub stocks: HashMap<ProductId, Stock>,
    /// The customer's balance.
    pub balance: Won,
    /// The requested coupon, if the customer has it.
    pub coupon: Option<Coupon>,
    /// The order already placed under the same idempotency key.
    pub placed: Option<PlacedOrder>,
    /// The stock reserved by the customer's unpaid orders. Empty unless requested.
    pub holds: Reservations,
}

/// The rows to read before an order is placed.
#[derive(Debug)]
pub struct PlacementQuery<'a> {
    /// The customer.
    pub customer: &'a CustomerId,
    /// The products to order.
    pub products: Vec<&'a ProductId>,
    /// The coupon to use.
    pub coupon: Option<&'a CouponId>,
    /// The id that the order will have.
    pub order: &'a OrderId,
    /// Whether the order may reserve stock without being paid.
    pub may_reserve: bool,
}

/// An order with its payment attempts.
#[derive(Debug, Clone)]
pub struct OrderWithAttempts {
    /// The order.
    pub placed: PlacedOrder,
    /// The attempts to pay it at the gateway, oldest first.
    pub attempts: Vec<Attempt>,
}

/// The first response to a request under an idempotency key, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredReply {
    /// The fingerprint of the request.
    pub fingerprint: String,
    /// Whether the request was completed, or only accepted.
    is_done: bool,
    /// The response body.
    body: String,
}

impl StoredReply {
    /// Builds the stored response whose body is an order.
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

impl Orders<'_> {
    /// Reads everything that decides whether an order can be placed, in one snapshot. If the same
    /// order is placed concurrently, the snapshot has both the order and its effects, or neither.
    pub async fn read_for_placement(
        self,
        placement_query: &PlacementQuery<'_>,
    ) -> Result<PlacementSnapshot, Fault> {
        let PlacementQuery { customer, products, coupon, order, may_reserve } = placement_query;
        let (points, order, holds) =
            (keys::points(customer), keys::order(order), keys::holds(customer));
        let coupon = coupon.map(|coupon| keys::coupon(customer, coupon));
        let of_customer =
            [Some(points.clone()), coupon.clone(), may_reserve.then(|| holds.clone())];
        let of_customer =
            of_customer.into_iter().flatten().map(|key| (self.0.tables.customers.as_str(), key));
        let stocks = products.iter().map(|id| (self.0.tables.products.as_str(), keys::stock(id)));
        let all = stocks.chain(of_customer).chain([(self.0.tables.orders.as_str(), order.clone())]);
        let mut found = self.0.snapshot(all).await?;
        let stocks =
            products.iter().filter_map(|id| Some(((*id).clone(), found.take(&keys::stock(id))?)));
        Ok(PlacementSnapshot {
            stocks: stocks
                .map(|(id, item)| Ok((id, Stock::of(item)?)))
                .collect::<Result<_, Fault>>()?,
            balance: balance_in(found.take(&points).as_ref())?,
            coupon: coupon.and_then(|key| found.take(&key)).map(read).transpose()?,
            placed: found.take(&order).map(PlacedOrder::of).transpose()?,
            holds: holds_in(found.take(&holds))?,
        })
    }

    /// Reads an order (strongly consistent).
    pub async fn get(self, id: &OrderId) -> Result<Option<PlacedOrder>, Fault> {
        self.0.get(&self.0.tables.orders, &keys::order(id)).await?.map(PlacedOrder::of).transpose()
    }

    /// Reads an own order and its payment attempts in one query.
    pub async fn with_attempts(self, id: &OrderId) -> Result<Option<OrderWithAttempts>, Fault> {
        let pk = keys::order_rows(id);
        let query =
            Query { table: &self.0.tables.orders, pk: &pk, prefix: "", newest_first: false };
        let (mut placed, mut attempts) = (None, Vec::new());
        for item in self.0.query_all(&query).await? {
            let sk = string(&item, "sk")?;
            if is_attempt(sk) {
                attempts.push(attempt_in(item)?);
            } else if sk == keys::ORDER {
                placed = Some(PlacedOrder::of(item)?);
            }
        }
        Ok(placed.map(|placed| OrderWithAttempts { placed, attempts }))
    }

    /// Writes a new order.
    pub fn put(self, placed: &PlacedOrder) -> Result<Write, Fault> {
        Ok(Write::put(&self.0.tables.orders, placed.item()?).when_new())
    }

    /// Replaces an order, if its stored version is still `seen_version`.
    pub(crate) fn replace(self, placed: &PlacedOrder, seen_version: u32) -> Result<Write, Fault> {
        let put = Write::put(&self.0.tables.orders, placed.item()?).when("version = :seen");
        Ok(put.value(":seen", crate::item::number(seen_version.into())))
    }

    /// Asserts that an order's version is unchanged since it was read.
    pub fn check(self, seen: &Order) -> Write {
        Write::check(&self.0.tables.orders, keys::order(&seen.order_id))
            .when("version = :seen")
            .value(":seen", crate::item::number(seen.version.into()))
    }

    /// Reads the response stored under an idempotency key.
    pub async fn reply(self, key_hash: &str) -> Result<Option<StoredReply>, Fault> {
        self.0.get(&self.0.tables.orders, &keys::reply(key_hash)).await?.map(read).transpose()
    }

    /// Stores the response to a request under its idempotency key, if none is stored yet.
    pub fn put_reply(self, key_hash: &str, reply: &StoredReply) -> Result<Write, Fault> {
        Ok(Write::put(&self.0.tables.orders, row(&keys::reply(key_hash), reply)?).when_new())
    }

    /// Replaces a stored response that was not final.
    pub fn replace_reply(self, key_hash: &str, reply: &StoredReply) -> Result<Write, Fault> {
        Ok(Write::put(&self.0.tables.orders, row(&keys::reply(key_hash), reply)?)
            .when("attribute_exists(pk)"))
    }

    /// Deletes a stored response, because the request was refused in the end: a retry is processed
    /// as a new request.
    pub fn remove_reply(self, key_hash: &str) -> Write {
        Write::delete(&self.0.tables.orders, keys::reply(key_hash)).when("attribute_exists(pk)")
    }

    /// A page of one shard of the unpaid orders whose payment deadline had passed at `now`, longest
    /// overdue first, and the start of the next page. The index is eventually consistent: a caller
    /// that acts on an order must assert that its payment is still due.
    pub async fn overdue(
        self,
        shard: u8,
        now: Timestamp,
        from: Option<StartKey>,
    ) -> Result<(Vec<OrderId>, Option<StartKey>), Fault> {
        let (rows, next) = self.0.overdue(&DueKind::Unpaid.shard_name(shard), now, from).await?;
        let id = |item: &Item| {
            string(item, "pk").map(|pk| OrderId::parse(pk.trim_start_matches("ORDER#")))
        };
        let ids = rows.iter().map(|item| id(item)?.map_err(Fault::broken));
        Ok((ids.collect::<Result<_, _>>()?, next))
    }

    /// Adds an order to its customer's list, if it is not listed yet.
    pub fn list_entry(self, customer: &CustomerId, placed_at: Timestamp, order: &OrderId) -> Write {
        Write::put(&self.0.tables.views, keys::listed_order(customer, placed_at, order).item())
            .when_new()
    }

    /// A page of a customer's orders in their current state, newest first. `Page::next` is the
    /// position of the last order.
    pub async fn list(
        self,
        customer: &CustomerId,
        page: &PageRequest,
    ) -> Result<Page<Order>, Fault> {
        let Page { entries: ids, next } = self.ids(customer, page).await?;
        let table = self.0.tables.orders.as_str();
        let mut found = self.0.batch_get(ids.iter().map(|id| (table, keys::order(id)))).await?;
        let orders = ids.iter().filter_map(|id| found.take(&keys::order(id)));
        let entries =
            orders.map(|item| Ok(PlacedOrder::of(item)?.order)).collect::<Result<_, Fault>>()?;
        Ok(Page { entries, next })
    }

    /// A page of the ids of a customer's orders, newest first. `Page::next` is the position of the
    /// last order.
    pub(crate) async fn ids(
        self,
        customer: &CustomerId,
        page: &PageRequest,
    ) -> Result<Page<OrderId>, Fault> {
        let pk = keys::customer(customer);
        let query = Query {
            table: &self.0.tables.views,
            pk: &pk,
            prefix: keys::LISTED,
            newest_first: true,
        };
        let after = page.after.as_ref().map(|place| format!("{}{place}", keys::LISTED));
        let rows = self.0.query(&query, &PageRequest { after, ..*page }).await?;
        let id = |item: &Item| {
            let sk = string(item, "sk")?;
            OrderId::parse(sk.rsplit_once('#').map_or(sk, |(_, id)| id)).map_err(Fault::broken)
        };
        let entries = rows.entries.iter().map(id).collect::<Result<_, _>>()?;
        Ok(Page {
            entries,
            next: rows.next.map(|sk| sk.trim_start_matches(keys::LISTED).to_owned()),
        })
    }
}
