//! `GET /integrations/sources/{source}/orders` lists the orders that another system made, the newest first, without an end (외부 주문
//! 목록).

use domain::{Failure, Role, SourceId};
use edge::{Access, Answer, Function, Method, Request, Route};
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
.answers::<OrderList>();

/// The function.
pub fn function() -> Function {
    Function::http("list-source-orders", &[ROUTE], handle)
}

async fn handle(store: Store, request: Request) -> Result<Answer, Failure> {
    let source: SourceId = request.path("source")?;
    let page = store.until(request.deadline).external_orders().list(&source, &listing::page(request.page()?)).await?;
    Ok(Answer::ok(&OrderList::new(page.entries, Answer::cursor(page.next.as_deref()))))
}
