//! The control port: an HTTP API that controls the local platform.
//!
//! It does what an operator of a deployed platform does in the AWS console (queues, functions,
//! schedules). For testers it also issues tokens, moves the clock, controls the partner stubs and
//! injects faults.

#![expect(clippy::result_large_err, reason = "an error here is the HTTP response")]

use crate::{
    Platform, TokenRequest,
    aws::faults::{Kind, Rule},
    partners::{Behaviour, Partner},
};
use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

type Shared = State<Arc<Platform>>;

/// The polling interval of [`idle`].
const IDLE_PAUSE: Duration = Duration::from_millis(20);

pub(crate) fn router(platform: Arc<Platform>) -> Router {
    Router::new()
        .route("/tokens", post(issue_token))
        .route("/clock", get(get_time))
        .route("/clock/advance", post(advance))
        .route("/schedules/{function}/run", post(run_schedule))
        .route("/functions/{function}", put(enable))
        .route("/queues", get(queues))
        .route("/queues/{name}/redrive", post(redrive))
        .route("/partners", get(partners))
        .route("/partners/{partner}", get(partner))
        .route("/partners/{partner}/requests", get(requests).delete(clear_requests))
        .route("/partners/{partner}/behaviour", put(set_behaviour))
        .route("/partners/{partner}/stage", post(stage))
        .route("/faults", put(set_faults).delete(clear_faults))
        .route("/idle", get(idle))
        .fallback(async || problem(StatusCode::NOT_FOUND, "The control port has no such path."))
        .with_state(platform)
}

/// An error response: an RFC 9457 problem.
fn problem(status: StatusCode, detail: impl ToString) -> Response {
    let title = status.canonical_reason().unwrap_or("Problem");
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail.to_string() });
    (status, [("content-type", "application/problem+json")], body.to_string()).into_response()
}

fn done(body: Value) -> Response {
    Json(body).into_response()
}

/// Returns the parsed JSON body, or a 400 response with the reason why it is malformed.
fn body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Response> {
    body.map(|Json(body)| body)
        .map_err(|rejection| problem(StatusCode::BAD_REQUEST, rejection.body_text()))
}

async fn issue_token(
    State(platform): Shared,
    request: Result<Json<TokenRequest>, JsonRejection>,
) -> Result<Response, Response> {
    let request = body(request)?;
    let token = platform.http_api.tokens.issue(&request, platform.clock.now());
    Ok(done(json!({ "token": token.map_err(|error| problem(StatusCode::BAD_REQUEST, error))? })))
}

async fn get_time(State(platform): Shared) -> Response {
    done(json!({ "now": platform.clock.now() }))
}

#[derive(Deserialize)]
struct Advance {
    seconds: i64,
}

async fn advance(
    State(platform): Shared,
    request: Result<Json<Advance>, JsonRejection>,
) -> Result<Response, Response> {
    let seconds = u64::try_from(body(request)?.seconds);
    let seconds = seconds.map_err(|_| {
        problem(
            StatusCode::BAD_REQUEST,
            "`seconds` must not be negative: the clock only moves forward.",
        )
    })?;
    // At most 100 years at once, so that a test cannot move the clock beyond the calendar.
    if seconds > 100 * 366 * 86_400 {
        return Err(problem(StatusCode::BAD_REQUEST, "`seconds` must be at most 100 years."));
    }
    let advanced = platform.advance(Duration::from_secs(seconds));
    advanced.map_err(|error| problem(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    Ok(done(json!({ "now": platform.clock.now() })))
}

async fn run_schedule(State(platform): Shared, Path(function): Path<String>) -> Response {
    if platform.runner.spec(&function).is_none_or(|spec| spec.schedule.is_none()) {
        return problem(StatusCode::NOT_FOUND, format!("No function {function} has a schedule."));
    }
    match platform.fire(&function).await {
        Ok(()) => done(json!({ "ran": function })),
        Err(error) => problem(StatusCode::SERVICE_UNAVAILABLE, error),
    }
}

#[derive(Deserialize)]
struct Enable {
    enabled: bool,
}

async fn enable(
    State(platform): Shared,
    Path(function): Path<String>,
    request: Result<Json<Enable>, JsonRejection>,
) -> Result<Response, Response> {
    let Enable { enabled } = body(request)?;
    if platform.runner.spec(&function).is_none() {
        let all: Vec<&str> = platform.runner.names().collect();
        return Err(problem(
            StatusCode::NOT_FOUND,
            format!("Unknown function {function}. Functions: {}.", all.join(", ")),
        ));
    }
    platform.runner.enable(&function, enabled);
    Ok(done(json!({ "function": function, "enabled": enabled })))
}

async fn queues(State(platform): Shared) -> Response {
    let queue = |(name, (counts, dead_letters)): (String, (crate::aws::queues::Counts, usize))| {
        json!({
            "name": name, "visible": counts.visible, "inFlight": counts.in_flight, "delayed": counts.delayed,
            "deadLetters": dead_letters,
        })
    };
    done(
        json!({ "queues": platform.aws.queues.counts().into_iter().map(queue).collect::<Vec<_>>() }),
    )
}

async fn redrive(State(platform): Shared, Path(name): Path<String>) -> Response {
    match platform.aws.queues.redrive(&name) {
        Ok(Some(moved)) => done(json!({ "moved": moved })),
        Ok(None) => problem(
            StatusCode::CONFLICT,
            format!("{name} has no dead-letter queue and is not one."),
        ),
        Err(error) => problem(StatusCode::NOT_FOUND, error),
    }
}

async fn partners(State(platform): Shared) -> Response {
    let partner = |(name, partner): (&&str, &Partner)| json!({ "name": name, "baseUrl": partner.base_url, "behaviour": partner.behaviour(), "modes": Partner::MODES, "quirks": partner.quirks() });
    done(json!({ "partners": platform.partners.iter().map(partner).collect::<Vec<_>>() }))
}

fn find<'a>(platform: &'a Platform, name: &str) -> Result<&'a Partner, Response> {
    let all: Vec<&str> = platform.partners.keys().copied().collect();
    let missing = || {
        problem(
            StatusCode::NOT_FOUND,
            format!("Unknown partner {name}. Partners: {}.", all.join(", ")),
        )
    };
    platform.partners.get(name).ok_or_else(missing)
}

