//! `PUT /integrations/orders/{source}/{externalOrderId}` stores an external order (외부 주문 수집):
//! a new one, or a newer state of a known one. Older updates change nothing.

use domain::{ExternalOrderId, Failure, SourceId, scope::Permission};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::{access, external_order, external_order_update::ExternalOrder};
use store::Store;

/// `PUT /integrations/orders/{source}/{externalOrderId}`.
pub const ROUTE: Route = Route::new(
    Method::Put,
    "/integrations/orders/{source}/{externalOrderId}",
    Access::Permissions(&[Permission::CollectOrders]),
    "Stores an external order (외부 주문 수집); older updates change nothing",
)
.request_body::<ExternalOrder>()
.response::<events::Order>()
.problems(external_order::REFUSALS);

/// The `collect-order` handler.
pub fn function() -> Function {
    Function::http("collect-order", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let source: SourceId = request.path("source")?;
    let external: ExternalOrderId = request.path("externalOrderId")?;
    let update = request.json()?;
    let store = store.until(request.deadline);
    let by = request.caller.actor();
    let order =
        external_order::upsert(&store, &source, &external, update, &by, request.now).await?;
    Ok(Response::ok(&access::visible_to(&request.caller, &order)))
}
