//! Serves a platform on three loopback ports: the API, the AWS services and the control port.

use crate::{Failure, Platform, aws::Principal, control, guard, http_api::MAX_BODY_BYTES};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::from_fn,
    response::{IntoResponse, Response},
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};
use tokio::net::{TcpListener, TcpSocket};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// The ports on which the platform listens. 0: the operating system chooses a free port.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// The API.
    pub api: u16,
    /// The AWS services.
    pub aws: u16,
    /// The control port.
    pub control: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self { api: 3000, aws: 4566, control: 4700 }
    }
}

/// Bound sockets that do not listen yet. They listen once there is a platform to serve.
#[derive(Debug)]
pub struct Sockets {
    api: TcpSocket,
    aws: TcpSocket,
    control: TcpSocket,
}

impl Sockets {
    /// Returns the bound ports.
    pub fn ports(&self) -> Result<Ports, Failure> {
        let port = |socket: &TcpSocket| socket.local_addr().map(|address| address.port());
        Ok(Ports { api: port(&self.api)?, aws: port(&self.aws)?, control: port(&self.control)? })
    }

    /// Starts to listen. Clients can connect from now on, so the platform must be served.
    pub fn listen(self) -> Result<Listeners, Failure> {
        Ok(Listeners {
            api: listen(self.api)?,
            aws: listen(self.aws)?,
            control: listen(self.control)?,
        })
    }
}

/// Listening sockets.
#[derive(Debug)]
pub struct Listeners {
    api: TcpListener,
    aws: TcpListener,
    control: TcpListener,
}

impl Ports {
    /// Binds all three ports. If one is not available, none stays bound, and the error names that
    /// port and the option that changes it.
    pub fn take(self) -> Result<Sockets, Failure> {
        Ok(Sockets {
            api: bind(self.api, "--port")?,
            aws: bind(self.aws, "--aws-port")?,
            control: bind(self.control, "--control-port")?,
        })
    }
}

fn bind(port: u16, option: &str) -> Result<TcpSocket, Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let unavailable =
        |error| format!("cannot listen on {address} ({error}); choose another port with {option}");
    let socket = TcpSocket::new_v4()?;
    // Without `SO_REUSEADDR`, a port stays unavailable for a minute after its process has ended.
    socket.set_reuseaddr(true)?;
    socket.bind(address).map_err(unavailable)?;
    Ok(socket)
}

fn listen(socket: TcpSocket) -> Result<TcpListener, Failure> {
    let address = socket.local_addr()?;
    socket.listen(BACKLOG).map_err(|error| {
        format!("cannot listen on {address} ({error}); choose another port").into()
    })
}

/// Serves a platform until `end` completes, and then until the requests in progress are finished.
pub async fn serve(
    platform: Arc<Platform>,
    listeners: Listeners,
    end: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let (ended, is_ended) = tokio::sync::watch::channel(false);
    let until_ended = || {
        let mut is_ended = is_ended.clone();
        async move { drop(is_ended.wait_for(|is_ended| *is_ended).await) }
    };
    let api = Router::new().fallback(api).with_state(platform.clone());
    let aws = Router::new()
        .fallback(aws)
        .layer(DefaultBodyLimit::max(16 * 1024 * 1024))
        .with_state(platform.clone());
    let api = api.layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).layer(from_fn(guard::layer));
    let api = axum::serve(listeners.api, api).with_graceful_shutdown(until_ended());
    let aws = axum::serve(listeners.aws, aws.layer(from_fn(guard::layer)))
        .with_graceful_shutdown(until_ended());
    let control = control::router(platform.clone()).layer(from_fn(guard::layer));
    let control = axum::serve(listeners.control, control).with_graceful_shutdown(until_ended());
    platform.run();
    let stop = async {
        end.await;
        let _ = ended.send(true);
    };
    let (api, aws, control, ()) =
        futures::join!(api.into_future(), aws.into_future(), control.into_future(), stop);
    api.and(aws).and(control).map_err(Failure::from)
}

async fn api(
    State(platform): State<Arc<Platform>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    platform.respond(method, uri, headers, body).await
}

async fn aws(State(platform): State<Arc<Platform>>, headers: HeaderMap, body: Bytes) -> Response {
    let target =
        headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    match platform.aws.call(&Principal::anyone(), target, &body).await {
        Ok((status, body)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let query_error =
                query_error(target, status, &body).map(|error| [("x-amzn-query-error", error)]);
            (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], query_error, body)
                .into_response()
        }
        // An error in the body stream closes the connection, so the caller gets no response.
        Err(lost) => Body::from_stream(futures::stream::once(async { Err::<Bytes, _>(lost) }))
            .into_response(),
    }
}

/// The value of `x-amzn-query-error`: the error code of the older SQS query protocol, by which SQS
/// clients still distinguish errors. `None` if the response is not an SQS client error.
fn query_error(target: &str, status: StatusCode, body: &[u8]) -> Option<String> {
    let is_refused = target.starts_with("AmazonSQS") && status.is_client_error();
    let error: serde_json::Value = is_refused.then(|| serde_json::from_slice(body).ok())??;
    let code = match error["__type"].as_str()? {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue",
        code => code,
    };
    Some(format!("{code};Sender"))
}
