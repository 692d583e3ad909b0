//! `GET /` names the service and the paths of its documents; `GET /health` reports that the API is
//! up.

use domain::Failure;
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;

/// `GET /`.
pub const ROOT: Route = Route::new(
    Method::Get,
    "/",
    Access::Public,
    "Names the service and the paths of its documents",
)
.response::<Service>();

/// `GET /health`.
pub const HEALTH: Route =
    Route::new(Method::Get, "/health", Access::Public, "Reports that the API is up")
        .response::<Health>();

/// The `service-info` handler.
pub fn function() -> Function {
    Function::http("service-info", const { &[ROOT.served(), HEALTH.served()] }, handle)
}

/// The service and its documents.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Service {
    /// The service's name.
    name: &'static str,
    /// The service's version.
    version: &'static str,
    /// The path of the interactive API page.
    docs: &'static str,
    /// The path of the OpenAPI document.
    openapi: &'static str,
}

/// The health of the API.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Health {
    /// Always `ok`.
    status: &'static str,
}

async fn handle((): (), request: Request) -> Result<Response, Failure> {
    if request.method_and_path().1 == HEALTH.path {
        return Ok(Response::ok(&Health { status: "ok" }));
    }
    Ok(Response::ok(&Service {
        name: "jumun",
        version: env!("CARGO_PKG_VERSION"),
        docs: crate::api_docs::PAGE.path,
        openapi: crate::api_docs::DOCUMENT.path,
    }))
}
