//! The platform on sockets: the API, the AWS services and the control port, all on loopback.

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

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Where the platform listens; 0 lets the system choose.
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

/// Sockets that are taken, and do not listen before there is something to serve.
#[derive(Debug)]
pub struct Sockets {
    api: TcpSocket,
    aws: TcpSocket,
    control: TcpSocket,
}

impl Sockets {
    /// The ports that were taken.
    pub fn ports(&self) -> Result<Ports, Failure> {
        let port = |socket: &TcpSocket| socket.local_addr().map(|address| address.port());
        Ok(Ports { api: port(&self.api)?, aws: port(&self.aws)?, control: port(&self.control)? })
    }

    /// Lets callers connect; from now on the platform must be served.
    pub fn listen(self) -> Result<Listeners, Failure> {
        Ok(Listeners { api: listen(self.api)?, aws: listen(self.aws)?, control: listen(self.control)? })
    }
}

/// Sockets to which callers connect.
#[derive(Debug)]
pub struct Listeners {
    api: TcpListener,
    aws: TcpListener,
    control: TcpListener,
}

impl Ports {
    /// Takes the ports, all or none.
    pub fn take(self) -> Result<Sockets, Failure> {
        Ok(Sockets {
            api: take(self.api, "--port")?,
            aws: take(self.aws, "--aws-port")?,
            control: take(self.control, "--control-port")?,
        })
    }
}

fn take(port: u16, option: &str) -> Result<TcpSocket, Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let taken = |error| format!("cannot listen on {address} ({error}); choose another port with {option}");
    let socket = TcpSocket::new_v4()?;
    // Without it, a port stays taken for a minute after the process that had it.
    socket.set_reuseaddr(true)?;
    socket.bind(address).map_err(taken)?;
    Ok(socket)
}

fn listen(socket: TcpSocket) -> Result<TcpListener, Failure> {
    let address = socket.local_addr()?;
    socket.listen(BACKLOG).map_err(|error| format!("cannot listen on {address} ({error}); choose another port").into())
}

/// Serves a platform until `end`, then lets the requests under way finish.
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
    let aws = Router::new().fallback(aws).layer(DefaultBodyLimit::max(16 * 1024 * 1024)).with_state(platform.clone());
    let api = api.layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).layer(from_fn(guard::layer));
    let api = axum::serve(listeners.api, api).with_graceful_shutdown(until_ended());
    let aws = axum::serve(listeners.aws, aws.layer(from_fn(guard::layer))).with_graceful_shutdown(until_ended());
    let control = control::router(platform.clone()).layer(from_fn(guard::layer));
    let control = axum::serve(listeners.control, control).with_graceful_shutdown(until_ended());
    platform.run();
    let stop = async {
        end.await;
        let _ = ended.send(true);
    };
    let (api, aws, control, ()) = futures::join!(api.into_future(), aws.into_future(), control.into_future(), stop);
    api.and(aws).and(control).map_err(Failure::from)
}

async fn api(
    State(platform): State<Arc<Platform>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    platform.answer(method, uri, headers, body).await
}

async fn aws(State(platform): State<Arc<Platform>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    match platform.aws.call(&Principal::anyone(), target, &body).await {
        Ok((status, body)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let query_error = query_error(target, status, &body).map(|error| [("x-amzn-query-error", error)]);
            (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], query_error, body).into_response()
        }
        // A body that breaks off takes the connection with it.
        Err(lost) => Body::from_stream(futures::stream::once(async { Err::<Bytes, _>(lost) })).into_response(),
    }
}

/// The error code of SQS's older protocol, by which its clients still tell errors apart.
fn query_error(target: &str, status: StatusCode, body: &[u8]) -> Option<String> {
    let is_refused = target.starts_with("AmazonSQS") && status.is_client_error();
    let error: serde_json::Value = is_refused.then(|| serde_json::from_slice(body).ok())??;
    let code = match error["__type"].as_str()? {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue",
        code => code,
    };
    Some(format!("{code};Sender"))
}
