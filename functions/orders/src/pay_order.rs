//! `POST /orders/{orderId}/pay` pays an order whose stock is held (결제): with points, or by another attempt at the gateway.

use crate::{
    paying::{Cashier, Payer, Told, reply},
    placing::PaymentRequest,
    refusals::PayRefusal,
};
use domain::{
    EntryId, Fault, OrderId,
    order::{Command, Means},
    payment::{Attempt, AttemptStatus, MAX_ATTEMPTS, PaymentKey},
    request::PaymentChoice,
};
use edge::{Access, Answer, Environment, Function, Method, NotStarted, Request, Role, Route};
use store::{
    Store, Transaction,
    changes::{NotChanged, Unmet},
    circuits::{Open, Pass},
    orders::{OrderFile, PlacedOrder},
};

/// How often the order is read anew when it changed in between.
const ROUNDS: usize = 4;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/pay",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Pays an order whose stock is held (결제)",
)
.idempotent_by_key()
.takes::<PaymentRequest>()
.answers::<events::Order>()
.succeeds(&[(200, "Paid"), (202, "To be paid: the gateway's answer is awaited; or, with `Retry-After`, the gateway is overloaded and was not asked")])
.problems(&[
    (404, "not-found", "there is no such order that the caller may know of"),
    (409, "not-payable", "the order does not wait to be paid, or not any more"),
    (409, "insufficient-points", "the balance is less than the total"),
    (409, "too-many-attempts", "the card was tried too often"),
    (422, "idempotency-key-reused", "the key was used for another payment of this order"),
    (500, "payment-failed", "the gateway declined; the order can still be paid, until `payBy`"),
]);

/// The function.
pub fn function() -> Function {
    Function::http("pay-order", &[ROUTE], Desk::open, handle)
}

#[derive(Clone)]
struct Desk {
    store: Store,
    cashier: Cashier,
}

impl Desk {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        Ok(Self { store: Store::open(&env.aws, |name| env.variable(name))?, cashier: Cashier::open(env)? })
    }
}

async fn handle(desk: Desk, request: Request) -> Result<Answer, PayRefusal> {
    let order_id: OrderId = request.path("orderId")?;
    let choice = PaymentRequest::choice(Some(request.json()?), "")?;
    let key_hash = request.idempotency_key()?.map(|key| key.hash(&format!("{order_id}/pay")));
    let store = desk.store.until(request.deadline);
    let fingerprint = match &choice {
        PaymentChoice::Points => "POINTS".to_owned(),
        PaymentChoice::Card(key) => format!("CARD {}", key.as_str()),
    };
    let kept_under = key_hash.as_deref().map(|hash| (hash, fingerprint.as_str()));
    let mut pass = None;
    for _ in 0..ROUNDS {
        let file = crate::file_of::<PayRefusal>(&store, &order_id, &request.caller).await?;
        if let Some(reply) = key_hash.as_ref().and_then(|hash| file.replies.get(hash)) {
            let is_same = reply.fingerprint == fingerprint;
            return if is_same { Ok(Answer::again(reply.status, &reply.body)) } else { Err(PayRefusal::KeyReused) };
        }
        file.placed.order.may_be_paid(request.now).map_err(|wrong| PayRefusal::NotPayable(wrong.is))?;
        if file.attempts.last().is_some_and(|last| last.status == AttemptStatus::Asked) {
            // What became of it is found out before anything else is charged.
            return Ok(Answer::accepted(&events::Order::from(&file.placed.order)));
        }
        let paid = match &choice {
            PaymentChoice::Points => with_points(&store, &file, kept_under, &request).await,
            PaymentChoice::Card(payment_key) => {
                if pass.is_none() {
                    match desk.cashier.admit(&store).await {
                        Ok(admitted) => pass = Some(admitted),
                        Err(Open(wait)) => {
                            return Ok(Answer::accepted(&events::Order::from(&file.placed.order)).retry_after(wait));
                        }
                    }
                }
                by_card(&store, &desk.cashier, &mut pass, file, payment_key, kept_under, &request).await
            }
        };
        match paid {
            Err(NotPaid::Stale) => {}
            Err(NotPaid::Refused(refusal)) => return Err(refusal),
            Ok(answer) => return Ok(answer),
        }
    }
    Err(Fault::busy("the order changes faster than it can be paid").into())
}

