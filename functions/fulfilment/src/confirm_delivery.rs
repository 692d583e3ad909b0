//! `POST /orders/{orderId}/confirm-delivery` confirms that an order was delivered to the customer
//! (배송 확인). The order is completed, and counts towards the customer's grade.

use domain::{Failure, Role, lifecycle::Command};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::{
    access::is_customer_of,
    transition::{self, Transition, transition},
};
use store::Store;

/// `POST /orders/{orderId}/confirm-delivery`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/orders/{orderId}/confirm-delivery",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Confirms the delivery of an order (배송 확인); it counts towards the customer's grade",
)
.idempotent_by_key()
.response::<events::Order>()
.problems(transition::REFUSALS);

/// The `confirm-delivery` handler.
pub fn function() -> Function {
    Function::http("confirm-delivery", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id = request.path("orderId")?;
    let confirm =
        Transition { order_id, name: "confirm-delivery", meaning: "", may_request: is_customer_of };
    let key = request.idempotency_key()?;
    Ok(Response::of(
        transition(&store, &request.context(), key.as_ref(), confirm, |_| Command::ConfirmDelivery)
            .await?,
    ))
}
