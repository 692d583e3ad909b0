//! Points for which a customer pays by card.
//!
//! The charge and its attempt are written before the gateway is asked, as for an order: `settle-payments` finds what came of an
//! attempt whose answer was lost. A charge that was declined is asked for again when its request comes again.

use domain::{
    ChargeId, CustomerId, Failure, Refusal, Won,
    payment::{Attempt, AttemptStatus, MAX_ATTEMPTS, Payable, PaymentKey},
};
use edge::{Request, Response};
use ordering::{
    card_payment::{self, CardPayments},
    point_charge,
};
use schemars::JsonSchema;
use serde::Serialize;
use store::{
    CommitError, Store, Transaction,
    charges::{CardCharge, ChargeWithAttempt},
    circuits::{CircuitOpen, Permit},
};

/// Where a charge by card stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ChargeStatus {
    /// The gateway's answer is awaited.
    Pending,
    /// The points are added.
    Charged,
    /// Nothing was charged, or what was charged goes back.
    Failed,
}

/// A charge by card.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChargeState {
    /// Its id.
    charge_id: ChargeId,
    /// How many points.
    amount: Won,
    /// Where it stands.
    status: ChargeStatus,
}

impl From<&ChargeWithAttempt> for ChargeState {
    fn from(ChargeWithAttempt { charge, attempt }: &ChargeWithAttempt) -> Self {
        let status = match attempt.status {
            // What was lost may still be charged, for as long as the payment is authorised.
            AttemptStatus::Asked | AttemptStatus::Lost => ChargeStatus::Pending,
            AttemptStatus::Paid => ChargeStatus::Charged,
            AttemptStatus::Declined | AttemptStatus::Refunding | AttemptStatus::Refunded => ChargeStatus::Failed,
        };
        Self { charge_id: charge.charge_id.clone(), amount: charge.amount, status }
    }
}

/// Charges points, or answers what came of it before.
pub(crate) async fn charge(
    store: &Store,
    card_payments: &CardPayments,
    request: &Request,
    customer_id: CustomerId,
    amount: Won,
    reason: Option<String>,
    payment_key: PaymentKey,
) -> Result<Response, Failure> {
    let charge_id = match request.idempotency_key()? {
        Some(key) => ChargeId::of_key(&customer_id, &key),
        None => ChargeId::of_payment(&customer_id, &payment_key),
    };
    let payable = Payable::Charge(charge_id.clone());
    let attempt = Attempt::asked(payable, 1, payment_key, amount, None, request.now);
    let file =
        ChargeWithAttempt { charge: CardCharge { charge_id, customer_id, amount, reason, charged: None }, attempt };
    let (file, begin) = match store.charges().with_attempt(&file.charge.charge_id).await? {
        None => {
            let begin = Transaction::default()
                .with(store.charges().put(&file.charge)?, ())
                .with(store.attempts().put(&file.attempt)?, ());
            (file, begin)
        }
        Some(made) if means_the_same(&file, &made) && is_asked_again(&made.attempt) => {
            let attempt = made.attempt.clone().asked_again(None, request.now);
            let begin = Transaction::default().with(store.attempts().replace(&attempt, &made.attempt)?, ());
            (ChargeWithAttempt { attempt, ..made }, begin)
        }
        Some(made) => return again(&file, &made),
    };
    // A card is not charged for points that have no room.
    let balance = store.points().balance(&file.charge.customer_id).await?;
    balance.plus(amount).map_err(|_| Refusal::BalanceLimit)?;
    let permit =
        card_payments.breaker.admit(store).await.map_err(|CircuitOpen(wait)| Refusal::Busy { retry_after: wait })?;
    match begin.commit(store).await {
        Ok(()) => ask(store, card_payments, request, permit, file).await,
        Err(CommitError::Fault(fault)) => {
            card_payments.breaker.release(store, permit).await;
            Err(fault.into())
        }
        // The same request came twice at once: the other one asks.
        Err(CommitError::Failed(_)) => {
            card_payments.breaker.release(store, permit).await;
            let made = store.charges().with_attempt(&file.charge.charge_id).await?;
            made.map_or_else(|| Ok(pending(&file)), |made| again(&file, &made))
        }
    }
}

/// Whether the card is asked again when the request comes again: a refusal is not remembered. So often at the most.
fn is_asked_again(made: &Attempt) -> bool {
    made.status == AttemptStatus::Declined && made.asks < MAX_ATTEMPTS
}

/// Whether two requests ask for the same charge.
fn means_the_same(asked: &ChargeWithAttempt, made: &ChargeWithAttempt) -> bool {
    let meaning = |file: &ChargeWithAttempt| {
        let CardCharge { customer_id, amount, reason, .. } = &file.charge;
        (customer_id.clone(), *amount, reason.clone(), file.attempt.payment_key.clone())
    };
    meaning(asked) == meaning(made)
}

async fn ask(
    store: &Store,
    card_payments: &CardPayments,
    request: &Request,
    permit: Permit,
    file: ChargeWithAttempt,
) -> Result<Response, Failure> {
    let (confirmed, call) = card_payments.ask(store, permit, &file.attempt).await;
    let answer = match card_payment::result(&file.attempt, confirmed) {
        None => Ok(pending(&file)),
        Some(result) => {
            let entry_id = request.ids().entry();
            match point_charge::conclude(store, file.clone(), &result, entry_id, store.now()).await {
                Ok(concluded) => told(&concluded),
                // The attempt is written as asked: it is found and concluded later.
                Err(fault) => {
                    tracing::warn!(charge_id = %file.charge.charge_id, %fault, "a charge could not be concluded yet");
                    Ok(pending(&file))
                }
            }
        }
    };
    // What is known of the money is written before what is known of the gateway.
    card_payments.breaker.record(store, call).await;
    answer
}

/// What is known of a charge that was made before, if it is the one that is asked for.
fn again(asked: &ChargeWithAttempt, made: &ChargeWithAttempt) -> Result<Response, Failure> {
    if !means_the_same(asked, made) {
        return Err(Refusal::KeyReused.into());
    }
    told(made).map(Response::replayed)
}

fn told(file: &ChargeWithAttempt) -> Result<Response, Failure> {
    match (file.attempt.status, &file.charge.charged) {
        (AttemptStatus::Paid, Some(charged)) => Ok(Response::ok(charged)),
        (AttemptStatus::Paid | AttemptStatus::Asked | AttemptStatus::Lost, _) => Ok(pending(file)),
        (AttemptStatus::Declined, _) => Err(Refusal::ChargeFailed.into()),
        (AttemptStatus::Refunding | AttemptStatus::Refunded, _) => Err(Refusal::BalanceLimit.into()),
    }
}

fn pending(file: &ChargeWithAttempt) -> Response {
    Response::accepted(&ChargeState::from(file))
}
