//! `GET /integrations/orders` is the change feed: every change of every order, the oldest first, none left out.

use domain::{Failure, OrderId, Role, Timestamp, order::Status};
use edge::{Access, Function, Method, Request, Response, Route};
use events::EventType;
use schemars::JsonSchema;
use serde::Serialize;
use store::{Store, change_feed::Entry};

/// How many pages are looked through at the most for changes that are new enough: a time leads to the beginning of its hour.
const MAX_PAGES: usize = 50;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/integrations/orders",
    Access::Roles(&[Role::Partner, Role::Operator]),
    "Every change of every order of the last 30 days, the oldest first, none left out (주문 변경 목록); the last page's cursor goes on later",
)
.query(&[
    ("updatedSince", "only changes as new as this time; from the beginning, if left out"),
    ("limit", "how many at the most, 1 to 100 (20)"),
    ("cursor", "the `nextCursor` of the page before"),
])
.response::<ChangedOrders>();

/// The function.
pub fn function() -> Function {
    Function::http("list-changed-orders", &[ROUTE], handle)
}

/// A page of changes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedOrders {
    /// The changes.
    changes: Vec<ChangedOrder>,
    /// Where to go on, now or later: it is always there. Where it is the cursor that was asked for, there is nothing more now.
    next_cursor: Option<String>,
}

/// A change.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedOrder {
    /// Which order.
    order_id: OrderId,
    /// The version that it had from then on.
    version: u32,
    /// What changed.
    #[serde(rename = "type")]
    event_type: EventType,
    /// The status that it had from then on.
    status: Status,
    /// When it changed.
    updated_at: Timestamp,
    /// The order as it was just after.
    order: events::Order,
}

impl From<Entry> for ChangedOrder {
    fn from(Entry { order, event_type, position: _ }: Entry) -> Self {
        Self {
            order_id: order.order_id.clone(),
            version: order.version,
            event_type,
            status: order.status,
            updated_at: order.updated_at,
            order,
        }
    }
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let since: Option<Timestamp> = request.query("updatedSince")?;
    let (limit, after) = request.page::<u64>()?;
    let store = store.until(request.deadline);
    let after = match (after, since) {
        (Some(after), _) => after,
        (None, Some(since)) => store.change_feed().position_before(since).await?,
        (None, None) => 0,
    };
    let is_asked_for = |entry: &Entry| since.is_none_or(|since| entry.order.updated_at >= since);
    let (mut changes, mut reached) = (Vec::new(), after);
    for _ in 0..MAX_PAGES {
        let (entries, next) = store.change_feed().after(reached, limit).await?;
        changes = entries.into_iter().filter(is_asked_for).map(ChangedOrder::from).collect();
        let is_the_end = next == reached;
        reached = next;
        if is_the_end || !changes.is_empty() {
            break;
        }
    }
    Ok(Response::ok(&ChangedOrders { changes, next_cursor: Response::cursor(Some(&reached.to_string())) }))
}
