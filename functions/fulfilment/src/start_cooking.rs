//! `POST /orders/{orderId}/start-cooking` marks an order as being cooked (요리 시작). From then on it
//! cannot be cancelled.

use domain::{Failure, Role, lifecycle::Command};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::{
    access::is_store_of,
    transition::{self, Transition, transition},
};
use store::Store;

/// `POST /orders/{orderId}/start-cooking`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/start-cooking",
    Access::Roles(&[Role::Store, Role::Operator]),
    "Marks an order as being cooked (요리 시작)",
)
.idempotent_by_key()
.response::<events::Order>()
.problems(transition::REFUSALS);

/// The `start-cooking` handler.
pub fn function() -> Function {
    Function::http("start-cooking", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id = request.path("orderId")?;
    let start =
        Transition { order_id, name: "start-cooking", meaning: "", may_request: is_store_of };
    let key = request.idempotency_key()?;
    Ok(Response::of(
        transition(&store, &request.context(), key.as_ref(), start, |_| Command::StartCooking)
            .await?,
    ))
}
