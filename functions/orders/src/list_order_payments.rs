//! `GET /orders/{orderId}/payments` lists every payment of an order that was tried (결제 내역): with points, or by card.

use domain::{
    Failure, OrderId, Role, Timestamp, Won,
    order::Order,
    payment::{Attempt, AttemptStatus, PaymentMethod, PaymentStatus},
};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::access::order_of_caller;
use schemars::JsonSchema;
use serde::Serialize;
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/orders/{orderId}/payments",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Lists the payments of an order that were tried, the first one first (결제 내역)",
)
.response::<OrderPayments>();

/// The function.
pub fn function() -> Function {
    Function::http("list-order-payments", &[ROUTE], handle)
}

/// What was tried to pay an order.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderPayments {
    /// Each attempt by card, and the payment with points.
    payments: Vec<TriedPayment>,
}

/// One payment of an order, whatever became of it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TriedPayment {
    /// Its id: that of the ledger entry, for points.
    payment_id: String,
    /// How it was made.
    method: PaymentMethod,
    /// How much, in won.
    amount: Won,
    /// Its status.
    status: AttemptStatus,
    /// How much of it was given back.
    refunded_amount: Won,
    /// When the status was reached.
    at: Timestamp,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id: OrderId = request.path("orderId")?;
    let store = store.until(request.deadline);
    let file = order_of_caller(&store, &order_id, &request.caller).await?;
    let by_card = file.attempts.iter().map(by_card);
    Ok(Response::ok(&OrderPayments { payments: by_card.chain(with_points(&file.placed.order)).collect() }))
}

fn by_card(attempt: &Attempt) -> TriedPayment {
    let is_back = attempt.status == AttemptStatus::Refunded;
    TriedPayment {
        payment_id: format!("{}-{}", attempt.payable, attempt.attempt),
        method: PaymentMethod::Card,
        amount: attempt.amount,
        status: attempt.status,
        refunded_amount: if is_back { attempt.amount } else { Won::ZERO },
        at: attempt.updated_at,
    }
}

/// Points are taken, and given back, in the transaction that says so: nothing of theirs is ever on its way.
fn with_points(order: &Order) -> Option<TriedPayment> {
    let payment = &order.payment;
    let entry = payment.ledger_entry.as_ref()?;
    let is_back = payment.status == PaymentStatus::Refunded;
    Some(TriedPayment {
        payment_id: entry.to_string(),
        method: PaymentMethod::Points,
        amount: payment.amount,
        status: if is_back { AttemptStatus::Refunded } else { AttemptStatus::Paid },
        refunded_amount: if is_back { payment.amount } else { Won::ZERO },
        at: if is_back { order.updated_at } else { payment.paid_at.unwrap_or(order.placed_at) },
    })
}
