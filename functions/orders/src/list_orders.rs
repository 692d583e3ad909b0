//! `GET /orders?customerId=` lists a customer's orders as they stand, the newest first (주문 목록).

use domain::{CustomerId, InvalidId, OrderId, Timestamp};
use edge::{Access, Answer, Function, Method, Rejected, Request, Role, Route, Unanswered};
use schemars::JsonSchema;
use serde::Serialize;
use std::{fmt, str::FromStr};
use store::{PageRequest, Store};

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/orders",
    Access::Roles(&[Role::Customer, Role::Operator]),
    "Lists a customer's orders, the newest first (주문 목록)",
)
.query(&[
    ("customerId", "whose orders; needed"),
    ("limit", "how many at the most, 1 to 100 (20)"),
    ("cursor", "the `nextCursor` of the page before"),
])
.answers::<OrderList>();

/// The function.
pub fn function() -> Function {
    Function::http("list-orders", &[ROUTE], |env| Ok(Store::open(&env.aws, |name| env.variable(name))?), handle)
}

/// A page of orders.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderList {
    /// The orders.
    orders: Vec<events::Order>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl OrderList {
    /// A page that ends at the place `last`, if others follow.
    pub fn new(orders: Vec<events::Order>, last: Option<&str>) -> Self {
        Self { orders, next_cursor: Answer::cursor(last) }
    }
}

/// Where an order is in the list: when it was placed, and which one it is.
#[derive(Debug)]
struct Place(Timestamp, OrderId);

impl FromStr for Place {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (placed_at, order) = text.split_once('#').ok_or(InvalidId)?;
        Ok(Self(placed_at.parse().map_err(|_| InvalidId)?, order.parse()?))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(placed_at, order) = self;
        write!(f, "{placed_at}#{order}")
    }
}

/// The page of a list of orders that a request asks for.
pub fn page_of(request: &Request) -> Result<PageRequest, Rejected> {
    let (limit, after) = request.page::<Place>()?;
    Ok(PageRequest { limit, after: after.map(|place| place.to_string()) })
}

async fn handle(store: Store, request: Request) -> Result<Answer, Unanswered> {
    let customer: Option<CustomerId> = request.query("customerId")?;
    let customer = customer.ok_or_else(|| Rejected::field("customerId", "is needed"))?;
    request.caller.must_be(&customer)?;
    let page = store.until(request.deadline).orders_of(&customer, &page_of(&request)?).await?;
    let orders = page.entries.iter().map(events::Order::from).collect();
    Ok(Answer::ok(&OrderList::new(orders, page.next.as_deref())))
}
