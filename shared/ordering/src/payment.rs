//! Paying an order whose stock is reserved: with points, or by another attempt at the gateway.

use crate::{access::order_of_caller, card_payment::CardPayments, idempotency::KeyedRequest};
use domain::{
    Context, Failure, Fault, IdempotencyKey, OrderId, Outcome, Refusal,
    lifecycle::{Command, PaymentSource},
    payment::{Attempt, AttemptStatus, MAX_ATTEMPTS, Payable, PaymentKey},
};
use events::Order;
use store::{
    Store, Transaction,
    circuits::{CircuitOpen, Permit},
    optimistic::{
        Attempted::{Conflict, Done},
        SELDOM_CHANGED, optimistically_from,
    },
    orders::{OrderWithAttempts, PlacedOrder},
    transition::{TransitionCondition, TransitionError},
};

/// How an order is to be paid.
#[derive(Debug, Clone)]
pub struct Payment {
    /// The order.
    pub order_id: OrderId,
    /// The payment that the customer authorised at the gateway; points if there is none.
    pub payment_key: Option<PaymentKey>,
}

/// What all steps of one request to pay share.
struct Paying<'a> {
    store: &'a Store,
    context: &'a Context,
    card_payments: &'a CardPayments,
    keyed: Option<KeyedRequest>,
}

/// Pays an order. A request that pays by card while the result of another attempt is unknown is
/// accepted and charges nothing.
pub async fn pay(
    store: &Store,
    context: &Context,
    card_payments: &CardPayments,
    key: Option<&IdempotencyKey>,
    payment: &Payment,
) -> Result<Outcome<Order>, Failure> {
    let store = store.until(context.deadline);
    let Payment { order_id, payment_key } = payment;
    let meaning = payment_key
        .as_ref()
        .map_or_else(|| "POINTS".to_owned(), |key| format!("CARD {}", key.as_str()));
    let keyed = key.map(|key| KeyedRequest::new(key, &context.caller, "pay", order_id, &meaning));
    let paying = Paying { store: &store, context, card_payments, keyed };
    let mut permit = None;
    let outcome = Box::pin(paying.pay(&mut permit, payment)).await;
    if let Some(permit) = permit {
        card_payments.breaker.release(&store, permit).await;
    }
    outcome
}

/// Why the order is not paid by this try.
enum NotPaid {
    /// The order changed meanwhile: read it again.
    Stale,
    /// The request is refused.
    Failed(Failure),
}

impl From<TransitionError> for NotPaid {
    fn from(error: TransitionError) -> Self {
        match error {
            TransitionError::Conflict => Self::Stale,
            TransitionError::Fault(_)
            | TransitionError::InsufficientBalance
            | TransitionError::BalanceLimit
            | TransitionError::RiderLimit => Self::Failed(error.into_fault().into()),
        }
    }
}

impl From<Fault> for NotPaid {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault.into())
    }
}

impl From<Refusal> for NotPaid {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(refusal.into())
    }
}

