//! `sweep-payments` finds, every minute, the attempts to charge cards at which nobody looked in time (결제 점검), and makes them due
//! again: the stream of the orders table then tells `settle-payments` of them.
//!
//! Usually it finds nothing. A message may be lost, may have waited too long in a dead-letter queue, or was never sent; the row
//! of an attempt stays until its end.

use domain::Fault;
use edge::{Function, Tick};
use std::time::Duration;
use store::{Store, attempts::ATTEMPT_SHARDS};

/// Whose message has not come so long after it was due has no message.
const OVERDUE_AFTER: Duration = Duration::from_mins(5);

/// The time that is kept for the work under way; what is left is for the next minute.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// The function.
pub fn function() -> Function {
    Function::schedule("sweep-payments", handle)
}

async fn handle(store: Store, tick: Tick) -> Result<(), Fault> {
    let store = store.until(tick.deadline);
    let mut failure = None;
    // Neither a row that cannot be changed nor a part of the index that cannot be read keeps the others waiting.
    for shard in 0..ATTEMPT_SHARDS {
        if let Err(fault) = sweep_shard(&store, shard, tick).await {
            failure = Some(fault);
        }
    }
    failure.map_or(Ok(()), Err)
}

async fn sweep_shard(store: &Store, shard: u8, tick: Tick) -> Result<(), Fault> {
    let (mut failure, mut from) = (None, None);
    loop {
        let (overdue, next) = store.attempts().overdue(shard, tick.now.minus(OVERDUE_AFTER), from).await?;
        for due in overdue {
            if store.now().plus(CLOSING_TIME) >= tick.deadline {
                return failure.map_or(Ok(()), Err);
            }
            match store.attempts().remind(&due, store.now()).await {
                Ok(true) => {
                    tracing::warn!(payable = %due.payable, attempt = due.attempt, "a payment is overdue, and looked at anew");
                }
                Ok(false) => {}
                Err(fault) => failure = Some(fault),
            }
        }
        from = next;
        if from.is_none() {
            return failure.map_or(Ok(()), Err);
        }
    }
}
