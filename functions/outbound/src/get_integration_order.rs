//! `GET /integrations/orders/{orderId}` and `GET /integrations/orders/{source}/{externalOrderId}` show a partner an order: by our id,
//! or by the one that it was given where it was made.

use domain::{ExternalOrderId, OrderId, SourceId};
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

/// The same order, by the id that it was given where it was made.
pub const ROUTE_BY_SOURCE: Route = Route::new(
    Method::Get,
    "/integrations/orders/{source}/{externalOrderId}",
    Access::Roles(&[Role::Partner, Role::Operator]),
    "Shows an order that another system made, by its id there (외부 주문 조회)",
)
.answers::<events::Order>();

/// The function.
pub fn function() -> Function {
    Function::http("get-integration-order", &[ROUTE, ROUTE_BY_SOURCE], open, handle)
}

fn open(env: &Environment) -> Result<Store, NotStarted> {
    Ok(Store::open(&env.aws, |name| env.variable(name))?)
}

async fn handle(store: Store, request: Request) -> Result<Answer, Unanswered> {
    let order_id = if request.has_path("source") {
        let (source, external): (SourceId, ExternalOrderId) =
            (request.path("source")?, request.path("externalOrderId")?);
        OrderId::of_external(&source, &external)
    } else {
        request.path("orderId")?
    };
    let order = store.until(request.deadline).any_order(&order_id).await?.ok_or(Rejected::NotFound)?;
    Ok(Answer::ok(&order))
}
