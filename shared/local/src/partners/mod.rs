//! Stubs of other companies' systems, on loopback.
//!
//! A stub checks each request, executes it, records it and responds according to its behaviour.

mod coupang;
mod market;
mod nhn_cloud;
mod orders_api;
mod payment_gateway;
mod receiver;
mod smartstore;
mod solapi;

use crate::{aws::data::Journal, clock::Clock, guard};
use domain::Timestamp;
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Bytes, Incoming},
    header::{self, HeaderValue},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::net::TcpListener;

/// The most requests that a partner records.
const MAX_REQUESTS: usize = 10_000;

/// How much longer than the callers' timeout a slow partner takes, unless its delay is set.
const SLOWER_BY: Duration = Duration::from_secs(3);

/// The partners of a platform, by name.
pub(crate) type Partners = BTreeMap<&'static str, Partner>;

/// A stub of another company's system.
#[derive(Debug, Clone)]
pub struct Partner {
    /// The base URL.
    pub base_url: String,
    /// The shared secret, if it alone identifies us to the partner; else empty.
    pub secret: String,
    /// Any other credentials that identify us to the partner; else null.
    pub credentials: Value,
    system: Arc<dyn System>,
    clock: Clock,
    state: Arc<Mutex<State>>,
}

/// What a partner's system does.
trait System: std::fmt::Debug + Send + Sync {
    /// Executes a request and returns the response.
    fn respond(&self, request: &StubRequest<'_>) -> StubResponse;

    /// Returns the partner's permanent refusal of a request.
    fn decline(&self, request: &StubRequest<'_>) -> StubResponse;

    /// Returns the response of a system with an outage.
    fn error(&self) -> StubResponse {
        (500, Value::Null)
    }

    /// The callers' timeout.
    fn caller_timeout(&self, _: &StubRequest<'_>) -> Duration {
        Duration::from_secs(5)
    }

    /// How long the system takes to process a request.
    fn processing_time(&self, _: &StubRequest<'_>) -> Duration {
        Duration::ZERO
    }

    /// The credentials that identify us, if they are more than a secret; else null.
    fn credentials(&self) -> Value {
        Value::Null
    }

    /// The system's records; null if it has none.
    fn books(&self) -> Value {
        Value::Null
    }

    /// Makes something happen in the system that is not a call of ours, such as a new order. The
    /// error says why it cannot happen.
    fn stage(&self, _: &Value, _: Timestamp) -> Result<(), String> {
        Err("this partner has nothing to stage".into())
    }

    /// The names of the misbehaviours that can be switched on.
    fn quirks(&self) -> &'static [&'static str] {
        &[]
    }

    /// Additional headers of every response.
    fn headers(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// What a system has accepted: the latest [`MAX_REQUESTS`] entries.
#[derive(Debug, Default)]
struct Accepted(Mutex<VecDeque<Value>>);

impl Accepted {
    fn add(&self, what: Value) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() == MAX_REQUESTS {
            taken.pop_front();
        }
        taken.push_back(what);
    }

    fn all(&self) -> Vec<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// A request.
struct StubRequest<'a> {
    method: &'a str,
    path: &'a str,
    /// The query string, undecoded.
    query: &'a str,
    headers: &'a BTreeMap<String, String>,
    body: &'a str,
    now: Timestamp,
    quirks: &'a [String],
}

impl StubRequest<'_> {
    /// Whether a quirk is switched on.
    fn has(&self, quirk: &str) -> bool {
        self.quirks.iter().any(|one| one == quirk)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A response: the status and the JSON body. Null is an empty body, and a string is an HTML page.
type StubResponse = (u16, Value);

#[derive(Debug, Default)]
struct State {
    behaviour: Behaviour,
    requests: VecDeque<Received>,
    /// How many requests a behaviour other than ok has affected, and how many have arrived, since
    /// the behaviour was set.
    affected: u32,
    seen: u32,
}

/// How a partner responds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Behaviour {
    /// The mode.
    pub mode: Mode,
    /// The status, instead of the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The `Retry-After` header, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// The delay of the response, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// The share of requests that are affected, from 0 to 1. The others get the usual response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// The quirks that are switched on, out of those that the partner has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quirks: Vec<String>,
}

/// A share of requests, from 0 to 1, as JSON represents it.
#[expect(clippy::disallowed_types, reason = "a share is written as a decimal fraction")]
type Share = f64;

/// The ways in which a partner can respond.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The usual response.
    #[default]
    Ok,
    /// An outage: 500, or the status that is set.
    Error,
    /// The usual response, but late.
    Slow,
    /// No response: the connection is closed.
    Down,
    /// The request is executed, but the connection is closed before the response.
    Lost,
    /// A permanent refusal: usually 422, or the status that is set. A notifier reports that the
    /// phone has no KakaoTalk.
    Decline,
}

/// A request that a partner received.
#[derive(Debug, Clone, Serialize)]
pub struct Received {
    /// The time of the response.
    pub at: Timestamp,
    /// The HTTP method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    pub body: String,
    /// The status of the response; 0 if the connection was closed.
    pub status: u16,
}

/// Starts every partner. The journal stores the payment gateway's records.
pub(crate) async fn start(clock: &Clock, journal: Journal) -> Result<Partners, crate::Failure> {
    let webhook_secret =
        || format!("whsec_{}", aws_smithy_types::base64::encode(rand::random::<[u8; 32]>()));
    let mut partners = Partners::new();
    for name in ["data-platform", "tms", "tason"] {
        let secret = webhook_secret();
        let receiver = Arc::new(receiver::Receiver::checking(&secret)?);
        partners.insert(name, Partner::start(receiver, secret, clock).await?);
    }
    let receiver = Arc::new(receiver::Receiver::taking_anything());
    partners.insert("webhook-receiver", Partner::start(receiver, String::new(), clock).await?);
    let secret = format!("test_sk_{:032x}", rand::random::<u128>());
    let gateway = Arc::new(payment_gateway::PaymentGateway::new(&secret, journal)?);
    let gateway = Partner::start(gateway, secret, clock).await?;
    let coupang = Partner::start(Arc::new(coupang::Coupang::new()), String::new(), clock).await?;
    let smartstore =
        Partner::start(Arc::new(smartstore::Smartstore::new()), String::new(), clock).await?;
    partners.extend([("coupang", coupang), ("smartstore", smartstore)]);
    let token = format!("orders-{:032x}", rand::random::<u128>());
    let orders_api = Arc::new(orders_api::OrdersApi::new(&token));
    partners.insert("orders-api", Partner::start(orders_api, token, clock).await?);
    let solapi = Partner::start(Arc::new(solapi::Solapi::new()), String::new(), clock).await?;
    let nhn_cloud =
        Partner::start(Arc::new(nhn_cloud::NhnCloud::new()), String::new(), clock).await?;
    partners.extend([("payment-gateway", gateway), ("solapi", solapi), ("nhn-cloud", nhn_cloud)]);
    Ok(partners)
}

impl Partner {
    /// The names of all modes.
    pub(crate) const MODES: [&str; 6] = ["ok", "error", "slow", "down", "lost", "decline"];

