//! `deliver-webhook` brings events to whoever wants them, signed (Standard Webhooks 1.0.0).
//!
//! An event from the bus becomes a delivery for each endpoint that wants it, and a message for each delivery: from then on every
//! endpoint has its own fate. A delivery is claimed before it is sent and concluded after; what did not arrive comes again by the
//! schedule of the specification, ten attempts over three days, each under the same id. An endpoint in trouble has its own circuit;
//! one that asks for time is left alone. A webhook that answers 410 is switched off.
//!
//! The row of a delivery says when it is due: `schedule-deliveries` finds it and sends its message. Only what is due before
//! that function could see it is sent from here, so a message never makes more than a few hops: Lambda stops a function that
//! goes on sending to its own queue.

use crate::endpoints::{Endpoint, Endpoints, Secrets};
use domain::{
    DeliveryId, Fault, NotStarted, Open, Timestamp, WebhookName,
    circuit::Thresholds,
    webhook::{GIVEN_UP_AFTER, MAX_COOL_DOWN, pause_after},
};
use edge::{DeadLetterError, Environment, Function, Message, SendError, SourceQueue};
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
    webhooks::{DeliveryAttempt, DeliveryStatus, DueWebhookDelivery, WebhookDelivery},
};

/// The pause after the first failure of our own.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// The longest such pause.
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// What is due sooner than this is sent from here: the schedule would be late for it.
const SCHEDULED_AFTER: Duration = Duration::from_mins(1);

/// How long whoever sends a message may take before another may try.
const CLAIMED_FOR: Duration = Duration::from_secs(30);

/// Why what was due to a webhook that is no more is given up.
pub(crate) const REMOVED: &str = "the webhook was removed";

/// How often a webhook is read anew when it changed in between.
const ATTEMPTS: usize = 4;

/// The function.
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
    /// One for each endpoint.
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
        breakers.entry(name.clone()).or_insert_with(|| Breaker::new(circuit_of(name), self.thresholds)).clone()
    }
}

