//! `schedule-deliveries` sends, every minute, the messages of the deliveries to webhooks that are due (전송 예약).
//!
//! The deliveries of one receiver wait on its circuit as one: while it is open nothing is sent for any of them; when it may be
//! probed, the message of the oldest; when it is closed, those of all that are due, up to a limit.

use crate::{deliver_webhook::circuit_of, endpoints::Endpoints};
use domain::{Fault, NotStarted, Open, Timestamp, WebhookName, circuit::Admission, webhook::GIVEN_UP_AFTER};
use edge::{Environment, Function, SendError, SourceQueue, Tick};
use futures::future::{join_all, try_join_all};
use std::time::Duration;
use store::{Store, webhooks::DueWebhookDelivery};

/// What has been due for less has a message of its own under way.
const OVERDUE_AFTER: Duration = Duration::from_secs(30);

/// For how long a delivery whose message is sent is nobody else's: a message that is lost is sent again after that.
const PUT_OFF_FOR: Duration = Duration::from_mins(10);

/// The most messages for one receiver in one run.
const MAX_AT_ONCE: i32 = 1_000;

/// How many deliveries are put off side by side: as many messages go in one call of the queue.
const CONCURRENCY: usize = 10;

/// How many receivers are looked at side by side.
const RECEIVERS: usize = 4;

/// The time that is kept for the work under way; what is left is for the next minute.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// The function.
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
        let queue = SourceQueue::open(env, "DELIVER_WEBHOOK_QUEUE", Duration::ZERO, Duration::ZERO)?;
        Ok(Self { endpoints: env.open()?, queue })
    }
}

/// Why what is due is not sent yet.
#[derive(Debug, thiserror::Error)]
pub enum NotScheduled {
    /// The machinery failed.
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
        let scheduled = join_all(some.iter().map(|endpoint| schedule(&resources, &store, &endpoint.name, &tick))).await;
        // What fails for one receiver keeps no other one waiting.
        failure = scheduled.into_iter().find_map(Result::err).or(failure);
    }
    failure.map_or(Ok(()), Err)
}

/// Sends what is due to one receiver.
async fn schedule(resources: &Resources, store: &Store, name: &WebhookName, tick: &Tick) -> Result<(), NotScheduled> {
    let (overdue_since, limit) = match store.circuits().admission(&circuit_of(name)).await? {
        Admission::Call => (OVERDUE_AFTER, MAX_AT_ONCE),
        Admission::Probe(_) => (OVERDUE_AFTER, 1),
        // What has waited in vain for so long is given up.
        Admission::Wait(_) => (GIVEN_UP_AFTER, MAX_AT_ONCE),
    };
    let due = store.webhooks().due_deliveries(name, tick.now.minus(overdue_since), limit).await?;
    for some in due.chunks(CONCURRENCY) {
        if store.now().plus(CLOSING_TIME) >= tick.deadline {
            return Ok(());
        }
        let until = store.now().plus(PUT_OFF_FOR);
        let put_off: Vec<_> = some.iter().map(|due| put_off(store, due, until)).collect();
        let messages: Vec<String> = try_join_all(put_off).await?.into_iter().flatten().collect();
        resources.queue.send_all(&messages).await?;
    }
    Ok(())
}

/// Puts a delivery off, and writes the message that names it as it is then; none, if it has gone on meanwhile.
async fn put_off(store: &Store, due: &DueWebhookDelivery, until: Timestamp) -> Result<Option<String>, Fault> {
    if !store.webhooks().postpone_delivery(due, until).await? {
        return Ok(None);
    }
    let due = DueWebhookDelivery { next_attempt_at: until, ..due.clone() };
    serde_json::to_string(&due).map(Some).map_err(Fault::broken)
}
