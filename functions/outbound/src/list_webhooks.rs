//! `GET /api/v1/admin/webhooks` lists the webhook endpoints: first the template's own, then the
//! registered webhooks by name (웹훅 목록).

use crate::{endpoints::Endpoints, webhooks::WebhookResponse};
use domain::{Failure, Role};
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;

/// `GET /api/v1/admin/webhooks`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/api/v1/admin/webhooks",
    Access::Roles(&[Role::Operator]),
    "Lists the webhook endpoints: TMS, TasOn and at most 100 registered webhooks (웹훅 목록)",
)
.response::<Webhooks>();

/// The `list-webhooks` handler.
pub fn function() -> Function {
    Function::http("list-webhooks", const { &[ROUTE.served()] }, handle)
}

/// The list of webhook endpoints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Webhooks {
    /// The template's own endpoints first, then the registered webhooks by name.
    webhooks: Vec<WebhookResponse>,
}

async fn handle(endpoints: Endpoints, request: Request) -> Result<Response, Failure> {
    let registered = endpoints.store.until(request.deadline).webhooks().all().await?;
    let registered =
        registered.iter().map(|webhook| WebhookResponse::of(webhook, None, request.now));
    Ok(Response::ok(&Webhooks {
        webhooks: endpoints
            .named
            .iter()
            .map(WebhookResponse::of_template)
            .chain(registered)
            .collect(),
    }))
}