/// Why a message stays in the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotDelivered {
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A delivery could not be sent on.
    #[error(transparent)]
    SendError(#[from] SendError),
    /// It could not be laid aside.
    #[error(transparent)]
    DeadLetterError(#[from] DeadLetterError),
}

async fn handle(resources: Resources, message: Message) -> Result<(), NotDelivered> {
    let store = resources.endpoints.store.until(message.deadline);
    let done = match message.json::<DueWebhookDelivery>() {
        Ok(due) => deliver(&resources, &store, &due).await,
        Err(_) => match message.json::<Envelope<Order>>() {
            Ok(envelope) => fan_out(&resources, &store, &envelope, &message).await,
            Err(not_json) => return Ok(resources.queue.dead_letter(&message, not_json).await?),
        },
    };
    if done.is_err() {
        resources.queue.hide(&message, Duration::ZERO).await;
    }
    done
}

/// Makes a delivery of an event for each endpoint that wants it, once. A message that is not sent, for a crash, is sent by the
/// schedule.
async fn fan_out(
    resources: &Resources,
    store: &Store,
    envelope: &Envelope<Order>,
    message: &Message,
) -> Result<(), NotDelivered> {
    let order = &envelope.data;
    let is_of_campaign = order.campaign_id.is_some();
    for endpoint in resources.endpoints.all(store).await? {
        if !endpoint.is_active || !endpoint.choice.wants(envelope.event_type, is_of_campaign) {
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

/// What the queue is told of a delivery.
pub(crate) fn due(delivery: &WebhookDelivery) -> Result<String, Fault> {
    serde_json::to_string(&DueWebhookDelivery::from(delivery)).map_err(Fault::broken)
}

/// Makes a delivery that is due, unless somebody else is at it, or its receiver is to be left alone: then it waits as a row.
async fn deliver(resources: &Resources, store: &Store, due: &DueWebhookDelivery) -> Result<(), NotDelivered> {
    let Some(delivery) = store.webhooks().delivery(&due.webhook, &due.delivery_id).await? else { return Ok(()) };
    if delivery.status != DeliveryStatus::Pending || delivery.next_attempt_at != due.next_attempt_at {
        // It has ended, or gone on: if it is due again, another message tells of that.
        return Ok(());
    }
    let now = store.now();
    let found = resources.endpoints.find(store, &due.webhook).await?;
    let found = found.filter(|(endpoint, _)| endpoint.registered_at == delivery.registered_at);
    let Some((endpoint, webhook)) = found else { return Ok(give_up(store, delivery, REMOVED).await?) };
    if !endpoint.is_active {
        return Ok(give_up(store, delivery, "the webhook is switched off").await?);
    }
    let secrets = resources.secrets.of(&endpoint, webhook.as_ref(), now).await?;
    let breaker = resources.breaker(&endpoint.name);
    let permit = match breaker.admit(store).await {
        Ok(pass) => pass,
        Err(_) if delivery.begun_at.plus(GIVEN_UP_AFTER) <= now => {
            return Ok(give_up(store, delivery, "its receiver was in trouble all the time").await?);
        }
        // It was put off while its message was under way: it is due again as soon as the circuit may be probed.
        Err(CircuitOpen(wait)) => {
            let again = now.plus(wait);
            if delivery.next_attempt_at > again {
                store.webhooks().postpone_delivery(due, again).await?;
            }
            return Ok(());
        }
    };
    let claimed =
        WebhookDelivery { next_attempt_at: now.plus(CLAIMED_FOR), writes: delivery.writes + 1, ..delivery.clone() };
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
    let made = permit.finish(store, !matches!(&sent, Err(why) if !why.is_gone()));
    let concluded = conclude(store, &endpoint, claimed, &sent, at).await;
    breaker.record(store, made).await;
    if let Err(DeliveryError::Status { retry_after: Some(rest), .. }) = sent {
        breaker.leave_alone(store, at.plus(rest.min(MAX_COOL_DOWN))).await;
    }
    match concluded? {
        Some((next, pause)) if pause < SCHEDULED_AFTER => Ok(resources.queue.send(&self::due(&next)?, pause).await?),
        Some(_) | None => Ok(()),
    }
}

/// Writes down what came of an attempt, and what follows from it; tells of the pause before the next one, if there is one.
async fn conclude(
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
    // The template's own endpoints cannot be switched off here: what they answer with 410 is a failure like others.
    let is_gone = sent.as_ref().is_err_and(DeliveryError::is_gone) && endpoint.registered_at.is_some();
    let begun_at = claimed.begun_at;
    let mut seen = claimed;
    for _ in 0..ATTEMPTS {
        let mut next = WebhookDelivery { writes: seen.writes + 1, ..seen };
        next.attempts.push(attempt.clone());
        // Where somebody asked for it to be sent once more meanwhile, it is.
        let again = if next.begun_at == begun_at { follow(&mut next, sent, is_gone, now) } else { None };
        if store.webhooks().put_delivery(&next).await? {
            if next.status == DeliveryStatus::Failed {
                tell_given_up(&next);
            }
            if is_gone {
                switch_off(store, endpoint, now).await?;
            }
            return Ok(again.map(|pause| (next, pause)));
        }
        let Some(meanwhile) = store.webhooks().delivery(&next.webhook, &next.delivery_id).await? else {
            return Ok(None);
        };
        seen = meanwhile;
    }
    Err(Fault::busy("the delivery changes faster than it can be concluded"))
}

/// What follows from an attempt: it arrived, it is tried again after a pause, or it is given up.
fn follow(
    delivery: &mut WebhookDelivery,
    sent: &Result<u16, DeliveryError>,
    is_gone: bool,
    now: Timestamp,
) -> Option<Duration> {
    let undelivered = match sent {
        Ok(_) => {
            delivery.status = DeliveryStatus::Delivered;
            return None;
        }
        Err(_) if delivery.status != DeliveryStatus::Pending => return None,
        Err(undelivered) => undelivered,
    };
    delivery.failed_in_row += 1;
    let asked_for = match undelivered {
        DeliveryError::Status { retry_after, .. } => *retry_after,
        DeliveryError::Unsafe(_) | DeliveryError::Unreachable(_) => None,
    };
    let pause = pause_after(delivery.failed_in_row, rand::random_range(0..=1_000), asked_for).filter(|_| !is_gone);
    if let Some(pause) = pause {
        delivery.next_attempt_at = now.plus(pause);
    } else {
        delivery.status = DeliveryStatus::Failed;
        let why = if is_gone { "its receiver wants nothing more" } else { "it failed as often as it may" };
        delivery.given_up_because = Some(why.to_owned());
    }
    pause
}

/// Gives a delivery up that is not to be sent.
pub(crate) async fn give_up(store: &Store, delivery: WebhookDelivery, why: &str) -> Result<(), Fault> {
    let given_up = WebhookDelivery {
        status: DeliveryStatus::Failed,
        given_up_because: Some(why.to_owned()),
        writes: delivery.writes + 1,
        ..delivery
    };
    if store.webhooks().put_delivery(&given_up).await? {
        tell_given_up(&given_up);
    }
    Ok(())
}

fn tell_given_up(delivery: &WebhookDelivery) {
    let why = delivery.given_up_because.as_deref().unwrap_or_default();
    // An alarm listens for these words.
    tracing::error!(webhook = %delivery.webhook, delivery = %delivery.delivery_id, why, "a webhook delivery is given up");
}

/// Switches off a webhook that wants nothing more. Where that fails, the next event that it answers with 410 does.
async fn switch_off(store: &Store, endpoint: &Endpoint, now: Timestamp) -> Result<(), Fault> {
    tracing::warn!(webhook = %endpoint.name, "a webhook wants nothing more: it answered 410");
    for _ in 0..ATTEMPTS {
        let Some(mut webhook) = store.webhooks().get(&endpoint.name).await? else { return Ok(()) };
        if !webhook.active || webhook.url != endpoint.url {
            return Ok(());
        }
        (webhook.active, webhook.disabled_because) = (false, Some("it answered 410 Gone".into()));
        (webhook.updated_at, webhook.writes) = (now, webhook.writes + 1);
        if store.webhooks().put(&webhook).await? {
            return Ok(());
        }
    }
    Err(Fault::busy("the webhook changes faster than it can be switched off"))
}

#[cfg(test)]
mod tests {
    use crate::endpoints::Choice;
    use events::EventType;

    #[test]
    fn tms_hears_of_statuses_and_tason_of_what_campaigns_brought() {
        for (event_type, is_of_campaign, statuses, of_campaigns) in [
            (EventType::Paid, false, true, false),
            (EventType::Cancelled, true, true, true),
            (EventType::Refunded, true, false, true),
            (EventType::Updated, false, false, false),
        ] {
            assert_eq!(Choice::Statuses.wants(event_type, is_of_campaign), statuses);
            assert_eq!(Choice::OfCampaigns.wants(event_type, is_of_campaign), of_campaigns);
        }
        assert!(Choice::Types(vec![EventType::Paid]).wants(EventType::Paid, false));
        assert!(!Choice::Types(vec![EventType::Paid]).wants(EventType::Shipped, true));
    }
}
