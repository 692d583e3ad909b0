//! `POST /orders/{orderId}/finish-cooking` marks an order as cooked (요리 완료). Riders nearby can then
//! find it.

use domain::{Failure, Role, lifecycle::Command};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::{
    access::is_store_of,
    transition::{self, Transition, transition},
};
use store::Store;

/// `POST /orders/{orderId}/finish-cooking`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/finish-cooking",
    Access::Roles(&[Role::Store, Role::Operator]),
    "Marks an order as cooked, so that riders find it (요리 완료)",
)
.idempotent_by_key()
.response::<events::Order>()
.problems(transition::REFUSALS);

/// The `finish-cooking` handler.
pub fn function() -> Function {
    Function::http("finish-cooking", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id = request.path("orderId")?;
    let finish =
        Transition { order_id, name: "finish-cooking", meaning: "", may_request: is_store_of };
    let key = request.idempotency_key()?;
    Ok(Response::of(
        transition(&store, &request.context(), key.as_ref(), finish, |_| Command::FinishCooking)
            .await?,
    ))
}
