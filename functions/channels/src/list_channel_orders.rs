//! `GET /api/v1/admin/orders` lists orders in the standard model: those of one channel, or all own
//! and external orders that changed in the last 30 days (채널 주문 목록).

use domain::{ChannelId, Failure, OrderId, Role, channel::Recipient, order::Status};
use edge::{Access, Function, Method, Request, Response, Route};
use events::Order;
use schemars::JsonSchema;
use serde::Serialize;
use store::{PageRequest, Store};

/// The maximum number of pages that one request searches for orders in a status.
const MAX_PAGES: usize = 20;

/// `GET /api/v1/admin/orders`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/api/v1/admin/orders",
    Access::Roles(&[Role::Operator]),
    "Lists a channel's orders, newest first; or all own and external orders of 30 days, last change first (채널 주문 목록)",
)
.query(&[
    ("channelId", "only orders of this channel"),
    ("status", "only orders in this status"),
    ("limit", "maximum number of entries, 1 to 100 (default: 20)"),
    ("cursor", "`nextCursor` of the previous page"),
])
.response::<ChannelOrders>();

/// The `list-channel-orders` handler.
pub fn function() -> Function {
    Function::http("list-channel-orders", const { &[ROUTE.served()] }, handle)
}

/// A page of orders.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelOrders {
    /// The orders.
    orders: Vec<ListedOrder>,
    /// The cursor of the next page, if there is one. A page may have fewer orders than requested
    /// and still not be the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// An order in its current state.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListedOrder {
    /// The order.
    #[serde(flatten)]
    order: Order,
    /// The recipient, for as long as we store it.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<Recipient>,
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let channel: Option<ChannelId> = request.query("channelId")?;
    let status = request.query::<Status>("status")?;
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
    let mut orders = store.external_orders().many(&page.entries).await?;
    let mut recipients = store.channel_orders().recipients(id, &page.entries).await?;
    let mut listed = |order_id: &OrderId| {
        let order = Order::from(&orders.remove(order_id)?);
        // The status index is eventually consistent.
        let is_requested = status.is_none_or(|status| order.status == status);
        is_requested.then(|| ListedOrder { recipient: recipients.remove(order_id), order })
    };
    Ok((page.entries.iter().filter_map(&mut listed).collect(), page.next))
}

async fn of_all(
    store: &Store,
    status: Option<Status>,
    limit: u16,
    before: Option<u64>,
) -> Result<Listed, Failure> {
    let (mut orders, mut next) = (Vec::new(), before);
    for _ in 0..MAX_PAGES {
        let (entries, reached) = store.change_feed().latest(next, limit).await?;
        for entry in entries
            .into_iter()
            .filter(|entry| status.is_none_or(|status| entry.order.status == status))
        {
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
