//! External orders: the last state reported by the system that took each order.
//!
//! Storing one changes no stock and no points. Channel orders do reserve stock:
//! [`crate::channel_orders`].

use crate::{
    ExternalOrders, Item, Orders, Page, PageRequest, Transaction, Write,
    item::{number, read, row, string, text},
    keys,
    orders::order_in_image,
};
use domain::{
    Fault, OrderId, SourceId, Timestamp, channel::ChannelOrderState, external::SourceRevision,
    order::Change,
};
use events::{Envelope, Order, order_event};
use serde::{Deserialize, Serialize};

/// The index of external orders by system.
const BY_SOURCE: &str = "by-source";

/// An external order, as its row stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalOrderRow {
    /// The order as clients see it. Its version counts the updates that changed it.
    pub order: Order,
    /// What the last update changed.
    pub last_change: Change,
    /// The newest revision reported.
    pub revision: SourceRevision,
    /// The time of the last update of the status alone. An older update of the whole order leaves
    /// the status.
    pub status_at: Option<Timestamp>,
    /// The state of the channel's items and claims, for a channel order.
    pub order_state: Option<ChannelOrderState>,
}

/// The attributes of the row that [`Order`] does not have.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RowOnly {
    last_change: Change,
    revision: SourceRevision,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order_state: Option<ChannelOrderState>,
}

impl ExternalOrderRow {
    pub(crate) fn of(item: Item) -> Result<Self, Fault> {
        let RowOnly { last_change, revision, status_at, order_state } = read(item.clone())?;
        Ok(Self { order: read(item)?, last_change, revision, status_at, order_state })
    }

    fn item(&self) -> Result<Item, Fault> {
        let Self { order, last_change, revision, status_at, order_state } = self;
        let mut item = row(&keys::collected(&order.order_id), order)?;
        let row_only = RowOnly {
            last_change: *last_change,
            revision: *revision,
            status_at: *status_at,
            order_state: order_state.clone(),
        };
        item.extend(serde_dynamo::to_item::<_, Item>(row_only).map_err(Fault::broken)?);
        Ok(item)
    }
}

/// Builds the event of a stream image, of an own or an external order.
pub fn event_in_image(sk: &str, image: serde_dynamo::Item) -> Result<Envelope<Order>, Fault> {
    if sk == keys::COLLECTED {
        let RowOnly { last_change, .. } =
            serde_dynamo::from_item(image.clone()).map_err(Fault::broken)?;
        Ok(order_event(serde_dynamo::from_item(image).map_err(Fault::broken)?, last_change))
    } else {
        let order = order_in_image(image)?;
        Ok(order_event(Order::from(&order), order.last_change))
    }
}

impl ExternalOrders<'_> {
    /// Reads an external order.
    pub async fn get(self, id: &OrderId) -> Result<Option<ExternalOrderRow>, Fault> {
        self.0
            .get(&self.0.tables.orders, &keys::collected(id))
            .await?
            .map(ExternalOrderRow::of)
            .transpose()
    }

    /// Stores an external order, if its stored version is still `seen_version` (0: it does not
    /// exist yet). Returns `false` if not.
    pub async fn put(self, collected: &ExternalOrderRow, seen_version: u32) -> Result<bool, Fault> {
        Transaction::default()
            .with(self.write(collected, seen_version)?, ())
            .commit_if_new(self.0)
            .await
    }

    /// Builds the write of [`ExternalOrders::put`].
    pub(crate) fn write(
        self,
        collected: &ExternalOrderRow,
        seen_version: u32,
    ) -> Result<Write, Fault> {
        let put = Write::put(&self.0.tables.orders, collected.item()?);
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
                let mut start = keys::collected(&OrderId::parse(id).map_err(Fault::broken)?).item();
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
        let response = self.0.ask(call).await?;
        let id = |item: &Item| {
            OrderId::parse(string(item, "pk")?.trim_start_matches(keys::LISTED))
                .map_err(Fault::broken)
        };
        let place = |item: &Item| Ok(format!("{}#{}", string(item, "placedAt")?, id(item)?));
        let rows =
            page.cut(response.items.unwrap_or_default(), response.last_evaluated_key, place)?;
        let ids = rows.entries.iter().map(id).collect::<Result<Vec<_>, Fault>>()?;
        let mut found = self.0.channel_orders().many(&ids).await?;
        let entries =
            ids.iter().filter_map(|id| found.remove(id)).map(|collected| collected.order).collect();
        Ok(Page { entries, next: rows.next })
    }
}

impl Orders<'_> {
    /// Reads an order of any origin, own or external, as clients see it.
    pub async fn any(self, id: &OrderId) -> Result<Option<Order>, Fault> {
        let table = self.0.tables.orders.as_str();
        let (own, external) = (keys::order(id), keys::collected(id));
        let mut found = self.0.batch_get([(table, own.clone()), (table, external.clone())]).await?;
        if let Some(item) = found.take(&own) {
            return Ok(Some(Order::from(&crate::orders::PlacedOrder::of(item)?.order)));
        }
        found.take(&external).map(read).transpose()
    }
}
