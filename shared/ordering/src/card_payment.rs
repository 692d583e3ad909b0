//! Card payments: an attempt is written, the gateway is asked to charge the card, and the result is
//! written.
//!
//! A crash may come between any two of these. An attempt that was written and has not ended is
//! found by its row: `settle-payments` asks the gateway for its result, and concludes it here as
//! well.

use aws_types::SdkConfig;
use domain::{
    Failure, Fault, NotStarted, Open, Outcome, Refusal, Timestamp, Variables,
    actor::Actor,
    circuit::Thresholds,
    lifecycle::{Command, PaymentSource},
    order::{Order, Status},
    payment::{Attempt, AttemptStatus, Payable, PaymentKey, PendingReply},
};
use partners::{PaymentGateway, payment_gateway::Confirmation};
use store::{
    Store, Transaction,
    circuits::{Breaker, CallResult, Permit},
    optimistic::{
        Attempted::{Conflict, Done},
        SELDOM_CHANGED, optimistically_from,
    },
    orders::{FirstResponse, OrderWithAttempts, PlacedOrder, StoredReply},
    transition::{TransitionCondition, TransitionError},
};

/// The payment gateway behind its circuit breaker.
#[derive(Debug, Clone)]
pub struct CardPayments {
    /// The gateway.
    pub gateway: PaymentGateway,
    /// Its circuit breaker.
    pub breaker: Breaker,
}

impl<E: Variables + AsRef<SdkConfig>> Open<E> for CardPayments {
    fn open(env: &E) -> Result<Self, NotStarted> {
        let (url, key) =
            (env.require("PAYMENT_GATEWAY_URL")?, env.require("PAYMENT_GATEWAY_SECRET_KEY")?);
        let breaker = Breaker::new("payment-gateway", Thresholds::open(env)?);
        Ok(Self { gateway: PaymentGateway::new(&url, &key)?, breaker })
    }
}

/// The result of a payment attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptResult {
    /// The card was charged.
    Charged,
    /// It was not charged and will not be, for this reason.
    Declined(String),
    /// The gateway knows of no charge so far.
    Lost,
}

/// Who caused a conclusion, and when.
#[derive(Debug, Clone)]
pub struct Concluder {
    /// The actor in the order's timeline.
    pub by: Actor,
    /// The time of the conclusion.
    pub now: Timestamp,
}

impl CardPayments {
    /// Asks the gateway to charge the card of an attempt that is written. Record the call's result
    /// with [`Breaker::record`] after the attempt's result is written: money comes first.
    pub async fn ask(
        &self,
        store: &Store,
        permit: Permit,
        attempt: &Attempt,
    ) -> (Confirmation, CallResult) {
        let Attempt { payment_key, payable, amount, .. } = attempt;
        let confirmed = self
            .gateway
            .confirm(payment_key, payable.as_str(), *amount, &attempt.idempotency_key())
            .await;
        let succeeded = !matches!(&confirmed, Confirmation::Unknown(why) if why.is_outage());
        let result = permit.finish(store, succeeded);
        (confirmed, result)
    }

    /// Asks the gateway to charge the card for an order, and concludes the attempt, which is
    /// written.
    pub(crate) async fn charge(
        &self,
        store: &Store,
        permit: Permit,
        placed: PlacedOrder,
        attempt: Attempt,
        by: Actor,
    ) -> Result<Outcome<events::Order>, Failure> {
        let (confirmed, call) = self.ask(store, permit, &attempt).await;
        // The charge took place when the gateway answered.
        let concluder = Concluder { by, now: store.now() };
        let outcome = conclude_response(store, placed, attempt, confirmed, &concluder).await;
        self.breaker.record(store, call).await;
        outcome
    }
}

/// The result of an attempt, if the gateway gave one.
pub fn result(attempt: &Attempt, confirmed: Confirmation) -> Option<AttemptResult> {
    match confirmed {
        Confirmation::Charged => Some(AttemptResult::Charged),
        Confirmation::Declined(code) => Some(AttemptResult::Declined(code)),
        Confirmation::Unknown(why) => {
            let (payable, attempt) = (&attempt.payable, attempt.attempt);
            tracing::warn!(%payable, attempt, %why, "the result of a payment is not known yet");
            None
        }
    }
}

/// Concludes an attempt by the gateway's answer.
async fn conclude_response(
    store: &Store,
    placed: PlacedOrder,
    attempt: Attempt,
    confirmed: Confirmation,
    concluder: &Concluder,
) -> Result<Outcome<events::Order>, Failure> {
    let before = placed.order.clone();
    let pending = || Ok(Outcome::accepted(events::Order::from(&before)));
    let Some(result) = result(&attempt, confirmed) else { return pending() };
    let is_declined = matches!(result, AttemptResult::Declined(_));
    match conclude(
        store,
        OrderWithAttempts { placed, attempts: Vec::new() },
        attempt,
        &result,
        concluder,
    )
    .await
    {
        Ok(order) if is_declined && order.status() == Status::StockAllocated => {
            Err(payment_failed(&order).into())
        }
        Ok(order) if !is_declined && order.status() == Status::Paid => {
            Ok(Outcome::Done(events::Order::from(&order)))
        }
        Ok(order) => Err(Refusal::NotPayable { order_status: order.status() }.into()),
        // The attempt is written as asked, so `settle-payments` finds and concludes it.
        Err(fault) => {
            tracing::warn!(order_id = %before.order_id, %fault, "a payment could not be concluded yet");
            pending()
        }
    }
}

