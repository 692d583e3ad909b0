//! `GET /integrations/orders/{orderId}` and `GET /integrations/orders/{source}/{externalOrderId}`
//! show a partner an order: by our id, or by its id in the source system.

use domain::{ExternalOrderId, Failure, OrderId, Refusal, SourceId, scope::Permission};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::access;
use store::Store;

/// `GET /integrations/orders/{orderId}`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/integrations/orders/{orderId}",
    Access::Permissions(&[Permission::ReadOrders, Permission::CollectOrders]),
    "Shows an order, own or external, by our id (주문 조회)",
)
.response::<events::Order>();

/// `GET /integrations/orders/{source}/{externalOrderId}`.
pub const ROUTE_BY_SOURCE: Route = Route::new(
    Method::Get,
    "/integrations/orders/{source}/{externalOrderId}",
    Access::Permissions(&[Permission::ReadOrders, Permission::CollectOrders]),
    "Shows an external order by its id in the source system (외부 주문 조회)",
)
.response::<events::Order>();

/// The `get-integration-order` handler.
pub fn function() -> Function {
    Function::http(
        "get-integration-order",
        const { &[ROUTE.served(), ROUTE_BY_SOURCE.served()] },
        handle,
    )
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let order_id = if request.has_path("source") {
        let (source, external): (SourceId, ExternalOrderId) =
            (request.path("source")?, request.path("externalOrderId")?);
        OrderId::of_external(&source, &external)
    } else {
        request.path("orderId")?
    };
    let order = store.until(request.deadline).orders().any(&order_id).await?;
    let order = order.filter(|order| access::may_read(&request.caller, order));
    let order = order.ok_or(Refusal::NotFound)?;
    Ok(Response::ok(&access::visible_to(&request.caller, &order)))
}
