//! `deliver-webhook` delivers order events to webhook endpoints, signed (Standard Webhooks 1.0.0).
//!
//! Each event from the bus fans out to one delivery, and one message, per subscribed endpoint.
//! Deliveries are independent: each endpoint has its own retry schedule, circuit breaker and log. A
//! worker claims a delivery, sends it and records the result. Failed deliveries are retried by the
//! schedule of the specification: ten attempts over three days, under the same id. `Retry-After`
//! opens the endpoint's circuit. `410 Gone` disables a registered webhook.
//!
//! The row of a delivery holds the time when it is due. `schedule-deliveries` finds due rows and
//! sends their messages. This function sends a message itself only if the retry is due before the
//! schedule could find it. A message thus makes only a few hops: Lambda stops a function that keeps
//! sending to its own queue.

use crate::endpoints::{Endpoint, Endpoints, Secrets};
use domain::{
    DeliveryId, Fault, NotStarted, Open, Timestamp, WebhookName,
    circuit::Thresholds,
    webhook::{EXHAUSTED_AFTER, MAX_COOL_DOWN, pause_after},
};
use edge::{
    DeadLetterError, Environment, Function, Message, SendError, Signal, SourceQueue, signal,
};
use events::{Envelope, Order};
use partners::receiver::{DeliveryError, Outgoing, Reach, Sender};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use store::{
    Store,
    circuits::{Breaker, CircuitOpen},
    optimistic::{
        Attempted::{self, Conflict, Done},
        SELDOM_CHANGED, optimistically, optimistically_from,
    },
    webhooks::{DeliveryAttempt, DeliveryStatus, DueWebhookDelivery, WebhookDelivery},
};

/// The backoff after the first error on our side.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// The longest such backoff.
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// A retry due sooner than this is sent from here: the schedule would be late for it.
const SCHEDULED_AFTER: Duration = Duration::from_mins(1);

/// How long a worker's claim on a delivery lasts. After that, another worker may send it.
const CLAIMED_FOR: Duration = Duration::from_secs(30);

/// Why the deliveries of a removed webhook fail.
pub(crate) const REMOVED: &str = "the webhook was removed";

/// The `deliver-webhook` handler.
pub fn function() -> Function {
    Function::queue("deliver-webhook", handle)
}

#[derive(Clone)]
struct Resources {
    endpoints: Endpoints,
    secrets: Secrets,
    sender: Sender,
    queue: SourceQueue,
    thresholds: Thresholds,
    /// One breaker per endpoint.
    breakers: Arc<Mutex<HashMap<WebhookName, Breaker>>>,
}

/// The name of an endpoint's circuit.
pub(crate) fn circuit_of(name: &WebhookName) -> String {
    format!("webhook-{name}")
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let endpoints = env.open()?;
        Ok(Self {
            secrets: Secrets::open(env, &endpoints)?,
            endpoints,
            sender: Sender::new(Reach { allows_loopback: env.allows_loopback })?,
            queue: SourceQueue::open(env, "DELIVER_WEBHOOK_QUEUE", FIRST_BACKOFF, LONGEST_BACKOFF)?,
            thresholds: env.open()?,
            breakers: Arc::default(),
        })
    }
}

impl Resources {
    fn breaker(&self, name: &WebhookName) -> Breaker {
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        breakers
            .entry(name.clone())
            .or_insert_with(|| Breaker::new(circuit_of(name), self.thresholds))
            .clone()
    }
}

