//! Other companies' systems, as stubs on loopback: they check what they are sent, do what it asks, remember it, and behave
//! as they are told.

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

/// Requests that a partner remembers at the most.
const MAX_REQUESTS: usize = 10_000;

/// By how much a slow partner takes longer than callers wait, if nobody says otherwise.
const SLOWER_BY: Duration = Duration::from_secs(3);

/// The partners of a platform, by name.
pub(crate) type Partners = BTreeMap<&'static str, Partner>;

/// A partner.
#[derive(Debug, Clone)]
pub struct Partner {
    /// Where it is.
    pub base_url: String,
    /// The secret shared with it, if it knows us by that alone.
    pub secret: String,
    /// What it knows us by otherwise.
    pub credentials: Value,
    system: Arc<dyn System>,
    clock: Clock,
    state: Arc<Mutex<State>>,
}

/// What a partner's system does.
trait System: std::fmt::Debug + Send + Sync {
    /// Does what is asked, and answers.
    fn answer(&self, asked: &Asked<'_>) -> Said;

    /// Refuses what is asked, as it refuses what it will never do.
    fn decline(&self, asked: &Asked<'_>) -> Said;

    /// Says that it is out of order.
    fn error(&self) -> Said {
        (500, Value::Null)
    }

    /// How long callers wait.
    fn patience(&self, _: &Asked<'_>) -> Duration {
        Duration::from_secs(5)
    }

    /// How long it takes to answer by itself.
    fn takes(&self, _: &Asked<'_>) -> Duration {
        Duration::ZERO
    }

    /// What it knows us by, if that is more than a secret.
    fn credentials(&self) -> Value {
        Value::Null
    }

    /// What it has on its books; nothing if it keeps none.
    fn books(&self) -> Value {
        Value::Null
    }

    /// Lets something happen there that is no call of ours, such as that somebody orders. Fails by saying why it cannot.
    fn stage(&self, _: &Value, _: Timestamp) -> Result<(), String> {
        Err("nothing can be staged here".into())
    }

    /// What it can be made to do otherwise than one would wish.
    fn quirks(&self) -> &'static [&'static str] {
        &[]
    }

    /// What it says in the headers of each answer.
    fn headers(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// What a system has taken, as far back as it remembers.
#[derive(Debug, Default)]
struct Taken(Mutex<VecDeque<Value>>);

impl Taken {
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

/// A request as a system reads it.
struct Asked<'a> {
    method: &'a str,
    path: &'a str,
    /// The query, as it was sent.
    query: &'a str,
    headers: &'a BTreeMap<String, String>,
    body: &'a str,
    now: Timestamp,
    quirks: &'a [String],
}

impl Asked<'_> {
    /// Whether a quirk is switched on.
    fn has(&self, quirk: &str) -> bool {
        self.quirks.iter().any(|one| one == quirk)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What a system says: a status, and a JSON body if there is one; a text stands for a page.
type Said = (u16, Value);

#[derive(Debug, Default)]
struct State {
    behaviour: Behaviour,
    requests: VecDeque<Received>,
    /// How many requests were met by a behaviour other than ok, and how many came since it was set.
    affected: u32,
    seen: u32,
}

/// How a partner answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Behaviour {
    /// How.
    pub mode: Mode,
    /// With which status, where it is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// With which `Retry-After`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// After how many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// To which share of the requests, from 0 to 1; the others are answered well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// What it does otherwise than one would wish: some of what the partner can do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quirks: Vec<String>,
}

/// A share of requests, from 0 to 1, as JSON has it.
#[expect(clippy::disallowed_types, reason = "a share is written as a decimal fraction")]
type Share = f64;

/// How a partner answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Well.
    #[default]
    Ok,
    /// 500, or the given status.
    Error,
    /// Well, but late.
    Slow,
    /// Not at all: the connection is closed.
    Down,
    /// It does what it is asked, but the connection is closed before it answers.
    Lost,
    /// As it refuses what it will never do: 422, or the given status; a notifier, that the phone has no KakaoTalk.
    Decline,
}

/// A request that a partner received.
#[derive(Debug, Clone, Serialize)]
pub struct Received {
    /// When.
    pub at: Timestamp,
    /// The method.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    pub body: String,
    /// What it was answered with; 0 if the connection was closed.
    pub status: u16,
}

/// Starts every partner; what a partner keeps on its books, the journal keeps for it.
pub(crate) async fn start(clock: &Clock, journal: Journal) -> Result<Partners, crate::Failure> {
    let webhook_secret = || format!("whsec_{}", aws_smithy_types::base64::encode(rand::random::<[u8; 32]>()));
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
    let smartstore = Partner::start(Arc::new(smartstore::Smartstore::new()), String::new(), clock).await?;
    partners.extend([("coupang", coupang), ("smartstore", smartstore)]);
    let token = format!("orders-{:032x}", rand::random::<u128>());
    let orders_api = Arc::new(orders_api::OrdersApi::new(&token));
    partners.insert("orders-api", Partner::start(orders_api, token, clock).await?);
    let solapi = Partner::start(Arc::new(solapi::Solapi::new()), String::new(), clock).await?;
    let nhn_cloud = Partner::start(Arc::new(nhn_cloud::NhnCloud::new()), String::new(), clock).await?;
    partners.extend([("payment-gateway", gateway), ("solapi", solapi), ("nhn-cloud", nhn_cloud)]);
    Ok(partners)
}

impl Partner {
    /// What a partner can be told to be.
    pub(crate) const MODES: [&str; 6] = ["ok", "error", "slow", "down", "lost", "decline"];

    async fn start(system: Arc<dyn System>, secret: String, clock: &Clock) -> std::io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let credentials = system.credentials();
        let partner = Self { base_url, secret, credentials, system, clock: clock.clone(), state: Arc::default() };
        crate::spawn(serve(listener, partner.clone(), clock.clone()));
        Ok(partner)
    }

    /// What it has on its books.
    pub fn books(&self) -> Value {
        self.system.books()
    }

    /// Lets something happen there that is no call of ours.
    pub fn stage(&self, what: &Value) -> Result<(), String> {
        self.system.stage(what, self.clock.now())
    }

    /// What it can be made to do otherwise than one would wish.
    pub fn quirks(&self) -> &'static [&'static str] {
        self.system.quirks()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on it answers like this.
    pub fn behave(&self, behaviour: Behaviour) {
        let mut state = self.state();
        (state.behaviour, state.affected, state.seen) = (behaviour, 0, 0);
    }

    /// From now on it answers in this mode.
    pub fn be(&self, mode: Mode) {
        self.behave(Behaviour { mode, ..Behaviour::default() });
    }

    pub(crate) fn behaviour(&self) -> Behaviour {
        self.state().behaviour.clone()
    }

    /// What it received, the oldest first.
    pub fn requests(&self) -> Vec<Received> {
        self.state().requests.iter().cloned().collect()
    }

    /// Forgets what it received.
    pub fn forget(&self) {
        self.state().requests.clear();
    }

    /// How the next request is met.
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

/// Whether so many of so many requests are still fewer than the share.
fn is_due(share: Option<Share>, seen: u32, affected: u32) -> bool {
    (share.unwrap_or(1.0) * Share::from(seen)).floor() > Share::from(affected)
}

async fn serve(listener: TcpListener, partner: Partner, clock: Clock) {
    while let Ok((stream, _)) = listener.accept().await {
        let (partner, clock) = (partner.clone(), clock.clone());
        crate::spawn(async move {
            let answer = service_fn(|request| answer(&partner, &clock, request));
            // An error here is a connection that was closed: by the caller, or on purpose.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

/// Closes the connection without a word.
#[derive(Debug, thiserror::Error)]
#[error("down")]
struct Down;

async fn answer(
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
    let text = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let headers: BTreeMap<String, String> = parts.headers.iter().map(text).collect();
    let (method, path) = (parts.method.to_string(), parts.uri.path().to_owned());
    let Behaviour { mode, status, retry_after_seconds, delay_ms, share: _, quirks } = partner.next();
    let query = parts.uri.query().unwrap_or_default();
    let asked = Asked {
        method: &method,
        path: &path,
        query,
        headers: &headers,
        body: &body,
        now: clock.now(),
        quirks: &quirks,
    };
    let (usual, said) = match mode {
        Mode::Ok | Mode::Slow | Mode::Lost => partner.system.answer(&asked),
        Mode::Error => partner.system.error(),
        Mode::Decline => partner.system.decline(&asked),
        Mode::Down => (0, Value::Null),
    };
    let (patience, takes) = (partner.system.patience(&asked), partner.system.takes(&asked));
    let slow = (mode == Mode::Slow).then_some(patience + SLOWER_BY);
    let delay = delay_ms.map(Duration::from_millis).or(slow).unwrap_or(takes);
    // Where time is held it passes at once, and who waited too long has hung up.
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
    let (content_type, body) = match said.as_str() {
        Some(page) => ("text/html", page.to_owned()),
        None if said.is_null() => ("application/json", String::new()),
        None => ("application/json", said.to_string()),
    };
    let mut response = Response::new(axum::body::Body::from(body));
    let content_type = hyper::header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, content_type);
    for (name, value) in partner.system.headers() {
        if let Ok(value) = hyper::header::HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    if let Some(seconds) = retry_after_seconds {
        response.headers_mut().insert(hyper::header::RETRY_AFTER, seconds.into());
    }
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if response.status().is_redirection() {
        let elsewhere = hyper::header::HeaderValue::from_static("/elsewhere");
        response.headers_mut().insert(hyper::header::LOCATION, elsewhere);
    }
    Ok(response)
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
