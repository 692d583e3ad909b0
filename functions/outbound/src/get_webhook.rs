//! `GET /api/v1/admin/webhooks/{name}` shows a receiver of events (웹훅 조회).

use crate::{endpoints::Endpoints, webhooks::WebhookResponse};
use domain::{Failure, Refusal, Role, WebhookName};
use edge::{Access, Function, Method, Request, Response, Route};

/// The route.
pub const ROUTE: Route = Route::new(
    Method::Get,
    "/api/v1/admin/webhooks/{name}",
    Access::Roles(&[Role::Operator]),
    "Shows a receiver of events (웹훅 조회)",
)
.response::<WebhookResponse>();

/// The function.
pub fn function() -> Function {
    Function::http("get-webhook", &[ROUTE], handle)
}

async fn handle(endpoints: Endpoints, request: Request) -> Result<Response, Failure> {
    let name: WebhookName = request.path("name")?;
    if let Some(endpoint) = endpoints.named.iter().find(|endpoint| endpoint.name == name) {
        return Ok(Response::ok(&WebhookResponse::of_template(endpoint)));
    }
    let webhook = endpoints.store.until(request.deadline).webhooks().get(&name).await?.ok_or(Refusal::NotFound)?;
    Ok(Response::ok(&WebhookResponse::of(&webhook, None, request.now)))
}
