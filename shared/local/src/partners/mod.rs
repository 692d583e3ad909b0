//! Other companies' systems, as stubs on loopback: they check what they are sent, remember it, and behave as they are told.

use crate::clock::Clock;
use domain::Timestamp;
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Bytes, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use partners::webhook::{self, Secret};
use serde::{Deserialize, Serialize};
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
const MOST_REQUESTS: usize = 10_000;

/// How long a slow partner takes, if nobody says otherwise: longer than callers wait.
const SLOW: Duration = Duration::from_secs(8);

/// The partners of a platform, by name.
pub(crate) type Partners = BTreeMap<&'static str, Partner>;

/// A partner.
#[derive(Debug, Clone)]
pub struct Partner {
    /// Where it is.
    pub base_url: String,
    /// The secret shared with it.
    pub secret: String,
    state: Arc<Mutex<State>>,
}

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
    /// After how many milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// To which share of the requests, from 0 to 1; the others are answered well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
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
    /// 422, or the given status: it will never take this.
    Decline,
}

/// A request that a partner received.
#[derive(Debug, Clone, Serialize)]
pub struct Received {
    /// When.
    pub at: Timestamp,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    pub body: String,
    /// What it was answered with; 0 if the connection was closed.
    pub status: u16,
}

/// Starts every partner.
pub(crate) async fn start(clock: &Clock) -> std::io::Result<Partners> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    let secret = format!("whsec_{}", aws_smithy_types::base64::encode(rand::random::<[u8; 32]>()));
    let partner = Partner { base_url, secret, state: Arc::default() };
    crate::spawn(serve(listener, partner.clone(), clock.clone()));
    Ok(BTreeMap::from([("data-platform", partner)]))
}

impl Partner {
    /// What a partner can be told to be.
    pub(crate) const MODES: [&str; 5] = ["ok", "error", "slow", "down", "decline"];

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
        if state.requests.len() == MOST_REQUESTS {
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
    let body = read(body).await.unwrap_or_default();
    let behaviour = partner.next();
    let delay = behaviour.delay_ms.map(Duration::from_millis);
    let delay = if behaviour.mode == Mode::Slow { Some(delay.unwrap_or(SLOW)) } else { delay };
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    let status = match behaviour.mode {
        Mode::Down => 0,
        Mode::Error => behaviour.status.unwrap_or(500),
        Mode::Decline => behaviour.status.unwrap_or(422),
        Mode::Ok | Mode::Slow if is_signed(&partner.secret, clock, &header, &body) => behaviour.status.unwrap_or(200),
        Mode::Ok | Mode::Slow => 401,
    };
    let text = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    partner.remember(Received {
        at: clock.now(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        headers: parts.headers.iter().map(text).collect(),
        body,
        status,
    });
    if status == 0 {
        return Err(Down);
    }
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
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

/// Whether a message is signed with our secret, within five minutes of now (Standard Webhooks).
fn is_signed<'a>(secret: &str, clock: &Clock, header: &impl Fn(&str) -> &'a str, body: &str) -> bool {
    let Ok(secret) = Secret::parse(secret) else { return false };
    let Ok(seconds) = header(webhook::TIMESTAMP_HEADER).parse::<i64>() else { return false };
    let at = Timestamp::from_millis(seconds * 1000);
    let is_recent = (clock.now().seconds() - seconds).abs() <= 300;
    let expected = secret.sign(header(webhook::ID_HEADER), at, body);
    is_recent && expected.is_ok_and(|expected| header(webhook::SIGNATURE_HEADER).split(' ').any(|one| one == expected))
}
