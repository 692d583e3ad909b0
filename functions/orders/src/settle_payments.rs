//! `settle-payments` finds out what became of payments whose answer was lost, and takes charges back (결제 정산).
//!
//! A message names an attempt that is due. What is still open after a look is due again later, by its row: the stream of the
//! orders table tells of every change of it, and `sweep-payments` finds rows of which no message told. So no message has to
//! live for long, and none is sent here.

use domain::{
    Fault, NotStarted, Open,
    actor::Actor,
    lifecycle::Command,
    payment::{Attempt, AttemptStatus, Payable},
};
use edge::{DeadLetterError, Environment, Function, MalformedMessage, Message, SourceQueue};
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

/// The pause after the first failure of our own.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// The longest such pause.
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// After so many looks without an end an alarm sounds; at once, if another amount was charged.
const TOLD_AFTER: u32 = 10;

/// What the customer reads on the card's statement.
const REFUND_REASON: &str = "주문 취소";

/// The function.
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
    #[error("it names no attempt")]
    Unreadable(#[from] MalformedMessage),
    /// There is no such attempt.
    #[error("there is no such attempt")]
    Unknown,
    /// The gateway charged another amount than it was asked to.
    #[error("the gateway charged another amount")]
    OtherAmount,
    /// The gateway's circuit is open.
    #[error(transparent)]
    CircuitOpen(#[from] CircuitOpen),
    /// The gateway did not say.
    #[error(transparent)]
    GatewayError(#[from] GatewayError),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The message could not be moved to the dead-letter queue.
    #[error(transparent)]
    DeadLetterError(#[from] DeadLetterError),
}

/// What is paid, with the attempt that is due.
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
        // Trying again is in vain: somebody must look.
        Err(in_vain @ (NotSettled::Unreadable(_) | NotSettled::Unknown)) => {
            Ok(resources.queue.dead_letter(&message, in_vain).await?)
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
        // It has gone on since: if it has not ended, another message tells of that.
        return Ok(());
    }
    let looked = match attempt.status {
        AttemptStatus::Asked | AttemptStatus::Lost | AttemptStatus::Declined => {
            find_out(resources, &store, file, message).await
        }
        AttemptStatus::Refunding => take_back(resources, &store, file).await,
        AttemptStatus::Paid | AttemptStatus::Refunded => Ok(()),
    };
    let at_least = match &looked {
        Err(NotSettled::CircuitOpen(CircuitOpen(wait))) => *wait,
        Err(NotSettled::GatewayError(_) | NotSettled::OtherAmount) => Duration::ZERO,
        Ok(()) | Err(_) => return looked,
    };
    let next = attempt.clone().checked_without_result(store.now(), at_least);
    let is_grave = next.looks >= TOLD_AFTER || matches!(looked, Err(NotSettled::OtherAmount));
    if let (true, Err(why)) = (is_grave, &looked) {
        // An alarm listens for these words.
        tracing::error!(payable = %next.payable, attempt = next.attempt, error = %why, "a payment is not settled");
    }
    // Where somebody else changed it meanwhile, that is the latest word.
    store.attempts().update(&next, &attempt).await?;
    Ok(())
}

async fn find(store: &Store, due: &DueAttempt) -> Result<DueFile, NotSettled> {
    match &due.payable {
        Payable::Order(id) => {
            let file = store.orders().with_attempts(id).await?.ok_or(NotSettled::Unknown)?;
            let attempt = file.attempts.iter().find(|attempt| attempt.attempt == due.attempt).cloned();
            Ok(DueFile::Order(Box::new(file), attempt.ok_or(NotSettled::Unknown)?))
        }
        Payable::Charge(id) => {
            store.charges().with_attempt(id).await?.map(Box::new).map(DueFile::Charge).ok_or(NotSettled::Unknown)
        }
    }
}

/// Asks what the gateway knows of the payment, and concludes from it what became of the attempt.
async fn find_out(resources: &Resources, store: &Store, file: DueFile, message: &Message) -> Result<(), NotSettled> {
    let attempt = file.attempt().clone();
    let permit = resources.card_payments.breaker.admit(store).await?;
    let found = resources.card_payments.gateway.find(attempt.payable.as_str(), &attempt.payment_key).await;
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
        // That was the last look at what was declined after an answer was lost.
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

/// The gateway charged the order under another key than the one that was asked for.
async fn conclude_other(store: &Store, file: &DueFile, key: &domain::payment::PaymentKey) -> Result<(), NotSettled> {
    let other = match file {
        DueFile::Order(file, _) => {
            file.attempts.iter().find(|other| other.payment_key == *key).map(|other| (file, other))
        }
        DueFile::Charge(_) => None,
    };
    if let Some((file, other)) = other {
        let concluder = Concluder { by: Actor::System, now: store.now() };
        conclude(store, (**file).clone(), other.clone(), &AttemptResult::Charged, &concluder).await?;
    } else {
        tracing::error!(payable = %file.attempt().payable, "the gateway charged under a key that nobody gave");
    }
    Ok(())
}

/// Takes a charge back, and writes that it is.
async fn take_back(resources: &Resources, store: &Store, file: DueFile) -> Result<(), NotSettled> {
    let attempt = file.attempt().clone();
    let permit = resources.card_payments.breaker.admit(store).await?;
    let cancelled =
        resources.card_payments.gateway.cancel(&attempt.payment_key, REFUND_REASON, &attempt.refund_key()).await;
    let call = permit.finish(store, !matches!(&cancelled, Err(why) if why.is_outage()));
    resources.card_payments.breaker.record(store, call).await;
    cancelled?;
    let now = store.now();
    let refunded = store.attempts().replace(&attempt.clone().becomes(AttemptStatus::Refunded, now), &attempt)?;
    let change = match file {
        DueFile::Charge(_) => Transaction::default().with(refunded, TransitionCondition::Unchanged),
        DueFile::Order(file, _) => {
            let before = file.placed;
            let is_of_order = before.order.payment.attempt == Some(attempt.attempt);
            let event = before.order.decide(Command::FinishRefund, Actor::System, now).ok().filter(|_| is_of_order);
            match event {
                None => Transaction::default().with(refunded, TransitionCondition::Unchanged),
                Some(event) => {
                    let after = PlacedOrder { order: before.order.clone().apply(&event), ..before.clone() };
                    store.orders().transition(&before.order, &after)?.with(refunded, TransitionCondition::Unchanged)
                }
            }
        }
    };
    store.orders().commit(change).await.map_err(|error| error.into_fault().into())
}
