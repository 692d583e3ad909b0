//! `GET /openapi.json` and `GET /docs`: the API's document, and a page to read it and try it on.

use crate::contract;
use domain::Failure;
use edge::{Access, Function, Method, Request, Response, Route};
use std::sync::LazyLock;

/// The route of the document.
pub const DOCUMENT: Route = Route::new(Method::Get, "/openapi.json", Access::Public, "This document");

/// The route of the page.
pub const PAGE: Route = Route::new(Method::Get, "/docs", Access::Public, "This document as an interactive page");

/// The function.
pub fn function() -> Function {
    Function::http("api-docs", &[DOCUMENT, PAGE], handle)
}

/// The document, written once for each process.
static TEXT: LazyLock<String> = LazyLock::new(|| contract::document().to_string());

async fn handle((): (), request: Request) -> Result<Response, Failure> {
    let (_, path) = request.method_and_path();
    Ok(if path == PAGE.path {
        Response::text("text/html; charset=utf-8", include_str!("api_docs.html"))
    } else {
        Response::text("application/json", TEXT.as_str())
    })
}
