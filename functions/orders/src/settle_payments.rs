//! `settle-payments` queries the payment gateway for card payments whose result is unknown, and
//! refunds charges (결제 정산).
//!
//! A message names a payment attempt that is due. If the attempt is still open after the check, its
//! row is due again later. `relay-orders` reads every change of the row from the stream of the
//! orders table and sends a new message, and `sweep-payments` finds rows whose message was lost.
//! Messages can therefore be short-lived, and this function sends none.

use domain::{
    Fault, NotStarted, Open,
    actor::Actor,
    lifecycle::Command,
    payment::{Attempt, AttemptStatus, Payable},
};
use edge::{
    DeadLetterError, Environment, Function, MalformedMessage, Message, Signal, SourceQueue, signal,
};
use ordering::{
    card_payment::{AttemptResult, CardPayments, Concluder, conclude},
    point_charge,
};
use partners::payment_gateway::{Found, GatewayError};
use std::time::Duration;
use store::{
    Store, Transaction,
    attempts::DueAttempt,
    charges::ChargeWithAttempt,
    circuits::CircuitOpen,
    orders::{OrderWithAttempts, PlacedOrder},
    transition::TransitionCondition,
};

/// The backoff after the first error on our side.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// The longest such backoff.
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// The number of checks without a result after which the alarm is raised. If the gateway charged a
/// different amount, it is raised at the first check.
const ALARM_AFTER: u32 = 10;

/// The refund reason that the customer sees on the card statement.
const REFUND_REASON: &str = "주문 취소";

/// The `settle-payments` handler.
pub fn function() -> Function {
    Function::queue("settle-payments", handle)
}

#[derive(Clone)]
struct Resources {
    store: Store,
    card_payments: CardPayments,
    queue: SourceQueue,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        Ok(Self {
            store: env.open()?,
            card_payments: env.open()?,
            queue: SourceQueue::open(env, "SETTLE_PAYMENTS_QUEUE", FIRST_BACKOFF, LONGEST_BACKOFF)?,
        })
    }
}

