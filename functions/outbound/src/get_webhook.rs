//! `GET /api/v1/admin/webhooks/{name}` shows a webhook endpoint (웹훅 조회).

use crate::{endpoints::Endpoints, webhooks::WebhookResponse};
use domain::{Failure, Refusal, Role, WebhookName};
use edge::{Access, Function, Method, Request, Response, Route};

/// `GET /api/v1/admin/webhooks/{name}`.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/api/v1/admin/webhooks/{name}",
    Access::Roles(&[Role::Operator]),
    "Shows a webhook endpoint (웹훅 조회)",
)
.response::<WebhookResponse>();

/// The `get-webhook` handler.
pub fn function() -> Function {
    Function::http("get-webhook", const { &[ROUTE.served()] }, handle)
}

async fn handle(endpoints: Endpoints, request: Request) -> Result<Response, Failure> {
    let name: WebhookName = request.path("name")?;
    if let Some(endpoint) = endpoints.named.iter().find(|endpoint| endpoint.name == name) {
        return Ok(Response::ok(&WebhookResponse::of_template(endpoint)));
    }
    let webhook = endpoints
        .store
        .until(request.deadline)
        .webhooks()
        .get(&name)
        .await?
        .ok_or(Refusal::NotFound)?;
    Ok(Response::ok(&WebhookResponse::of(&webhook, None, request.now)))
}
