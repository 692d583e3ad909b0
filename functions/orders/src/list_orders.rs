//! `GET /orders?customerId=` lists a customer's orders in their current state, newest first
//! (주문 목록).

use domain::{CustomerId, Failure, Refusal, Role};
use edge::{Access, Function, Method, Request, Response, Route};
use ordering::listing::{self, OrderList};
use store::Store;

/// `GET /orders`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/orders",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Lists a customer's orders, newest first (주문 목록)",
)
.query(&[
    ("customerId", "the customer's id; required"),
    ("limit", "maximum number of entries, 1 to 100 (default: 20)"),
    ("cursor", "`nextCursor` of the previous page"),
])
.response::<OrderList>();

/// The `list-orders` handler.
pub fn function() -> Function {
    Function::http("list-orders", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let customer: Option<CustomerId> = request.query("customerId")?;
    let customer = customer.ok_or_else(|| Refusal::field("customerId", "is required"))?;
    request.caller.must_be(&customer)?;
    let page = store
        .until(request.deadline)
        .orders()
        .list(&customer, &listing::page(request.page()?))
        .await?;
    let orders = page.entries.iter().map(events::Order::from).collect();
    Ok(Response::ok(&OrderList::new(orders, Response::cursor(page.next.as_deref()))))
}