    async fn start(
        system: Arc<dyn System>,
        secret: String,
        clock: &Clock,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let credentials = system.credentials();
        let partner = Self {
            base_url,
            secret,
            credentials,
            system,
            clock: clock.clone(),
            state: Arc::default(),
        };
        crate::spawn(serve(listener, partner.clone(), clock.clone()));
        Ok(partner)
    }

    /// The partner's records; null if it has none.
    pub fn books(&self) -> Value {
        self.system.books()
    }

    /// Makes something happen in the partner's system that is not a call of ours. The error says
    /// why it cannot happen.
    pub fn stage(&self, what: &Value) -> Result<(), String> {
        self.system.stage(what, self.clock.now())
    }

    /// The names of the misbehaviours that can be switched on.
    pub fn quirks(&self) -> &'static [&'static str] {
        self.system.quirks()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how the partner responds from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        let mut state = self.state();
        (state.behaviour, state.affected, state.seen) = (behaviour, 0, 0);
    }

    /// Sets the mode in which the partner responds from now on.
    pub fn be(&self, mode: Mode) {
        self.behave(Behaviour { mode, ..Behaviour::default() });
    }

    pub(crate) fn behaviour(&self) -> Behaviour {
        self.state().behaviour.clone()
    }

    /// The requests that the partner received, oldest first.
    pub fn requests(&self) -> Vec<Received> {
        self.state().requests.iter().cloned().collect()
    }

    /// Deletes the recorded requests.
    pub fn forget(&self) {
        self.state().requests.clear();
    }

