//! `GET /api/v1/admin/orders` lists orders in the one standard model: those of a channel, or all that changed in the last 30 days, ours
//! and theirs (채널 주문 목록).

use domain::{ChannelId, Failure, OrderId, Role, channel::Recipient, order::Status};
use edge::{Access, Function, Method, Request, Response, Route};
use events::Order;
use schemars::JsonSchema;
use serde::Serialize;
use store::{PageRequest, Store};

/// How many pages are looked through at the most for orders of a status.
const MAX_PAGES: usize = 20;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/api/v1/admin/orders",
    Access::Roles(&[Role::Operator]),
    "Lists orders: those of a channel, the newest first; or all, ours and theirs, the last change first, of 30 days (채널 주문 목록)",
)
.query(&[
    ("channelId", "of this channel alone"),
    ("status", "in this status alone"),
    ("limit", "how many at the most, 1 to 100 (20)"),
    ("cursor", "the `nextCursor` of the page before"),
])
.response::<ChannelOrders>();

/// The function.
pub fn function() -> Function {
    Function::http("list-channel-orders", &[ROUTE], handle)
}

/// A page of orders.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelOrders {
    /// The orders.
    orders: Vec<ListedOrder>,
    /// Where the next page begins, if there is one. A page may have fewer orders than were asked for, and yet not be the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// An order as it stands.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListedOrder {
    /// The order.
    #[serde(flatten)]
    order: Order,
    /// To whom it goes, while that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<Recipient>,
}

/// A status by its name.
struct Named(Status);

impl std::str::FromStr for Named {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        serde_json::from_value(name.into()).map(Self).map_err(|_| "is no status of an order")
    }
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let channel: Option<ChannelId> = request.query("channelId")?;
    let status = request.query::<Named>("status")?.map(|Named(status)| status);
    let store = store.until(request.deadline);
    let (orders, next) = if let Some(id) = channel {
        let (limit, after) = request.page::<String>()?;
        of_channel(&store, &id, status, &PageRequest { limit, after }).await?
    } else {
        let (limit, before) = request.page::<u64>()?;
        of_all(&store, status, limit, before).await?
    };
    Ok(Response::ok(&ChannelOrders { orders, next_cursor: Response::cursor(next.as_deref()) }))
}

type Listed = (Vec<ListedOrder>, Option<String>);

async fn of_channel(
    store: &Store,
    id: &ChannelId,
    status: Option<Status>,
    page: &PageRequest,
) -> Result<Listed, Failure> {
    let page = store.channel_orders().list(id, status, page).await?;
    let mut orders = store.channel_orders().many(&page.entries).await?;
    let mut recipients = store.channel_orders().recipients(id, &page.entries).await?;
    let mut listed = |order_id: &OrderId| {
        let order = orders.remove(order_id)?.order;
        // The index of statuses is a moment behind.
        let is_asked_for = status.is_none_or(|status| order.status == status);
        is_asked_for.then(|| ListedOrder { recipient: recipients.remove(order_id), order })
    };
    Ok((page.entries.iter().filter_map(&mut listed).collect(), page.next))
}

async fn of_all(store: &Store, status: Option<Status>, limit: u16, before: Option<u64>) -> Result<Listed, Failure> {
    let (mut orders, mut next) = (Vec::new(), before);
    for _ in 0..MAX_PAGES {
        let (entries, reached) = store.change_feed().latest(next, limit).await?;
        for entry in entries.into_iter().filter(|entry| status.is_none_or(|status| entry.order.status == status)) {
            orders.push(ListedOrder { order: entry.order, recipient: None });
            if orders.len() == usize::from(limit) {
                return Ok((orders, Some(entry.position.to_string())));
            }
        }
        next = reached;
        if next.is_none() {
            break;
        }
    }
    Ok((orders, next.map(|position| position.to_string())))
}
