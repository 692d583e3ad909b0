//! What goes back to an HTTP caller.

use crate::{
    Details, Problem,
    request::{self, HttpEvent},
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// A successful answer.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    content_type: &'static str,
    body: String,
    headers: Vec<(&'static str, String)>,
}

impl Answer {
    /// 200 with a JSON body.
    pub fn ok(body: &impl Serialize) -> Self {
        Self::text("application/json", serde_json::to_string(body).unwrap_or_default())
    }

    /// 202 with a JSON body: what was asked for is on its way.
    pub fn accepted(body: &impl Serialize) -> Self {
        Self { status: 202, ..Self::ok(body) }
    }

    /// 201 with a JSON body: something was created, and is at this path.
    pub fn created(body: &impl Serialize, location: String) -> Self {
        let mut created = Self { status: 201, ..Self::ok(body) };
        created.headers.push(("location", location));
        created
    }

    /// 204: there is nothing to tell.
    pub fn no_content() -> Self {
        Self { status: 204, ..Self::text("application/json", "") }
    }

    /// What was answered before under the same key.
    pub fn again(status: u16, body: impl Into<String>) -> Self {
        Self { status, ..Self::text("application/json", body) }.replayed()
    }

    /// 200 with a body of another type.
    pub fn text(content_type: &'static str, body: impl Into<String>) -> Self {
        Self { status: 200, content_type, body: body.into(), headers: Vec::new() }
    }

    /// The `nextCursor` of a list whose page ended with `last`.
    pub fn cursor(last: Option<&str>) -> Option<String> {
        last.map(request::cursor)
    }

    /// Says that this is the first answer again, and that nothing was done.
    #[must_use]
    pub fn replayed(mut self) -> Self {
        self.headers.push(("idempotent-replayed", "true".into()));
        self
    }

    /// Says after how long to come back.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.headers.push(("retry-after", wait.as_millis().div_ceil(1000).max(1).to_string()));
        self
    }

    /// The status and the body.
    pub fn status_and_body(&self) -> (u16, &str) {
        (self.status, &self.body)
    }

    pub(crate) fn into_event(self, request_id: &str) -> Value {
        event(self.status, self.content_type, self.body, self.headers, request_id)
    }
}

/// How an error is told: API Gateway's JSON. It is logged here, once.
pub(crate) fn problem_event(function: &str, http: &HttpEvent, error: &dyn Problem) -> Value {
    let details = error.details();
    let Details { status, slug, is_fault, .. } = details;
    let (request_id, method, path) = (http.request_id(), http.method(), http.path());
    if is_fault {
        let error = crate::problem::chain(error);
        tracing::error!(function, request_id, method, path, status, slug, error, "fault");
    } else {
        tracing::info!(function, request_id, method, path, status, slug, "refused");
    }
    let body = details.body(&error.to_string(), request_id).to_string();
    event(status, "application/problem+json", body, details.headers, request_id)
}

fn event(
    status: u16,
    content_type: &str,
    body: String,
    headers: Vec<(&'static str, String)>,
    request_id: &str,
) -> Value {
    let mut all = Map::new();
    all.insert("content-type".into(), content_type.into());
    all.insert("x-request-id".into(), request_id.into());
    all.extend(headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())));
    json!({ "statusCode": status, "headers": all, "body": body, "isBase64Encoded": false })
}
