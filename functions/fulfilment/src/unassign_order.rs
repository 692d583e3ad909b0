//! `POST /orders/{orderId}/unassign` removes the rider from an order (배정 취소). The order waits for
//! another rider.

use domain::{Caller, Failure, Role, lifecycle::Command, order::Order};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::transition::{self, Transition, transition};
use store::Store;

/// `POST /orders/{orderId}/unassign`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/unassign",
    Access::Roles(&[Role::Operator]),
    "Removes the rider from an order, so that another one can pick it up (배정 취소)",
)
.idempotent_by_key()
.response::<events::Order>()
.problems(transition::REFUSALS);

/// The `unassign-order` handler.
pub fn function() -> Function {
    Function::http("unassign-order", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id = request.path("orderId")?;
    let may_request = |_: &Caller, _: &Order| true;
    let unassign = Transition { order_id, name: "unassign", meaning: "", may_request };
    let key = request.idempotency_key()?;
    Ok(Response::of(
        transition(&store, &request.context(), key.as_ref(), unassign, |_| Command::Unassign)
            .await?,
    ))
}
