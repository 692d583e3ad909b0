//! `GET /openapi.json` and `GET /docs`: the OpenAPI document of the API, and a page to read it and
//! to try requests.

use crate::contract;
use domain::Failure;
use edge::{Access, Function, Method, Request, Response, Route};
use std::sync::LazyLock;

/// `GET /openapi.json`.
pub const DOCUMENT: Route =
    Route::new(Method::Get, "/openapi.json", Access::Public, "Returns this document");

/// `GET /docs`.
pub const PAGE: Route =
    Route::new(Method::Get, "/docs", Access::Public, "Shows this document as an interactive page");

/// The `api-docs` handler.
pub fn function() -> Function {
    Function::http("api-docs", const { &[DOCUMENT.served(), PAGE.served()] }, handle)
}

/// The document, built once per process.
static TEXT: LazyLock<String> = LazyLock::new(|| contract::document().to_string());

async fn handle((): (), request: Request) -> Result<Response, Failure> {
    let (_, path) = request.method_and_path();
    Ok(if path == PAGE.path {
        Response::text("text/html; charset=utf-8", include_str!("api_docs.html"))
    } else {
        Response::text("application/json", TEXT.as_str())
    })
}
