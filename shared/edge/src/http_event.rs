//! HTTP events: API Gateway's (payload formats 1.0 and 2.0), a function URL's or a load balancer's
//! JSON in, and the same source's JSON out. `lambda_http` reads and writes them.

use crate::{
    Access, Environment, Error, Invocation, Request, Response, Route, request::RequestLine,
    response,
};
use domain::{Failure, Refusal};
use futures::future::BoxFuture;
use lambda_http::{
    Adapter, Body, Context, IntoResponse, LambdaEvent, Service,
    aws_lambda_events::{
        alb::AlbTargetGroupRequest,
        apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest},
    },
    http::{
        self, HeaderValue,
        header::{CACHE_CONTROL, HOST},
    },
    request::LambdaRequest,
    service_fn,
};
use serde_json::Value;
use std::{
    convert::Infallible,
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
};

/// What only its caller may see is kept in no cache, not even in the browser's.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What a function does with a request. Its type is erased, so that a binary contains the code of
/// this module once and not for each function.
pub(crate) type RequestHandler =
    Arc<dyn Fn(Request) -> BoxFuture<'static, Result<Response, Failure>> + Send + Sync>;

/// Calls the handler with the request of an event. An event that cannot be read is a problem, as
/// any bad input is.
pub(crate) async fn serve(
    function: &'static str,
    routes: &'static [Route],
    environment: Environment,
    invocation: Invocation,
    handle: RequestHandler,
) -> Result<Value, Error> {
    let (now, deadline) = (environment.now(), invocation.deadline());
    let is_private = routes.iter().any(|route| route.access != Access::Public);
    let call = |event: LambdaRequest, unreadable: Option<Refusal>| {
        let respond = |http: lambda_http::Request| {
            let line = RequestLine::of(&http, &invocation.request_id);
            let (unreadable, handle) = (unreadable.clone(), handle.clone());
            async move {
                let request = match unreadable {
                    Some(refusal) => Err(refusal),
                    None => Request::checked(routes, now, deadline, http),
                };
                let response = match request {
                    Ok(request) => handle(request).await,
                    Err(refusal) => Err(refusal.into()),
                };
                let mut written = response::write(function, &line, response);
                if is_private {
                    written.headers_mut().insert(CACHE_CONTROL, NO_STORE);
                }
                Ok::<_, Infallible>(Utf8(written))
            }
        };
        Adapter::from(service_fn(respond)).call(LambdaEvent::new(event, Context::default()))
    };
    let response = match serde_json::from_str::<LambdaRequest>(invocation.event.get()) {
        Ok(mut event) => {
            let blank = blank(&event);
            forget_host(&mut event);
            // The conversion of `lambda_http` panics on what is no URI or not base64.
            match catch_unwind(AssertUnwindSafe(|| call(event, None))) {
                Ok(response) => response,
                Err(_) => call(blank, Some(Refusal::field("request", "is not valid HTTP"))),
            }
        }
        Err(error) => {
            let event = LambdaRequest::ApiGatewayV2(ApiGatewayV2httpRequest::default());
            tracing::warn!(%error, "an event is not one of HTTP");
            call(event, Some(Refusal::field("request", "is not an HTTP event")))
        }
    };
    let response = response.await?;
    Ok(serde_json::to_value(response)?)
}

/// A response whose body is UTF-8. The library's own conversion brings the tables of every other
/// encoding into the binary.
struct Utf8(http::Response<Body>);

impl IntoResponse for Utf8 {
    fn into_response(self) -> Pin<Box<dyn Future<Output = http::Response<Body>> + Send>> {
        Box::pin(ready(self.0))
    }
}

/// Removes the host, which nothing here reads: `lambda_http` panics if it is not part of a URI.
fn forget_host(event: &mut LambdaRequest) {
    match event {
        LambdaRequest::ApiGatewayV1(event) => {
            event.headers.remove(HOST);
            event.request_context.domain_name = None;
        }
        LambdaRequest::ApiGatewayV2(event) => {
            event.headers.remove(HOST);
            event.request_context.domain_name = None;
        }
        LambdaRequest::Alb(event) => drop(event.headers.remove(HOST)),
        _ => {}
    }
}

/// An event of the same source without content.
fn blank(event: &LambdaRequest) -> LambdaRequest {
    match event {
        LambdaRequest::ApiGatewayV1(_) => {
            LambdaRequest::ApiGatewayV1(ApiGatewayProxyRequest::default())
        }
        LambdaRequest::Alb(_) => LambdaRequest::Alb(AlbTargetGroupRequest::default()),
        LambdaRequest::ApiGatewayV2(_) | _ => {
            LambdaRequest::ApiGatewayV2(ApiGatewayV2httpRequest::default())
        }
    }
}
