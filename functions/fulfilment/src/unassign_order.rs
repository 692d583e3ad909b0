//! `POST /orders/{orderId}/unassign` takes an order from its rider (배정 취소): it waits for another one.

use domain::{Caller, Failure, Role, lifecycle::Command, order::Order};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::transition::{self, Transition, transition};
use store::Store;

/// `POST /orders/{orderId}/unassign`, for operators.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/unassign",
    Access::Roles(&[Role::Operator]),
    "Takes an order from its rider: another one may pick it up (배정 취소)",
)
.idempotent_by_key()
.response::<events::Order>()
.problems(transition::REFUSALS);

/// The function `unassign-order`.
pub fn function() -> Function {
    Function::http("unassign-order", &[ROUTE], handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id = request.path("orderId")?;
    let may_request = |_: &Caller, _: &Order| true;
    let asked = Transition { order_id, name: "unassign", meaning: "", may_request };
    let key = request.idempotency_key()?;
    Ok(Response::of(transition(&store, &request.context(), key.as_ref(), asked, |_| Command::Unassign).await?))
}
