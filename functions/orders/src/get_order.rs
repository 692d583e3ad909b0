//! `GET /orders/{orderId}` shows an order to those whom it concerns; to others it does not exist.

use crate::moving::shown_to;
use domain::{OrderId, order::Order};
use edge::{Access, Answer, Caller, Function, Method, Rejected, Request, Role, Route, Unanswered};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/orders/{orderId}",
    Access::Roles(&[Role::Customer, Role::Store, Role::Rider, Role::Operator]),
    "Shows an order (주문 조회)",
)
.answers::<events::Order>();

/// The function.
pub fn function() -> Function {
    Function::http("get-order", &[ROUTE], |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

async fn handle(store: Store, request: Request) -> Result<Answer, Unanswered> {
    let order_id: OrderId = request.path("orderId")?;
    let placed = store.until(request.deadline).order(&order_id).await?;
    let order =
        placed.map(|placed| placed.order).filter(|order| concerns(&request.caller, order)).ok_or(Rejected::NotFound)?;
    Ok(Answer::ok(&shown_to(&request.caller, &order)))
}

fn concerns(caller: &Caller, order: &Order) -> bool {
    match caller {
        Caller::Customer(customer) => *customer == order.customer_id,
        Caller::Store(store) => Some(store) == order.store_id.as_ref(),
        Caller::Operator => true,
        Caller::Rider(rider) => Some(rider) == order.state.rider_id(),
        Caller::Partner | Caller::Anyone => false,
    }
}
