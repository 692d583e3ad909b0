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
    lifecycle::Command,
    payment::{Attempt, AttemptStatus},
};
use edge::{Environment, Function, Message, NotJson, NotLaidAside, NotStarted, Pacer};
use partners::payment_gateway::{Found, Unanswered};
use std::time::Duration;
use store::{
    Store, Transaction,
    changes::Unmet,
    circuits::Open,
    orders::{OrderFile, PlacedOrder},
};

/// The pause after the first failure.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_mins(15);

/// So many deliveries without success are told as an error.
const TOLD_AFTER: u32 = 10;

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

/// Why an attempt is not settled.
#[derive(Debug, thiserror::Error)]
pub enum NotSettled {
    /// The message names no attempt.
    #[error("it names no attempt")]
    Unreadable(#[from] NotJson),
    /// There is no such attempt.
    #[error("there is no such attempt")]
    Unknown,
    /// The gateway charged another amount than it was asked to.
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
    /// It could not be laid aside.
    #[error(transparent)]
    NotLaidAside(#[from] NotLaidAside),
}

async fn handle(desk: Desk, message: Message) -> Result<(), NotSettled> {
    let not_settled = match settle(&desk, &message).await {
        Ok(()) => return Ok(()),
        // Trying again is in vain: somebody must look.
        Err(in_vain @ (NotSettled::Unreadable(_) | NotSettled::Unknown | NotSettled::OtherAmount)) => {
            return Ok(desk.pacer.lay_aside(&message, in_vain).await?);
        }
        Err(not_settled) => not_settled,
    };
    let at_least = if let NotSettled::Open(Open(wait)) = &not_settled { *wait } else { Duration::ZERO };
    desk.pacer.hide(&message, at_least).await;
    if message.receive_count >= TOLD_AFTER {
        // An alarm listens for these words.
        tracing::error!(message = message.body, error = %not_settled, "a payment is not settled");
    }
    Err(not_settled)
}

async fn settle(desk: &Desk, message: &Message) -> Result<(), NotSettled> {
    let DueAttempt { order_id, attempt: number, updated_at } = message.json()?;
    let store = desk.store.until(message.deadline);
    let file = store.order_file(&order_id).await?.ok_or(NotSettled::Unknown)?;
    let attempt = file.attempts.iter().find(|attempt| attempt.attempt == number).cloned();
    let attempt = attempt.ok_or(NotSettled::Unknown)?;
    if attempt.updated_at != updated_at {
        // It has gone on since: if it is not at its end, another message tells of that.
        return Ok(());
    }
    match attempt.status {
        AttemptStatus::Asked | AttemptStatus::Lost => find_out(desk, &store, file, attempt).await,
        AttemptStatus::Refunding => take_back(desk, &store, file, attempt, message).await,
        AttemptStatus::Paid | AttemptStatus::Declined | AttemptStatus::Refunded => Ok(()),
    }
}

/// Asks what the gateway knows of the payment, and concludes from it what became of the attempt.
async fn find_out(desk: &Desk, store: &Store, file: OrderFile, attempt: Attempt) -> Result<(), NotSettled> {
    let pass = desk.cashier.admit(store).await?;
    let found = desk.cashier.gateway.find(&attempt.order_id, &attempt.payment_key).await;
    let made = pass.made(store, !matches!(&found, Err(why) if why.is_trouble()));
    desk.cashier.breaker.tell(store, made).await;
    let payer = Payer { by: Actor::System, now: store.now(), told: Told::Nobody };
    let (order_id, number) = (&attempt.order_id, attempt.attempt);
    let is_last_look = attempt.status == AttemptStatus::Lost;
    let nothing = || if is_last_look { Outcome::Declined("LOST".into()) } else { Outcome::Lost };
    let outcome = match found? {
        Found::Charged(amount) if amount != attempt.amount => return Err(NotSettled::OtherAmount),
        Found::Charged(_) => Outcome::Charged,
        Found::ChargedUnder(key) => {
            if let Some(other) = file.attempts.iter().find(|other| other.payment_key == key) {
                conclude(store, file.placed.clone(), other.clone(), &Outcome::Charged, &payer).await?;
            } else {
                tracing::error!(%order_id, "the gateway charged the order under a key that nobody gave");
            }
            nothing()
        }
        Found::NotCharged(code) => {
            tracing::info!(%order_id, attempt = number, code, "the gateway knows of no charge");
            nothing()
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
    // The gateway answers a repeat under a key as it answered the first, refusals too: each delivery asks anew. A charge
    // is taken back once, however often it is asked for.
    let key = format!("{}-refund-{}", attempt.idempotency_key(), message.receive_count);
    let cancelled = desk.cashier.gateway.cancel(&attempt.payment_key, REFUND_REASON, &key).await;
    let made = pass.made(store, !matches!(&cancelled, Err(why) if why.is_trouble()));
    desk.cashier.breaker.tell(store, made).await;
    cancelled?;
    let now = store.now();
    let moved = store.move_attempt(&attempt.clone().now_is(AttemptStatus::Refunded, now), &attempt)?;
    let before = file.placed;
    let is_of_order = before.order.payment.attempt == Some(attempt.attempt);
    let event = before.order.decide(Command::FinishRefund, Actor::System, now).ok().filter(|_| is_of_order);
    let change = match event {
        None => Transaction::default().with(moved, Unmet::Changed),
        Some(event) => {
            let after = PlacedOrder { order: before.order.clone().apply(&event), ..before.clone() };
            store.change(&before.order, &after)?.with(moved, Unmet::Changed)
        }
    };
    store.commit_change(change).await.map_err(|error| error.into_fault().into())
}
