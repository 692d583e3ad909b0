//! `POST /integrations/orders/{source}/{externalOrderId}/status` updates the status of an external
//! order (외부 주문 상태 변경). Older updates change nothing.

use domain::{
    ExternalOrderId, Failure, Refusal, RefusalKind, SourceId, Timestamp, external::ReportedStatus,
    scope::Permission,
};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::{access, external_order};
use schemars::JsonSchema;
use serde::Deserialize;
use store::Store;

/// `POST /integrations/orders/{source}/{externalOrderId}/status`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/integrations/orders/{source}/{externalOrderId}/status",
    Access::Permissions(&[Permission::CollectOrders]),
    "Updates the status of an external order (외부 주문 상태 변경); older updates change nothing",
)
.request_body::<StatusUpdate>()
.response::<events::Order>()
.problems(&[RefusalKind::NotFound]);

/// The `update-collected-order` handler.
pub fn function() -> Function {
    Function::http("update-collected-order", const { &[ROUTE.served()] }, handle)
}

/// A new status.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct StatusUpdate {
    /// One of our statuses, in upper or lower case, or a status of the source system, which is
    /// stored as `externalStatus` beside ours.
    status: ReportedStatus,
    /// When the order took the status, by the clock of the source system; the current time by
    /// default.
    at: Option<Timestamp>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let source: SourceId = request.path("source")?;
    let external: ExternalOrderId = request.path("externalOrderId")?;
    let StatusUpdate { status, at } = request.json()?;
    let store = store.until(request.deadline);
    let by = request.caller.actor();
    let order =
        external_order::update_status(&store, &source, &external, &status, at, &by, request.now)
            .await?;
    Ok(Response::ok(&access::visible_to(&request.caller, &order.ok_or(Refusal::NotFound)?)))
}
