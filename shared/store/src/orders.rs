//! Orders. An order's row is at once the payment record, the idempotency record and the outbox.

use crate::{
    Item, Page, PageRequest, Store, Write,
    attempts::{attempt_in, is_attempt},
    books::Place,
    item::{read, row, string, text},
    keys,
    points::balance_in,
    products::Stock,
    read::Query,
};
use domain::{
    CouponId, CustomerId, Fault, OrderId, ProductId, Timestamp, Won,
    coupon::Coupon,
    order::{Order, Status},
    payment::Attempt,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// In how many parts the index of unpaid orders is kept, so that no part is hot.
pub const UNPAID_SHARDS: u8 = 8;

/// Overdue orders that are read at once.
const OVERDUE_PAGE: i32 = 100;

/// An order and what only its row has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOrder {
    /// The order as it stands.
    pub order: Order,
    /// What the request that placed it meant.
    pub fingerprint: String,
    /// What that request was answered.
    pub answered: Answered,
}

/// What the request that placed an order was answered: a repeat of it is answered the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Answered {
    /// The order as it was placed.
    #[default]
    Placed,
    /// The order as its card payment left it.
    Paid,
    /// That the gateway declined.
    PaymentFailed,
}

/// The attributes of an order's row that the order itself does not have.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RowOnly {
    fingerprint: String,
    /// Nothing where it was answered as most are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answered: Option<Answered>,
    /// The part of the index of unpaid orders in which it is, while it waits to be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unpaid_shard: Option<String>,
}

impl PlacedOrder {
    /// Reads an order's row.
    pub fn of(item: Item) -> Result<Self, Fault> {
        let RowOnly { fingerprint, answered, unpaid_shard: _ } = read(item.clone())?;
        Ok(Self { order: read(item)?, fingerprint, answered: answered.unwrap_or_default() })
    }

    fn item(&self) -> Result<Item, Fault> {
        let Self { order, fingerprint, answered } = self;
        let mut item = row(&keys::order(&order.order_id), order)?;
        let shard = || {
            let sum = order.order_id.as_str().bytes().fold(0u8, u8::wrapping_add);
            shard_name(sum % UNPAID_SHARDS)
        };
        let unpaid_shard = (order.status() == Status::StockAllocated).then(shard);
        let answered = Some(*answered).filter(|answered| *answered != Answered::Placed);
        let row_only = RowOnly { fingerprint: fingerprint.clone(), answered, unpaid_shard };
        item.extend(serde_dynamo::to_item::<_, Item>(row_only).map_err(Fault::broken)?);
        Ok(item)
    }
}

fn shard_name(shard: u8) -> String {
    format!("UNPAID#{shard}")
}

/// What an order that is about to be placed must know.
#[derive(Debug)]
pub struct BeforeOrder {
    /// The stock of each product that exists.
    pub stocks: HashMap<ProductId, Stock>,
    /// The customer's balance.
    pub balance: Won,
    /// The coupon that is to be used, if the customer has it.
    pub coupon: Option<Coupon>,
    /// The order already placed under the same key.
    pub placed: Option<PlacedOrder>,
}

/// Everything that is known of an order.
#[derive(Debug, Clone)]
pub struct OrderFile {
    /// The order.
    pub placed: PlacedOrder,
    /// Every attempt to pay it at the gateway, the first first.
    pub attempts: Vec<Attempt>,
}

/// What a request was answered under its idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// What the request meant.
    pub fingerprint: String,
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// The order that an image of the stream holds, in DynamoDB's JSON or in `serde_dynamo`'s items.
pub fn order_in_image(image: serde_dynamo::Item) -> Result<Order, Fault> {
    serde_dynamo::from_item(image).map_err(Fault::broken)
}

