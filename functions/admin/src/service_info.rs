//! `GET /` says what answers here and where its documents are; `GET /health` says that it answers.

use domain::Failure;
use edge::{Access, Function, Method, Request, Response, Route};
use schemars::JsonSchema;
use serde::Serialize;

/// What answers here.
pub const ROOT: Route =
    Route::new(Method::Get, "/", Access::Public, "Says what answers here, and where its documents are")
        .response::<Service>();

/// That it answers.
pub const HEALTH: Route =
    Route::new(Method::Get, "/health", Access::Public, "Says that the API answers").response::<Health>();

/// The function.
pub fn function() -> Function {
    Function::http("service-info", &[ROOT, HEALTH], handle)
}

/// What answers here.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Service {
    /// Its name.
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// The path of the API's page.
    docs: &'static str,
    /// The path of the API's document.
    openapi: &'static str,
}

/// That it answers.
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
