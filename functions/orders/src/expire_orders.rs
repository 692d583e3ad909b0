//! `expire-orders` ends the orders that were not paid in time, every minute (주문 만료): stock and coupon are back with it,
//! in one transaction for each order.
//!
//! Who is overdue is told by an index that has the unpaid orders alone. The index follows the orders by a moment; that an
//! order still waits is asserted when it is ended.

use domain::{Fault, OrderId, Timestamp, actor::Actor, order::Command};
use edge::{Function, Tick};
use futures::{StreamExt, stream};
use std::{collections::HashSet, time::Duration};
use store::{
    Store,
    changes::NotChanged,
    orders::{PlacedOrder, UNPAID_SHARDS},
};

/// Orders that are read from the index at once.
const PAGE: u16 = 100;

/// Orders that are ended side by side.
const SIDE_BY_SIDE: usize = 10;

/// The time that is kept for the orders under way; what is left is for the next minute.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// The function.
pub fn function() -> Function {
    Function::schedule("expire-orders", |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

async fn handle(store: Store, tick: Tick) -> Result<(), Fault> {
    let store = store.until(tick.deadline);
    let mut failure = None;
    for shard in 0..UNPAID_SHARDS {
        // The index may still tell of what was ended a moment ago.
        let mut seen: HashSet<OrderId> = HashSet::new();
        loop {
            let overdue = store.overdue_orders(shard, tick.now, PAGE).await?;
            let fresh: Vec<OrderId> = overdue.into_iter().filter(|order| seen.insert(order.clone())).collect();
            if fresh.is_empty() || store.now().plus(CLOSING_TIME) > tick.deadline {
                break;
            }
            let outcomes = stream::iter(fresh).map(|order| expire(store.clone(), order, tick.now));
            let outcomes: Vec<_> = outcomes.buffer_unordered(SIDE_BY_SIDE).collect().await;
            // One order that cannot be ended does not keep the others waiting.
            failure = outcomes.into_iter().find_map(Result::err).or(failure);
        }
    }
    failure.map_or(Ok(()), Err)
}

async fn expire(store: Store, order_id: OrderId, now: Timestamp) -> Result<(), Fault> {
    let Some(before) = store.order(&order_id).await? else { return Ok(()) };
    let Ok(expired) = before.order.decide(Command::Expire, Actor::System, now) else { return Ok(()) };
    let after = PlacedOrder { order: before.order.clone().apply(&expired), ..before.clone() };
    match store.commit_change(store.change(&before.order, &after)?).await {
        // Paid or called off a moment ago: so much the better.
        Ok(()) | Err(NotChanged::Stale) => Ok(()),
        Err(NotChanged::Fault(fault)) => Err(fault),
        Err(other @ (NotChanged::PointsShort | NotChanged::BalanceFull)) => Err(Fault::broken(other)),
    }
}
