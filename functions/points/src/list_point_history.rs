//! `GET /points/{customerId}/history` lists a customer's ledger, the newest entry first.

use domain::{CustomerId, EntryId, Failure, Role, points::Entry};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use store::{PageRequest, Store};

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/points/{customerId}/history",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Lists every change of a customer's balance, the newest first (포인트 내역)",
)
.query(&[("limit", "entries in a page, 1 to 100; 20 if left out"), ("cursor", "the nextCursor of the page before")])
.response::<History>();

/// The function.
pub fn function() -> Function {
    Function::http("list-point-history", &[ROUTE], handle)
}

/// A page of a ledger.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// The entries, the newest first.
    entries: Vec<Entry>,
    /// Where the next page begins; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let customer_id: CustomerId = request.path("customerId")?;
    request.caller.must_be(&customer_id)?;
    let (limit, after) = request.page::<EntryId>()?;
    let page = PageRequest { limit, after: after.map(|entry| entry.to_string()) };
    let page = store.until(request.deadline).points().ledger(&customer_id, &page).await?;
    Ok(Response::ok(&History { next_cursor: Response::cursor(page.next.as_deref()), entries: page.entries }))
}
