//! `GET /integrations/sources/{source}/orders` lists the external orders of a source, newest first
//! and without a time limit (외부 주문 목록).

use domain::{Failure, SourceId, scope::Permission};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::{
    access,
    listing::{self, OrderList},
};
use store::Store;

/// `GET /integrations/sources/{source}/orders`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/integrations/sources/{source}/orders",
    Access::Permissions(&[Permission::ReadOrders, Permission::CollectOrders]),
    "Lists the external orders of a source, newest first (외부 주문 목록)",
)
.query(&[
    ("limit", "maximum number of entries, 1 to 100 (default: 20)"),
    ("cursor", "`nextCursor` of the previous page"),
])
.response::<OrderList>();

/// The `list-source-orders` handler.
pub fn function() -> Function {
    Function::http("list-source-orders", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let source: SourceId = request.path("source")?;
    let page = store
        .until(request.deadline)
        .external_orders()
        .list(&source, &listing::page(request.page()?))
        .await?;
    Ok(Response::ok(&OrderList::new(
        page.entries.iter().map(|order| access::visible_to(&request.caller, order)).collect(),
        Response::cursor(page.next.as_deref()),
    )))
}
