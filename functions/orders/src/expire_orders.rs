//! `expire-orders` ends the orders that were not paid in time, every minute (주문 만료): stock and coupon are back with it,
//! in one transaction for each order.
//!
//! Who is overdue is told by an index that has the unpaid orders alone. The index follows the orders by a moment; that an
//! order still waits is asserted when it is ended.

use domain::{Fault, OrderId, Timestamp, actor::Actor, lifecycle::Command};
use edge::{Function, Tick};
use futures::{StreamExt, stream};
use std::time::Duration;
use store::{
    Store,
    orders::{PlacedOrder, UNPAID_SHARDS},
    transition::TransitionError,
};

/// Orders that are ended side by side.
const CONCURRENCY: usize = 10;

/// The time that is kept for the orders under way; what is left is for the next minute.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// The function.
pub fn function() -> Function {
    Function::schedule("expire-orders", handle)
}

async fn handle(store: Store, tick: Tick) -> Result<(), Fault> {
    let store = store.until(tick.deadline);
    let mut failure = None;
    // Neither an order that cannot be ended nor a part of the index that cannot be read keeps the others waiting.
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
    let Ok(expired) = before.order.decide(Command::Expire, Actor::System, now) else { return Ok(()) };
    let after = PlacedOrder { order: before.order.clone().apply(&expired), ..before.clone() };
    match store.orders().commit(store.orders().transition(&before.order, &after)?).await {
        // Paid or called off a moment ago: so much the better.
        Ok(()) | Err(TransitionError::Conflict) => Ok(()),
        Err(other) => Err(other.into_fault()),
    }
}
