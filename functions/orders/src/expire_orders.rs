//! `expire-orders` runs every minute and expires the orders that were not paid in time (주문 만료). One
//! transaction per order expires it and releases its stock and its coupon.
//!
//! Overdue orders are found in an index that contains only unpaid orders. The index is eventually
//! consistent, so each order is read again, and the transaction asserts that the order is unchanged
//! since.

use domain::{Fault, OrderId, Timestamp, actor::Actor, lifecycle::Command};
use edge::{Function, Tick};
use futures::{StreamExt, stream};
use std::time::Duration;
use store::{
    Store,
    orders::{PlacedOrder, UNPAID_SHARDS},
    transition::TransitionError,
};

/// Orders of a page that are expired concurrently.
const CONCURRENCY: usize = 10;

/// The time reserved for the orders in progress. The next run expires the remaining orders.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// The `expire-orders` handler.
pub fn function() -> Function {
    Function::schedule("expire-orders", handle)
}

async fn handle(store: Store, tick: Tick) -> Result<(), Fault> {
    let store = store.until(tick.deadline);
    let mut failure = None;
    // An order that cannot be expired, or a shard that cannot be read, must not block the others.
    for shard in 0..UNPAID_SHARDS {
        if let Err(fault) = expire_shard(&store, shard, tick).await {
            failure = Some(fault);
        }
    }
    failure.map_or(Ok(()), Err)
}

async fn expire_shard(store: &Store, shard: u8, tick: Tick) -> Result<(), Fault> {
    let (mut failure, mut place) = (None, None);
    while store.now().plus(CLOSING_TIME) < tick.deadline {
        let (overdue, next) = store.orders().overdue(shard, tick.now, place).await?;
        let outcomes = stream::iter(overdue).map(|order| expire(store.clone(), order, tick.now));
        let outcomes: Vec<_> = outcomes.buffer_unordered(CONCURRENCY).collect().await;
        failure = outcomes.into_iter().find_map(Result::err).or(failure);
        place = next;
        if place.is_none() {
            break;
        }
    }
    failure.map_or(Ok(()), Err)
}

async fn expire(store: Store, order_id: OrderId, now: Timestamp) -> Result<(), Fault> {
    let Some(before) = store.orders().get(&order_id).await? else { return Ok(()) };
    let Ok(expired) = before.order.decide(Command::Expire, Actor::System, now) else {
        return Ok(());
    };
    let after = PlacedOrder { order: before.order.clone().apply(&expired), ..before.clone() };
    match store.orders().commit(store.orders().transition(&before.order, &after)?).await {
        // The order was paid or cancelled in the meantime, so it does not expire.
        Ok(()) | Err(TransitionError::Conflict) => Ok(()),
        Err(other) => Err(other.into_fault()),
    }
}
