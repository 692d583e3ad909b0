//! `POST /orders/{orderId}/accept` lets a store take a paid order (수락).

use domain::{Failure, Role, lifecycle::Command};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::{
    access::is_store_of,
    transition::{self, Transition, transition},
};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/accept",
    Access::Roles(&[Role::Store, Role::Operator]),
    "The store takes a paid order (수락)",
)
.idempotent_by_key()
.response::<events::Order>()
.problems(transition::REFUSALS);

/// The function.
pub fn function() -> Function {
    Function::http("accept-order", &[ROUTE], handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id = request.path("orderId")?;
    let asked = Transition { order_id, name: "accept", meaning: "", may_request: is_store_of };
    let key = request.idempotency_key()?;
    Ok(Response::of(transition(&store, &request.context(), key.as_ref(), asked, |_| Command::Accept).await?))
}
