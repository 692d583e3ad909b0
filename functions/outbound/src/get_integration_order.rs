//! `GET /integrations/orders/{orderId}` shows a partner an order, whoever made it.

use domain::OrderId;
use edge::{Access, Answer, Environment, Function, Method, NotStarted, Rejected, Request, Role, Route, Unanswered};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/integrations/orders/{orderId}",
    Access::Roles(&[Role::Partner, Role::Operator]),
    "Shows an order, whoever made it (주문 조회)",
)
.answers::<events::Order>();

/// The function.
pub fn function() -> Function {
    Function::http("get-integration-order", &[ROUTE], open, handle)
}

fn open(env: &Environment) -> Result<Store, NotStarted> {
    Ok(Store::open(&env.aws, |name| env.variable(name))?)
}

async fn handle(store: Store, request: Request) -> Result<Answer, Unanswered> {
    let order_id: OrderId = request.path("orderId")?;
    let order = store.until(request.deadline).any_order(&order_id).await?.ok_or(Rejected::NotFound)?;
    Ok(Answer::ok(&order))
}
