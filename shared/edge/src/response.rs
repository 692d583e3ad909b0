//! HTTP responses.

use crate::{
    Signal,
    problem::{Problem, chain, seconds},
    request::{self, RequestLine},
    signal,
};
use domain::{Failure, Fault, Outcome};
use lambda_http::{
    Body,
    http::{
        self, HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, InvalidHeaderValue, LOCATION, RETRY_AFTER},
    },
};
use serde::Serialize;
use std::time::Duration;

/// The id of the request, which support can find in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Marks a response as a replay.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A successful response.
#[derive(Debug, Clone)]
pub struct Response {
    status: StatusCode,
    content_type: &'static str,
    /// A body that cannot be serialised is a fault.
    body: Result<String, String>,
    headers: Vec<(HeaderName, String)>,
}

impl Response {
    /// 200 with a JSON body.
    pub fn ok(body: &impl Serialize) -> Self {
        let body = serde_json::to_string(body).map_err(|error| error.to_string());
        Self { body, ..Self::text("application/json", "") }
    }

    /// 202 with a JSON body: accepted, and not done yet.
    pub fn accepted(body: &impl Serialize) -> Self {
        Self { status: StatusCode::ACCEPTED, ..Self::ok(body) }
    }

    /// 201 with a JSON body and the path of the created resource.
    pub fn created(body: &impl Serialize, location: String) -> Self {
        let mut created = Self { status: StatusCode::CREATED, ..Self::ok(body) };
        created.headers.push((LOCATION, location));
        created
    }

    /// 204 without a body.
    pub fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, ..Self::text("application/json", "") }
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
                let status = if reply.is_done { StatusCode::OK } else { StatusCode::ACCEPTED };
                Self { status, ..Self::text("application/json", reply.body) }.replayed()
            }
        }
    }

    /// 200 with a body of another type.
    pub fn text(content_type: &'static str, body: impl Into<String>) -> Self {
        Self { status: StatusCode::OK, content_type, body: Ok(body.into()), headers: Vec::new() }
    }

    /// The `nextCursor` of a page that ends with `last`.
    pub fn cursor(last: Option<&str>) -> Option<String> {
        last.map(request::cursor)
    }

    /// Marks the response as a replay: nothing was done.
    #[must_use]
    pub fn replayed(mut self) -> Self {
        self.headers.push((REPLAYED, "true".into()));
        self
    }

    /// Sets `Retry-After`, in whole seconds.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.headers.push((RETRY_AFTER, seconds(wait)));
        self
    }
}

/// Writes a response, or the problem of a failure.
pub(crate) fn write(
    function: &str,
    line: &RequestLine,
    response: Result<Response, Failure>,
) -> http::Response<Body> {
    let written = response.and_then(|Response { status, content_type, body, headers }| {
        let body = body.map_err(Fault::broken)?;
        Ok(build(status, content_type, body, headers, line).map_err(Fault::broken)?)
    });
    written.unwrap_or_else(|failure| problem(function, line, &failure))
}

/// The problem of a failure. It is logged here and nowhere else.
fn problem(function: &str, line: &RequestLine, failure: &Failure) -> http::Response<Body> {
    let RequestLine { request_id, method, path } = line;
    let Problem { status, slug, body, headers } = Problem::of(failure, request_id);
    match failure {
        Failure::Refused(_) => {
            let status = status.as_u16();
            tracing::info!(function, request_id, method, path, status, slug, "refused");
            if status >= 500 {
                signal(Signal::RefusedWith5xx);
            }
        }
        Failure::Fault(fault) => {
            signal(Signal::Fault);
            let (status, error) = (status.as_u16(), chain(fault));
            tracing::error!(function, request_id, method, path, status, slug, error, "fault");
        }
    }
    build(status, "application/problem+json", body.to_string(), headers, line).unwrap_or_else(
        |error| {
            tracing::error!(function, request_id, %error, "a problem cannot be written");
            let mut response = http::Response::new(Body::Empty);
            *response.status_mut() = status;
            response
        },
    )
}

fn build(
    status: StatusCode,
    content_type: &'static str,
    body: String,
    headers: Vec<(HeaderName, String)>,
    line: &RequestLine,
) -> Result<http::Response<Body>, InvalidHeaderValue> {
    let mut response = http::Response::new(Body::Text(body));
    *response.status_mut() = status;
    let all = response.headers_mut();
    all.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    all.insert(REQUEST_ID, HeaderValue::from_str(&line.request_id)?);
    for (name, value) in headers {
        all.insert(name, HeaderValue::try_from(value)?);
    }
    Ok(response)
}
