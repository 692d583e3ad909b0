//! `POST /points/charge` adds points to a customer's balance (충전). A customer pays for them by
//! card; an operator adds them without payment.

use crate::by_card;
use domain::{
    CustomerId, Failure, Fault, NotStarted, Open, Refusal, RefusalKind, Role, Variables, Won,
    actor::Actor,
    number::WholeNumber,
    order::checked_reason,
    payment::PaymentKey,
    points::{ChargeAmount, Entry, EntryKind},
};
use edge::{Access, Environment, Function, Method, Request, Response, Route};
use ordering::card_payment::CardPayments;
use schemars::JsonSchema;
use serde::Deserialize;
use store::{
    Store, Transaction,
    optimistic::{
        Attempted::{self, Done},
        OFTEN_CHANGED, optimistically,
    },
    points::Charge,
};

/// `POST /points/charge`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/points/charge",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Adds points to a customer's balance (포인트 충전)",
)
.idempotent_by_key()
.request_body::<ChargePoints>()
.response::<Charge>()
.successes(&[
    (200, "Charged"),
    (202, "The gateway's result is not known yet: `chargeId`, and `status` PENDING; `GET /points/{customerId}/charges/{chargeId}` shows the result"),
])
.problems(&[RefusalKind::InvalidAmount, RefusalKind::PaymentRequired, RefusalKind::BalanceLimit, RefusalKind::KeyReused, RefusalKind::ChargeFailed]);

/// The `charge-points` handler.
pub fn function() -> Function {
    Function::http("charge-points", const { &[ROUTE.served()] }, handle)
}

/// The clients and settings of the handler.
#[derive(Debug, Clone)]
struct Resources {
    store: Store,
    card_payments: CardPayments,
    /// Whether customers may charge points without payment.
    is_free: bool,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let is_free = match env.require("POINT_CHARGES")?.as_str() {
            "FREE" => true,
            "CARD" => false,
            other => {
                return Err(NotStarted::from(format!(
                    "POINT_CHARGES must be CARD or FREE, but is {other}"
                )));
            }
        };
        let store = env.open()?;
        Ok(Self { store, card_payments: env.open()?, is_free })
    }
}

/// The request to charge points.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChargePoints {
    /// The customer whose balance is charged.
    #[serde(alias = "userId")]
    customer_id: CustomerId,
    /// The number of points: 1 to 10,000,000. One point costs one won.
    #[serde(alias = "point")]
    amount: WholeNumber,
    /// The payment. If omitted, points are added without payment. Only operators may omit it,
    /// unless points are free in this shop.
    payment: Option<CardPayment>,
    /// The reason, at most 200 characters.
    reason: Option<String>,
}

/// A payment by card.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CardPayment {
    /// The payment method.
    #[serde(rename = "method")]
    _method: CardOnly,
    /// The payment that the customer authorised at the payment gateway, for the charge's id and
    /// amount. The id is derived from the customer and the `Idempotency-Key`: `chg_` and the first
    /// 16 bytes of SHA-256 of the customer's id, `/charge`, a zero byte and the key, in Crockford's
    /// base 32.
    #[schemars(with = "PaymentKey")]
    payment_key: PaymentKey,
}

/// The payment methods for points.
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
            by_card::charge(
                &store,
                &resources.card_payments,
                &request,
                customer_id,
                amount,
                reason,
                payment_key,
            )
            .await
        }
        None if resources.is_free || request.caller.is_operator() => {
            give(&store, &request, customer_id, amount, reason).await
        }
        None => Err(Refusal::PaymentRequired.into()),
    }
}

/// Adds points without payment.
async fn give(
    store: &Store,
    request: &Request,
    customer_id: CustomerId,
    amount: Won,
    reason: Option<String>,
) -> Result<Response, Failure> {
    let by = request.caller.actor();
    // The scope contains the caller's role, so that keys of different roles do not collide.
    let scope = format!("{}/{customer_id}", request.caller.key_owner());
    let key_hash = request.idempotency_key()?.map(|key| key.hash(&scope));
    optimistically(OFTEN_CHANGED, || async {
        let (balance, made) =
            store.points().read_for_charge(&customer_id, key_hash.as_deref()).await?;
        if let Some(made) = made {
            return if made.amount == amount && made.reason == reason {
                Ok(Done(Response::ok(&made).replayed()))
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
        let is_written = commit(store, &charge, &by, balance, key_hash.as_deref()).await?;
        Ok(Attempted::done_if(is_written, || Response::ok(&charge)))
    })
    .await
}

/// A failed condition of a charge. In each case the handler reads and decides again.
#[derive(Debug)]
enum Stale {
    /// The balance has changed since it was read.
    Balance,
    /// The ledger entry exists already.
    Entry,
    /// The charge was made under the same key in the meantime.
    Charge,
}

async fn commit(
    store: &Store,
    charge: &Charge,
    by: &Actor,
    seen: Won,
    key_hash: Option<&str>,
) -> Result<bool, Fault> {
    let entry = Entry {
        entry_id: charge.entry_id.clone(),
        kind: EntryKind::Charge,
        amount: charge.amount,
        reference: charge.entry_id.to_string(),
        reason: charge.reason.clone(),
        by: Some(by.clone()),
        at: charge.charged_at,
    };
    let mut transaction = Transaction::default()
        .with(store.points().set_balance(&charge.customer_id, seen, charge.balance), Stale::Balance)
        .with(store.points().append_ledger_entry(&charge.customer_id, &entry)?, Stale::Entry);
    if let Some(hash) = key_hash {
        transaction = transaction.with(store.points().put_charge(charge, hash)?, Stale::Charge);
    }
    transaction.commit_if_unchanged(store).await
}
