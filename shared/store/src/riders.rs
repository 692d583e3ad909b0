//! Riders: one row with the open deliveries of each rider, which enforces the limit of orders per
//! rider.

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

/// Reads the order ids from a rider's row.
pub(crate) fn open_deliveries_in(row: &Item) -> Result<BTreeSet<OrderId>, Fault> {
    // DynamoDB has no empty sets: the attribute is absent without deliveries.
    let Some(orders) = row.get("orders") else { return Ok(BTreeSet::new()) };
    let ids = orders.as_ss().map_err(|_| Fault::broken("a rider's orders are no set of ids"))?;
    ids.iter().map(|id| OrderId::parse(id).map_err(Fault::broken)).collect()
}

impl Riders<'_> {
    /// Adds an order to a rider, if the rider has fewer than [`MAX_OPEN_DELIVERIES`].
    pub(crate) fn add_delivery(self, rider: &RiderId, order: &OrderId) -> Write {
        Write::update(&self.0.tables.orders, keys::open_deliveries(rider), "ADD orders :order")
            .when("attribute_not_exists(orders) OR size(orders) < :most")
            .value(":order", one(order))
            .value(":most", number(MAX_OPEN_DELIVERIES))
    }

    /// Removes an order from a rider: it was delivered, or another rider will deliver it.
    pub(crate) fn remove_delivery(self, rider: &RiderId, order: &OrderId) -> Write {
        Write::update(&self.0.tables.orders, keys::open_deliveries(rider), "DELETE orders :order")
            .when("contains(orders, :id)")
            .value(":order", one(order))
            .value(":id", text(order))
    }
}
