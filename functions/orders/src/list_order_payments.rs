//! `GET /orders/{orderId}/payments` lists every payment of an order that was attempted, by card or
//! with points (결제 내역).

use domain::{
    Failure, OrderId, Role, Timestamp, Won,
    order::Order,
    payment::{Attempt, AttemptStatus, PaymentStatus},
};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::access::order_of_caller;
use ordering::payment_request::OwnPaymentMethod;
use schemars::JsonSchema;
use serde::Serialize;
use store::Store;

/// `GET /orders/{orderId}/payments`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/orders/{orderId}/payments",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Lists the payments of an order, including failed ones (결제 내역)",
)
.response::<OrderPayments>();

/// The `list-order-payments` handler.
pub fn function() -> Function {
    Function::http("list-order-payments", const { &[ROUTE.served()] }, handle)
}

/// The payments of an order.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderPayments {
    /// The attempts to pay by card, oldest first, followed by the payment with points.
    payments: Vec<TriedPayment>,
}

/// One payment of an order, successful or not.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TriedPayment {
    /// The payment's id. For points, the id of the ledger entry.
    payment_id: String,
    /// The payment method.
    method: OwnPaymentMethod,
    /// The amount in won.
    amount: Won,
    /// The payment's status.
    status: AttemptStatus,
    /// The refunded part of the amount, in won.
    refunded_amount: Won,
    /// When the payment reached this status.
    at: Timestamp,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id: OrderId = request.path("orderId")?;
    let store = store.until(request.deadline);
    let file = order_of_caller(&store, &order_id, &request.caller).await?;
    let by_card = file.attempts.iter().map(by_card);
    Ok(Response::ok(&OrderPayments {
        payments: by_card.chain(with_points(&file.placed.order)).collect(),
    }))
}

fn by_card(attempt: &Attempt) -> TriedPayment {
    let is_refunded = attempt.status == AttemptStatus::Refunded;
    TriedPayment {
        payment_id: format!("{}-{}", attempt.payable, attempt.attempt),
        method: OwnPaymentMethod::Card,
        amount: attempt.amount,
        status: attempt.status,
        refunded_amount: if is_refunded { attempt.amount } else { Won::ZERO },
        at: attempt.updated_at,
    }
}

/// A payment with points is never in progress: the transaction that changes the order also debits
/// or refunds the points.
fn with_points(order: &Order) -> Option<TriedPayment> {
    let payment = &order.payment;
    let entry = payment.ledger_entry.as_ref()?;
    let is_refunded = payment.status == PaymentStatus::Refunded;
    Some(TriedPayment {
        payment_id: entry.to_string(),
        method: OwnPaymentMethod::Points,
        amount: payment.amount,
        status: if is_refunded { AttemptStatus::Refunded } else { AttemptStatus::Paid },
        refunded_amount: if is_refunded { payment.amount } else { Won::ZERO },
        at: if is_refunded { order.updated_at } else { payment.paid_at.unwrap_or(order.placed_at) },
    })
}
