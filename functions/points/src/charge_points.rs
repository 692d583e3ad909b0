//! `POST /points/charge` adds points to a customer's balance (충전).

use domain::{
    CustomerId, EntryId, Fault, Won,
    money::AmountTooLarge,
    points::{ChargeAmount, Entry, EntryKind, InvalidAmount},
};
use edge::{Access, Answer, Details, Function, Method, Problem, Rejected, Request, Role, Route, WholeNumber};
use schemars::JsonSchema;
use serde::Deserialize;
use store::{NotCommitted, Store, Transaction, points::Charge};

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
.problems(&[
    (400, "invalid-amount", "the amount is not 1 to 10,000,000"),
    (409, "balance-limit", "the balance would be over 10^12"),
    (422, "idempotency-key-reused", "the key was used for another charge"),
]);

/// The function.
pub fn function() -> Function {
    Function::http("charge-points", &[ROUTE], |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

/// What is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChargePoints {
    /// Whose balance.
    customer_id: CustomerId,
    /// How many points: 1 to 10,000,000.
    amount: WholeNumber,
}

/// Why points are not charged.
#[derive(Debug, thiserror::Error)]
pub enum ChargeRefusal {
    /// The amount is out of range.
    #[error(transparent)]
    InvalidAmount(#[from] InvalidAmount),
    /// The balance would be too large.
    #[error("The balance would be over the limit: {0}.")]
    BalanceLimit(#[from] AmountTooLarge),
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
            Self::BalanceLimit(_) => Details::new(409, "balance-limit"),
            Self::KeyReused => Details::new(422, "idempotency-key-reused"),
            Self::Rejected(rejected) => rejected.details(),
            Self::Fault(fault) => fault.details(),
        }
    }
}

async fn handle(store: Store, request: Request) -> Result<Answer, ChargeRefusal> {
    let ChargePoints { customer_id, amount } = request.json()?;
    request.caller.must_be(&customer_id)?;
    let amount = ChargeAmount::new(amount.0)?.won();
    let key_hash = request.idempotency_key()?.map(|key| key.hash(customer_id.as_str()));
    let store = store.until(request.deadline);

    for _ in 0..ROUNDS {
        let (balance, made) = store.before_charge(&customer_id, key_hash.as_deref()).await?;
        if let Some(made) = made {
            return if made.amount == amount {
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
            charged_at: request.now,
        };
        match commit(&store, &charge, balance, key_hash.as_deref()).await {
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
