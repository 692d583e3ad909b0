//! `GET /campaigns/{campaignId}/orders` lists the orders that a campaign brought, the newest first (캠페인 주문 목록).

use domain::{CampaignId, Failure, Role};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::listing::{self, OrderList};
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/campaigns/{campaignId}/orders",
    Access::Roles(&[Role::Partner, Role::Operator]),
    "Lists the paid orders that a campaign brought, the newest first (캠페인 주문 목록)",
)
.query(&[("limit", "how many at the most, 1 to 100 (20)"), ("cursor", "the `nextCursor` of the page before")])
.response::<OrderList>();

/// The function.
pub fn function() -> Function {
    Function::http("list-campaign-orders", &[ROUTE], handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let campaign: CampaignId = request.path("campaignId")?;
    let page = store.until(request.deadline).campaigns().orders(&campaign, &listing::page(request.page()?)).await?;
    Ok(Response::ok(&OrderList::new(page.entries, Response::cursor(page.next.as_deref()))))
}
