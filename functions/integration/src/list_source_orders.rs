//! `GET /integrations/sources/{source}/orders` lists the orders that another system made, the newest first, without an end (외부 주문
//! 목록).

use domain::{Failure, Role, SourceId};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::listing::{self, OrderList};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/integrations/sources/{source}/orders",
    Access::Roles(&[Role::Partner, Role::Operator]),
    "Lists the orders that another system made, the newest first (외부 주문 목록)",
)
.query(&[("limit", "how many at the most, 1 to 100 (20)"), ("cursor", "the `nextCursor` of the page before")])
.response::<OrderList>();

/// The function.
pub fn function() -> Function {
    Function::http("list-source-orders", &[ROUTE], handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let source: SourceId = request.path("source")?;
    let page = store.until(request.deadline).external_orders().list(&source, &listing::page(request.page()?)).await?;
    Ok(Response::ok(&OrderList::new(page.entries, Response::cursor(page.next.as_deref()))))
}
