//! `PUT /integrations/orders/{source}/{externalOrderId}` collects an order that another system made (외부 주문 수집): for the
//! first time, or as it has changed since. Older tellings change nothing.

use crate::collecting::{COLLECT_PROBLEMS, CollectRefusal, ExternalOrder, collect};
use domain::{ExternalOrderId, SourceId};
use edge::{Access, Answer, Function, Method, Request, Role, Route};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Put,
    "/integrations/orders/{source}/{externalOrderId}",
    Access::Roles(&[Role::Partner, Role::Operator]),
    "Collects an order that another system made (외부 주문 수집); older tellings change nothing",
)
.takes::<ExternalOrder>()
.answers::<events::Order>()
.problems(COLLECT_PROBLEMS);

/// The function.
pub fn function() -> Function {
    Function::http("collect-order", &[ROUTE], |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

async fn handle(store: Store, request: Request) -> Result<Answer, CollectRefusal> {
    let source: SourceId = request.path("source")?;
    let external: ExternalOrderId = request.path("externalOrderId")?;
    let told = request.json()?;
    let order = collect(&store.until(request.deadline), &source, &external, told, request.now).await?;
    Ok(Answer::ok(&order))
}