impl Paying<'_> {
    async fn pay(
        &self,
        permit: &mut Option<Permit>,
        payment: &Payment,
    ) -> Result<Outcome<Order>, Failure> {
        optimistically_from(SELDOM_CHANGED, permit, |permit| async move {
            let paid = self.attempt(&mut *permit, payment).await?;
            Ok(paid.map_or(Conflict(permit), Done))
        })
        .await
    }

    /// Pays the order, unless it changes at the same time. Then it returns `None`.
    async fn attempt(
        &self,
        permit: &mut Option<Permit>,
        payment: &Payment,
    ) -> Result<Option<Outcome<Order>>, Failure> {
        let Self { store, context, .. } = self;
        // Ownership comes first: nobody gets another customer's response, whatever the key.
        let file = order_of_caller(store, &payment.order_id, &context.caller).await?;
        if let Some(keyed) = &self.keyed
            && let Some(reply) = keyed.first_reply(store).await?
        {
            return Ok(Some(Outcome::Replayed(reply)));
        }
        let order = &file.placed.order;
        order
            .may_be_paid(context.now)
            .map_err(|wrong| Refusal::NotPayable { order_status: wrong.is })?;
        let pending = |wait| {
            Ok(Some(Outcome::Accepted { value: Order::from(order), retry_after: Some(wait) }))
        };
        let unknown = file.attempts.iter().find(|attempt| attempt.status == AttemptStatus::Asked);
        if let Some(due_at) = unknown.and_then(|attempt| attempt.due_at) {
            // Its result must be known before anything else is charged.
            return pending(context.now.until(due_at));
        }
        let paid = match &payment.payment_key {
            None => self.with_points(&file).await,
            Some(payment_key) => {
                if permit.is_none() {
                    match self.card_payments.breaker.admit(store).await {
                        Ok(admitted) => *permit = Some(admitted),
                        Err(CircuitOpen(wait)) => return pending(wait),
                    }
                }
                Box::pin(self.by_card(permit, file, payment_key)).await
            }
        };
        match paid {
            Err(NotPaid::Stale) => Ok(None),
            Err(NotPaid::Failed(failure)) => Err(failure),
            Ok(outcome) => Ok(Some(outcome)),
        }
    }

    async fn with_points(&self, file: &OrderWithAttempts) -> Result<Outcome<Order>, NotPaid> {
        let Self { store, context, .. } = self;
        let order = &file.placed.order;
        let command = Command::Pay(PaymentSource::Points(context.ids.entry()));
        let paid = order.decide(command, context.caller.actor(), context.now);
        let paid = paid.map_err(|wrong| Refusal::NotPayable { order_status: wrong.is })?;
        let after = PlacedOrder { order: order.clone().apply(&paid), ..file.placed.clone() };
        let mut change =
            store.orders().transition(order, &after)?.and(no_other_attempt(store, file, None)?);
        if let Some(keyed) = &self.keyed {
            let reply = store.orders().put_reply(&keyed.hash, &keyed.reply(true, &after.order)?)?;
            change = change.with(reply, TransitionCondition::Unchanged);
        }
        match store.orders().commit(change).await {
            Ok(()) => Ok(Outcome::Done(Order::from(&after.order))),
            Err(TransitionError::InsufficientBalance) => {
                let balance = store.points().balance(&order.customer_id).await?;
                let required = order.total_amount;
                // The balance may have grown meanwhile and suffice now.
                if balance >= required {
                    return Err(NotPaid::Stale);
                }
                Err(Refusal::InsufficientPoints { required, balance }.into())
            }
            Err(other) => Err(other.into()),
        }
    }

    async fn by_card(
        &self,
        permit: &mut Option<Permit>,
        file: OrderWithAttempts,
        payment_key: &PaymentKey,
    ) -> Result<Outcome<Order>, NotPaid> {
        let Self { store, context, card_payments, keyed } = self;
        let order = &file.placed.order;
        if file.attempts.iter().map(|attempt| attempt.charge_requests).sum::<u32>() >= MAX_ATTEMPTS
        {
            return Err(Refusal::TooManyAttempts.into());
        }
        let reply = keyed.as_ref().map(KeyedRequest::pending);
        // A payment key that was tried before is the same attempt: what is charged under it is
        // charged once.
        let known =
            file.attempts.iter().find(|attempt| attempt.payment_key == *payment_key).cloned();
        let (attempt, write) = match known {
            None => {
                let (payable, key) = (Payable::Order(order.order_id.clone()), payment_key.clone());
                let (number, amount) = (next_attempt(&file), order.total_amount);
                let attempt = Attempt::asked(payable, number, key, amount, reply, context.now);
                let write = store.attempts().put(&attempt)?;
                (attempt, write)
            }
            Some(known) => {
                let attempt = known.clone().requested_again(reply, context.now);
                let write = store.attempts().replace(&attempt, &known)?;
                (attempt, write)
            }
        };
        let mut begin = no_other_attempt(store, &file, Some(attempt.attempt))?
            .with(store.orders().check(order), TransitionCondition::Unchanged)
            .with(write, TransitionCondition::Unchanged);
        if let Some(keyed) = keyed {
            let reply = store.orders().put_reply(&keyed.hash, &keyed.reply(false, order)?)?;
            begin = begin.with(reply, TransitionCondition::Unchanged);
        }
        store.orders().commit(begin).await?;
        // Without a permit this attempt to pay would not have begun.
        let Some(permit) = permit.take() else { return Err(NotPaid::Stale) };
        let by = context.caller.actor();
        card_payments.charge(store, permit, file.placed, attempt, by).await.map_err(NotPaid::Failed)
    }
}

/// The number of an order's next attempt.
fn next_attempt(file: &OrderWithAttempts) -> u32 {
    u32::try_from(file.attempts.len()).unwrap_or(u32::MAX).saturating_add(1)
}

/// Asserts that no attempt but `own` began or changed since the file was read, so that no other
/// payment can arrive unnoticed.
fn no_other_attempt(
    store: &Store,
    file: &OrderWithAttempts,
    own: Option<u32>,
) -> Result<Transaction<TransitionCondition>, Fault> {
    let mut asserted = Transaction::default();
    for other in file.attempts.iter().filter(|other| Some(other.attempt) != own) {
        asserted = asserted.with(store.attempts().check(other)?, TransitionCondition::Unchanged);
    }
    let next = next_attempt(file);
    if own != Some(next) {
        asserted = asserted.with(
            store.attempts().check_none(&file.placed.order.order_id, next),
            TransitionCondition::Unchanged,
        );
    }
    Ok(asserted)
}
