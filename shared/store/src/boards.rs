//! Store boards: the orders of each store, projected from order events.

use crate::{
    Boards, Item, Page, PageRequest, ProjectionSource, Transaction, Write,
    item::{Key, number, row, string, text},
    keys,
    order_views::order_in,
    read::Query,
};
use domain::{Fault, StoreId, Timestamp, order::Status};
use events::Order;
use std::time::Duration;

/// How long an order stays on the board after it ended.
const RETENTION: Duration = Duration::from_hours(30 * 24);

/// Whether an order belongs on its store's board: it was paid, and it is open or ended recently.
pub fn is_on_board(order: &Order, now: Timestamp) -> bool {
    order.payment.paid_at.is_some()
        && !(order.status.is_end() && order.updated_at.plus(RETENTION) <= now)
}

/// The index of board rows by store and status.
const BY_STATUS: &str = "by-store-status";

fn store_status(store: &StoreId, status: Status) -> String {
    format!("{store}#{status}")
}

impl Boards<'_> {
    /// Projects an order to its store's board. Returns `false` if the board already has this
    /// version or a later one; a rebuild also rewrites the same version.
    pub async fn project(
        self,
        store: &StoreId,
        order: &Order,
        projection_source: ProjectionSource,
    ) -> Result<bool, Fault> {
        let mut item = row(&keys::on_board(store, order.placed_at, &order.order_id), order)?;
        item.insert("storeStatus".into(), text(store_status(store, order.status)));
        if order.status.is_end() {
            item.insert("expiresAt".into(), number(order.updated_at.plus(RETENTION).seconds()));
        }
        let put =
            Write::put(&self.0.tables.views, item).when_not_older(order.version, projection_source);
        Transaction::default().with(put, ()).commit_if_unchanged(self.0).await
    }

    /// The projected orders, in the order of the arguments. `None` where an order is not on the
    /// board.
    pub async fn stored(self, orders: &[(&StoreId, &Order)]) -> Result<Vec<Option<Order>>, Fault> {
        let table = self.0.tables.views.as_str();
        let key = |(store, order): &(&StoreId, &Order)| {
            keys::on_board(store, order.placed_at, &order.order_id)
        };
        let mut found = self.0.batch_get(orders.iter().map(|order| (table, key(order)))).await?;
        orders.iter().map(|order| found.take(&key(order)).map(order_in).transpose()).collect()
    }

    /// A page of a store's board: the whole board, newest order first, or the orders of one status,
    /// oldest first because they have waited longest. `Page::next` is the position of the last
    /// order.
    pub async fn list(
        self,
        store: &StoreId,
        status: Option<Status>,
        page: &PageRequest,
    ) -> Result<Page<Order>, Fault> {
        let pk = keys::store(store);
        let after = page.after.as_ref().map(|place| format!("{}{place}", keys::ON_BOARD));
        let rows = match status {
            None => {
                let query = Query {
                    table: &self.0.tables.views,
                    pk: &pk,
                    prefix: keys::ON_BOARD,
                    newest_first: true,
                };
                self.0.query(&query, &PageRequest { after, ..*page }).await?
            }
            Some(status) => {
                self.list_of_status(&pk, &store_status(store, status), page, after).await?
            }
        };
        let entries = rows.entries.into_iter().map(order_in).collect::<Result<_, _>>()?;
        Ok(Page {
            entries,
            next: rows.next.map(|sk| sk.trim_start_matches(keys::ON_BOARD).to_owned()),
        })
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
        let response = self.0.send(call).await?;
        let place = |item: &Item| string(item, "sk").map(str::to_owned);
        page.cut(response.items.unwrap_or_default(), response.last_evaluated_key, place)
    }
}
