//! Orders that other systems made, as they told of them last. No stock and no points move with them.

use crate::{
    ExternalOrders, Item, Orders, Page, PageRequest, Transaction, Write,
    item::{number, read, row, string, text},
    keys,
    orders::order_in_image,
};
use domain::{
    Fault, OrderId, SourceId, Timestamp, channel::ChannelOrderState, external::SourceRevision, order::Change,
};
use events::{Envelope, Order, order_event};
use serde::{Deserialize, Serialize};

/// The index of orders by the system that made them.
const BY_SOURCE: &str = "by-source";

/// An order that another system made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalOrderRow {
    /// The order as everybody sees it; its version counts the changes that we were told.
    pub order: Order,
    /// What the last change was.
    pub last_change: Change,
    /// How new what was told is.
    pub revision: SourceRevision,
    /// When it took its status, if that was told by itself: what is told of the whole order and older leaves the status alone.
    pub status_at: Option<Timestamp>,
    /// All that a sales channel told of it, if one made it.
    pub order_state: Option<ChannelOrderState>,
}

/// The attributes of its row that the order itself does not have.
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

/// The event that an image of the stream is, of an order of ours or of one that was collected.
pub fn event_in_image(sk: &str, image: serde_dynamo::Item) -> Result<Envelope<Order>, Fault> {
    if sk == keys::COLLECTED {
        let RowOnly { last_change, .. } = serde_dynamo::from_item(image.clone()).map_err(Fault::broken)?;
        Ok(order_event(serde_dynamo::from_item(image).map_err(Fault::broken)?, last_change))
    } else {
        let order = order_in_image(image)?;
        Ok(order_event(Order::from(&order), order.last_change))
    }
}

impl ExternalOrders<'_> {
    /// An order that another system made, as it was told of last.
    pub async fn get(self, id: &OrderId) -> Result<Option<ExternalOrderRow>, Fault> {
        self.0.get(&self.0.tables.orders, &keys::collected(id)).await?.map(ExternalOrderRow::of).transpose()
    }

    /// Keeps an order that another system made, if it is still at the version that was seen (0: if nobody told of it); tells
    /// whether it did.
    pub async fn put(self, collected: &ExternalOrderRow, seen_version: u32) -> Result<bool, Fault> {
        Transaction::default().with(self.write(collected, seen_version)?, ()).commit_if_new(self.0).await
    }

    /// The write of [`Store::put_external`].
    pub(crate) fn write(self, collected: &ExternalOrderRow, seen_version: u32) -> Result<Write, Fault> {
        let put = Write::put(&self.0.tables.orders, collected.item()?);
        Ok(match seen_version {
            0 => put.when_new(),
            seen => put.when("version = :seen").value(":seen", number(seen.into())),
        })
    }

    /// The orders of a source as they stand, the newest first. A page's `next` is the place of its last order: when it was placed,
    /// and which one it is.
    pub async fn list(self, source: &SourceId, page: &PageRequest) -> Result<Page<Order>, Fault> {
        let table = self.0.tables.orders.as_str();
        let start = page.after.as_ref().and_then(|place| place.split_once('#')).map(|(placed_at, id)| {
            let mut start = keys::collected(&OrderId::parse(id).map_err(Fault::broken)?).item();
            start.extend([("source".to_owned(), text(source)), ("placedAt".to_owned(), text(placed_at))]);
            Ok::<_, Fault>(start)
        });
        let start = start.transpose()?;
        let call = || {
            let request = self.0.client.query().table_name(table).index_name(BY_SOURCE).scan_index_forward(false);
            let request = request.key_condition_expression("#source = :source");
            let request = request.expression_attribute_names("#source", "source");
            let request = request.expression_attribute_values(":source", text(source));
            request.limit(page.fetched()).set_exclusive_start_key(start.clone()).send()
        };
        let answer = self.0.ask(call).await?;
        let id =
            |item: &Item| OrderId::parse(string(item, "pk")?.trim_start_matches(keys::LISTED)).map_err(Fault::broken);
        let place = |item: &Item| Ok(format!("{}#{}", string(item, "placedAt")?, id(item)?));
        let rows = page.cut(answer.items.unwrap_or_default(), answer.last_evaluated_key, place)?;
        let ids = rows.entries.iter().map(id).collect::<Result<Vec<_>, Fault>>()?;
        let mut found = self.0.channel_orders().many(&ids).await?;
        let entries = ids.iter().filter_map(|id| found.remove(id)).map(|collected| collected.order).collect();
        Ok(Page { entries, next: rows.next })
    }
}

impl Orders<'_> {
    /// An order as everybody sees it, whoever made it.
    pub async fn any(self, id: &OrderId) -> Result<Option<Order>, Fault> {
        let table = self.0.tables.orders.as_str();
        let (ours, theirs) = (keys::order(id), keys::collected(id));
        let mut found = self.0.batch_get([(table, ours.clone()), (table, theirs.clone())]).await?;
        if let Some(item) = found.take(&ours) {
            return Ok(Some(Order::from(&crate::orders::PlacedOrder::of(item)?.order)));
        }
        found.take(&theirs).map(read).transpose()
    }
}
