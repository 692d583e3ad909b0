//! Order views: the last state of each order, projected from its events, and the notifications of
//! it.
//!
//! A view and each notification have separate rows, so the projection and the notifier never write
//! the same row.

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

/// Views read concurrently.
const CONCURRENCY: usize = 10;

/// A view of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderView {
    /// The order, as of the last event projected.
    pub order: Order,
    /// The notifications of the order, oldest first.
    pub notifications: Vec<Notification>,
}

impl OrderViews<'_> {
    /// Projects an order. Returns `false` if the view already has this version or a later one; a
    /// rebuild also rewrites the same version.
    pub async fn project(
        self,
        order: &Order,
        projection_source: ProjectionSource,
    ) -> Result<bool, Fault> {
        let put = Write::put(&self.0.tables.views, row(&keys::order_view(&order.order_id), order)?);
        Transaction::default()
            .with(put.when_not_older(order.version, projection_source), ())
            .commit_if_unchanged(self.0)
            .await
    }

    /// Reads a view. `None` until the order's first event is projected.
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

    /// A page of the views of a customer's orders, newest first. `Page::next` is the position of
    /// the last order.
    pub async fn list(
        self,
        customer: &CustomerId,
        page: &PageRequest,
    ) -> Result<Page<OrderView>, Fault> {
        let Page { entries: ids, next } = self.0.orders().ids(customer, page).await?;
        let views =
            stream::iter(ids).map(|id| async move { self.get(&id).await }).buffered(CONCURRENCY);
        // An order may be listed before its first event is projected.
        let entries = views.try_filter_map(|view| async { Ok(view) }).try_collect().await?;
        Ok(Page { entries, next })
    }

    /// The projected orders, in the order of the ids. `None` where an order has no view.
    pub async fn stored(self, ids: &[OrderId]) -> Result<Vec<Option<Order>>, Fault> {
        let table = self.0.tables.views.as_str();
        let mut found =
            self.0.batch_get(ids.iter().map(|id| (table, keys::order_view(id)))).await?;
        ids.iter()
            .map(|id| found.take(&keys::order_view(id)).map(read::<Order>).transpose())
            .collect()
    }
}

/// Reads an order from a projection's row.
pub(crate) fn order_in(item: Item) -> Result<Order, Fault> {
    read(item)
}
