//! Deliveries: orders that wait for a rider, searchable by the positions of customer and store.
//!
//! Each order has one row with the version that it reflects. While the order waits, it also has a
//! row in a geohash cell near its customer and one near its store. One transaction writes all of
//! them, so the cell rows exist exactly as long as the order's own row says that it waits. A
//! version that is not newer than the stored one changes nothing.

use crate::{
    Deliveries, ProjectionSource, Transaction, Write,
    item::{Key, number, read, row},
    keys::{self, DeliveryEnd},
    optimistic::{
        Attempted::{self, Done},
        SELDOM_CHANGED, optimistically,
    },
    read::Query,
};
use domain::{
    Fault, OrderId, StoreId, Timestamp, geohash::Cell, order::Status, position::Position,
};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long the row of an order that no longer waits is stored: longer than any queue can delay an
/// event that says it waits.
const RETENTION: Duration = Duration::from_hours(30 * 24);

/// Cells queried concurrently.
const CONCURRENCY: usize = 9;

/// A delivery that waits for a rider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The order's id.
    pub order_id: OrderId,
    /// The order's version.
    pub version: u32,
    /// The store, the origin of the delivery.
    pub store_id: StoreId,
    /// The store's name, if the store has a profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_name: Option<String>,
    /// The store's position when the order was cooked, if the store has a profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_position: Option<Position>,
    /// The destination, rounded to about 100 m. Only the rider who picks the order up sees the
    /// recipient and the exact address.
    pub position: Position,
    /// When the order was cooked: it waits since then.
    pub cooked_at: Timestamp,
}

/// The row of an order's delivery.
#[derive(Debug, Serialize, Deserialize)]
struct DeliveryRow {
    version: u32,
    /// The delivery, while the order waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<Delivery>,
}

impl Deliveries<'_> {
    /// Lists an order for riders while its status is `COOKED`, and removes it otherwise.
    pub async fn project(
        self,
        order: &events::Order,
        projection_source: ProjectionSource,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let waiting =
            if order.status == Status::Cooked { self.waiting(order).await? } else { None };
        self.put(&order.order_id, order.version, waiting, projection_source, now).await
    }

    /// Builds the delivery of an order, with its store's current profile. `None` if the order is
    /// not delivered.
    async fn waiting(self, order: &events::Order) -> Result<Option<Delivery>, Fault> {
        let destination = order.delivery.as_ref().and_then(domain::delivery::Delivery::position);
        let (Some(store_id), Some(destination)) = (&order.store_id, destination) else {
            return Ok(None);
        };
        let profile = self.0.stores().get(store_id).await?;
        Ok(Some(Delivery {
            order_id: order.order_id.clone(),
            version: order.version,
            store_id: store_id.clone(),
            store_position: profile.as_ref().map(|profile| profile.position),
            store_name: profile.map(|profile| profile.name),
            position: destination.coarse(),
            cooked_at: order.updated_at,
        }))
    }

    /// Writes whether the order waits from this version on, unless this version or a later one is
    /// stored; a rebuild also rewrites the same version.
    async fn put(
        self,
        order: &OrderId,
        version: u32,
        waiting: Option<Delivery>,
        projection_source: ProjectionSource,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let (key, table) = (keys::delivery(order), self.0.tables.views.as_str());
        optimistically(SELDOM_CHANGED, || async {
            let known: Option<DeliveryRow> =
                self.0.get(table, &key).await?.map(read).transpose()?;
            let is_current = |known: &DeliveryRow| match projection_source {
                ProjectionSource::Event => known.version >= version,
                ProjectionSource::Rebuild => known.version > version,
            };
            if known.as_ref().is_some_and(is_current) {
                return Ok(Done(()));
            }
            let next = DeliveryRow { version, waiting: waiting.clone() };
            let mut item = row(&key, &next)?;
            if next.waiting.is_none() {
                item.insert("expiresAt".into(), number(now.plus(RETENTION).seconds()));
            }
            let put = Write::put(table, item);
            let put = match &known {
                None => put.when_new(),
                Some(known) => {
                    put.when("version = :seen").value(":seen", number(known.version.into()))
                }
            };
            let mut change = Transaction::default().with(put, ());
            let cell_keys: Vec<Key> = next.waiting.iter().flat_map(cell_keys_of).collect();
            let previous = known.and_then(|known| known.waiting);
            for stale_key in previous
                .iter()
                .flat_map(cell_keys_of)
                .filter(|cell_key| !cell_keys.contains(cell_key))
            {
                change = change.with(Write::delete(table, stale_key), ());
            }
            for (cell_key, delivery) in cell_keys.iter().zip(next.waiting.iter().cycle()) {
                change = change.with(Write::put(table, row(cell_key, delivery)?), ());
            }
            let is_written = change.commit_if_unchanged(self.0).await?;
            Ok(Attempted::done_if(is_written, || ()))
        })
        .await
    }

    /// The deliveries that wait in these cells. Each cell must be at least as fine as
    /// [`keys::COARSE_CELL`].
    pub async fn in_cells(self, end: DeliveryEnd, cells: &[Cell]) -> Result<Vec<Delivery>, Fault> {
        let search = |cell: &Cell| {
            let (pk, prefix) = (keys::near(end, cell.within(keys::COARSE_CELL)), cell.to_string());
            async move {
                let query = Query {
                    table: &self.0.tables.views,
                    pk: &pk,
                    prefix: &prefix,
                    newest_first: false,
                };
                self.0.query_all(&query).await
            }
        };
        let found: Vec<_> =
            stream::iter(cells).map(search).buffered(CONCURRENCY).try_collect().await?;
        found.into_iter().flatten().map(read).collect()
    }

    /// Whether each of these orders is listed as waiting for a rider.
    pub async fn are_waiting(self, orders: &[OrderId]) -> Result<Vec<bool>, Fault> {
        let table = self.0.tables.views.as_str();
        let mut found =
            self.0.batch_get(orders.iter().map(|order| (table, keys::delivery(order)))).await?;
        let is_waiting = |order| match found.take(&keys::delivery(order)) {
            Some(item) => Ok(read::<DeliveryRow>(item)?.waiting.is_some()),
            None => Ok(false),
        };
        orders.iter().map(is_waiting).collect()
    }
}

/// The keys of a waiting delivery's cell rows.
fn cell_keys_of(delivery: &Delivery) -> impl Iterator<Item = Key> {
    let near_store = delivery.store_position.map(|position| (DeliveryEnd::Store, position));
    let all = std::iter::once((DeliveryEnd::Customer, delivery.position)).chain(near_store);
    all.map(|(whom, position)| keys::nearby(whom, position, &delivery.order_id))
}
