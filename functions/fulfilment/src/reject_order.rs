//! `POST /orders/{orderId}/reject` lets a store refuse a paid order (거절): stock, coupon and points are back with it, in one
//! transaction; a card's charge goes back through the gateway.

use domain::{Failure, Role, lifecycle::Command, order::checked_reason};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::{
    access::is_store_of,
    transition::{self, Transition, transition},
};
use schemars::JsonSchema;
use serde::Deserialize;
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/reject",
    Access::Roles(&[Role::Store, Role::Operator]),
    "The store refuses a paid order (거절); what was paid goes back",
)
.idempotent_by_key()
.request_body::<RejectOrder>()
.response::<events::Order>()
.problems(transition::REFUSALS);

/// The function.
pub fn function() -> Function {
    Function::http("reject-order", &[ROUTE], handle)
}

/// How an order is refused.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct RejectOrder {
    /// Why, in at most 200 characters; the customer reads it.
    reason: Option<String>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id = request.path("orderId")?;
    let RejectOrder { reason } = request.json_or_nothing()?;
    let reason = checked_reason(reason)?;
    let meaning = reason.as_deref().unwrap_or_default();
    let asked = Transition { order_id, name: "reject", meaning, may_request: is_store_of };
    let key = request.idempotency_key()?;
    Ok(Response::of(
        transition(&store, &request.context(), key.as_ref(), asked, |refund| Command::Reject {
            reason: reason.clone(),
            refund,
        })
        .await?,
    ))
}
