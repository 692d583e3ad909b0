//! Riders: which orders each of them has, in one row for each rider, so that nobody takes more than can be brought.

use crate::{
    Item, Riders, Write,
    item::{number, text},
    keys,
};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Fault, OrderId, RiderId};
use std::collections::BTreeSet;

/// The most orders that a rider may have at once.
pub const MAX_OPEN_DELIVERIES: i64 = 5;

fn one(order: &OrderId) -> AttributeValue {
    AttributeValue::Ss(vec![order.to_string()])
}

/// The orders in a row.
pub(crate) fn open_deliveries_in(row: &Item) -> Result<BTreeSet<OrderId>, Fault> {
    let ids = row.get("orders").and_then(|orders| orders.as_ss().ok()).map(Vec::as_slice).unwrap_or_default();
    ids.iter().map(|id| OrderId::parse(id).map_err(Fault::broken)).collect()
}

impl Riders<'_> {
    /// Gives a rider an order, if they have fewer than [`MAX_OPEN_DELIVERIES`].
    pub(crate) fn add_delivery(self, rider: &RiderId, order: &OrderId) -> Write {
        Write::update(&self.0.tables.orders, keys::open_deliveries(rider), "ADD orders :order")
            .when("attribute_not_exists(orders) OR size(orders) < :most")
            .value(":order", one(order))
            .value(":most", number(MAX_OPEN_DELIVERIES))
    }

    /// Takes an order from a rider: it was delivered, or another one brings it.
    pub(crate) fn remove_delivery(self, rider: &RiderId, order: &OrderId) -> Write {
        Write::update(&self.0.tables.orders, keys::open_deliveries(rider), "DELETE orders :order")
            .when("contains(orders, :id)")
            .value(":order", one(order))
            .value(":id", text(order))
    }
}
