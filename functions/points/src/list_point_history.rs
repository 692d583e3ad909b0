//! `GET /points/{customerId}/history` lists a customer's ledger, newest entry first (포인트 내역).

use domain::{CustomerId, EntryId, Failure, Role, points::Entry};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;
use store::{PageRequest, Store};

/// `GET /points/{customerId}/history`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/points/{customerId}/history",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Lists every change of a customer's balance, newest first (포인트 내역)",
)
.query(&[
    ("limit", "maximum number of entries, 1 to 100 (default: 20)"),
    ("cursor", "`nextCursor` of the previous page"),
])
.response::<History>();

/// The `list-point-history` handler.
pub fn function() -> Function {
    Function::http("list-point-history", const { &[ROUTE.served()] }, handle)
}

/// A page of a ledger.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// The ledger entries, newest first.
    entries: Vec<Entry>,
    /// The cursor of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let customer_id: CustomerId = request.path("customerId")?;
    request.caller.must_be(&customer_id)?;
    let (limit, after) = request.page::<EntryId>()?;
    let page = PageRequest { limit, after: after.map(|entry| entry.to_string()) };
    let page = store.until(request.deadline).points().ledger(&customer_id, &page).await?;
    Ok(Response::ok(&History {
        next_cursor: Response::cursor(page.next.as_deref()),
        entries: page.entries,
    }))
}
