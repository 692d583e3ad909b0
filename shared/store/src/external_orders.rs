//! External orders: the last state reported by the system that took each order.
//!
//! Storing one changes no stock and no points. Channel orders do reserve stock:
//! [`crate::channel_orders`].

use crate::{
    ExternalOrders, Item, Orders, Page, PageRequest, Transaction, Write,
    item::{number, read, row, string, text},
    keys,
};
use domain::{Fault, OrderId, SourceId, order::Order};
use events::{Envelope, order_event};
use std::collections::BTreeMap;

/// The index of external orders by system.
const BY_SOURCE: &str = "by-source";

/// Builds the event of a stream image of an order.
pub fn event_in_image(image: serde_dynamo::Item) -> Result<Envelope<events::Order>, Fault> {
    let order: Order = serde_dynamo::from_item(image).map_err(Fault::broken)?;
    Ok(order_event(events::Order::from(&order), order.last_change))
}

impl ExternalOrders<'_> {
    /// Reads an external order.
    pub async fn get(self, id: &OrderId) -> Result<Option<Order>, Fault> {
        self.0.get(&self.0.tables.orders, &keys::external_order(id)).await?.map(read).transpose()
    }

    /// Reads external orders by id. Unknown ids are left out.
    pub async fn many(self, ids: &[OrderId]) -> Result<BTreeMap<OrderId, Order>, Fault> {
        let table = self.0.tables.orders.as_str();
        let keys = ids.iter().map(|id| (table, keys::external_order(id)));
        let mut found = self.0.batch_get(keys).await?;
        let mut orders = BTreeMap::new();
        for id in ids {
            if let Some(item) = found.take(&keys::external_order(id)) {
                orders.insert(id.clone(), read(item)?);
            }
        }
        Ok(orders)
    }

    /// Stores an external order, if its stored version is still `seen_version` (0: it does not
    /// exist yet). Returns `false` if not.
    pub async fn put(self, order: &Order, seen_version: u32) -> Result<bool, Fault> {
        Transaction::default()
            .with(self.write(order, seen_version)?, ())
            .commit_if_unchanged(self.0)
            .await
    }

    /// Builds the write of [`ExternalOrders::put`].
    pub(crate) fn write(self, order: &Order, seen_version: u32) -> Result<Write, Fault> {
        let put =
            Write::put(&self.0.tables.orders, row(&keys::external_order(&order.order_id), order)?);
        Ok(match seen_version {
            0 => put.when_new(),
            seen => put.when("version = :seen").value(":seen", number(seen.into())),
        })
    }

    /// A page of a system's orders in their current state, newest first. `Page::next` is
    /// `<placed at>#<order id>` of the last order.
    pub async fn list(self, source: &SourceId, page: &PageRequest) -> Result<Page<Order>, Fault> {
        let table = self.0.tables.orders.as_str();
        let start =
            page.after.as_ref().and_then(|place| place.split_once('#')).map(|(placed_at, id)| {
                let mut start =
                    keys::external_order(&OrderId::parse(id).map_err(Fault::broken)?).item();
                start.extend([
                    ("source".to_owned(), text(source)),
                    ("placedAt".to_owned(), text(placed_at)),
                ]);
                Ok::<_, Fault>(start)
            });
        let start = start.transpose()?;
        let call = || {
            let request = self
                .0
                .client
                .query()
                .table_name(table)
                .index_name(BY_SOURCE)
                .scan_index_forward(false);
            let request = request.key_condition_expression("#source = :source");
            let request = request.expression_attribute_names("#source", "source");
            let request = request.expression_attribute_values(":source", text(source));
            request.limit(page.fetched()).set_exclusive_start_key(start.clone()).send()
        };
        let response = self.0.send(call).await?;
        let id = |item: &Item| {
            OrderId::parse(string(item, "pk")?.trim_start_matches(keys::LISTED))
                .map_err(Fault::broken)
        };
        let place = |item: &Item| Ok(format!("{}#{}", string(item, "placedAt")?, id(item)?));
        let rows =
            page.cut(response.items.unwrap_or_default(), response.last_evaluated_key, place)?;
        let ids = rows.entries.iter().map(id).collect::<Result<Vec<_>, Fault>>()?;
        let mut found = self.many(&ids).await?;
        let entries = ids.iter().filter_map(|id| found.remove(id)).collect();
        Ok(Page { entries, next: rows.next })
    }
}

impl Orders<'_> {
    /// Reads an order of any origin.
    pub async fn any(self, id: &OrderId) -> Result<Option<Order>, Fault> {
        let table = self.0.tables.orders.as_str();
        let (own, external) = (keys::order(id), keys::external_order(id));
        let mut found = self.0.batch_get([(table, own.clone()), (table, external.clone())]).await?;
        if let Some(item) = found.take(&own) {
            return read(item).map(Some);
        }
        found.take(&external).map(read).transpose()
    }
}