/// Whether the result of an attempt must still be written. `current` is the attempt as it is now.
/// A decline applies to one charge request (the `charge_requests`-th), a charge to the whole
/// attempt.
pub(crate) fn is_unrecorded(
    current: &Attempt,
    charge_requests: u32,
    result: &AttemptResult,
) -> bool {
    let is_open = match current.status {
        AttemptStatus::Asked | AttemptStatus::Lost => true,
        // The gateway contradicts itself: the charge counts.
        AttemptStatus::Declined => *result == AttemptResult::Charged,
        AttemptStatus::Paid | AttemptStatus::Refunding | AttemptStatus::Refunded => false,
    };
    is_open && (current.charge_requests == charge_requests || *result == AttemptResult::Charged)
}

/// Writes the result of an attempt to pay an order, with everything that follows from it, once. A
/// charge for an order that can no longer be paid is refunded. Returns the order after it.
pub async fn conclude(
    store: &Store,
    file: OrderWithAttempts,
    attempt: Attempt,
    result: &AttemptResult,
    concluder: &Concluder,
) -> Result<Order, Fault> {
    let (charge_requests, seen) = (attempt.charge_requests, (file.placed, attempt));
    optimistically_from(SELDOM_CHANGED, seen, |(placed, attempt)| async move {
        if !is_unrecorded(&attempt, charge_requests, result) {
            return Ok(Done(placed.order));
        }
        let (change, order) = conclusion(store, &placed, &attempt, result, concluder)?;
        match store.orders().commit(change).await {
            Ok(()) => return Ok(Done(order)),
            Err(TransitionError::Conflict) => {}
            Err(other) => return Err(other.into_fault()),
        }
        let file = store.orders().with_attempts(&placed.order.order_id).await?;
        let file = file.ok_or_else(|| Fault::broken("the order of an attempt does not exist"))?;
        let found = file.attempts.into_iter().find(|found| found.attempt == attempt.attempt);
        let found = found.ok_or_else(|| Fault::broken("an attempt does not exist any more"))?;
        Ok(Conflict((file.placed, found)))
    })
    .await
}

/// The writes that conclude an attempt, and the order after them.
fn conclusion(
    store: &Store,
    placed: &PlacedOrder,
    attempt: &Attempt,
    result: &AttemptResult,
    Concluder { by, now }: &Concluder,
) -> Result<(Transaction<TransitionCondition>, Order), Fault> {
    let decide = |command| placed.order.decide(command, by.clone(), *now).ok();
    let number = attempt.attempt;
    let (event, next) = match result {
        AttemptResult::Charged => {
            if let Some(paid) = decide(Command::Pay(PaymentSource::Card(number))) {
                (Some(paid), attempt.clone().becomes(AttemptStatus::Paid, *now))
            } else {
                // Too late, or it was paid otherwise: the order shows the refund if it shows no
                // other payment.
                let refunding = attempt.clone().becomes(AttemptStatus::Refunding, *now);
                (decide(Command::RefundLate { attempt: number }), refunding)
            }
        }
        AttemptResult::Declined(code) => {
            let declined = Attempt { decline_code: Some(code.clone()), ..attempt.clone() };
            (decide(Command::FailPayment), declined.becomes(AttemptStatus::Declined, *now))
        }
        AttemptResult::Lost => {
            (decide(Command::FailPayment), attempt.clone().becomes(AttemptStatus::Lost, *now))
        }
    };
    // A lost attempt has failed before: the order shows that already.
    let event = event
        .filter(|_| attempt.status == AttemptStatus::Asked || *result == AttemptResult::Charged);
    let mut change = Transaction::default()
        .with(store.attempts().replace(&next, attempt)?, TransitionCondition::Unchanged);
    let mut after = placed.clone();
    if let Some(event) = event {
        after.order = after.order.apply(&event);
        let is_paid = *result == AttemptResult::Charged && after.order.status() == Status::Paid;
        if attempt.reply == Some(PendingReply::Placement) {
            after.answered = match result {
                AttemptResult::Charged if is_paid => FirstResponse::Paid,
                AttemptResult::Charged => after.answered,
                AttemptResult::Declined(_) | AttemptResult::Lost => FirstResponse::PaymentFailed,
            };
        }
        change = change.and(store.orders().transition(&placed.order, &after)?);
    }
    if let Some(PendingReply::Key { hash, fingerprint }) = &attempt.reply {
        // The stored response "not known yet" ends with the attempt.
        let is_paid = *result == AttemptResult::Charged && after.order.status() == Status::Paid;
        let reply = if is_paid {
            store
                .orders()
                .replace_reply(hash, &StoredReply::of_order(fingerprint, true, &after.order)?)?
        } else {
            store.orders().remove_reply(hash)
        };
        change = change.with(reply, TransitionCondition::Unchanged);
    }
    Ok((change, after.order))
}

/// The first attempt to pay an order.
pub(crate) fn first_attempt(order: &Order, key: &PaymentKey) -> Attempt {
    let payable = Payable::Order(order.order_id.clone());
    let reply = Some(PendingReply::Placement);
    Attempt::asked(payable, 1, key.clone(), order.total_amount, reply, order.placed_at)
}

/// The gateway declined to charge the card for an order, which can still be paid.
pub(crate) fn payment_failed(order: &Order) -> Refusal {
    Refusal::PaymentFailed {
        order_id: order.order_id.clone(),
        pay_by: order.pay_by.unwrap_or(order.updated_at),
    }
}
