//! `POST /orders/{orderId}/accept` accepts a paid order for its store (수락).

use domain::{Failure, Role, lifecycle::Command};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::{
    access::is_store_of,
    transition::{self, Transition, transition},
};
use store::Store;

/// `POST /orders/{orderId}/accept`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/accept",
    Access::Roles(&[Role::Store, Role::Operator]),
    "Accepts a paid order for its store (수락)",
)
.idempotent_by_key()
.response::<events::Order>()
.problems(transition::REFUSALS);

/// The `accept-order` handler.
pub fn function() -> Function {
    Function::http("accept-order", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id = request.path("orderId")?;
    let accept = Transition { order_id, name: "accept", meaning: "", may_request: is_store_of };
    let key = request.idempotency_key()?;
    Ok(Response::of(
        transition(&store, &request.context(), key.as_ref(), accept, |_| Command::Accept).await?,
    ))
}
