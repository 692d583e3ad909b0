//! Orders. An order's row is at once the payment record, the idempotency record and the outbox.

use crate::{
    Item, Store, Write,
    item::{read, row, string, text},
    keys,
    points::balance_in,
    products::Stock,
};
use domain::{CustomerId, Fault, OrderId, ProductId, Won, order::Order};
use std::collections::HashMap;

/// An order and what only its row has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedOrder {
    /// The order as it stands.
    pub order: Order,
    /// What the request that placed it meant.
    pub fingerprint: String,
}

impl PlacedOrder {
    /// Reads an order's row.
    pub fn of(item: Item) -> Result<Self, Fault> {
        let fingerprint = string(&item, "fingerprint")?.to_owned();
        Ok(Self { order: read(item)?, fingerprint })
    }
}

/// What an order that is about to be placed must know.
#[derive(Debug)]
pub struct BeforeOrder {
    /// The stock of each product that exists.
    pub stocks: HashMap<ProductId, Stock>,
    /// The customer's balance.
    pub balance: Won,
    /// The order already placed under the same key.
    pub placed: Option<PlacedOrder>,
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
        order: &OrderId,
    ) -> Result<BeforeOrder, Fault> {
        let (points, order) = (keys::points(customer), keys::order(order));
        let stocks = products.clone().map(|id| (self.tables.products.as_str(), keys::stock(id)));
        let others = [(self.tables.customers.as_str(), points.clone()), (self.tables.orders.as_str(), order.clone())];
        let mut found = self.snapshot(stocks.chain(others)).await?;
        let stocks = products.filter_map(|id| Some((id.clone(), found.take(&keys::stock(id))?)));
        Ok(BeforeOrder {
            stocks: stocks.map(|(id, item)| Ok((id, Stock::of(item)?))).collect::<Result<_, Fault>>()?,
            balance: balance_in(found.take(&points).as_ref())?,
            placed: found.take(&order).map(PlacedOrder::of).transpose()?,
        })
    }

    /// An order as the last write left it.
    pub async fn order(&self, id: &OrderId) -> Result<Option<PlacedOrder>, Fault> {
        self.get(&self.tables.orders, &keys::order(id)).await?.map(PlacedOrder::of).transpose()
    }

    /// Writes a new order.
    pub fn put_order(&self, placed: &PlacedOrder) -> Result<Write, Fault> {
        let mut item = row(&keys::order(&placed.order.order_id), &placed.order)?;
        item.insert("fingerprint".into(), text(&placed.fingerprint));
        Ok(Write::put(&self.tables.orders, item).when_new())
    }
}