/// Why an attempt is not settled.
#[derive(Debug, thiserror::Error)]
pub enum NotSettled {
    /// The message names no attempt.
    #[error("the message names no payment attempt")]
    Unreadable(#[from] MalformedMessage),
    /// The attempt does not exist.
    #[error("the payment attempt does not exist")]
    Unknown,
    /// The gateway charged a different amount than requested.
    #[error("the gateway charged a different amount")]
    OtherAmount,
    /// The gateway's circuit is open.
    #[error(transparent)]
    CircuitOpen(#[from] CircuitOpen),
    /// The gateway did not return a result.
    #[error(transparent)]
    GatewayError(#[from] GatewayError),
    /// An error on our side.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The message could not be moved to the dead-letter queue.
    #[error(transparent)]
    DeadLetterError(#[from] DeadLetterError),
}

/// An order or a charge, with its due attempt.
enum DueFile {
    Order(Box<OrderWithAttempts>, Attempt),
    Charge(Box<ChargeWithAttempt>),
}

impl DueFile {
    const fn attempt(&self) -> &Attempt {
        match self {
            Self::Order(_, attempt) => attempt,
            Self::Charge(file) => &file.attempt,
        }
    }
}

async fn handle(resources: Resources, message: Message) -> Result<(), NotSettled> {
    match settle(&resources, &message).await {
        Ok(()) => Ok(()),
        // A retry cannot help: an operator must inspect the message.
        Err(permanent @ (NotSettled::Unreadable(_) | NotSettled::Unknown)) => {
            Ok(resources.queue.dead_letter(&message, permanent).await?)
        }
        Err(not_settled) => {
            resources.queue.hide(&message, Duration::ZERO).await;
            Err(not_settled)
        }
    }
}

async fn settle(resources: &Resources, message: &Message) -> Result<(), NotSettled> {
    let due: DueAttempt = message.json()?;
    let store = resources.store.until(message.deadline);
    let file = find(&store, &due).await?;
    let attempt = file.attempt().clone();
    if attempt.due_at != Some(due.due_at) {
        // The attempt has changed since the message was sent. If it is still open, there is a newer
        // message.
        return Ok(());
    }
    let checked = match attempt.status {
        AttemptStatus::Asked | AttemptStatus::Lost | AttemptStatus::Declined => {
            conclude_by_query(resources, &store, file, message).await
        }
        AttemptStatus::Refunding => refund(resources, &store, file).await,
        AttemptStatus::Paid | AttemptStatus::Refunded => Ok(()),
    };
    let at_least = match &checked {
        Err(NotSettled::CircuitOpen(CircuitOpen(wait))) => *wait,
        Err(NotSettled::GatewayError(_) | NotSettled::OtherAmount) => Duration::ZERO,
        Ok(()) | Err(_) => return checked,
    };
    let next = attempt.clone().checked_without_result(store.now(), at_least);
    let raises_alarm =
        next.checks >= ALARM_AFTER || matches!(checked, Err(NotSettled::OtherAmount));
    if let (true, Err(why)) = (raises_alarm, &checked) {
        tracing::error!(payable = %next.payable, attempt = next.attempt, error = %why, "a payment is not settled");
        signal(Signal::PaymentNotSettled);
    }
    // If another writer has changed the attempt in the meantime, its change wins.
    store.attempts().update(&next, &attempt).await?;
    Ok(())
}

async fn find(store: &Store, due: &DueAttempt) -> Result<DueFile, NotSettled> {
    match &due.payable {
        Payable::Order(id) => {
            let file = store.orders().with_attempts(id).await?.ok_or(NotSettled::Unknown)?;
            let attempt =
                file.attempts.iter().find(|attempt| attempt.attempt == due.attempt).cloned();
            Ok(DueFile::Order(Box::new(file), attempt.ok_or(NotSettled::Unknown)?))
        }
        Payable::Charge(id) => store
            .charges()
            .with_attempt(id)
            .await?
            .map(Box::new)
            .map(DueFile::Charge)
            .ok_or(NotSettled::Unknown),
    }
}

/// Queries the gateway for the payment, and concludes the attempt with the result.
async fn conclude_by_query(
    resources: &Resources,
    store: &Store,
    file: DueFile,
    message: &Message,
) -> Result<(), NotSettled> {
    let attempt = file.attempt().clone();
    let permit = resources.card_payments.breaker.admit(store).await?;
    let found =
        resources.card_payments.gateway.find(attempt.payable.as_str(), &attempt.payment_key).await;
    let call = permit.finish(store, !matches!(&found, Err(why) if why.is_outage()));
    resources.card_payments.breaker.record(store, call).await;
    let (payable, number) = (&attempt.payable, attempt.attempt);
    let charged = match found? {
        Found::Charged(amount) if amount != attempt.amount => return Err(NotSettled::OtherAmount),
        Found::Charged(_) => true,
        Found::ChargedUnder(key) => {
            conclude_other(store, &file, &key).await?;
            false
        }
        Found::NotCharged(code) => {
            tracing::info!(%payable, attempt = number, code, "the gateway knows of no charge");
            false
        }
    };
    let result = match (charged, attempt.status) {
        (true, _) => AttemptResult::Charged,
        (false, AttemptStatus::Asked) => AttemptResult::Lost,
        (false, AttemptStatus::Lost) => AttemptResult::Declined("LOST".into()),
        // This was the final check of an attempt that was declined after an earlier response was
        // lost.
        (false, _) => {
            store.attempts().update(&attempt.clone().settled(), &attempt).await?;
            return Ok(());
        }
    };
    match file {
        DueFile::Order(file, attempt) => {
            let concluder = Concluder { by: Actor::System, now: store.now() };
            conclude(store, *file, attempt, &result, &concluder).await.map(drop)?;
        }
        DueFile::Charge(file) => {
            let entry_id = message.ids().entry();
            point_charge::conclude(store, *file, &result, entry_id, store.now()).await.map(drop)?;
        }
    }
    Ok(())
}

/// Concludes another attempt of the order as charged. The gateway charged the order under that
/// attempt's payment key, and not under the one that was queried.
async fn conclude_other(
    store: &Store,
    file: &DueFile,
    key: &domain::payment::PaymentKey,
) -> Result<(), NotSettled> {
    let other = match file {
        DueFile::Order(file, _) => {
            file.attempts.iter().find(|other| other.payment_key == *key).map(|other| (file, other))
        }
        DueFile::Charge(_) => None,
    };
    if let Some((file, other)) = other {
        let concluder = Concluder { by: Actor::System, now: store.now() };
        conclude(store, (**file).clone(), other.clone(), &AttemptResult::Charged, &concluder)
            .await?;
    } else {
        tracing::error!(payable = %file.attempt().payable, "the gateway charged under a payment key of no attempt");
    }
    Ok(())
}

/// Refunds a charge through the gateway, and records the refund.
async fn refund(resources: &Resources, store: &Store, file: DueFile) -> Result<(), NotSettled> {
    let attempt = file.attempt().clone();
    let permit = resources.card_payments.breaker.admit(store).await?;
    let cancelled = resources
        .card_payments
        .gateway
        .cancel(&attempt.payment_key, REFUND_REASON, &attempt.refund_key())
        .await;
    let call = permit.finish(store, !matches!(&cancelled, Err(why) if why.is_outage()));
    resources.card_payments.breaker.record(store, call).await;
    cancelled?;
    let now = store.now();
    let refunded = store
        .attempts()
        .replace(&attempt.clone().becomes(AttemptStatus::Refunded, now), &attempt)?;
    let change = match file {
        DueFile::Charge(_) => Transaction::default().with(refunded, TransitionCondition::Unchanged),
        DueFile::Order(file, _) => {
            let before = file.placed;
            let is_of_order = before.order.payment.attempt == Some(attempt.attempt);
            let event = before
                .order
                .decide(Command::FinishRefund, Actor::System, now)
                .ok()
                .filter(|_| is_of_order);
            match event {
                None => Transaction::default().with(refunded, TransitionCondition::Unchanged),
                Some(event) => {
                    let after =
                        PlacedOrder { order: before.order.clone().apply(&event), ..before.clone() };
                    store
                        .orders()
                        .transition(&before.order, &after)?
                        .with(refunded, TransitionCondition::Unchanged)
                }
            }
        }
    };
    store.orders().commit(change).await.map_err(|error| error.into_fault().into())
}
