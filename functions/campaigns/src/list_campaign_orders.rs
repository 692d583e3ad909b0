//! `GET /campaigns/{campaignId}/orders` lists the paid orders that a campaign brought, newest first
//! (캠페인 주문 목록).

use domain::{CampaignId, Failure, scope::Permission};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::{
    access,
    listing::{self, OrderList},
};
use store::Store;

/// `GET /campaigns/{campaignId}/orders`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/campaigns/{campaignId}/orders",
    Access::Permissions(&[Permission::ReadCampaigns]),
    "Lists the paid orders that a campaign brought, newest first (캠페인 주문 목록)",
)
.query(&[
    ("limit", "maximum number of entries, 1 to 100 (default: 20)"),
    ("cursor", "`nextCursor` of the previous page"),
])
.response::<OrderList>();

/// The `list-campaign-orders` handler.
pub fn function() -> Function {
    Function::http("list-campaign-orders", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let campaign: CampaignId = request.path("campaignId")?;
    let page = store
        .until(request.deadline)
        .campaigns()
        .orders(&campaign, &listing::page(request.page()?))
        .await?;
    let redacted = |order| access::redacted_for(&request.caller, order);
    let orders = page.entries.into_iter().map(redacted).collect();
    Ok(Response::ok(&OrderList::new(orders, Response::cursor(page.next.as_deref()))))
}
