//! Charges of points that a customer pays for by card.
//!
//! The charge and its payment attempt are written before the gateway is called, as for an order. If
//! the gateway's response is lost, `settle-payments` concludes the attempt. A repeated request
//! retries a declined charge.

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

/// The status of a charge by card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ChargeStatus {
    /// The gateway's result is not known yet.
    Pending,
    /// The points are added to the balance.
    Charged,
    /// Nothing was charged, or the charge is being refunded.
    Failed,
}

/// A charge of points by card.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChargeState {
    /// The charge's id.
    charge_id: ChargeId,
    /// The number of points.
    amount: Won,
    /// The charge's status.
    status: ChargeStatus,
}

impl From<&ChargeWithAttempt> for ChargeState {
    fn from(ChargeWithAttempt { charge, attempt }: &ChargeWithAttempt) -> Self {
        let status = match attempt.status {
            // A lost attempt may still be charged, for as long as the payment is authorised.
            AttemptStatus::Asked | AttemptStatus::Lost => ChargeStatus::Pending,
            AttemptStatus::Paid => ChargeStatus::Charged,
            AttemptStatus::Declined | AttemptStatus::Refunding | AttemptStatus::Refunded => {
                ChargeStatus::Failed
            }
        };
        Self { charge_id: charge.charge_id.clone(), amount: charge.amount, status }
    }
}

/// Charges points, or returns the result of the charge that was made under the same id.
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
    let by = Some(request.caller.actor());
    let payable = Payable::Charge(charge_id.clone());
    let attempt = Attempt::asked(payable, 1, payment_key, amount, None, request.now);
    let file = ChargeWithAttempt {
        charge: CardCharge { charge_id, customer_id, amount, reason, by, charged: None },
        attempt,
    };
    let (file, begin) = match store.charges().with_attempt(&file.charge.charge_id).await? {
        None => {
            let begin = Transaction::default()
                .with(store.charges().put(&file.charge)?, ())
                .with(store.attempts().put(&file.attempt)?, ());
            (file, begin)
        }
        Some(made) if is_same_charge(&file, &made) && may_retry(&made.attempt) => {
            let attempt = made.attempt.clone().requested_again(None, request.now);
            let begin =
                Transaction::default().with(store.attempts().replace(&attempt, &made.attempt)?, ());
            (ChargeWithAttempt { attempt, ..made }, begin)
        }
        Some(made) => return replay(&file, &made),
    };
    // The card is charged only if the balance has room for the points.
    let balance = store.points().balance(&file.charge.customer_id).await?;
    balance.plus(amount).map_err(|_| Refusal::BalanceLimit)?;
    let permit = card_payments
        .breaker
        .admit(store)
        .await
        .map_err(|CircuitOpen(wait)| Refusal::Busy { retry_after: wait })?;
    match begin.commit(store).await {
        Ok(()) => ask(store, card_payments, request, permit, file).await,
        Err(CommitError::Fault(fault)) => {
            card_payments.breaker.release(store, permit).await;
            Err(fault.into())
        }
        // A concurrent request with the same id calls the gateway.
        Err(CommitError::Failed(_)) => {
            card_payments.breaker.release(store, permit).await;
            let made = store.charges().with_attempt(&file.charge.charge_id).await?;
            made.map_or_else(|| Ok(pending(&file)), |made| replay(&file, &made))
        }
    }
}

/// Whether a repeated request calls the gateway again. A decline is not stored as the response. The
/// gateway is called at most [`MAX_ATTEMPTS`] times.
fn may_retry(made: &Attempt) -> bool {
    made.status == AttemptStatus::Declined && made.charge_requests < MAX_ATTEMPTS
}

/// Whether two requests mean the same charge.
fn is_same_charge(requested: &ChargeWithAttempt, made: &ChargeWithAttempt) -> bool {
    let meaning = |file: &ChargeWithAttempt| {
        let CardCharge { customer_id, amount, reason, .. } = &file.charge;
        (customer_id.clone(), *amount, reason.clone(), file.attempt.payment_key.clone())
    };
    meaning(requested) == meaning(made)
}

async fn ask(
    store: &Store,
    card_payments: &CardPayments,
    request: &Request,
    permit: Permit,
    file: ChargeWithAttempt,
) -> Result<Response, Failure> {
    let (confirmed, call) = card_payments.ask(store, permit, &file.attempt).await;
    let response = match card_payment::result(&file.attempt, confirmed) {
        None => Ok(pending(&file)),
        Some(result) => {
            let entry_id = request.ids().entry();
            match point_charge::conclude(store, file.clone(), &result, entry_id, store.now()).await
            {
                Ok(concluded) => response_for(&concluded),
                // The attempt is stored as `ASKED`, so `settle-payments` finds and concludes it
                // later.
                Err(fault) => {
                    tracing::warn!(charge_id = %file.charge.charge_id, %fault, "a charge could not be concluded yet");
                    Ok(pending(&file))
                }
            }
        }
    };
    // The result of the payment is written before the result of the call: money comes first.
    card_payments.breaker.record(store, call).await;
    response
}

/// The result of a charge that was made before, if it is the requested charge.
fn replay(requested: &ChargeWithAttempt, made: &ChargeWithAttempt) -> Result<Response, Failure> {
    if !is_same_charge(requested, made) {
        return Err(Refusal::KeyReused.into());
    }
    response_for(made).map(Response::replayed)
}

fn response_for(file: &ChargeWithAttempt) -> Result<Response, Failure> {
    match (file.attempt.status, &file.charge.charged) {
        (AttemptStatus::Paid, Some(charged)) => Ok(Response::ok(charged)),
        (AttemptStatus::Paid | AttemptStatus::Asked | AttemptStatus::Lost, _) => Ok(pending(file)),
        (AttemptStatus::Declined, _) => Err(Refusal::ChargeFailed.into()),
        (AttemptStatus::Refunding | AttemptStatus::Refunded, _) => {
            Err(Refusal::BalanceLimit.into())
        }
    }
}

fn pending(file: &ChargeWithAttempt) -> Response {
    Response::accepted(&ChargeState::from(file))
}
