//! `POST /orders/{orderId}/reject` rejects a paid order for its store (거절). One transaction rejects
//! the order, releases its stock and its coupon, and refunds its points. A card payment is refunded
//! through the gateway afterwards.

use domain::{Failure, Role, lifecycle::Command, order::checked_reason};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::{
    access::is_store_of,
    transition::{self, Transition, transition},
};
use schemars::JsonSchema;
use serde::Deserialize;
use store::Store;

/// `POST /orders/{orderId}/reject`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/reject",
    Access::Roles(&[Role::Store, Role::Operator]),
    "Rejects a paid order for its store (거절); the payment is refunded",
)
.idempotent_by_key()
.request_body::<RejectOrder>()
.response::<events::Order>()
.problems(transition::REFUSALS);

/// The `reject-order` handler.
pub fn function() -> Function {
    Function::http("reject-order", const { &[ROUTE.served()] }, handle)
}

/// The details of a rejection.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct RejectOrder {
    /// The reason, at most 200 characters. The customer sees it.
    reason: Option<String>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id = request.path("orderId")?;
    let RejectOrder { reason } = request.json_or_nothing()?;
    let reason = checked_reason(reason)?;
    let meaning = reason.as_deref().unwrap_or_default();
    let reject = Transition { order_id, name: "reject", meaning, may_request: is_store_of };
    let key = request.idempotency_key()?;
    Ok(Response::of(
        transition(&store, &request.context(), key.as_ref(), reject, |refund| Command::Reject {
            reason: reason.clone(),
            refund,
        })
        .await?,
    ))
}
