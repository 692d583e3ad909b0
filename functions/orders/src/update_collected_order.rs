//! `POST /integrations/orders/{source}/{externalOrderId}/status` tells that an order which another system made has another
//! status now (외부 주문 상태 변경). Older tellings change nothing.

use crate::collecting::{CollectRefusal, collect_status};
use domain::{ExternalOrderId, SourceId, Timestamp, collected::ToldStatus};
use edge::{Access, Answer, Function, Method, Rejected, Request, Role, Route};
use schemars::JsonSchema;
use serde::Deserialize;
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/integrations/orders/{source}/{externalOrderId}/status",
    Access::Roles(&[Role::Partner, Role::Operator]),
    "Tells that an order which another system made has another status (외부 주문 상태 변경); older tellings change nothing",
)
.takes::<StatusTold>()
.answers::<events::Order>()
.problems(&[(404, "not-found", "nobody told of such an order before")]);

/// The function.
pub fn function() -> Function {
    let open = |env: &edge::Environment| Ok(Store::open(&env.aws, |name| env.variable(name))?);
    Function::http("update-collected-order", &[ROUTE], open, handle)
}

/// Another status.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct StatusTold {
    /// A status of ours, in upper or lower case, or a word of that system, which is kept as `externalStatus` beside ours.
    status: ToldStatus,
    /// Since when, by the clock of the system that made the order; now, if left out.
    at: Option<Timestamp>,
}

async fn handle(store: Store, request: Request) -> Result<Answer, CollectRefusal> {
    let source: SourceId = request.path("source")?;
    let external: ExternalOrderId = request.path("externalOrderId")?;
    let StatusTold { status, at } = request.json()?;
    let store = store.until(request.deadline);
    let order = collect_status(&store, &source, &external, &status, at, request.now).await?;
    Ok(Answer::ok(&order.ok_or(Rejected::NotFound)?))
}
