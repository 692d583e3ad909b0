//! `POST /orders/{orderId}/confirm-delivery` lets a customer say that they have got their order (배송 확인): it is complete, and
//! counts for their grade.

use domain::{Failure, Role, lifecycle::Command};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::{
    access::is_customer_of,
    transition::{self, Transition, transition},
};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/confirm-delivery",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "The customer has got the order (배송 확인); it counts for their grade",
)
.idempotent_by_key()
.response::<events::Order>()
.problems(transition::REFUSALS);

/// The function.
pub fn function() -> Function {
    Function::http("confirm-delivery", &[ROUTE], handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id = request.path("orderId")?;
    let asked = Transition { order_id, name: "confirm-delivery", meaning: "", may_request: is_customer_of };
    let key = request.idempotency_key()?;
    Ok(Response::of(transition(&store, &request.context(), key.as_ref(), asked, |_| Command::ConfirmDelivery).await?))
}
