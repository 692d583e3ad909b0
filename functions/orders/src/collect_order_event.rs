//! `collect-order-event` collects orders that another system made from events on the bus, as `collect-order` does from
//! requests: an event of type `ExternalOrder` holds the order with its `source` and `externalOrderId`.

use crate::collecting::{CollectRefusal, ExternalOrder, collect};
use domain::{ExternalOrderId, Fault, SourceId};
use edge::{Environment, Function, Message, NotLaidAside, NotStarted, Pacer};
use serde::Deserialize;
use std::time::Duration;
use store::Store;

/// The pause after the first failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The function.
pub fn function() -> Function {
    Function::queue("collect-order-event", Collector::open, handle)
}

#[derive(Clone)]
struct Collector {
    store: Store,
    pacer: Pacer,
}

impl Collector {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        Ok(Self {
            store: Store::open(&env.aws, |name| env.variable(name))?,
            pacer: Pacer::open(env, "COLLECT_ORDER_EVENT_QUEUE", FIRST_PAUSE, LONGEST_PAUSE)?,
        })
    }
}

/// Which order an event tells of; the rest of it is the order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Which {
    source: SourceId,
    external_order_id: ExternalOrderId,
}

/// Why an event stays in the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotCollected {
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It could not be laid aside.
    #[error(transparent)]
    NotLaidAside(#[from] NotLaidAside),
}

async fn handle(collector: Collector, message: Message) -> Result<(), NotCollected> {
    let told = message.json::<Which>().and_then(|which| Ok((which, message.json::<ExternalOrder>()?)));
    let (Which { source, external_order_id }, order) = match told {
        Ok(told) => told,
        Err(not_json) => return Ok(collector.pacer.lay_aside(&message, not_json).await?),
    };
    let store = collector.store.until(message.deadline);
    match collect(&store, &source, &external_order_id, order, message.now).await {
        Ok(_) => Ok(()),
        Err(CollectRefusal::Fault(fault)) => {
            collector.pacer.hide(&message, Duration::ZERO).await;
            Err(fault.into())
        }
        // What is refused once is refused always: somebody must look.
        Err(refused) => Ok(collector.pacer.lay_aside(&message, refused).await?),
    }
}
