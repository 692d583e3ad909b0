//! `GET /order-views?customerId=` lists a customer's orders with their stores, timelines and
//! notifications, newest first (주문 현황 목록).

use crate::view::{OrderViewResponse, shown};
use domain::{CustomerId, Failure, Refusal, Role, StoreId};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::listing;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;
use store::Store;

/// `GET /order-views`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/order-views",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Lists a customer's orders with their stores, timelines and notifications, newest first (주문 현황 목록)",
)
.query(&[
    ("customerId", "the customer's id; required"),
    ("limit", "maximum number of entries, 1 to 100 (default: 20)"),
    ("cursor", "`nextCursor` of the previous page"),
])
.response::<OrderViews>();

/// The `list-order-views` handler.
pub fn function() -> Function {
    Function::http("list-order-views", const { &[ROUTE.served()] }, handle)
}

/// A page of order views.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderViews {
    /// The order views.
    order_views: Vec<OrderViewResponse>,
    /// The cursor of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let customer: Option<CustomerId> = request.query("customerId")?;
    let customer = customer.ok_or_else(|| Refusal::field("customerId", "is required"))?;
    request.caller.must_be(&customer)?;
    let store = store.until(request.deadline);
    let page = store.order_views().list(&customer, &listing::page(request.page()?)).await?;
    let stores: BTreeSet<&StoreId> =
        page.entries.iter().filter_map(|view| view.order.store_id.as_ref()).collect();
    let stores = store.stores().many(&Vec::from_iter(stores)).await?;
    let order_views = page.entries.into_iter().map(|view| shown(view, &stores)).collect();
    Ok(Response::ok(&OrderViews {
        order_views,
        next_cursor: Response::cursor(page.next.as_deref()),
    }))
}
