//! Order views: what each order is as its events told it, and what its customer was told of it.
//!
//! A view holds the last snapshot that an event brought; a notification is a row of its own beside it, so that who projects
//! and who notifies never write the same row.

use crate::{
    Item, OrderViews, Page, PageRequest, ProjectionSource, Transaction, Write,
    item::{read, row, string},
    keys,
    notifications::{Notification, notification_in},
    read::Query,
};
use domain::{CustomerId, Fault, OrderId};
use events::Order;
use futures::{StreamExt, TryStreamExt, stream};

/// Views that are read side by side.
const CONCURRENCY: usize = 10;

/// A view of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderView {
    /// The order, as the last event that was projected told it.
    pub order: Order,
    /// What its customer was told, the first first.
    pub notifications: Vec<Notification>,
}

impl OrderViews<'_> {
    /// Keeps an order as it was told, unless that is no news; tells whether it was.
    pub async fn project(self, order: &Order, projection_source: ProjectionSource) -> Result<bool, Fault> {
        let put = Write::put(&self.0.tables.views, row(&keys::order_view(&order.order_id), order)?);
        Transaction::default()
            .with(put.when_not_older(order.version, projection_source), ())
            .commit_if_new(self.0)
            .await
    }

    /// A view of an order; none before the first of its events was projected.
    pub async fn get(self, id: &OrderId) -> Result<Option<OrderView>, Fault> {
        let pk = keys::order_rows(id);
        let query = Query { table: &self.0.tables.views, pk: &pk, prefix: "", newest_first: false };
        let (mut order, mut notifications) = (None, Vec::new());
        for item in self.0.query_all(&query).await? {
            if string(&item, "sk")? == keys::VIEW {
                order = Some(read(item)?);
            } else {
                notifications.push(notification_in(item)?);
            }
        }
        Ok(order.map(|order| OrderView { order, notifications }))
    }

    /// Views of a customer's orders, the newest first. A page's `next` is the place of its last order.
    pub async fn list(self, customer: &CustomerId, page: &PageRequest) -> Result<Page<OrderView>, Fault> {
        let Page { entries: ids, next } = self.0.orders().ids(customer, page).await?;
        let views = stream::iter(ids).map(|id| async move { self.get(&id).await }).buffered(CONCURRENCY);
        // An order may be in the list before its first event was projected.
        let entries = views.try_filter_map(|view| async { Ok(view) }).try_collect().await?;
        Ok(Page { entries, next })
    }

    /// The orders that the views hold, in the same order; those without a view are none.
    pub async fn stored(self, ids: &[OrderId]) -> Result<Vec<Option<Order>>, Fault> {
        let table = self.0.tables.views.as_str();
        let mut found = self.0.batch_get(ids.iter().map(|id| (table, keys::order_view(id)))).await?;
        ids.iter().map(|id| found.take(&keys::order_view(id)).map(read::<Order>).transpose()).collect()
    }
}

/// The order that a row of a read model holds.
pub(crate) fn order_in(item: Item) -> Result<Order, Fault> {
    read(item)
}