/// Why one round did not pay.
enum NotPaid {
    /// The order changed meanwhile: look again.
    Stale,
    /// It cannot be paid like this.
    Refused(PayRefusal),
}

impl From<NotChanged> for NotPaid {
    fn from(error: NotChanged) -> Self {
        match error {
            NotChanged::Stale => Self::Stale,
            NotChanged::Fault(fault) => Self::Refused(fault.into()),
            NotChanged::PointsShort | NotChanged::BalanceFull => Self::Refused(Fault::broken(error).into()),
        }
    }
}

impl From<Fault> for NotPaid {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault.into())
    }
}

/// Nobody has begun another attempt since the file was read.
fn no_other_attempt(store: &Store, file: &OrderFile) -> Transaction<Unmet> {
    let next = u32::try_from(file.attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
    let order_id = &file.placed.order.order_id;
    let none = Transaction::default().with(store.check_no_attempt(order_id, next), Unmet::Changed);
    match file.attempts.last() {
        None => none,
        Some(last) => none.with(store.check_attempt(last), Unmet::Changed),
    }
}

async fn with_points(
    store: &Store,
    file: &OrderFile,
    kept_under: Option<(&str, &str)>,
    request: &Request,
) -> Result<Answer, NotPaid> {
    let order = &file.placed.order;
    let command = Command::Pay(Means::Points(EntryId::from_ulid(request.ulid())));
    let paid = order.decide(command, request.caller.actor(), request.now);
    let paid = paid.map_err(|wrong| NotPaid::Refused(PayRefusal::NotPayable(wrong.is)))?;
    let after = PlacedOrder { order: order.clone().apply(&paid), ..file.placed.clone() };
    let mut change = store.change(order, &after)?.and(no_other_attempt(store, file));
    if let Some((hash, fingerprint)) = kept_under {
        let kept = store.put_reply(&order.order_id, hash, &reply(200, fingerprint, &after.order)?)?;
        change = change.with(kept, Unmet::Changed);
    }
    match store.commit_change(change).await {
        Ok(()) => Ok(Answer::ok(&events::Order::from(&after.order))),
        Err(NotChanged::PointsShort) => {
            let balance = store.balance(&order.customer_id).await?;
            let required = order.total_amount;
            // It may have grown since; then there is enough after all.
            if balance >= required {
                return Err(NotPaid::Stale);
            }
            Err(NotPaid::Refused(PayRefusal::InsufficientPoints { required, balance }))
        }
        Err(other) => Err(other.into()),
    }
}

async fn by_card(
    store: &Store,
    cashier: &Cashier,
    pass: &mut Option<Pass>,
    file: OrderFile,
    payment_key: &PaymentKey,
    kept_under: Option<(&str, &str)>,
    request: &Request,
) -> Result<Answer, NotPaid> {
    let order = &file.placed.order;
    let number = u32::try_from(file.attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
    if number > MAX_ATTEMPTS {
        return Err(NotPaid::Refused(PayRefusal::TooManyAttempts));
    }
    let attempt = Attempt::asked(order.order_id.clone(), number, payment_key.clone(), order.total_amount, request.now);
    let mut begin = Transaction::default()
        .with(store.check_order(order), Unmet::Changed)
        .with(store.put_attempt(&attempt)?, Unmet::Changed);
    if let Some(last) = file.attempts.last() {
        begin = begin.with(store.check_attempt(last), Unmet::Changed);
    }
    if let Some((hash, fingerprint)) = kept_under {
        let kept = store.put_reply(&order.order_id, hash, &reply(202, fingerprint, order)?)?;
        begin = begin.with(kept, Unmet::Changed);
    }
    store.commit_change(begin).await?;
    // Without leave to ask, this round would not have come so far.
    let Some(pass) = pass.take() else { return Err(NotPaid::Stale) };
    let payer = Payer { by: request.caller.actor(), now: request.now, told: Told::Payer(kept_under) };
    cashier.charge(store, pass, file.placed, attempt, payer).await.map_err(NotPaid::Refused)
}
