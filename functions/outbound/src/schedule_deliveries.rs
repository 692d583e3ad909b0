//! `schedule-deliveries` runs every minute and sends the messages of the webhook deliveries that
//! are due (전송 예약).
//!
//! The deliveries to one endpoint share its circuit. While the circuit is open, no message is sent.
//! When it may be probed, the message of the oldest delivery is sent. When it is closed, the
//! messages of all due deliveries are sent, up to a limit.

use crate::{deliver_webhook::circuit_of, endpoints::Endpoints};
use domain::{
    Fault, NotStarted, Open, Timestamp, WebhookName, circuit::Admission, webhook::EXHAUSTED_AFTER,
};
use edge::{Environment, Function, SendError, SourceQueue, Tick};
use futures::future::{join_all, try_join_all};
use std::time::Duration;
use store::{Store, webhooks::DueWebhookDelivery};

/// A delivery that has been due for less than this still has a message in flight.
const OVERDUE_AFTER: Duration = Duration::from_secs(30);

/// How long a delivery is postponed when its message is sent, so that no other run sends it too. A
/// lost message is sent again after that.
const POSTPONED_FOR: Duration = Duration::from_mins(10);

/// The maximum number of messages for one endpoint in one run.
const MAX_AT_ONCE: i32 = 1_000;

/// How many deliveries are postponed in parallel: their messages fit into one call to the queue.
const CONCURRENCY: usize = 10;

/// How many endpoints are processed in parallel.
const RECEIVERS: usize = 4;

/// The time reserved before the deadline for work in progress. The remaining deliveries are left to
/// the next run.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// The `schedule-deliveries` handler.
pub fn function() -> Function {
    Function::schedule("schedule-deliveries", handle)
}

#[derive(Clone)]
struct Resources {
    endpoints: Endpoints,
    queue: SourceQueue,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let queue =
            SourceQueue::open(env, "DELIVER_WEBHOOK_QUEUE", Duration::ZERO, Duration::ZERO)?;
        Ok(Self { endpoints: env.open()?, queue })
    }
}

/// Why due messages were not sent.
#[derive(Debug, thiserror::Error)]
pub enum NotScheduled {
    /// An error on our side.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A message could not be sent.
    #[error(transparent)]
    SendError(#[from] SendError),
}

async fn handle(resources: Resources, tick: Tick) -> Result<(), NotScheduled> {
    let store = resources.endpoints.store.until(tick.deadline);
    let endpoints = resources.endpoints.all(&store).await?;
    let mut failure = None;
    for some in endpoints.chunks(RECEIVERS) {
        let scheduled = join_all(
            some.iter().map(|endpoint| schedule(&resources, &store, &endpoint.name, &tick)),
        )
        .await;
        // A failure for one endpoint does not delay the others.
        failure = scheduled.into_iter().find_map(Result::err).or(failure);
    }
    failure.map_or(Ok(()), Err)
}

/// Sends the messages of the deliveries that are due to one endpoint.
async fn schedule(
    resources: &Resources,
    store: &Store,
    name: &WebhookName,
    tick: &Tick,
) -> Result<(), NotScheduled> {
    let (overdue_since, limit) = match store.circuits().admission(&circuit_of(name)).await? {
        Admission::Call => (OVERDUE_AFTER, MAX_AT_ONCE),
        Admission::Probe(_) => (OVERDUE_AFTER, 1),
        // Only deliveries that waited for the whole retry schedule: `deliver-webhook` ends them.
        Admission::Wait(_) => (EXHAUSTED_AFTER, MAX_AT_ONCE),
    };
    let due = store.webhooks().due_deliveries(name, tick.now.minus(overdue_since), limit).await?;
    for some in due.chunks(CONCURRENCY) {
        if store.now().plus(CLOSING_TIME) >= tick.deadline {
            return Ok(());
        }
        let until = store.now().plus(POSTPONED_FOR);
        let postponed: Vec<_> = some.iter().map(|due| postpone(store, due, until)).collect();
        let messages: Vec<String> = try_join_all(postponed).await?.into_iter().flatten().collect();
        resources.queue.send_all(&messages).await?;
    }
    Ok(())
}

/// Postpones a delivery and returns its message, with the new due time. Returns `None` if the
/// delivery changed in the meantime.
async fn postpone(
    store: &Store,
    due: &DueWebhookDelivery,
    until: Timestamp,
) -> Result<Option<String>, Fault> {
    if !store.webhooks().postpone_delivery(due, until).await? {
        return Ok(None);
    }
    let due = DueWebhookDelivery { next_attempt_at: until, ..due.clone() };
    serde_json::to_string(&due).map(Some).map_err(Fault::broken)
}
