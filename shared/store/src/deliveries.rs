//! Deliveries: the orders that wait for a rider, to be found by where they go and where they come from.
//!
//! Each has one row that says which version of the order it stands for, and while it waits a row in a cell near its customer
//! and one near its store. All are written together, so a delivery is in the cells exactly while its own row says that it
//! waits; versions not above its own change nothing.

use crate::{
    CommitError, Deliveries, ProjectionSource, Transaction, Write,
    item::{number, read, row},
    keys::{self, Key, Near},
    read::Query,
};
use domain::{
    Fault, OrderId, StoreId, Timestamp,
    geohash::{Cell, Position},
    order::Status,
};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long it is known that a delivery no longer waits: longer than any queue keeps an event that says it does.
const KEPT: Duration = Duration::from_hours(30 * 24);

/// How often a delivery is read anew when it changed in between.
const ATTEMPTS: usize = 4;

/// Cells that are searched side by side.
const CONCURRENCY: usize = 9;

/// A delivery that waits for a rider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The order.
    pub order_id: OrderId,
    /// Its version.
    pub version: u32,
    /// The store from which it comes.
    pub store_id: StoreId,
    /// The store's name, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_name: Option<String>,
    /// Where the store was when the order was cooked, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_position: Option<Position>,
    /// Where it goes, within some 100 m: to whom and where exactly is for the rider who picks it up.
    pub position: Position,
    /// Since when it waits.
    pub cooked_at: Timestamp,
}

/// What is known of an order's delivery.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    version: u32,
    /// The delivery, while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<Delivery>,
}

impl Deliveries<'_> {
    /// Lists an order for riders while it is cooked, and removes it otherwise.
    pub async fn project(
        self,
        order: &events::Order,
        projection_source: ProjectionSource,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let waiting = if order.status == Status::Cooked { self.waiting(order).await? } else { None };
        self.put(&order.order_id, order.version, waiting, projection_source, now).await
    }

    /// An order as a delivery, with its store as it is known now. `None` if the order is not delivered.
    async fn waiting(self, order: &events::Order) -> Result<Option<Delivery>, Fault> {
        let destination = order.delivery.as_ref().and_then(domain::delivery::Delivery::position);
        let (Some(store_id), Some(destination)) = (&order.store_id, destination) else { return Ok(None) };
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

    /// From this version of an order on it waits for a rider, or no longer does; unless that is no news.
    async fn put(
        self,
        order: &OrderId,
        version: u32,
        waiting: Option<Delivery>,
        projection_source: ProjectionSource,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let (key, table) = (keys::delivery(order), self.0.tables.views.as_str());
        for _ in 0..ATTEMPTS {
            let known: Option<Known> = self.0.get(table, &key).await?.map(read).transpose()?;
            let is_known = |known: &Known| match projection_source {
                ProjectionSource::Event => known.version >= version,
                ProjectionSource::Rebuild => known.version > version,
            };
            if known.as_ref().is_some_and(is_known) {
                return Ok(());
            }
            let next = Known { version, waiting: waiting.clone() };
            let mut item = row(&key, &next)?;
            if next.waiting.is_none() {
                item.insert("expiresAt".into(), number(now.plus(KEPT).seconds()));
            }
            let put = Write::put(table, item);
            let put = match &known {
                None => put.when_new(),
                Some(known) => put.when("version = :seen").value(":seen", number(known.version.into())),
            };
            let mut change = Transaction::default().with(put, ());
            let are_now: Vec<Key> = next.waiting.iter().flat_map(places).collect();
            let were = known.and_then(|known| known.waiting);
            for gone in were.iter().flat_map(places).filter(|place| !are_now.contains(place)) {
                change = change.with(Write::delete(table, gone), ());
            }
            for (place, delivery) in are_now.iter().zip(next.waiting.iter().cycle()) {
                change = change.with(Write::put(table, row(place, delivery)?), ());
            }
            match change.commit(self.0).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Failed(_)) => {}
                Err(CommitError::Fault(fault)) => return Err(fault),
            }
        }
        Err(Fault::busy("the delivery changes faster than it can be projected"))
    }

    /// The deliveries that wait in these cells, each of which is as coarse as [`keys::COARSE_CELL`] or finer.
    pub async fn in_cells(self, whom: Near, cells: &[Cell]) -> Result<Vec<Delivery>, Fault> {
        let search = |cell: &Cell| {
            let (pk, prefix) = (keys::near(whom, cell.within(keys::COARSE_CELL)), cell.to_string());
            async move {
                let query = Query { table: &self.0.tables.views, pk: &pk, prefix: &prefix, newest_first: false };
                self.0.query_all(&query).await
            }
        };
        let found: Vec<_> = stream::iter(cells).map(search).buffered(CONCURRENCY).try_collect().await?;
        found.into_iter().flatten().map(read).collect()
    }

    /// Which of these orders are known to wait for a rider.
    pub async fn are_waiting(self, orders: &[OrderId]) -> Result<Vec<bool>, Fault> {
        let table = self.0.tables.views.as_str();
        let mut found = self.0.batch_get(orders.iter().map(|order| (table, keys::delivery(order)))).await?;
        let is_waiting = |order| match found.take(&keys::delivery(order)) {
            Some(item) => Ok(read::<Known>(item)?.waiting.is_some()),
            None => Ok(false),
        };
        orders.iter().map(is_waiting).collect()
    }
}

/// Where a delivery that waits is to be found.
fn places(delivery: &Delivery) -> impl Iterator<Item = Key> {
    let near_store = delivery.store_position.map(|position| (Near::Store, position));
    let all = std::iter::once((Near::Customer, delivery.position)).chain(near_store);
    all.map(|(whom, position)| keys::nearby(whom, position, &delivery.order_id))
}
