//! `POST /orders/{orderId}/pay` pays an order whose stock is held (결제): with points, or by another attempt at the gateway.

use crate::{Keyed, paying::Cashier, placing::PaymentRequest, refusals::PayRefusal};
use domain::{
    EntryId, Fault, OrderId,
    lifecycle::{Command, Means},
    payment::{Attempt, AttemptStatus, MAX_ATTEMPTS, Payable, PaymentKey},
    request::PaymentChoice,
};
use edge::{Access, Answer, Environment, Function, Method, NotStarted, Rejected, Request, Role, Route};
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
    let store = desk.store.until(request.deadline);
    let mut pass = None;
    let paid = pay(&store, &desk.cashier, &mut pass, &request).await;
    if let Some(pass) = pass {
        desk.cashier.breaker.release(&store, pass).await;
    }
    paid
}

async fn pay(
    store: &Store,
    cashier: &Cashier,
    pass: &mut Option<Pass>,
    request: &Request,
) -> Result<Answer, PayRefusal> {
    let order_id: OrderId = request.path("orderId")?;
    let payment_key = match PaymentRequest::choice(Some(request.json()?), "")? {
        PaymentChoice::Points => None,
        PaymentChoice::Card(Some(key)) => Some(key),
        PaymentChoice::Card(None) => return Err(Rejected::field("paymentKey", "is required to pay by card").into()),
    };
    let meaning = payment_key.as_ref().map_or_else(|| "POINTS".to_owned(), |key| format!("CARD {}", key.as_str()));
    let keyed = Keyed::of(request, "pay", &order_id, &meaning)?;
    let keyed = keyed.as_ref();
    for _ in 0..ROUNDS {
        // Whose order it is comes first: nobody hears another's answer, whatever the key.
        let file = crate::file_of::<PayRefusal>(store, &order_id, &request.caller).await?;
        if let Some(keyed) = keyed
            && let Some(answer) = keyed.again::<PayRefusal>(store).await?
        {
            return Ok(answer);
        }
        file.placed.order.may_be_paid(request.now).map_err(|wrong| PayRefusal::NotPayable(wrong.is))?;
        let unclear = file.attempts.iter().find(|attempt| attempt.status == AttemptStatus::Asked);
        if let Some(due_at) = unclear.and_then(|attempt| attempt.due_at) {
            // Its result is found out before anything else is charged.
            let wait = request.now.until(due_at);
            return Ok(Answer::accepted(&events::Order::from(&file.placed.order)).retry_after(wait));
        }
        let paid = match &payment_key {
            None => with_points(store, &file, keyed, request).await,
            Some(payment_key) => {
                if pass.is_none() {
                    match cashier.admit(store).await {
                        Ok(admitted) => *pass = Some(admitted),
                        Err(Open(wait)) => {
                            return Ok(Answer::accepted(&events::Order::from(&file.placed.order)).retry_after(wait));
                        }
                    }
                }
                by_card(store, cashier, pass, file, payment_key, keyed, request).await
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
            NotChanged::Fault(_) | NotChanged::PointsShort | NotChanged::BalanceFull | NotChanged::RiderFull => {
                Self::Refused(error.into_fault().into())
            }
        }
    }
}

impl From<Fault> for NotPaid {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault.into())
    }
}

/// The number of the attempt after those of an order.
fn next_attempt(file: &OrderFile) -> u32 {
    u32::try_from(file.attempts.len()).unwrap_or(u32::MAX).saturating_add(1)
}

/// Asserts that no attempt but `own` was begun, or came to something else, since the file was read: whoever pays knows of
/// every other payment that may come in.
fn no_other_attempt(store: &Store, file: &OrderFile, own: Option<u32>) -> Result<Transaction<Unmet>, Fault> {
    let mut asserted = Transaction::default();
    for other in file.attempts.iter().filter(|other| Some(other.attempt) != own) {
        asserted = asserted.with(store.check_attempt(other)?, Unmet::Changed);
    }
    let next = next_attempt(file);
    if own != Some(next) {
        asserted = asserted.with(store.check_no_attempt(&file.placed.order.order_id, next), Unmet::Changed);
    }
    Ok(asserted)
}

async fn with_points(
    store: &Store,
    file: &OrderFile,
    keyed: Option<&Keyed>,
    request: &Request,
) -> Result<Answer, NotPaid> {
    let order = &file.placed.order;
    let command = Command::Pay(Means::Points(EntryId::from_ulid(request.ulid())));
    let paid = order.decide(command, request.caller.actor(), request.now);
    let paid = paid.map_err(|wrong| NotPaid::Refused(PayRefusal::NotPayable(wrong.is)))?;
    let after = PlacedOrder { order: order.clone().apply(&paid), ..file.placed.clone() };
    let mut change = store.change(order, &after)?.and(no_other_attempt(store, file, None)?);
    if let Some(keyed) = keyed {
        let kept = store.put_reply(&keyed.hash, &keyed.reply(200, &after.order)?)?;
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
    keyed: Option<&Keyed>,
    request: &Request,
) -> Result<Answer, NotPaid> {
    let order = &file.placed.order;
    if file.attempts.iter().map(|attempt| attempt.asks).sum::<u32>() >= MAX_ATTEMPTS {
        return Err(NotPaid::Refused(PayRefusal::TooManyAttempts));
    }
    let reply = keyed.map(Keyed::pending);
    // A key that was tried before is the same attempt again: what is charged under it is charged once.
    let known = file.attempts.iter().find(|attempt| attempt.payment_key == *payment_key).cloned();
    let (attempt, write) = match known {
        None => {
            let (payable, key) = (Payable::Order(order.order_id.clone()), payment_key.clone());
            let (number, amount) = (next_attempt(&file), order.total_amount);
            let attempt = Attempt::asked(payable, number, key, amount, reply, request.now);
            let write = store.put_attempt(&attempt)?;
            (attempt, write)
        }
        Some(known) => {
            let attempt = known.clone().asked_again(reply, request.now);
            let write = store.replace_attempt(&attempt, &known)?;
            (attempt, write)
        }
    };
    let mut begin = no_other_attempt(store, &file, Some(attempt.attempt))?
        .with(store.check_order(order), Unmet::Changed)
        .with(write, Unmet::Changed);
    if let Some(keyed) = keyed {
        let kept = store.put_reply(&keyed.hash, &keyed.reply(202, order)?)?;
        begin = begin.with(kept, Unmet::Changed);
    }
    store.commit_change(begin).await?;
    // Without leave to ask, this round would not have come so far.
    let Some(pass) = pass.take() else { return Err(NotPaid::Stale) };
    let by = request.caller.actor();
    cashier.charge(store, pass, file.placed, attempt, by).await.map_err(NotPaid::Refused)
}
