//! `GET /integrations/orders` returns the change feed: every change of every order, oldest first,
//! without gaps.

use domain::{Caller, Failure, OrderId, Timestamp, order::Status, scope::Permission};
use edge::{Access, Function, Method, Request, Response, Route};
use events::EventType;
use ordering::access;
use schemars::JsonSchema;
use serde::Serialize;
use store::{Store, change_feed::Entry};

/// The maximum number of pages that one request searches for changes that are new enough: a time
/// maps to the beginning of its hour.
const MAX_PAGES: usize = 50;

/// `GET /integrations/orders`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/integrations/orders",
    Access::Permissions(&[Permission::ReadOrders]),
    "Lists every order change of 30 days, oldest first, without gaps (주문 변경 목록); poll with the last cursor",
)
.query(&[
    ("updatedSince", "only changes at or after this time (default: from the beginning)"),
    ("limit", "maximum number of entries, 1 to 100 (default: 20)"),
    ("cursor", "`nextCursor` of the previous page"),
])
.response::<ChangedOrders>();

/// The `list-changed-orders` handler.
pub fn function() -> Function {
    Function::http("list-changed-orders", const { &[ROUTE.served()] }, handle)
}

/// A page of changes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedOrders {
    /// The changes, oldest first.
    changes: Vec<ChangedOrder>,
    /// The cursor to continue from, now or later. It is always present. If it equals the requested
    /// cursor, there are no further changes yet.
    next_cursor: Option<String>,
}

/// A change of an order.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedOrder {
    /// The order's id.
    order_id: OrderId,
    /// The order's version after the change.
    version: u32,
    /// The type of the change.
    #[serde(rename = "type")]
    event_type: EventType,
    /// The order's status after the change.
    status: Status,
    /// The time of the change.
    updated_at: Timestamp,
    /// The order right after the change.
    order: events::Order,
}

impl ChangedOrder {
    fn visible_to(caller: &Caller, Entry { order, event_type, position: _ }: Entry) -> Self {
        Self {
            order_id: order.order_id.clone(),
            version: order.version,
            event_type,
            status: order.status,
            updated_at: order.updated_at,
            order: access::redacted_for(caller, order),
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
    let is_requested = |entry: &Entry| since.is_none_or(|since| entry.order.updated_at >= since);
    let (mut changes, mut reached) = (Vec::new(), after);
    for _ in 0..MAX_PAGES {
        let (entries, next) = store.change_feed().after(reached, limit).await?;
        let entries = entries.into_iter().filter(is_requested);
        changes = entries.map(|entry| ChangedOrder::visible_to(&request.caller, entry)).collect();
        let is_the_end = next == reached;
        reached = next;
        if is_the_end || !changes.is_empty() {
            break;
        }
    }
    Ok(Response::ok(&ChangedOrders {
        changes,
        next_cursor: Response::cursor(Some(&reached.to_string())),
    }))
}
