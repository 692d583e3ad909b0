//! Orders of sales channels: kept with what they take from our stock, and to whom they go.

use crate::{
    ChannelOrders, Item, Page, PageRequest, Transaction, Write,
    external_orders::ExternalOrderRow,
    item::{number, read, row, string, text, whole},
    keys,
    products::Movement,
    read::Query,
};
use domain::{
    ChannelId, Fault, OrderId, ProductId, Timestamp,
    channel::{Recipient, StockChange},
    order::Status,
};
use events::Order;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// How long it is kept to whom an order goes that is on its way.
const RECIPIENT_KEPT: Duration = Duration::from_hours(90 * 24);

/// How long it is kept to whom an order went.
const RECIPIENT_KEPT_AFTER: Duration = Duration::from_hours(14 * 24);

/// The index of orders by channel and status, and that of those that are still open.
const BY_STATUS: &str = "by-channel-status";
const OPEN: &str = "open";

/// An order of a channel that is to be kept, with what comes with it.
#[derive(Debug)]
pub struct ChannelOrder<'a> {
    /// Of which channel.
    pub channel_id: &'a ChannelId,
    /// The order.
    pub collected: &'a ExternalOrderRow,
    /// The version that was seen; 0, if there was none.
    pub seen_version: u32,
    /// To whom it goes, if that was told.
    pub recipient: Option<&'a Recipient>,
    /// What it takes from our stocks, or gives back.
    pub changes: &'a [StockChange],
    /// Those of the channel's products whose orders these are, and that are mapped.
    pub mapped: &'a BTreeSet<ProductId>,
    /// When.
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
    /// The orders of these ids that other systems made, by id.
    pub async fn many(self, ids: &[OrderId]) -> Result<BTreeMap<OrderId, ExternalOrderRow>, Fault> {
        let table = self.0.tables.orders.as_str();
        let mut found = self.0.batch_get(ids.iter().map(|id| (table, keys::collected(id)))).await?;
        let mut orders = BTreeMap::new();
        for id in ids {
            if let Some(item) = found.take(&keys::collected(id)) {
                orders.insert(id.clone(), ExternalOrderRow::of(item)?);
            }
        }
        Ok(orders)
    }

    /// Keeps an order of a channel, its place in the channel's list, to whom it goes, and what it takes from our stocks, all or
    /// nothing; tells whether everything still was as it was seen.
    pub async fn put(self, kept: &ChannelOrder<'_>) -> Result<bool, Fault> {
        let table = self.0.tables.channels.as_str();
        let ExternalOrderRow { order, order_state, .. } = kept.collected;
        let id = kept.channel_id;
        let open_since = order_state.as_ref().and_then(|order_state| order_state.open_since(order.placed_at));
        let listed = Listed {
            order_id: &order.order_id,
            channel_status: channel_status(id, order.status),
            open_channel: open_since.map(|_| id),
            open_since,
        };
        let listed = row(&keys::channel_order(id, order.placed_at, &order.order_id), &listed)?;
        let mut all = Transaction::default()
            .with(self.0.external_orders().write(kept.collected, kept.seen_version)?, ())
            .with(Write::put(table, listed), ());
        if let Some(recipient) = kept.recipient {
            all = all.with(self.recipient_row(id, order, recipient, open_since.is_some(), kept.now)?, ());
        }
        let mut stocks: BTreeMap<&ProductId, i64> = BTreeMap::new();
        for change in kept.changes {
            *stocks.entry(&change.product_id).or_default() += change.delta;
        }
        for (product, delta) in stocks {
            all = all.and(self.move_stock(product, delta, order, kept.now)?);
        }
        for product in kept.mapped {
            // What the marketplace has by now we do not know: it is told with the next step.
            let there = Write::update(table, keys::mapping(id, product), "REMOVE stockThere");
            all = all.with(there.when("attribute_exists(pk)"), ());
        }
        all.commit_if_new(self.0).await
    }

    /// Changes a stock by what an order of a channel takes or gives back.
    fn move_stock(
        self,
        product: &ProductId,
        delta: i64,
        order: &Order,
        now: Timestamp,
    ) -> Result<Transaction<()>, Fault> {
        let stock = Write::update(&self.0.tables.products, keys::stock(product), "SET quantity = quantity + :delta");
        let stock = stock.value(":delta", number(delta));
        let stock = if delta < 0 {
            stock.when("quantity >= :units").value(":units", number(-delta))
        } else {
            stock.when("attribute_exists(pk)")
        };
        let movement = Movement { delta, reason: None, order_id: Some(order.order_id.clone()), at: now };
        let key = keys::movement_of(product, &order.order_id, order.version);
        let moved = Write::put(&self.0.tables.products, row(&key, &movement)?).when_new();
        Ok(Transaction::default().with(stock, ()).with(moved, ()))
    }

    /// What an order of a channel took from a stock, as the stock's movements say.
    pub async fn stock_moved(self, order: &OrderId, product: &ProductId) -> Result<i64, Fault> {
        let prefix = keys::movements_of(order);
        Ok(-self.0.sum(&self.0.tables.products, &keys::product(product), &prefix, "delta").await?)
    }

    /// In which statuses orders are listed by their channels, in the same order; nothing for those that are not.
    pub async fn listed_statuses(self, orders: &[(ChannelId, &Order)]) -> Result<Vec<Option<String>>, Fault> {
        let table = self.0.tables.channels.as_str();
        let key = |(id, order): &(ChannelId, &Order)| keys::channel_order(id, order.placed_at, &order.order_id);
        let mut found = self.0.batch_get(orders.iter().map(|one| (table, key(one)))).await?;
        let status = |one: &(ChannelId, &Order)| {
            let row = found.take(&key(one));
            let status = row.map(|row| string(&row, "channelStatus").map(str::to_owned)).transpose()?;
            Ok(status.and_then(|status| status.strip_prefix(&format!("{}#", one.0)).map(str::to_owned)))
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
        let kept_for = if is_open { RECIPIENT_KEPT } else { RECIPIENT_KEPT_AFTER };
        item.insert("expiresAt".into(), number(now.plus(kept_for).seconds()));
        Ok(Write::put(&self.0.tables.channels, item))
    }

    /// Keeps to whom an order goes, or went, that is the same otherwise: the last word of it counts.
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

    /// To whom orders go, by order; those are left out of whom it is not kept.
    pub async fn recipients(self, id: &ChannelId, orders: &[OrderId]) -> Result<BTreeMap<OrderId, Recipient>, Fault> {
        let table = self.0.tables.channels.as_str();
        let mut found = self.0.batch_get(orders.iter().map(|order| (table, keys::recipient(id, order)))).await?;
        let now = self.0.now().seconds();
        let mut recipients = BTreeMap::new();
        for order in orders {
            // What has expired may be there for some days yet.
            let kept = found.take(&keys::recipient(id, order));
            let is_kept = |item: &Item| whole(item, "expiresAt").is_ok_and(|until| now < until);
            if let Some(item) = kept.filter(is_kept) {
                recipients.insert(order.clone(), read(item)?);
            }
        }
        Ok(recipients)
    }

    /// A page of a channel's orders, all or those of a status, the newest first. A page's `next` is the place of its last.
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
                    let mut start = Item::from([("pk".to_owned(), text(&pk)), ("sk".to_owned(), text(sk))]);
                    start.insert("channelStatus".into(), text(&value));
                    start
                });
                let call = || {
                    let request =
                        self.0.client.query().table_name(table).index_name(BY_STATUS).scan_index_forward(false);
                    let request = request.key_condition_expression("channelStatus = :value");
                    let request = request.expression_attribute_values(":value", text(&value));
                    request.limit(page.fetched()).set_exclusive_start_key(start.clone()).send()
                };
                let answer = self.0.ask(call).await?;
                let place = |item: &Item| string(item, "sk").map(str::to_owned);
                page.cut(answer.items.unwrap_or_default(), answer.last_evaluated_key, place)?
            }
        };
        let next = rows.next.map(|sk| sk.trim_start_matches(keys::LISTED).to_owned());
        let id = |item: &Item| string(item, "orderId").and_then(|id| OrderId::parse(id).map_err(Fault::broken));
        Ok(Page { entries: rows.entries.iter().map(id).collect::<Result<_, _>>()?, next })
    }

    /// Since when something is still to be expected of an order of a channel, of that for which it is the longest; what is older
    /// than `floor` is not looked at.
    pub async fn open_since(self, id: &ChannelId, floor: Timestamp) -> Result<Option<Timestamp>, Fault> {
        let call = || {
            let request = self.0.client.query().table_name(&self.0.tables.channels).index_name(OPEN).limit(1);
            let request = request.key_condition_expression("openChannel = :channel AND openSince >= :floor");
            let request = request.expression_attribute_values(":floor", text(floor));
            request.expression_attribute_values(":channel", text(id)).send()
        };
        let oldest = self.0.ask(call).await?.items.unwrap_or_default().into_iter().next();
        oldest.map(|item| string(&item, "openSince")?.parse().map_err(Fault::broken)).transpose()
    }
}
