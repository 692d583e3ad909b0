//! `GET /orders/{orderId}` shows an order to its customer, its store, its rider and operators
//! (주문 조회). For any other caller the order does not exist.

use domain::{Failure, OrderId, Refusal, Role};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::access::{may_read, visible_to};
use store::Store;

/// `GET /orders/{orderId}`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/orders/{orderId}",
    Access::Roles(&[Role::Customer, Role::Store, Role::Rider, Role::Operator]),
    "Shows an order (주문 조회)",
)
.response::<events::Order>();

/// The `get-order` handler.
pub fn function() -> Function {
    Function::http("get-order", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id: OrderId = request.path("orderId")?;
    let placed = store.until(request.deadline).orders().get(&order_id).await?;
    let order = placed.map(|placed| placed.order).filter(|order| may_read(&request.caller, order));
    Ok(Response::ok(&visible_to(&request.caller, &order.ok_or(Refusal::NotFound)?)))
}
