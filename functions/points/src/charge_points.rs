//! `POST /points/charge` adds points to a customer's balance (충전): a customer pays for them by card, an operator gives them.

use crate::by_card;
use domain::{
    CustomerId, EntryId, Fault, Won,
    money::AmountTooLarge,
    payment::PaymentKey,
    points::{ChargeAmount, Entry, EntryKind, InvalidAmount},
};
use edge::{
    Access, Answer, Caller, Details, Environment, Function, Method, NotStarted, Problem, Rejected, Request, Role,
    Route, WholeNumber, checked_reason,
};
use orders::paying::Cashier;
use schemars::JsonSchema;
use serde::Deserialize;
use store::{NotCommitted, Store, Transaction, circuits::Open, points::Charge};

/// How often the balance is read anew when somebody else changed it in between.
const ROUNDS: usize = 8;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/points/charge",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Charges points to a customer's balance (포인트 충전)",
)
.idempotent_by_key()
.takes::<ChargePoints>()
.answers::<Charge>()
.succeeds(&[
    (200, "Charged"),
    (202, "The gateway's answer is awaited: `chargeId`, and `status` PENDING; `GET /points/{customerId}/charges/{chargeId}` tells the end"),
])
.problems(&[
    (400, "invalid-amount", "the amount is not 1 to 10,000,000"),
    (402, "payment-required", "a customer pays for points by card"),
    (409, "balance-limit", "the balance would be over 10^12; what was charged to a card goes back"),
    (422, "idempotency-key-reused", "the key was used for another charge"),
    (500, "payment-failed", "the gateway declined"),
]);

/// The function.
pub fn function() -> Function {
    Function::http("charge-points", &[ROUTE], Desk::open, handle)
}

/// What a charge needs.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) store: Store,
    pub(crate) cashier: Cashier,
    /// Whether points are given to whoever asks, without payment.
    is_free: bool,
}

impl Desk {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let is_free = match env.require("POINT_CHARGES")?.as_str() {
            "FREE" => true,
            "CARD" => false,
            other => return Err(NotStarted::from(format!("POINT_CHARGES is {other}, not CARD or FREE"))),
        };
        let store = Store::open(&env.aws, |name| env.variable(name))?;
        Ok(Self { store, cashier: Cashier::open(env)?, is_free })
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

/// Why points are not charged.
#[derive(Debug, thiserror::Error)]
pub enum ChargeRefusal {
    /// The amount is out of range.
    #[error(transparent)]
    InvalidAmount(#[from] InvalidAmount),
    /// A customer asks for points without paying.
    #[error("Points are paid by card: `payment` is required.")]
    PaymentRequired,
    /// The balance would be too large.
    #[error("The balance would be over the limit: {0}.")]
    BalanceLimit(#[from] AmountTooLarge),
    /// The gateway declined.
    #[error("The payment gateway declined.")]
    PaymentFailed,
    /// The gateway is overloaded, and is not asked.
    #[error(transparent)]
    Overloaded(#[from] Open),
    /// The key stands for another charge.
    #[error("This Idempotency-Key was used for another charge.")]
    KeyReused,
    /// The request is not acceptable.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Problem for ChargeRefusal {
    fn details(&self) -> Details {
        match self {
            Self::InvalidAmount(_) => Details::new(400, "invalid-amount"),
            Self::PaymentRequired => Details::new(402, "payment-required"),
            Self::BalanceLimit(_) => Details::new(409, "balance-limit"),
            Self::PaymentFailed => Details::new(500, "payment-failed"),
            Self::Overloaded(Open(wait)) => Details::new(503, "busy").retry_after(*wait),
            Self::KeyReused => Details::new(422, "idempotency-key-reused"),
            Self::Rejected(rejected) => rejected.details(),
            Self::Fault(fault) => fault.details(),
        }
    }
}

async fn handle(desk: Desk, request: Request) -> Result<Answer, ChargeRefusal> {
    let ChargePoints { customer_id, amount, payment, reason } = request.json()?;
    request.caller.must_be(&customer_id)?;
    let amount = ChargeAmount::new(amount.0)?.won();
    let reason = checked_reason(reason)?;
    let desk = Desk { store: desk.store.until(request.deadline), ..desk };
    match payment {
        Some(CardPayment { payment_key, .. }) => {
            by_card::charge(&desk, &request, customer_id, amount, reason, payment_key).await
        }
        None if desk.is_free || request.caller == Caller::Operator => {
            give(&desk.store, &request, customer_id, amount, reason).await
        }
        None => Err(ChargeRefusal::PaymentRequired),
    }
}

/// Adds points for which nobody pays.
async fn give(
    store: &Store,
    request: &Request,
    customer_id: CustomerId,
    amount: Won,
    reason: Option<String>,
) -> Result<Answer, ChargeRefusal> {
    // The keys of two roles never meet.
    let scope = format!("{}/{customer_id}", request.caller.actor());
    let key_hash = request.idempotency_key()?.map(|key| key.hash(&scope));
    for _ in 0..ROUNDS {
        let (balance, made) = store.before_charge(&customer_id, key_hash.as_deref()).await?;
        if let Some(made) = made {
            return if made.amount == amount && made.reason == reason {
                Ok(Answer::ok(&made).replayed())
            } else {
                Err(ChargeRefusal::KeyReused)
            };
        }
        let charge = Charge {
            customer_id: customer_id.clone(),
            amount,
            balance: balance.plus(amount)?,
            entry_id: EntryId::from_ulid(request.ulid()),
            reason: reason.clone(),
            charged_at: request.now,
        };
        match commit(store, &charge, balance, key_hash.as_deref()).await {
            Ok(()) => return Ok(Answer::ok(&charge)),
            Err(NotCommitted::Refused(_)) => {}
            Err(NotCommitted::Fault(fault)) => return Err(fault.into()),
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

async fn commit(store: &Store, charge: &Charge, seen: Won, key_hash: Option<&str>) -> Result<(), NotCommitted<Stale>> {
    let entry = Entry {
        entry_id: charge.entry_id.clone(),
        kind: EntryKind::Charge,
        amount: charge.amount,
        reference: charge.entry_id.to_string(),
        reason: charge.reason.clone(),
        at: charge.charged_at,
    };
    let fault = NotCommitted::Fault;
    let mut transaction = Transaction::default()
        .with(store.set_balance(&charge.customer_id, seen, charge.balance), Stale::Balance)
        .with(store.enter(&charge.customer_id, &entry).map_err(fault)?, Stale::Entry);
    if let Some(hash) = key_hash {
        transaction = transaction.with(store.record_charge(charge, hash).map_err(NotCommitted::Fault)?, Stale::Charge);
    }
    transaction.commit(store).await
}