/// Why a message stays in the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotDelivered {
    /// An error on our side.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The message of a delivery could not be sent.
    #[error(transparent)]
    SendError(#[from] SendError),
    /// The message could not be dead-lettered.
    #[error(transparent)]
    DeadLetterError(#[from] DeadLetterError),
}

async fn handle(resources: Resources, message: Message) -> Result<(), NotDelivered> {
    let store = resources.endpoints.store.until(message.deadline);
    let done = match message.json::<DueWebhookDelivery>() {
        Ok(due) => deliver(&resources, &store, &due).await,
        Err(_) => match message.json::<Envelope<Order>>() {
            Ok(envelope) => fan_out(&resources, &store, &envelope, &message).await,
            Err(malformed) => return Ok(resources.queue.dead_letter(&message, malformed).await?),
        },
    };
    if done.is_err() {
        resources.queue.hide(&message, Duration::ZERO).await;
    }
    done
}

/// Creates one delivery of an event per subscribed endpoint, exactly once. If a crash prevents a
/// message from being sent, the schedule sends it.
async fn fan_out(
    resources: &Resources,
    store: &Store,
    envelope: &Envelope<Order>,
    message: &Message,
) -> Result<(), NotDelivered> {
    let order = &envelope.data;
    let is_of_campaign = order.campaign_id.is_some();
    for endpoint in resources.endpoints.all(store).await? {
        if !endpoint.is_active || !endpoint.choice.accepts(envelope.event_type, is_of_campaign) {
            continue;
        }
        let delivery = WebhookDelivery {
            delivery_id: DeliveryId::of(&order.order_id, order.version, envelope.time),
            webhook: endpoint.name.clone(),
            registered_at: endpoint.registered_at,
            event_id: envelope.id.clone(),
            event_type: envelope.event_type,
            body: message.body.clone(),
            status: DeliveryStatus::Pending,
            attempts: Vec::new(),
            begun_at: message.now,
            failed_in_row: 0,
            given_up_because: None,
            next_attempt_at: message.now,
            created_at: message.now,
            writes: 1,
        };
        if store.webhooks().put_delivery(&delivery).await? {
            resources.queue.send(&due(&delivery)?, Duration::ZERO).await?;
        }
    }
    Ok(())
}

/// The queue message of a delivery.
pub(crate) fn due(delivery: &WebhookDelivery) -> Result<String, Fault> {
    serde_json::to_string(&DueWebhookDelivery::from(delivery)).map_err(Fault::broken)
}

/// Attempts a due delivery. Nothing is sent if another worker has claimed it, or if the endpoint's
/// circuit is open: then its row waits for the schedule.
async fn deliver(
    resources: &Resources,
    store: &Store,
    due: &DueWebhookDelivery,
) -> Result<(), NotDelivered> {
    let Some(delivery) = store.webhooks().delivery(&due.webhook, &due.delivery_id).await? else {
        return Ok(());
    };
    if delivery.status != DeliveryStatus::Pending || delivery.next_attempt_at != due.next_attempt_at
    {
        // The delivery has ended or was rescheduled. If it is due again, it has another message.
        return Ok(());
    }
    let now = store.now();
    let found = resources.endpoints.find(store, &due.webhook).await?;
    let found = found.filter(|(endpoint, _)| endpoint.registered_at == delivery.registered_at);
    let Some((endpoint, webhook)) = found else {
        return Ok(give_up(store, delivery, REMOVED).await?);
    };
    if !endpoint.is_active {
        return Ok(give_up(store, delivery, "the webhook is inactive").await?);
    }
    let secrets = resources.secrets.of(&endpoint, webhook.as_ref(), now).await?;
    let breaker = resources.breaker(&endpoint.name);
    let permit = match breaker.admit(store).await {
        Ok(permit) => permit,
        Err(_) if delivery.begun_at.plus(EXHAUSTED_AFTER) <= now => {
            return Ok(
                give_up(store, delivery, "the circuit stayed open for the whole schedule").await?
            );
        }
        // The schedule postponed the delivery when it sent this message. It becomes due again as
        // soon as the circuit may be probed.
        Err(CircuitOpen(wait)) => {
            let again = now.plus(wait);
            if delivery.next_attempt_at > again {
                store.webhooks().postpone_delivery(due, again).await?;
            }
            return Ok(());
        }
    };
    let claimed = WebhookDelivery {
        next_attempt_at: now.plus(CLAIMED_FOR),
        writes: delivery.writes + 1,
        ..delivery.clone()
    };
    match store.webhooks().put_delivery(&claimed).await {
        Ok(true) => {}
        not_claimed => {
            breaker.release(store, permit).await;
            return not_claimed.map(drop).map_err(Into::into);
        }
    }
    let outgoing = Outgoing {
        url: &endpoint.url,
        id: &claimed.event_id,
        body: &claimed.body,
        secrets: &secrets,
        may_lead_anywhere: endpoint.registered_at.is_none(),
    };
    let at = store.now();
    let sent = resources.sender.send(&outgoing, at).await;
    let result = permit.finish(store, !matches!(&sent, Err(why) if !why.is_gone()));
    let recorded = record_attempt(store, &endpoint, claimed, &sent, at).await;
    breaker.record(store, result).await;
    if let Err(DeliveryError::Status { retry_after: Some(cool_down), .. }) = sent {
        breaker.open_until_at_least(store, at.plus(cool_down.min(MAX_COOL_DOWN))).await;
    }
    match recorded? {
        Some((next, pause)) if pause < SCHEDULED_AFTER => {
            Ok(resources.queue.send(&self::due(&next)?, pause).await?)
        }
        Some(_) | None => Ok(()),
    }
}

/// Records an attempt and its consequences. Returns the delivery with the wait before its next
/// attempt, if there is one.
async fn record_attempt(
    store: &Store,
    endpoint: &Endpoint,
    claimed: WebhookDelivery,
    sent: &Result<u16, DeliveryError>,
    at: Timestamp,
) -> Result<Option<(WebhookDelivery, Duration)>, Fault> {
    let now = store.now();
    let took_ms = u64::try_from(at.until(now).as_millis()).unwrap_or(u64::MAX);
    let attempt = match sent {
        Ok(status) | Err(DeliveryError::Status { status, .. }) => {
            DeliveryAttempt { at, took_ms, status: Some(*status), error: None }
        }
        Err(error @ (DeliveryError::Unsafe(_) | DeliveryError::Unreachable(_))) => {
            DeliveryAttempt { at, took_ms, status: None, error: Some(error.to_string()) }
        }
    };
    // The template's own endpoints cannot be disabled: for them, 410 is a failure like any other.
    let is_gone =
        sent.as_ref().is_err_and(DeliveryError::is_gone) && endpoint.registered_at.is_some();
    let (begun_at, attempt) = (claimed.begun_at, &attempt);
    optimistically_from(SELDOM_CHANGED, claimed, |seen| async move {
        let mut next = WebhookDelivery { writes: seen.writes + 1, ..seen };
        next.attempts.push(attempt.clone());
        // After a replay in the meantime, the delivery stays scheduled: only the attempt is
        // recorded.
        let again = if next.begun_at == begun_at {
            apply_result(&mut next, sent, is_gone, now)
        } else {
            None
        };
        if store.webhooks().put_delivery(&next).await? {
            if next.status == DeliveryStatus::Failed {
                log_failed_delivery(&next);
            }
            if is_gone {
                disable_webhook(store, endpoint, now).await?;
            }
            return Ok(Done(again.map(|pause| (next, pause))));
        }
        let meanwhile = store.webhooks().delivery(&next.webhook, &next.delivery_id).await?;
        Ok(meanwhile.map_or(Done(None), Conflict))
    })
    .await
}

/// Applies the result of an attempt: the delivery succeeded, is retried after a wait, or is
/// exhausted. Returns the wait.
fn apply_result(
    delivery: &mut WebhookDelivery,
    sent: &Result<u16, DeliveryError>,
    is_gone: bool,
    now: Timestamp,
) -> Option<Duration> {
    let error = match sent {
        Ok(_) => {
            delivery.status = DeliveryStatus::Delivered;
            return None;
        }
        Err(_) if delivery.status != DeliveryStatus::Pending => return None,
        Err(error) => error,
    };
    delivery.failed_in_row += 1;
    let retry_after = match error {
        DeliveryError::Status { retry_after, .. } => *retry_after,
        DeliveryError::Unsafe(_) | DeliveryError::Unreachable(_) => None,
    };
    let pause = pause_after(delivery.failed_in_row, rand::random_range(0..=1_000), retry_after)
        .filter(|_| !is_gone);
    if let Some(pause) = pause {
        delivery.next_attempt_at = now.plus(pause);
    } else {
        delivery.status = DeliveryStatus::Failed;
        let why =
            if is_gone { "the endpoint responded with 410 Gone" } else { "all attempts failed" };
        delivery.given_up_because = Some(why.to_owned());
    }
    pause
}

/// Ends a delivery as failed without another attempt.
pub(crate) async fn give_up(
    store: &Store,
    delivery: WebhookDelivery,
    why: &str,
) -> Result<(), Fault> {
    let failed = WebhookDelivery {
        status: DeliveryStatus::Failed,
        given_up_because: Some(why.to_owned()),
        writes: delivery.writes + 1,
        ..delivery
    };
    if store.webhooks().put_delivery(&failed).await? {
        log_failed_delivery(&failed);
    }
    Ok(())
}

fn log_failed_delivery(delivery: &WebhookDelivery) {
    let why = delivery.given_up_because.as_deref().unwrap_or_default();
    tracing::error!(webhook = %delivery.webhook, delivery = %delivery.delivery_id, why, "a webhook delivery is exhausted");
    signal(Signal::WebhookExhausted);
}

/// Disables a webhook that responded with 410. If that fails, the next event to which it responds
/// with 410 disables it.
async fn disable_webhook(store: &Store, endpoint: &Endpoint, now: Timestamp) -> Result<(), Fault> {
    tracing::warn!(webhook = %endpoint.name, "a webhook responded with 410 Gone and is disabled");
    optimistically(SELDOM_CHANGED, || async {
        let Some(mut webhook) = store.webhooks().get(&endpoint.name).await? else {
            return Ok(Done(()));
        };
        if !webhook.active || webhook.url != endpoint.url {
            return Ok(Done(()));
        }
        (webhook.active, webhook.disabled_because) =
            (false, Some("the endpoint responded with 410 Gone".into()));
        (webhook.updated_at, webhook.writes) = (now, webhook.writes + 1);
        Ok(Attempted::done_if(store.webhooks().put(&webhook).await?, || ()))
    })
    .await
}

#[cfg(test)]
mod tests {
    use crate::endpoints::Choice;
    use events::EventType;

    #[test]
    fn tms_receives_status_events_and_tason_receives_campaign_events() {
        for (event_type, is_of_campaign, statuses, of_campaigns) in [
            (EventType::Paid, false, true, false),
            (EventType::Cancelled, true, true, true),
            (EventType::Refunded, true, false, true),
            (EventType::Updated, false, false, false),
        ] {
            assert_eq!(Choice::Statuses.accepts(event_type, is_of_campaign), statuses);
            assert_eq!(Choice::OfCampaigns.accepts(event_type, is_of_campaign), of_campaigns);
        }
        assert!(Choice::Types(vec![EventType::Paid]).accepts(EventType::Paid, false));
        assert!(!Choice::Types(vec![EventType::Paid]).accepts(EventType::Shipped, true));
    }
}