async fn partner(State(platform): Shared, Path(name): Path<String>) -> Result<Response, Response> {
    let partner = find(&platform, &name)?;
    let mut shown = json!({
        "baseUrl": partner.base_url, "behaviour": partner.behaviour(), "modes": Partner::MODES, "quirks": partner.quirks(),
        "books": partner.books(),
    });
    if partner.credentials.is_null() {
        shown["secret"] = json!(partner.secret);
    } else {
        shown["credentials"] = partner.credentials.clone();
    }
    Ok(done(shown))
}

async fn requests(State(platform): Shared, Path(name): Path<String>) -> Result<Response, Response> {
    Ok(done(json!({ "requests": find(&platform, &name)?.requests() })))
}

async fn clear_requests(
    State(platform): Shared,
    Path(name): Path<String>,
) -> Result<Response, Response> {
    find(&platform, &name)?.forget();
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn set_behaviour(
    State(platform): Shared,
    Path(name): Path<String>,
    request: Result<Json<Behaviour>, JsonRejection>,
) -> Result<Response, Response> {
    let partner = find(&platform, &name)?;
    let behaviour: Behaviour = body(request)?;
    if let Some(unknown) =
        behaviour.quirks.iter().find(|quirk| !partner.quirks().contains(&quirk.as_str()))
    {
        let detail =
            format!("{name} has no quirk {unknown}. Its quirks: {}.", partner.quirks().join(", "));
        return Err(problem(StatusCode::BAD_REQUEST, detail));
    }
    partner.behave(behaviour);
    Ok(done(json!({ "behaviour": partner.behaviour() })))
}

async fn stage(
    State(platform): Shared,
    Path(name): Path<String>,
    request: Result<Json<Value>, JsonRejection>,
) -> Result<Response, Response> {
    let staged = find(&platform, &name)?.stage(&body(request)?);
    staged.map_err(|why| problem(StatusCode::BAD_REQUEST, why))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
struct FaultRules {
    rules: Vec<FaultRule>,
}

#[derive(Deserialize)]
struct FaultRule {
    service: String,
    operation: Option<String>,
    kind: FaultKind,
    every: Option<u64>,
    count: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum FaultKind {
    Before,
    After,
    Conflict,
    Throttle,
    Internal,
    Entry,
}

async fn set_faults(
    State(platform): Shared,
    request: Result<Json<FaultRules>, JsonRejection>,
) -> Result<Response, Response> {
    let rule = |FaultRule { service, operation, kind, every, count }| {
        let service = match service.as_str() {
            "dynamodb" | "sqs" | "events" | "kms" => service,
            "eventbridge" => "events".to_owned(),
            _ => {
                return Err(problem(
                    StatusCode::BAD_REQUEST,
                    format!("`service` must be dynamodb, sqs, events or kms, not {service}."),
                ));
            }
        };
        let every = every.unwrap_or(1);
        if every == 0 {
            return Err(problem(StatusCode::BAD_REQUEST, "`every` must be at least 1."));
        }
        let kind = match kind {
            FaultKind::Before => Kind::Before,
            FaultKind::After => Kind::After,
            FaultKind::Conflict => Kind::Conflict(0),
            FaultKind::Throttle => Kind::Throttle,
            FaultKind::Internal => Kind::Internal,
            FaultKind::Entry => Kind::Entry,
        };
        Ok(Rule { service: Some(service), operation, kind, every, count })
    };
    let rules: Vec<Rule> = body(request)?.rules.into_iter().map(rule).collect::<Result<_, _>>()?;
    let set = rules.len();
    platform.aws.faults.set(rules);
    Ok(done(json!({ "rules": set })))
}

async fn clear_faults(State(platform): Shared) -> Response {
    platform.aws.faults.set([]);
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Idle {
    timeout_seconds: Option<u64>,
}

/// Waits until all streams and queues are drained, except dead-letter queues and delayed messages.
///
/// `timeoutSeconds` is 30 by default and at most 3600. After the timeout, the response is 503 and
/// lists what is not drained.
async fn idle(State(platform): Shared, Query(Idle { timeout_seconds }): Query<Idle>) -> Response {
    let timeout = Duration::from_secs(timeout_seconds.unwrap_or(30).min(3600));
    let started = tokio::time::Instant::now();
    loop {
        let busy = platform.busy();
        if busy.is_empty() {
            return done(json!({ "idle": true }));
        }
        if started.elapsed() >= timeout {
            return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "idle": false, "busy": busy })))
                .into_response();
        }
        tokio::time::sleep(IDLE_PAUSE).await;
    }
}
