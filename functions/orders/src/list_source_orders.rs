//! `GET /integrations/sources/{source}/orders` lists the orders that another system made, the newest first, without an end (외부 주문
//! 목록).

use crate::list_orders::{OrderList, page_of};
use domain::SourceId;
use edge::{Access, Answer, Function, Method, Request, Role, Route, Unanswered};
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
    let open = |env: &edge::Environment| Ok(Store::open(&env.aws, |name| env.variable(name))?);
    Function::http("list-source-orders", &[ROUTE], open, handle)
}

async fn handle(store: Store, request: Request) -> Result<Answer, Unanswered> {
    let source: SourceId = request.path("source")?;
    let page = store.until(request.deadline).orders_of_source(&source, &page_of(&request)?).await?;
    Ok(Answer::ok(&OrderList::new(page.entries, page.next.as_deref())))
}
