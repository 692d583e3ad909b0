//! `GET /order-views/{orderId}` shows an order with its store, its timeline and its notifications
//! in one response (주문 현황).

use crate::view::{OrderViewResponse, shown};
use domain::{Failure, OrderId, Refusal, Role};
use edge::{Access, Function, Method, Request, Response, Route};
use store::Store;

/// `GET /order-views/{orderId}`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/order-views/{orderId}",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Shows an order with its store, timeline and notifications (주문 현황); eventually consistent",
)
.response::<OrderViewResponse>();

/// The `get-order-view` handler.
pub fn function() -> Function {
    Function::http("get-order-view", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id: OrderId = request.path("orderId")?;
    let store = store.until(request.deadline);
    let view = store.order_views().get(&order_id).await?;
    let view = view.filter(|view| request.caller.must_be(&view.order.customer_id).is_ok());
    let view = view.ok_or(Refusal::NotFound)?;
    let profile = match &view.order.store_id {
        Some(store_id) => store.stores().get(store_id).await?,
        None => None,
    };
    Ok(Response::ok(&shown(view, profile.as_slice())))
}
