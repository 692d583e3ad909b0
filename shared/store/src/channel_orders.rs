//! Channel orders, with the stock that they reserve and their recipients.

use crate::{
    ChannelOrders, Item, Page, PageRequest, Transaction, Write,
    item::{number, read, row, string, text, whole},
    keys,
    products::Movement,
    read::Query,
};
use domain::{
    ChannelId, Fault, OrderId, ProductId, Timestamp,
    actor::Actor,
    channel::{Recipient, StockChange},
    order::{Order, Status},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// How long the recipient of an open order is stored.
const OPEN_RECIPIENT_RETENTION: Duration = Duration::from_hours(90 * 24);

/// How long the recipient of an order is stored once the order is no longer open.
const CLOSED_RECIPIENT_RETENTION: Duration = Duration::from_hours(14 * 24);

/// The indexes of channel orders: by channel and status, and the open ones by channel.
const BY_STATUS: &str = "by-channel-status";
const OPEN: &str = "open";

/// An update of a channel order, with everything that is written with it.
#[derive(Debug)]
pub struct ChannelOrder<'a> {
    /// The channel's id.
    pub channel_id: &'a ChannelId,
    /// The updated order.
    pub order: &'a Order,
    /// The version that the update is based on. 0: the order does not exist yet.
    pub seen_version: u32,
    /// The recipient, if the marketplace reported one.
    pub recipient: Option<&'a Recipient>,
    /// The changes of our stock: units reserved or released.
    pub changes: &'a [StockChange],
    /// The mapped products of the channel that these changes concern. The stock last sent for them
    /// is cleared.
    pub mapped: &'a BTreeSet<ProductId>,
    /// The time of the update.
    pub now: Timestamp,
}

/// A row of a channel's list of orders.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    order_id: &'a OrderId,
    channel_status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_channel: Option<&'a ChannelId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_since: Option<Timestamp>,
}

fn channel_status(channel: &ChannelId, status: Status) -> String {
    format!("{channel}#{status}")
}

