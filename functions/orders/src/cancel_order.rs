//! `POST /orders/{orderId}/cancel` cancels an order before it is cooked (주문 취소). One transaction
//! cancels the order, releases its stock and its coupon, and refunds its points. A card payment is
//! refunded through the gateway afterwards; the order shows when that is done.

use domain::{Failure, Refusal, RefusalKind, Role, lifecycle::Command, order::checked_reason};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::{
    access::is_customer_of,
    transition::{Transition, transition},
};
use schemars::JsonSchema;
use serde::Deserialize;
use store::Store;

/// `POST /orders/{orderId}/cancel`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/cancel",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Cancels an order before it is cooked (주문 취소)",
)
.idempotent_by_key()
.request_body::<CancelOrder>()
.response::<events::Order>()
.problems(&[
    RefusalKind::NotFound,
    RefusalKind::NotCancellable,
    RefusalKind::BalanceLimit,
    RefusalKind::KeyReused,
]);

/// The `cancel-order` handler.
pub fn function() -> Function {
    Function::http("cancel-order", const { &[ROUTE.served()] }, handle)
}

/// The details of a cancellation.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct CancelOrder {
    /// The reason, at most 200 characters.
    reason: Option<String>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id = request.path("orderId")?;
    let CancelOrder { reason } = request.json_or_nothing()?;
    let reason = checked_reason(reason)?;
    let meaning = reason.as_deref().unwrap_or_default();
    let key = request.idempotency_key()?;
    let cancel = Transition { order_id, name: "cancel", meaning, may_request: is_customer_of };
    let command = |refund| Command::Cancel { reason: reason.clone(), refund };
    let cancelled = transition(&store, &request.context(), key.as_ref(), cancel, command).await;
    Ok(Response::of(cancelled.map_err(not_cancellable)?))
}

fn not_cancellable(failure: Failure) -> Failure {
    if let Failure::Refused(Refusal::WrongStatus { order_status, .. }) = failure {
        Refusal::NotCancellable { order_status }.into()
    } else {
        failure
    }
}
