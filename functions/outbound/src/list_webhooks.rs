//! `GET /api/v1/admin/webhooks` lists the receivers of events: the template's own, and then the others by name (웹훅 목록).

use crate::{endpoints::Endpoints, webhooks::WebhookResponse};
use domain::{Failure, Role};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/api/v1/admin/webhooks",
    Access::Roles(&[Role::Operator]),
    "Lists the receivers of events (웹훅 목록); there are at most 100 beside TMS and TasOn",
)
.response::<Webhooks>();

/// The function.
pub fn function() -> Function {
    Function::http("list-webhooks", &[ROUTE], handle)
}

/// The receivers of events.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Webhooks {
    /// The template's own first, then the others by name.
    webhooks: Vec<WebhookResponse>,
}

async fn handle(endpoints: Endpoints, request: Request) -> Result<Response, Failure> {
    let registered = endpoints.store.until(request.deadline).webhooks().all().await?;
    let registered = registered.iter().map(|webhook| WebhookResponse::of(webhook, None, request.now));
    Ok(Response::ok(&Webhooks {
        webhooks: endpoints.named.iter().map(WebhookResponse::of_template).chain(registered).collect(),
    }))
}