impl ChannelOrders<'_> {
    /// Writes the order, its entry in the channel's list, its recipient and its stock changes in
    /// one transaction. Returns `false` if something has changed since it was read: the order, a
    /// stock or a mapping.
    pub async fn put(self, update: &ChannelOrder<'_>) -> Result<bool, Fault> {
        let table = self.0.tables.channels.as_str();
        let (id, order) = (update.channel_id, update.order);
        let open_since = order.channel_state().and_then(|state| state.open_since(order.placed_at));
        let listed = Listed {
            order_id: &order.order_id,
            channel_status: channel_status(id, order.status()),
            open_channel: open_since.map(|_| id),
            open_since,
        };
        let listed = row(&keys::channel_order(id, order.placed_at, &order.order_id), &listed)?;
        let mut all = Transaction::default()
            .with(self.0.external_orders().write(order, update.seen_version)?, ())
            .with(Write::put(table, listed), ());
        if let Some(recipient) = update.recipient {
            all = all.with(
                self.recipient_row(id, order, recipient, open_since.is_some(), update.now)?,
                (),
            );
        }
        let mut stocks: BTreeMap<&ProductId, i64> = BTreeMap::new();
        for change in update.changes {
            *stocks.entry(&change.product_id).or_default() += change.delta;
        }
        for (product, delta) in stocks {
            all = all.and(self.move_stock(product, delta, order, update.now)?);
        }
        for product in update.mapped {
            // The order may have changed the marketplace's stock, which is now unknown. The next
            // step of a run sends ours.
            let unknown = Write::update(table, keys::mapping(id, product), "REMOVE stockSent");
            all = all.with(unknown.when("attribute_exists(pk)"), ());
        }
        all.commit_if_unchanged(self.0).await
    }

    /// Changes a stock, and records the movement under the order's version.
    fn move_stock(
        self,
        product: &ProductId,
        delta: i64,
        order: &Order,
        now: Timestamp,
    ) -> Result<Transaction<()>, Fault> {
        let stock = Write::update(
            &self.0.tables.products,
            keys::stock(product),
            "SET quantity = quantity + :delta",
        );
        let stock = stock.value(":delta", number(delta));
        let stock = if delta < 0 {
            stock.when("quantity >= :units").value(":units", number(-delta))
        } else {
            stock.when("attribute_exists(pk)")
        };
        let movement = Movement {
            delta,
            reason: None,
            order_id: Some(order.order_id.clone()),
            by: Some(Actor::System),
            at: now,
        };
        let key = keys::movement_of(product, &order.order_id, order.version);
        let moved = Write::put(&self.0.tables.products, row(&key, &movement)?).when_new();
        Ok(Transaction::default().with(stock, ()).with(moved, ()))
    }

    /// The units that a channel order has taken from a stock, less those returned, by the stock's
    /// movements.
    pub async fn stock_moved(self, order: &OrderId, product: &ProductId) -> Result<i64, Fault> {
        let prefix = keys::movements_of(order);
        Ok(-self.0.sum(&self.0.tables.products, &keys::product(product), &prefix, "delta").await?)
    }

    /// The status under which each order is in its channel's list, in the order of the arguments.
    /// `None` where an order is not listed.
    pub async fn listed_statuses(
        self,
        orders: &[(ChannelId, &Order)],
    ) -> Result<Vec<Option<String>>, Fault> {
        let table = self.0.tables.channels.as_str();
        let key = |(id, order): &(ChannelId, &Order)| {
            keys::channel_order(id, order.placed_at, &order.order_id)
        };
        let mut found = self.0.batch_get(orders.iter().map(|one| (table, key(one)))).await?;
        let status = |one: &(ChannelId, &Order)| {
            let row = found.take(&key(one));
            let status =
                row.map(|row| string(&row, "channelStatus").map(str::to_owned)).transpose()?;
            Ok(status
                .and_then(|status| status.strip_prefix(&format!("{}#", one.0)).map(str::to_owned)))
        };
        orders.iter().map(status).collect()
    }

    fn recipient_row(
        self,
        id: &ChannelId,
        order: &Order,
        recipient: &Recipient,
        is_open: bool,
        now: Timestamp,
    ) -> Result<Write, Fault> {
        let mut item = row(&keys::recipient(id, &order.order_id), recipient)?;
        let retention = if is_open { OPEN_RECIPIENT_RETENTION } else { CLOSED_RECIPIENT_RETENTION };
        item.insert("expiresAt".into(), number(now.plus(retention).seconds()));
        Ok(Write::put(&self.0.tables.channels, item))
    }

    /// Stores the recipient of an order that is otherwise unchanged. The last write wins.
    pub async fn put_recipient(
        self,
        id: &ChannelId,
        order: &Order,
        recipient: &Recipient,
        is_open: bool,
    ) -> Result<(), Fault> {
        let put = self.recipient_row(id, order, recipient, is_open, self.0.now())?;
        Transaction::default().with(put, ()).commit_unconditional(self.0).await
    }

    /// The recipients of orders. Orders without a stored recipient are left out.
    pub async fn recipients(
        self,
        id: &ChannelId,
        orders: &[OrderId],
    ) -> Result<BTreeMap<OrderId, Recipient>, Fault> {
        let table = self.0.tables.channels.as_str();
        let mut found = self
            .0
            .batch_get(orders.iter().map(|order| (table, keys::recipient(id, order))))
            .await?;
        let now = self.0.now().seconds();
        let mut recipients = BTreeMap::new();
        for order in orders {
            // DynamoDB deletes expired rows some days late.
            let stored = found.take(&keys::recipient(id, order));
            let is_live = |item: &Item| whole(item, "expiresAt").is_ok_and(|until| now < until);
            if let Some(item) = stored.filter(is_live) {
                recipients.insert(order.clone(), read(item)?);
            }
        }
        Ok(recipients)
    }

    /// A page of a channel's orders, all or those of one status, newest first. `Page::next` is the
    /// position of the last order. The status index is eventually consistent.
    pub async fn list(
        self,
        id: &ChannelId,
        status: Option<Status>,
        page: &PageRequest,
    ) -> Result<Page<OrderId>, Fault> {
        let table = self.0.tables.channels.as_str();
        let pk = keys::channel_rows(id);
        let after = page.after.as_ref().map(|place| format!("{}{place}", keys::LISTED));
        let rows = match status {
            None => {
                let query = Query { table, pk: &pk, prefix: keys::LISTED, newest_first: true };
                self.0.query(&query, &PageRequest { limit: page.limit, after }).await?
            }
            Some(status) => {
                let value = channel_status(id, status);
                let start = after.map(|sk| {
                    let mut start =
                        Item::from([("pk".to_owned(), text(&pk)), ("sk".to_owned(), text(sk))]);
                    start.insert("channelStatus".into(), text(&value));
                    start
                });
                let call = || {
                    let request = self
                        .0
                        .client
                        .query()
                        .table_name(table)
                        .index_name(BY_STATUS)
                        .scan_index_forward(false);
                    let request = request.key_condition_expression("channelStatus = :value");
                    let request = request.expression_attribute_values(":value", text(&value));
                    request.limit(page.fetched()).set_exclusive_start_key(start.clone()).send()
                };
                let response = self.0.send(call).await?;
                let place = |item: &Item| string(item, "sk").map(str::to_owned);
                page.cut(response.items.unwrap_or_default(), response.last_evaluated_key, place)?
            }
        };
        let next = rows.next.map(|sk| sk.trim_start_matches(keys::LISTED).to_owned());
        let id = |item: &Item| {
            string(item, "orderId").and_then(|id| OrderId::parse(id).map_err(Fault::broken))
        };
        Ok(Page { entries: rows.entries.iter().map(id).collect::<Result<_, _>>()?, next })
    }

    /// The earliest time since when an order of the channel is open: an item is on its way, or a
    /// claim is pending. Times before `floor` are ignored.
    pub async fn open_since(
        self,
        id: &ChannelId,
        floor: Timestamp,
    ) -> Result<Option<Timestamp>, Fault> {
        let call = || {
            let request =
                self.0.client.query().table_name(&self.0.tables.channels).index_name(OPEN).limit(1);
            let request =
                request.key_condition_expression("openChannel = :channel AND openSince >= :floor");
            let request = request.expression_attribute_values(":floor", text(floor));
            request.expression_attribute_values(":channel", text(id)).send()
        };
        let oldest = self.0.send(call).await?.items.unwrap_or_default().into_iter().next();
        oldest.map(|item| string(&item, "openSince")?.parse().map_err(Fault::broken)).transpose()
    }
}