impl Store {
    /// Everything that decides whether an order can be placed, as of one moment, in one call: an order that is placed
    /// meanwhile shows itself and its effects, or neither.
    pub async fn before_order<'a>(
        &self,
        customer: &CustomerId,
        products: impl Iterator<Item = &'a ProductId> + Clone,
        coupon: Option<&CouponId>,
        order: &OrderId,
    ) -> Result<BeforeOrder, Fault> {
        let (points, order) = (keys::points(customer), keys::order(order));
        let coupon = coupon.map(|coupon| keys::coupon(customer, coupon));
        let stocks = products.clone().map(|id| (self.tables.products.as_str(), keys::stock(id)));
        let others = [(self.tables.customers.as_str(), points.clone()), (self.tables.orders.as_str(), order.clone())];
        let coupons = coupon.clone().map(|key| (self.tables.customers.as_str(), key));
        let mut found = self.snapshot(stocks.chain(others).chain(coupons)).await?;
        let stocks = products.filter_map(|id| Some((id.clone(), found.take(&keys::stock(id))?)));
        Ok(BeforeOrder {
            stocks: stocks.map(|(id, item)| Ok((id, Stock::of(item)?))).collect::<Result<_, Fault>>()?,
            balance: balance_in(found.take(&points).as_ref())?,
            coupon: coupon.and_then(|key| found.take(&key)).map(read).transpose()?,
            placed: found.take(&order).map(PlacedOrder::of).transpose()?,
        })
    }

    /// An order as the last write left it.
    pub async fn order(&self, id: &OrderId) -> Result<Option<PlacedOrder>, Fault> {
        self.get(&self.tables.orders, &keys::order(id)).await?.map(PlacedOrder::of).transpose()
    }

    /// Everything that is known of an order, in one call.
    pub async fn order_file(&self, id: &OrderId) -> Result<Option<OrderFile>, Fault> {
        let pk = keys::order_rows(id);
        let query = Query { table: &self.tables.orders, pk: &pk, prefix: "", newest_first: false };
        let (mut placed, mut attempts) = (None, Vec::new());
        for item in self.query_all(&query).await? {
            if is_attempt(string(&item, "sk")?) {
                attempts.push(attempt_in(item)?);
            } else {
                placed = Some(PlacedOrder::of(item)?);
            }
        }
        Ok(placed.map(|placed| OrderFile { placed, attempts }))
    }

    /// Writes a new order.
    pub fn put_order(&self, placed: &PlacedOrder) -> Result<Write, Fault> {
        Ok(Write::put(&self.tables.orders, placed.item()?).when_new())
    }

    /// Writes an order anew, if it is still at the version that was seen.
    pub(crate) fn replace_order(&self, placed: &PlacedOrder, seen_version: u32) -> Result<Write, Fault> {
        let put = Write::put(&self.tables.orders, placed.item()?).when("version = :seen");
        Ok(put.value(":seen", crate::item::number(seen_version.into())))
    }

    /// Asserts that an order is still at the version that was seen.
    pub fn check_order(&self, seen: &Order) -> Write {
        Write::check(&self.tables.orders, keys::order(&seen.order_id))
            .when("version = :seen")
            .value(":seen", crate::item::number(seen.version.into()))
    }

    /// What a request about an order was answered under its key.
    pub async fn reply(&self, key_hash: &str) -> Result<Option<Reply>, Fault> {
        self.get(&self.tables.orders, &keys::reply(key_hash)).await?.map(read).transpose()
    }

    /// Keeps what a request about an order is answered under its key, if nothing was yet.
    pub fn put_reply(&self, key_hash: &str, reply: &Reply) -> Result<Write, Fault> {
        Ok(Write::put(&self.tables.orders, row(&keys::reply(key_hash), reply)?).when_new())
    }

    /// Keeps another answer in place of the one that was kept while it was not known.
    pub fn replace_reply(&self, key_hash: &str, reply: &Reply) -> Result<Write, Fault> {
        Ok(Write::put(&self.tables.orders, row(&keys::reply(key_hash), reply)?).when("attribute_exists(pk)"))
    }

    /// Forgets it: the request was refused after all, and a repeat is tried afresh.
    pub fn forget_reply(&self, key_hash: &str) -> Write {
        Write::delete(&self.tables.orders, keys::reply(key_hash)).when("attribute_exists(pk)")
    }

    /// A page of the orders in one part of the index that wait to be paid although their time was over at `now`, the longest
    /// overdue first, and where the next page begins. The index follows the orders by a moment: who acts on one must assert
    /// that it still waits.
    pub async fn overdue_orders(
        &self,
        shard: u8,
        now: Timestamp,
        from: Option<Place>,
    ) -> Result<(Vec<OrderId>, Option<Place>), Fault> {
        let table = self.tables.orders.as_str();
        let call = || {
            let request = self.client.query().table_name(table).index_name("unpaid");
            let request = request.key_condition_expression("unpaidShard = :shard AND payBy <= :now");
            let request = request.expression_attribute_values(":shard", text(shard_name(shard)));
            let request = request.expression_attribute_values(":now", text(now)).limit(OVERDUE_PAGE);
            request.set_exclusive_start_key(from.clone()).send()
        };
        let answer = self.ask(call).await?;
        let id = |item: &Item| string(item, "pk").map(|pk| OrderId::parse(pk.trim_start_matches("ORDER#")));
        let ids = answer.items.iter().flatten().map(|item| id(item)?.map_err(Fault::broken));
        Ok((ids.collect::<Result<_, _>>()?, answer.last_evaluated_key))
    }

    /// Lists an order among its customer's, if it is not yet.
    pub fn list_order(&self, customer: &CustomerId, placed_at: Timestamp, order: &OrderId) -> Write {
        Write::put(&self.tables.views, keys::listed_order(customer, placed_at, order).item()).when_new()
    }

    /// A customer's orders as they stand, the newest first. A page's `next` is the place of its last order.
    pub async fn orders_of(&self, customer: &CustomerId, page: &PageRequest) -> Result<Page<Order>, Fault> {
        let Page { entries: ids, next } = self.order_ids_of(customer, page).await?;
        let table = self.tables.orders.as_str();
        let mut found = self.batch_get(ids.iter().map(|id| (table, keys::order(id)))).await?;
        let orders = ids.iter().filter_map(|id| found.take(&keys::order(id)));
        let entries = orders.map(|item| Ok(PlacedOrder::of(item)?.order)).collect::<Result<_, Fault>>()?;
        Ok(Page { entries, next })
    }

    /// The ids of a customer's orders, the newest first. A page's `next` is the place of its last order.
    pub(crate) async fn order_ids_of(&self, customer: &CustomerId, page: &PageRequest) -> Result<Page<OrderId>, Fault> {
        let pk = keys::customer(customer);
        let query = Query { table: &self.tables.views, pk: &pk, prefix: keys::LISTED, newest_first: true };
        let after = page.after.as_ref().map(|place| format!("{}{place}", keys::LISTED));
        let rows = self.query(&query, &PageRequest { after, ..*page }).await?;
        let id = |item: &Item| {
            let id = string(item, "sk")?.rsplit('#').next().unwrap_or_default();
            OrderId::parse(id).map_err(Fault::broken)
        };
        let entries = rows.entries.iter().map(id).collect::<Result<_, _>>()?;
        Ok(Page { entries, next: rows.next.map(|sk| sk.trim_start_matches(keys::LISTED).to_owned()) })
    }
}
