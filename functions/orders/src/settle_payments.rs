//! `settle-payments` finds out what became of payments whose answer was lost, and takes charges back (결제 정산).
//!
//! Every attempt that is not at its end comes here through the stream of the orders table, after the time that such an
//! attempt may take ([`AttemptStatus::due_after`]); and again, with a pause that doubles, until it is at its end.

use crate::{
    paying::{Cashier, Outcome, Payer, Told, conclude},
    relay_orders::DueAttempt,
};
use domain::{
    Fault,
    actor::Actor,
    order::Command,
    payment::{Attempt, AttemptStatus},
};
use edge::{Environment, Function, Message, NotStarted, Pacer};
use partners::payment_gateway::{Found, Unanswered};
use std::time::Duration;
use store::{
    Store, Transaction,
    changes::{NotChanged, Unmet},
    circuits::Open,
    orders::{OrderFile, PlacedOrder},
};

/// The pause after the first failure.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_mins(15);

/// What the customer reads on the card's statement.
const REFUND_REASON: &str = "주문 취소";

/// The function.
pub fn function() -> Function {
    Function::queue("settle-payments", Desk::open, handle)
}

#[derive(Clone)]
struct Desk {
    store: Store,
    cashier: Cashier,
    pacer: Pacer,
}

impl Desk {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        Ok(Self {
            store: Store::open(&env.aws, |name| env.variable(name))?,
            cashier: Cashier::open(env)?,
            pacer: Pacer::open(env, "SETTLE_PAYMENTS_QUEUE", FIRST_PAUSE, LONGEST_PAUSE)?,
        })
    }
}

/// Why a message stays in the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotSettled {
    /// It names no attempt: it will end in the dead-letter queue.
    #[error("it names no attempt")]
    Unreadable(#[from] serde_json::Error),
    /// There is no such attempt: it will end in the dead-letter queue.
    #[error("there is no such attempt")]
    Unknown,
    /// The gateway charged another amount than it was asked to: somebody must look.
    #[error("the gateway charged another amount")]
    OtherAmount,
    /// The gateway is in trouble, and is left alone.
    #[error(transparent)]
    Open(#[from] Open),
    /// The gateway did not say.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

async fn handle(desk: Desk, message: Message) -> Result<(), NotSettled> {
    let settled = settle(&desk, &message).await;
    if let Err(not_settled) = &settled {
        let at_least = if let NotSettled::Open(Open(wait)) = not_settled { *wait } else { Duration::ZERO };
        desk.pacer.hide(&message, at_least).await;
    }
    settled
}

async fn settle(desk: &Desk, message: &Message) -> Result<(), NotSettled> {
    let DueAttempt { order_id, attempt: number } = serde_json::from_str(&message.body)?;
    let store = desk.store.until(message.deadline);
    let file = store.order_file(&order_id).await?.ok_or(NotSettled::Unknown)?;
    let attempt = file.attempts.iter().find(|attempt| attempt.attempt == number).cloned();
    let attempt = attempt.ok_or(NotSettled::Unknown)?;
    match attempt.status {
        // A late repeat of the message that lost it: the one that looks again comes when it is due.
        AttemptStatus::Lost if message.now < due(&attempt) => Ok(()),
        AttemptStatus::Asked | AttemptStatus::Lost => find_out(desk, &store, file, attempt, message).await,
        AttemptStatus::Refunding => take_back(desk, &store, file, attempt, message).await,
        AttemptStatus::Paid | AttemptStatus::Declined | AttemptStatus::Refunded => Ok(()),
    }
}

fn due(attempt: &Attempt) -> domain::Timestamp {
    attempt.updated_at.plus(attempt.status.due_after().unwrap_or_default())
}

/// Asks what the gateway knows of the order, and concludes from it what became of the attempt.
async fn find_out(
    desk: &Desk,
    store: &Store,
    file: OrderFile,
    attempt: Attempt,
    message: &Message,
) -> Result<(), NotSettled> {
    let pass = desk.cashier.admit(store).await?;
    let found = desk.cashier.gateway.find(&attempt.order_id).await;
    desk.cashier.breaker.tell(store, pass, !matches!(&found, Err(why) if why.is_trouble())).await;
    let payer = Payer { by: Actor::System, now: message.now, told: Told::Nobody };
    let nothing = if attempt.status == AttemptStatus::Asked { Outcome::Lost } else { Outcome::Declined("LOST".into()) };
    let outcome = match found? {
        Found::Charged(_, amount) if amount != attempt.amount => return Err(NotSettled::OtherAmount),
        Found::Charged(key, _) => {
            // An order is charged once: if another attempt did it, this one did not.
            let is_other = |other: &&Attempt| other.attempt != attempt.attempt && other.payment_key == key;
            match file.attempts.iter().find(is_other) {
                None => Outcome::Charged(key),
                Some(_) if attempt.payment_key == key => Outcome::Charged(key),
                Some(other) => {
                    let charged = Outcome::Charged(key);
                    conclude(store, file.placed.clone(), other.clone(), &charged, &payer).await?;
                    nothing
                }
            }
        }
        Found::NotCharged(code) => {
            tracing::info!(order_id = %attempt.order_id, attempt = attempt.attempt, code, "the gateway knows of no charge");
            nothing
        }
    };
    conclude(store, file.placed, attempt, &outcome, &payer).await?;
    Ok(())
}

/// Takes a charge back, and writes down that it is.
async fn take_back(
    desk: &Desk,
    store: &Store,
    file: OrderFile,
    attempt: Attempt,
    message: &Message,
) -> Result<(), NotSettled> {
    let pass = desk.cashier.admit(store).await?;
    let key = format!("{}-refund", attempt.idempotency_key());
    let cancelled = desk.cashier.gateway.cancel(&attempt.payment_key, REFUND_REASON, &key).await;
    desk.cashier.breaker.tell(store, pass, !matches!(&cancelled, Err(why) if why.is_trouble())).await;
    cancelled?;
    let refunded = attempt.clone().now_is(AttemptStatus::Refunded, message.now);
    let moved = store.move_attempt(&refunded, AttemptStatus::Refunding)?;
    let before = file.placed;
    let is_of_order = before.order.payment.attempt == Some(attempt.attempt);
    let event = before.order.decide(Command::FinishRefund, Actor::System, message.now).ok().filter(|_| is_of_order);
    let change = match event {
        None => Transaction::default().with(moved, Unmet::Changed),
        Some(event) => {
            let after = PlacedOrder { order: before.order.clone().apply(&event), ..before.clone() };
            store.change(&before.order, &after)?.with(moved, Unmet::Changed)
        }
    };
    match store.commit_change(change).await {
        Ok(()) => Ok(()),
        Err(NotChanged::Fault(fault)) => Err(fault.into()),
        // Looked at again: the gateway answers a repeat as it answered the first.
        Err(NotChanged::Stale) => Err(Fault::busy("the order changed while its charge was taken back").into()),
        Err(other @ (NotChanged::PointsShort | NotChanged::BalanceFull)) => Err(Fault::broken(other).into()),
    }
}
