//! `sweep-payments` runs every minute and finds attempts to charge cards that were not checked in
//! time (결제 점검). It makes them due again: `relay-orders` reads the change from the stream of the
//! orders table and sends a new message to `settle-payments`.
//!
//! Usually it finds none. A message may have been lost, may have expired in a dead-letter queue, or
//! may never have been sent. The row of an attempt remains due until the attempt ends.

use domain::Fault;
use edge::{Function, Tick};
use std::time::Duration;
use store::{Store, attempts::ATTEMPT_SHARDS};

/// The time after which the message of a due attempt counts as lost.
const OVERDUE_AFTER: Duration = Duration::from_mins(5);

/// The time reserved for the attempt in progress. The next run handles the remaining attempts.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// The `sweep-payments` handler.
pub fn function() -> Function {
    Function::schedule("sweep-payments", handle)
}

async fn handle(store: Store, tick: Tick) -> Result<(), Fault> {
    let store = store.until(tick.deadline);
    let mut failure = None;
    // A row that cannot be changed, or a shard that cannot be read, must not block the others.
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
        let (overdue, next) =
            store.attempts().overdue(shard, tick.now.minus(OVERDUE_AFTER), from).await?;
        for due in overdue {
            if store.now().plus(CLOSING_TIME) >= tick.deadline {
                return failure.map_or(Ok(()), Err);
            }
            match store.attempts().reschedule(&due, store.now()).await {
                Ok(true) => {
                    tracing::warn!(payable = %due.payable, attempt = due.attempt, "an overdue payment is due again");
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
