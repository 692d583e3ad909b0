//! `DELETE /api/v1/admin/webhooks/{name}` removes a webhook (웹훅 삭제). Its pending deliveries
//! fail.

use crate::{
    deliver_webhook::{REMOVED, give_up},
    endpoints::is_named_by_template,
};
use domain::{Failure, Fault, Refusal, RefusalKind, Role, WebhookName, webhook::EXHAUSTED_AFTER};
use edge::{Access, Function, Method, Request, Response, Route};
use futures::future::try_join_all;
use store::{
    Store,
    webhooks::{DeliveryStatus, DueWebhookDelivery},
};

/// The maximum number of pending deliveries that one request ends. The others stay pending until
/// the request is repeated or their rows expire.
const MAX_AT_ONCE: i32 = 1_000;

/// How many deliveries are ended in parallel.
const CONCURRENCY: usize = 20;

/// `DELETE /api/v1/admin/webhooks/{name}`.
pub const ROUTE: Route = Route::new(
    Method::Delete,
    "/api/v1/admin/webhooks/{name}",
    Access::Roles(&[Role::Operator]),
    "Removes a webhook (웹훅 삭제); succeeds also if none has this name",
)
.successes(&[(204, "No webhook has this name")])
.problems(&[RefusalKind::ReservedName]);

/// The `delete-webhook` handler.
pub fn function() -> Function {
    Function::http("delete-webhook", const { &[ROUTE.served()] }, handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let name: WebhookName = request.path("name")?;
    if is_named_by_template(&name) {
        return Err(Refusal::ReservedName { name }.into());
    }
    let store = store.until(request.deadline);
    store.webhooks().remove(&name).await?;
    let all_due = store
        .webhooks()
        .due_deliveries(&name, request.now.plus(EXHAUSTED_AFTER), MAX_AT_ONCE)
        .await?;
    for some in all_due.chunks(CONCURRENCY) {
        try_join_all(some.iter().map(|due| end_delivery(&store, due, &request))).await?;
    }
    Ok(Response::no_content())
}

/// Ends a delivery as failed, unless it belongs to a webhook of the same name that was registered
/// in the meantime.
async fn end_delivery(
    store: &Store,
    due: &DueWebhookDelivery,
    request: &Request,
) -> Result<(), Fault> {
    let Some(delivery) = store.webhooks().delivery(&due.webhook, &due.delivery_id).await? else {
        return Ok(());
    };
    if delivery.status != DeliveryStatus::Pending || delivery.created_at > request.now {
        return Ok(());
    }
    give_up(store, delivery, REMOVED).await
}
