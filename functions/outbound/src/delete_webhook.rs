//! `DELETE /api/v1/admin/webhooks/{name}` removes a receiver of events (웹훅 삭제): what is still due to it is given up.

use crate::{
    deliver_webhook::{REMOVED, give_up},
    endpoints::is_named_by_template,
};
use domain::{Failure, Fault, Refusal, RefusalKind, Role, WebhookName, webhook::GIVEN_UP_AFTER};
use edge::{Access, Function, Method, Request, Response, Route};
use futures::future::try_join_all;
use store::{
    Store,
    webhooks::{DeliveryStatus, DueWebhookDelivery},
};

/// The most deliveries that are given up at once. What is due beyond them waits until the same is asked again, or its row expires.
const MAX_AT_ONCE: i32 = 1_000;

/// How many are given up side by side.
const CONCURRENCY: usize = 20;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Delete,
    "/api/v1/admin/webhooks/{name}",
    Access::Roles(&[Role::Operator]),
    "Removes a receiver of events (웹훅 삭제), also where there is none",
)
.successes(&[(204, "There is none of that name now")])
.problems(&[RefusalKind::ReservedName]);

/// The function.
pub fn function() -> Function {
    Function::http("delete-webhook", &[ROUTE], handle)
}

async fn handle(store: Store, request: Request) -> Result<Response, Failure> {
    let name: WebhookName = request.path("name")?;
    if is_named_by_template(&name) {
        return Err(Refusal::ReservedName { name }.into());
    }
    let store = store.until(request.deadline);
    store.webhooks().remove(&name).await?;
    let all_due = store.webhooks().due_deliveries(&name, request.now.plus(GIVEN_UP_AFTER), MAX_AT_ONCE).await?;
    for some in all_due.chunks(CONCURRENCY) {
        try_join_all(some.iter().map(|due| give_up_one(&store, due, &request))).await?;
    }
    Ok(Response::no_content())
}

/// Gives a delivery up, unless it is to a webhook of the same name that is registered meanwhile.
async fn give_up_one(store: &Store, due: &DueWebhookDelivery, request: &Request) -> Result<(), Fault> {
    let Some(delivery) = store.webhooks().delivery(&due.webhook, &due.delivery_id).await? else { return Ok(()) };
    if delivery.status != DeliveryStatus::Pending || delivery.created_at > request.now {
        return Ok(());
    }
    give_up(store, delivery, REMOVED).await
}
