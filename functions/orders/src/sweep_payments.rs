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
    Function::schedule("sweep-payments", |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

async fn handle(store: Store, tick: Tick) -> Result<(), Fault> {
    let store = store.until(tick.deadline);
    for shard in 0..ATTEMPT_SHARDS {
        let mut from = None;
        loop {
            let (overdue, next) = store.overdue_attempts(shard, tick.now.minus(OVERDUE_AFTER), from).await?;
            for due in overdue {
                if store.now().plus(CLOSING_TIME) >= tick.deadline {
                    return Ok(());
                }
                if store.remind_attempt(&due, store.now()).await? {
                    tracing::warn!(payable = %due.payable, attempt = due.attempt, "a payment is overdue, and looked at anew");
                }
            }
            from = next;
            if from.is_none() {
                break;
            }
        }
    }
    Ok(())
}
