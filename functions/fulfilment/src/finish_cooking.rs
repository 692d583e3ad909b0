//! `POST /orders/{orderId}/finish-cooking` says that an order is cooked (요리 완료): riders nearby find it.

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
    "/orders/{orderId}/finish-cooking",
    Access::Roles(&[Role::Store, Role::Operator]),
    "The store has cooked; a rider may come (요리 완료)",
)
.idempotent_by_key()
.response::<events::Order>()
.problems(transition::REFUSALS);

/// The function.
pub fn function() -> Function {
    Function::http("finish-cooking", &[ROUTE], handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id = request.path("orderId")?;
    let asked = Transition { order_id, name: "finish-cooking", meaning: "", may_request: is_store_of };
    let key = request.idempotency_key()?;
    Ok(Response::of(transition(&store, &request.context(), key.as_ref(), asked, |_| Command::FinishCooking).await?))
}
