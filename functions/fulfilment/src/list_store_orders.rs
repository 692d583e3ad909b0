//! `GET /stores/{storeId}/orders` lists the orders on a store's board (가게 주문 목록).

use domain::{Failure, Role, StoreId, order::Status};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::listing::{self, OrderList};
use store::Store;

/// `GET /stores/{storeId}/orders`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/stores/{storeId}/orders",
    Access::Roles(&[Role::Store, Role::Operator]),
    "Lists the orders on a store's board (가게 주문 목록): all, newest first; or those in one status, oldest first",
)
.query(&[
    ("status", "only orders in this status"),
    ("limit", "maximum number of entries, 1 to 100 (default: 20)"),
    ("cursor", "`nextCursor` of the previous page"),
])
.response::<OrderList>();

/// The `list-store-orders` handler.
pub fn function() -> Function {
    Function::http("list-store-orders", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let store_id: StoreId = request.path("storeId")?;
    request.caller.must_be_at(&store_id)?;
    let status: Option<Status> = request.query("status")?;
    let page = listing::page(request.page()?);
    let board = store.until(request.deadline).boards().list(&store_id, status, &page).await?;
    Ok(Response::ok(&OrderList::new(board.entries, Response::cursor(board.next.as_deref()))))
}
