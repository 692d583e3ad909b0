//! `POST /api/v1/admin/webhooks/{name}/deliveries/{id}/replay` sends a delivery again under the
//! same id, whatever its status is (웹훅 재전송).

use crate::{deliver_webhook::due, list_webhook_deliveries::WebhookDeliveryResponse};
use domain::{
    DeliveryId, Failure, Fault, NotStarted, Open, Refusal, RefusalKind, Role, WebhookName,
};
use edge::{Access, Environment, Function, Method, Request, Response, Route, SourceQueue};
use std::time::Duration;
use store::{
    Store,
    optimistic::{
        Attempted::{Conflict, Done},
        SELDOM_CHANGED, optimistically,
    },
    webhooks::{DeliveryStatus, WebhookDelivery},
};

/// `POST /api/v1/admin/webhooks/{name}/deliveries/{id}/replay`.
pub const ROUTE: Route = Route::new(
    Method::Post,
    "/api/v1/admin/webhooks/{name}/deliveries/{id}/replay",
    Access::Roles(&[Role::Operator]),
    "Sends a delivery to its webhook endpoint again, under the same id (웹훅 재전송)",
)
.response::<WebhookDeliveryResponse>()
.successes(&[(202, "Queued for sending")])
.problems(&[RefusalKind::NotFound]);

/// The `replay-webhook-delivery` handler.
pub fn function() -> Function {
    Function::http("replay-webhook-delivery", const { &[ROUTE.served()] }, handle)
}

#[derive(Clone)]
struct Resources {
    store: Store,
    queue: SourceQueue,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let queue =
            SourceQueue::open(env, "DELIVER_WEBHOOK_QUEUE", Duration::ZERO, Duration::ZERO)?;
        Ok(Self { store: env.open()?, queue })
    }
}

async fn handle(resources: Resources, request: Request) -> Result<Response, Failure> {
    let name: WebhookName = request.path("name")?;
    let id: DeliveryId = request.path("id")?;
    let store = resources.store.until(request.deadline);
    optimistically(SELDOM_CHANGED, || async {
        let known = store.webhooks().delivery(&name, &id).await?.ok_or(Refusal::NotFound)?;
        let replayed = WebhookDelivery {
            status: DeliveryStatus::Pending,
            begun_at: request.now,
            failed_in_row: 0,
            given_up_because: None,
            next_attempt_at: request.now,
            writes: known.writes + 1,
            ..known
        };
        if store.webhooks().put_delivery(&replayed).await? {
            // If this fails, the schedule finds the row.
            resources.queue.send(&due(&replayed)?, Duration::ZERO).await.map_err(Fault::busy)?;
            return Ok(Done(Response::accepted(&WebhookDeliveryResponse::from(replayed))));
        }
        Ok(Conflict(()))
    })
    .await
}
