//! `POST /points/charge` adds points to a customer's balance (충전): a customer pays for them by card, an operator gives them.

use crate::by_card;
use domain::{
    Caller, CustomerId, Failure, Fault, NotStarted, Open, Refusal, RefusalKind, Role, Variables, Won,
    number::WholeNumber,
    order::checked_reason,
    payment::PaymentKey,
    points::{ChargeAmount, Entry, EntryKind},
};
use edge::{Access, Environment, Function, Method, Request, Response, Route};
use ordering::card_payment::CardPayments;
use schemars::JsonSchema;
use serde::Deserialize;
use store::{CommitError, Store, Transaction, points::Charge};

/// How often the balance is read anew when somebody else changed it in between.
const ATTEMPTS: usize = 8;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/points/charge",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Charges points to a customer's balance (포인트 충전)",
)
.idempotent_by_key()
.request_body::<ChargePoints>()
.response::<Charge>()
.successes(&[
    (200, "Charged"),
    (202, "The gateway's answer is awaited: `chargeId`, and `status` PENDING; `GET /points/{customerId}/charges/{chargeId}` tells the end"),
])
.problems(&[RefusalKind::InvalidAmount, RefusalKind::PaymentRequired, RefusalKind::BalanceLimit, RefusalKind::KeyReused, RefusalKind::ChargeFailed]);

/// The function.
pub fn function() -> Function {
    Function::http("charge-points", &[ROUTE], handle)
}

/// What a charge needs.
#[derive(Debug, Clone)]
struct Resources {
    store: Store,
    card_payments: CardPayments,
    /// Whether points are given to whoever asks, without payment.
    is_free: bool,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let is_free = match env.require("POINT_CHARGES")?.as_str() {
            "FREE" => true,
            "CARD" => false,
            other => return Err(NotStarted::from(format!("POINT_CHARGES is {other}, not CARD or FREE"))),
        };
        let store = env.open()?;
        Ok(Self { store, card_payments: env.open()?, is_free })
    }
}

/// What is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChargePoints {
    /// Whose balance.
    #[serde(alias = "userId")]
    customer_id: CustomerId,
    /// How many points: 1 to 10,000,000. One point costs one won.
    #[serde(alias = "point")]
    amount: WholeNumber,
    /// How a customer pays.
    payment: Option<CardPayment>,
    /// Why, in at most 200 characters.
    reason: Option<String>,
}

/// A payment by card.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CardPayment {
    /// By what.
    #[serde(rename = "method")]
    _method: CardOnly,
    /// What the customer authorised at the payment gateway, for a charge's id and amount. The id follows from customer and
    /// `Idempotency-Key`: `chg_` and the first 16 bytes of SHA-256 of the customer's id, `/charge`, a zero byte and the key, in
    /// Crockford's base 32.
    #[schemars(with = "PaymentKey")]
    payment_key: PaymentKey,
}

/// How points can be paid.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum CardOnly {
    /// By card, through the payment gateway.
    Card,
}

async fn handle(resources: Resources, request: Request) -> Result<Response, Failure> {
    let ChargePoints { customer_id, amount, payment, reason } = request.json()?;
    request.caller.must_be(&customer_id)?;
    let amount = ChargeAmount::new(amount.0).map_err(|_| Refusal::InvalidAmount)?.won();
    let reason = checked_reason(reason)?;
    let store = resources.store.until(request.deadline);
    match payment {
        Some(CardPayment { payment_key, .. }) => {
            by_card::charge(&store, &resources.card_payments, &request, customer_id, amount, reason, payment_key).await
        }
        None if resources.is_free || request.caller == Caller::Operator => {
            give(&store, &request, customer_id, amount, reason).await
        }
        None => Err(Refusal::PaymentRequired.into()),
    }
}

/// Adds points for which nobody pays.
async fn give(
    store: &Store,
    request: &Request,
    customer_id: CustomerId,
    amount: Won,
    reason: Option<String>,
) -> Result<Response, Failure> {
    // The keys of two roles never meet.
    let scope = format!("{}/{customer_id}", request.caller.actor());
    let key_hash = request.idempotency_key()?.map(|key| key.hash(&scope));
    for _ in 0..ATTEMPTS {
        let (balance, made) = store.points().read_for_charge(&customer_id, key_hash.as_deref()).await?;
        if let Some(made) = made {
            return if made.amount == amount && made.reason == reason {
                Ok(Response::ok(&made).replayed())
            } else {
                Err(Refusal::KeyReused.into())
            };
        }
        let charge = Charge {
            customer_id: customer_id.clone(),
            amount,
            balance: balance.plus(amount).map_err(|_| Refusal::BalanceLimit)?,
            entry_id: request.ids().entry(),
            reason: reason.clone(),
            charged_at: request.now,
        };
        match commit(store, &charge, balance, key_hash.as_deref()).await {
            Ok(()) => return Ok(Response::ok(&charge)),
            Err(CommitError::Failed(_)) => {}
            Err(CommitError::Fault(fault)) => return Err(fault.into()),
        }
    }
    Err(Fault::busy("the balance changes faster than it can be charged").into())
}

/// What a failed condition means: in each case, look again.
#[derive(Debug)]
enum Stale {
    /// The balance is not what was read.
    Balance,
    /// The entry exists.
    Entry,
    /// The charge was made meanwhile.
    Charge,
}

async fn commit(store: &Store, charge: &Charge, seen: Won, key_hash: Option<&str>) -> Result<(), CommitError<Stale>> {
    let entry = Entry {
        entry_id: charge.entry_id.clone(),
        kind: EntryKind::Charge,
        amount: charge.amount,
        reference: charge.entry_id.to_string(),
        reason: charge.reason.clone(),
        at: charge.charged_at,
    };
    let fault = CommitError::Fault;
    let mut transaction = Transaction::default()
        .with(store.points().set_balance(&charge.customer_id, seen, charge.balance), Stale::Balance)
        .with(store.points().append_ledger_entry(&charge.customer_id, &entry).map_err(fault)?, Stale::Entry);
    if let Some(hash) = key_hash {
        transaction =
            transaction.with(store.points().put_charge(charge, hash).map_err(CommitError::Fault)?, Stale::Charge);
    }
    transaction.commit(store).await
}
