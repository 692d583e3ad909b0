//! Stores' boards: each store's orders as their events told them.

use crate::{
    Boards, Item, Page, PageRequest, ProjectionSource, Transaction, Write,
    item::{number, row, string, text},
    keys::{self, Key},
    order_views::order_in,
    read::Query,
};
use domain::{Fault, StoreId, Timestamp, order::Status};
use events::Order;
use std::time::Duration;

/// How long an order that has come to its end stays on the board.
const KEPT: Duration = Duration::from_hours(30 * 24);

/// Whether an order belongs on its store's board: it was paid, and did not come to its end long ago.
pub fn is_on_board(order: &Order, now: Timestamp) -> bool {
    order.payment.paid_at.is_some() && !(order.status.is_end() && order.updated_at.plus(KEPT) <= now)
}

/// The index of the rows of boards by store and status.
const BY_STATUS: &str = "by-store-status";

fn store_status(store: &StoreId, status: Status) -> String {
    format!("{store}#{status}")
}

impl Boards<'_> {
    /// Keeps an order on its store's board as it was told, unless that is no news; tells whether it was.
    pub async fn project(
        self,
        store: &StoreId,
        order: &Order,
        projection_source: ProjectionSource,
    ) -> Result<bool, Fault> {
        let mut item = row(&keys::on_board(store, order.placed_at, &order.order_id), order)?;
        item.insert("storeStatus".into(), text(store_status(store, order.status)));
        if order.status.is_end() {
            item.insert("expiresAt".into(), number(order.updated_at.plus(KEPT).seconds()));
        }
        let put = Write::put(&self.0.tables.views, item).when_not_older(order.version, projection_source);
        Transaction::default().with(put, ()).commit_if_new(self.0).await
    }

    /// Orders as their stores' boards have them, in the same order; those that are on none are none.
    pub async fn stored(self, orders: &[(&StoreId, &Order)]) -> Result<Vec<Option<Order>>, Fault> {
        let table = self.0.tables.views.as_str();
        let key = |(store, order): &(&StoreId, &Order)| keys::on_board(store, order.placed_at, &order.order_id);
        let mut found = self.0.batch_get(orders.iter().map(|order| (table, key(order)))).await?;
        orders.iter().map(|order| found.take(&key(order)).map(order_in).transpose()).collect()
    }

    /// A page of a store's board: all of it, the newest order first; or the orders of a status, the oldest first, for they
    /// wait the longest. A page's `next` is the place of its last order.
    pub async fn list(self, store: &StoreId, status: Option<Status>, page: &PageRequest) -> Result<Page<Order>, Fault> {
        let pk = keys::store(store);
        let after = page.after.as_ref().map(|place| format!("{}{place}", keys::ON_BOARD));
        let rows = match status {
            None => {
                let query = Query { table: &self.0.tables.views, pk: &pk, prefix: keys::ON_BOARD, newest_first: true };
                self.0.query(&query, &PageRequest { after, ..*page }).await?
            }
            Some(status) => self.list_of_status(&pk, &store_status(store, status), page, after).await?,
        };
        let entries = rows.entries.into_iter().map(order_in).collect::<Result<_, _>>()?;
        Ok(Page { entries, next: rows.next.map(|sk| sk.trim_start_matches(keys::ON_BOARD).to_owned()) })
    }

    async fn list_of_status(
        self,
        pk: &str,
        store_status: &str,
        page: &PageRequest,
        after: Option<String>,
    ) -> Result<Page<Item>, Fault> {
        let table = self.0.tables.views.as_str();
        let start = after.map(|sk| {
            let mut place = Key { pk: pk.to_owned(), sk }.item();
            place.insert("storeStatus".into(), text(store_status));
            place
        });
        let call = || {
            let request = self.0.client.query().table_name(table).index_name(BY_STATUS);
            let request = request.key_condition_expression("storeStatus = :status");
            let request = request.expression_attribute_values(":status", text(store_status));
            request.limit(page.fetched()).set_exclusive_start_key(start.clone()).send()
        };
        let answer = self.0.ask(call).await?;
        let place = |item: &Item| string(item, "sk").map(str::to_owned);
        page.cut(answer.items.unwrap_or_default(), answer.last_evaluated_key, place)
    }
}
