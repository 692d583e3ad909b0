//! `GET /api/v1/admin/webhooks/{name}/deliveries` lists the deliveries to a webhook endpoint in the
//! last 30 days with every attempt, newest first (웹훅 전송 기록).

use domain::{DeliveryId, Failure, Role, Timestamp, WebhookName};
use edge::{Access, Function, Method, Request, Response, Route};
use events::EventType;
use schemars::JsonSchema;
use serde::Serialize;
use store::{
    PageRequest, Store,
    webhooks::{DeliveryAttempt, DeliveryStatus, WebhookDelivery},
};

/// `GET /api/v1/admin/webhooks/{name}/deliveries`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/api/v1/admin/webhooks/{name}/deliveries",
    Access::Roles(&[Role::Operator]),
    "Lists the deliveries to a webhook endpoint in the last 30 days with every attempt, newest first (웹훅 전송 기록)",
)
.query(&[
    ("limit", "maximum number of entries, 1 to 100 (default: 20)"),
    ("cursor", "`nextCursor` of the previous page"),
])
.response::<Deliveries>();

/// The `list-webhook-deliveries` handler.
pub fn function() -> Function {
    Function::http("list-webhook-deliveries", const { &[ROUTE.served()] }, handle)
}

/// A page of deliveries.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deliveries {
    /// The deliveries, newest first.
    deliveries: Vec<WebhookDeliveryResponse>,
    /// The cursor of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A delivery as the API returns it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookDeliveryResponse {
    /// The delivery's id, by which it can be replayed.
    delivery_id: DeliveryId,
    /// The event's id: the `webhook-id` of every attempt.
    event_id: String,
    /// The event's type.
    event_type: EventType,
    /// The delivery's status.
    status: DeliveryStatus,
    /// Every attempt, oldest first.
    attempts: Vec<DeliveryAttempt>,
    /// When the next attempt is due, while the delivery is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Timestamp>,
    /// Why the delivery failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    given_up_because: Option<String>,
    /// When the event arrived and the delivery was created.
    created_at: Timestamp,
}

impl From<WebhookDelivery> for WebhookDeliveryResponse {
    fn from(delivery: WebhookDelivery) -> Self {
        let is_pending = delivery.status == DeliveryStatus::Pending;
        Self {
            delivery_id: delivery.delivery_id,
            event_id: delivery.event_id,
            event_type: delivery.event_type,
            status: delivery.status,
            attempts: delivery.attempts,
            next_attempt_at: Some(delivery.next_attempt_at).filter(|_| is_pending),
            given_up_because: delivery.given_up_because,
            created_at: delivery.created_at,
        }
    }
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let name: WebhookName = request.path("name")?;
    let (limit, after) = request.page::<DeliveryId>()?;
    let page = PageRequest { limit, after: after.map(|after| after.to_string()) };
    let page = store.until(request.deadline).webhooks().deliveries(&name, &page).await?;
    let deliveries = page.entries.into_iter().map(WebhookDeliveryResponse::from).collect();
    Ok(Response::ok(&Deliveries {
        deliveries,
        next_cursor: Response::cursor(page.next.as_deref()),
    }))
}
