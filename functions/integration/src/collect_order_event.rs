//! `collect-order-event` stores external orders from events on the bus, as `collect-order` does
//! from requests. An event of type `ExternalOrder` holds the order with its `source` and
//! `externalOrderId`.

use domain::{ExternalOrderId, Failure, Fault, NotStarted, Open, SourceId, actor::Actor};
use edge::{DeadLetterError, Environment, Function, Message, SourceQueue};
use ordering::{external_order, external_order_update::ExternalOrder};
use serde::Deserialize;
use std::time::Duration;
use store::Store;

/// The backoff after the first failure.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// The longest backoff.
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// The `collect-order-event` handler.
pub fn function() -> Function {
    Function::queue("collect-order-event", handle)
}

#[derive(Clone)]
struct Resources {
    store: Store,
    queue: SourceQueue,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let queue =
            SourceQueue::open(env, "COLLECT_ORDER_EVENT_QUEUE", FIRST_BACKOFF, LONGEST_BACKOFF)?;
        Ok(Self { store: env.open()?, queue })
    }
}

/// The key of an event's order. The other fields of the event are the order's state.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderKey {
    source: SourceId,
    external_order_id: ExternalOrderId,
}

/// Why an event stays in the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotCollected {
    /// An error on our side.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The event could not be dead-lettered.
    #[error(transparent)]
    DeadLetter(#[from] DeadLetterError),
}

async fn handle(
    Resources { store, queue }: Resources,
    message: Message,
) -> Result<(), NotCollected> {
    let event =
        message.json::<OrderKey>().and_then(|key| Ok((key, message.json::<ExternalOrder>()?)));
    let (OrderKey { source, external_order_id }, update) = match event {
        Ok(event) => event,
        Err(malformed) => return Ok(queue.dead_letter(&message, malformed).await?),
    };
    let store = store.until(message.deadline);
    let (by, now) = (Actor::System, message.now);
    match external_order::upsert(&store, &source, &external_order_id, update, &by, now).await {
        Ok(_) => Ok(()),
        Err(Failure::Fault(fault)) => {
            queue.hide(&message, Duration::ZERO).await;
            Err(fault.into())
        }
        // A retry would be refused as well.
        Err(Failure::Refused(refusal)) => Ok(queue.dead_letter(&message, refusal).await?),
    }
}
