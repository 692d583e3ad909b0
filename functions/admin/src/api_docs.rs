//! `GET /openapi.json` and `GET /docs`: the API's document, and a page to read it and try it on.

use crate::contract;
use edge::{Access, Answer, Function, Method, Request, Route, Unanswered};
use std::sync::{Arc, LazyLock};

/// The route of the document.
pub const DOCUMENT: Route = Route::new(Method::Get, "/openapi.json", Access::Public, "This document");

/// The route of the page.
pub const PAGE: Route = Route::new(Method::Get, "/docs", Access::Public, "This document as an interactive page");

/// The function.
pub fn function() -> Function {
    Function::http(
        "api-docs",
        &[DOCUMENT, PAGE],
        |_| Ok(Arc::new(Document::new(|| contract::document().to_string()))),
        handle,
    )
}

type Document = LazyLock<String>;

async fn handle(document: Arc<Document>, request: Request) -> Result<Answer, Unanswered> {
    let (_, path) = request.method_and_path();
    Ok(if path == PAGE.path {
        Answer::text("text/html; charset=utf-8", include_str!("api_docs.html"))
    } else {
        Answer::text("application/json", document.as_str())
    })
}
