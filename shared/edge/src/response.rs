//! HTTP responses.

use crate::{
    Signal,
    problem::{Problem, chain, seconds},
    request::{self, HttpEvent},
    signal,
};
use domain::{Failure, Fault, Outcome};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// A successful response.
#[derive(Debug, Clone)]
pub struct Response {
    status: u16,
    content_type: &'static str,
    body: Result<String, String>,
    headers: Vec<(&'static str, String)>,
}

impl Response {
    /// 200 with a JSON body.
    pub fn ok(body: &impl Serialize) -> Self {
        let body = serde_json::to_string(body).map_err(|error| error.to_string());
        Self { body, ..Self::text("application/json", "") }
    }

    /// 202 with a JSON body: accepted, and not done yet.
    pub fn accepted(body: &impl Serialize) -> Self {
        Self { status: 202, ..Self::ok(body) }
    }

    /// 201 with a JSON body and the path of the created resource.
    pub fn created(body: &impl Serialize, location: String) -> Self {
        let mut created = Self { status: 201, ..Self::ok(body) };
        created.headers.push(("location", location));
        created
    }

    /// 204 without a body.
    pub fn no_content() -> Self {
        Self { status: 204, ..Self::text("application/json", "") }
    }

    /// The response to an outcome: 200 if it is done, 202 if it is accepted, the first response if
    /// it is a replay.
    pub fn of(outcome: Outcome<impl Serialize>) -> Self {
        match outcome {
            Outcome::Done(value) => Self::ok(&value),
            Outcome::Accepted { value, retry_after } => {
                let accepted = Self::accepted(&value);
                retry_after.into_iter().fold(accepted, Self::retry_after)
            }
            Outcome::Replayed(reply) => {
                let status = if reply.is_done { 200 } else { 202 };
                Self { status, ..Self::text("application/json", reply.body) }.replayed()
            }
        }
    }

    /// 200 with a body of another type.
    pub fn text(content_type: &'static str, body: impl Into<String>) -> Self {
        Self { status: 200, content_type, body: Ok(body.into()), headers: Vec::new() }
    }

    /// The `nextCursor` of a page that ends with `last`.
    pub fn cursor(last: Option<&str>) -> Option<String> {
        last.map(request::cursor)
    }

    /// Marks the response as a replay: nothing was done.
    #[must_use]
    pub fn replayed(mut self) -> Self {
        self.headers.push(("idempotent-replayed", "true".into()));
        self
    }

    /// Sets `Retry-After`, in whole seconds.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.headers.push(("retry-after", seconds(wait)));
        self
    }

    /// The response as API Gateway's JSON. A body that could not be serialised is a fault.
    pub(crate) fn into_event(self, function: &str, http: &HttpEvent) -> Value {
        match self.body {
            Ok(body) => {
                event(self.status, self.content_type, body, self.headers, http.request_id())
            }
            Err(error) => problem_event(function, http, &Fault::broken(error).into()),
        }
    }
}

/// A failure as API Gateway's JSON. It is logged here and nowhere else.
pub(crate) fn problem_event(function: &str, http: &HttpEvent, failure: &Failure) -> Value {
    let (request_id, method, path) = (http.request_id(), http.method(), http.path());
    let Problem { status, slug, body, headers } = Problem::of(failure, request_id);
    match failure {
        Failure::Refused(_) => {
            tracing::info!(function, request_id, method, path, status, slug, "refused");
            if status >= 500 {
                signal(Signal::RefusedWith5xx);
            }
        }
        Failure::Fault(fault) => {
            signal(Signal::Fault);
            let error = chain(fault);
            tracing::error!(function, request_id, method, path, status, slug, error, "fault");
        }
    }
    event(status, "application/problem+json", body.to_string(), headers, request_id)
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
