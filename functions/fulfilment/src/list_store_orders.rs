//! `GET /stores/{storeId}/orders` shows a store's board (가게 주문 목록).

use domain::{Failure, Role, StoreId, order::Status};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::listing::{self, OrderList};
use serde::{
    Deserialize,
    de::{IntoDeserializer, value::Error},
};
use std::str::FromStr;
use store::Store;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/stores/{storeId}/orders",
    Access::Roles(&[Role::Store, Role::Operator]),
    "Shows a store's board (가게 주문 목록): all of it, the newest order first; or the orders of a status, the oldest first",
)
.query(&[
    ("status", "only orders of this status"),
    ("limit", "how many at the most, 1 to 100 (20)"),
    ("cursor", "the `nextCursor` of the page before"),
])
.response::<OrderList>();

/// The function.
pub fn function() -> Function {
    Function::http("list-store-orders", &[ROUTE], handle)
}

/// A status as a query names it.
struct Asked(Status);

impl FromStr for Asked {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Status::deserialize(text.into_deserializer()).map(Self)
    }
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let store_id: StoreId = request.path("storeId")?;
    request.caller.must_be_at(&store_id)?;
    let status: Option<Asked> = request.query("status")?;
    let page = listing::page(request.page()?);
    let board =
        store.until(request.deadline).boards().list(&store_id, status.map(|Asked(status)| status), &page).await?;
    Ok(Response::ok(&OrderList::new(board.entries, Response::cursor(board.next.as_deref()))))
}