    /// Counts a request and returns the behaviour that applies to it.
    fn next(&self) -> Behaviour {
        let mut state = self.state();
        let State { behaviour, affected, seen, .. } = &mut *state;
        *seen += 1;
        if is_due(behaviour.share, *seen, *affected) {
            *affected += 1;
            behaviour.clone()
        } else {
            Behaviour::default()
        }
    }

    fn remember(&self, received: Received) {
        let mut state = self.state();
        if state.requests.len() == MAX_REQUESTS {
            state.requests.pop_front();
        }
        state.requests.push_back(received);
    }
}

/// Whether fewer of the requests seen were affected than the share requires.
fn is_due(share: Option<Share>, seen: u32, affected: u32) -> bool {
    (share.unwrap_or(1.0) * Share::from(seen)).floor() > Share::from(affected)
}

async fn serve(listener: TcpListener, partner: Partner, clock: Clock) {
    while let Ok((stream, _)) = listener.accept().await {
        let (partner, clock) = (partner.clone(), clock.clone());
        crate::spawn(async move {
            let service = service_fn(|request| respond(&partner, &clock, request));
            // An error means that the connection was closed, by the caller or on purpose.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// Closes the connection without a response.
#[derive(Debug, thiserror::Error)]
#[error("the partner closes the connection")]
struct Down;

async fn respond(
    partner: &Partner,
    clock: &Clock,
    request: Request<Incoming>,
) -> Result<Response<axum::body::Body>, Down> {
    let (parts, body) = request.into_parts();
    if guard::refusal(&parts.headers).is_some() {
        let mut refused = Response::new(axum::body::Body::empty());
        *refused.status_mut() = StatusCode::FORBIDDEN;
        return Ok(refused);
    }
    let body = String::from_utf8_lossy(&read(body).await.unwrap_or_default()).into_owned();
    let text = |(name, value): (&header::HeaderName, &HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let headers: BTreeMap<String, String> = parts.headers.iter().map(text).collect();
    let (method, path) = (parts.method.to_string(), parts.uri.path().to_owned());
    let Behaviour { mode, status, retry_after_seconds, delay_ms, share: _, quirks } =
        partner.next();
    let query = parts.uri.query().unwrap_or_default();
    let request = StubRequest {
        method: &method,
        path: &path,
        query,
        headers: &headers,
        body: &body,
        now: clock.now(),
        quirks: &quirks,
    };
    let (usual, content) = match mode {
        Mode::Ok | Mode::Slow | Mode::Lost => partner.system.respond(&request),
        Mode::Error => partner.system.error(),
        Mode::Decline => partner.system.decline(&request),
        Mode::Down => (0, Value::Null),
    };
    let (patience, takes) =
        (partner.system.caller_timeout(&request), partner.system.processing_time(&request));
    let slow = (mode == Mode::Slow).then_some(patience + SLOWER_BY);
    let delay = delay_ms.map(Duration::from_millis).or(slow).unwrap_or(takes);
    // On a held clock the delay passes at once. A caller with a shorter timeout has then closed
    // the connection.
    let is_too_late = !clock.runs() && delay > patience;
    if clock.runs() {
        tokio::time::sleep(delay).await;
    } else {
        clock.advance(delay.min(patience));
    }
    let is_silent = matches!(mode, Mode::Down | Mode::Lost) || is_too_late;
    let status = if is_silent { 0 } else { status.unwrap_or(usual) };
    let path = if query.is_empty() { path } else { format!("{path}?{query}") };
    partner.remember(Received { at: clock.now(), method, path, headers, body, status });
    if is_silent {
        return Err(Down);
    }
    Ok(response(partner.system.as_ref(), status, retry_after_seconds, &content))
}

/// Builds a response with the headers that the system always sends.
fn response(
    system: &dyn System,
    status: u16,
    retry_after_seconds: Option<u64>,
    content: &Value,
) -> Response<axum::body::Body> {
    let (content_type, body) = match content.as_str() {
        Some(page) => ("text/html", page.to_owned()),
        None if content.is_null() => ("application/json", String::new()),
        None => ("application/json", content.to_string()),
    };
    let mut response = Response::new(axum::body::Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let is_redirection = response.status().is_redirection();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in system.headers() {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    if let Some(seconds) = retry_after_seconds {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if is_redirection {
        headers.insert(header::LOCATION, HeaderValue::from_static("/elsewhere"));
    }
    response
}

async fn read(body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut body = pin!(body);
    let mut bytes: Vec<u8> = Vec::new();
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        if let Ok(data) = frame?.into_data() {
            let data: Bytes = data;
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}
