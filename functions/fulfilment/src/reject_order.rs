//! `POST /orders/{orderId}/reject` lets a store refuse a paid order (거절): stock, coupon and points are back with it, in one
//! transaction; a card's charge goes back through the gateway.

use domain::lifecycle::Command;
use edge::{Access, Answer, Function, Method, Request, Role, Route, checked_reason};
use orders::moving::{MOVE_PROBLEMS, Move, MoveRefusal, move_order};
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
.takes::<RejectOrder>()
.answers::<events::Order>()
.problems(MOVE_PROBLEMS);

/// The function.
pub fn function() -> Function {
    Function::http("reject-order", &[ROUTE], crate::open, handle)
}

/// How an order is refused.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct RejectOrder {
    /// Why, in at most 200 characters; the customer reads it.
    reason: Option<String>,
}

async fn handle(store: Store, request: Request) -> Result<Answer, MoveRefusal> {
    let order_id = request.path("orderId")?;
    let RejectOrder { reason } = request.json_or_nothing()?;
    let reason = checked_reason(reason)?;
    let meaning = reason.as_deref().unwrap_or_default();
    let asked = Move { order_id, name: "reject", meaning, concerns: crate::is_made_by };
    move_order(&store, &request, asked, |refund| Command::Reject { reason: reason.clone(), refund }).await
}
