//! The HTTP API of API Gateway: finds the route of a request, verifies the token, and invokes the
//! function with an event of payload format 2.0. The function's result becomes the HTTP response.

use crate::{
    clock::Clock,
    runner::{NotHandled, Runner},
    template::Template,
    token::Tokens,
};
use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// The body limit of API Gateway: 10 MB.
pub(crate) const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// The HTTP API of a platform.
#[derive(Debug)]
pub(crate) struct HttpApi {
    /// The paths by method. As in API Gateway, a path matches only under its own method.
    paths: BTreeMap<String, matchit::Router<Target>>,
    /// The `$default` route: it takes every request that matches no path.
    default: Option<Target>,
    runner: Arc<Runner>,
    pub(crate) tokens: Tokens,
    clock: Clock,
    /// Whether callers need a token, as in the deployed API.
    requires_tokens: bool,
}

/// The function that a route invokes.
#[derive(Debug, Clone)]
struct Target {
    function: String,
    route_key: String,
    is_public: bool,
}

impl HttpApi {
    pub(crate) fn new(
        template: &Template,
        runner: Arc<Runner>,
        clock: Clock,
        requires_tokens: bool,
    ) -> Result<Self, String> {
        let mut paths: BTreeMap<String, matchit::Router<Target>> = BTreeMap::new();
        let mut default = None;
        for function in &template.functions {
            for route in &function.routes {
                let route_key = format!("{} {}", route.method, route.path);
                let target = Target {
                    function: function.handler.clone(),
                    route_key,
                    is_public: route.is_public,
                };
                if route.path == "$default" {
                    default = Some(Target { route_key: "$default".into(), ..target });
                } else {
                    let paths = paths.entry(route.method.clone()).or_default();
                    paths.insert(&route.path, target).map_err(|error| error.to_string())?;
                }
            }
        }
        Ok(Self { paths, default, runner, tokens: Tokens::new(), clock, requires_tokens })
    }

    pub(crate) async fn respond(
        &self,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Response {
        let Some((target, parameters)) = self.find(&method, uri.path()) else {
            return message(StatusCode::NOT_FOUND, "Not Found");
        };
        let claims = match self.claims(&target, &headers) {
            Ok(claims) => claims,
            Err(Unauthorized) => return message(StatusCode::UNAUTHORIZED, "Unauthorized"),
        };
        let event =
            self.event(&target, &parameters, claims, &Incoming { method, uri, headers, body });
        match self.runner.invoke(&target.function, event).await {
            Ok(result) => respond(&result),
            Err(off @ NotHandled::Off(_)) => {
                message(StatusCode::SERVICE_UNAVAILABLE, &off.to_string())
            }
            Err(error) => {
                tracing::error!(%error, "a function did not handle a request");
                message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
        }
    }

    fn find(&self, method: &Method, path: &str) -> Option<(Target, Map<String, Value>)> {
        if let Some(Ok(found)) = self.paths.get(method.as_str()).map(|paths| paths.at(path)) {
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            let parameters =
                found.params.iter().map(|(name, value)| (name.to_owned(), decoded(value).into()));
            return Some((found.value.clone(), parameters.collect()));
        }
        self.default.clone().map(|target| (target, Map::new()))
    }

    /// Returns the claims of the caller's token, or `None` for a public route. Without `--auth`, a
    /// caller without a token is an operator.
    fn claims(
        &self,
        target: &Target,
        headers: &HeaderMap,
    ) -> Result<Option<Map<String, Value>>, Unauthorized> {
        if target.is_public {
            return Ok(None);
        }
        match headers.get(header::AUTHORIZATION) {
            None if self.requires_tokens => Err(Unauthorized),
            None => Ok(Some(Map::from_iter([
                ("role".into(), "operator".into()),
                ("sub".into(), "local".into()),
            ]))),
            Some(token) => {
                let token = token.to_str().map_err(|_| Unauthorized)?;
                let token = token.strip_prefix("Bearer ").unwrap_or(token);
                self.tokens.verify(token, self.clock.now()).map(Some).ok_or(Unauthorized)
            }
        }
    }

    fn event(
        &self,
        target: &Target,
        parameters: &Map<String, Value>,
        claims: Option<Map<String, Value>>,
        incoming: &Incoming,
    ) -> Value {
        let Incoming { method, uri, headers, body } = incoming;
        let request_id = ulid::Ulid::from_parts(0, rand::random()).to_string();
        let (text, is_base64) = match std::str::from_utf8(body) {
            Ok(text) => (text.to_owned(), false),
            Err(_) => (base64(body), true),
        };
        let now = self.clock.now();
        let mut context = json!({
            "accountId": crate::template::ACCOUNT, "apiId": "local", "domainName": "localhost", "stage": "$default",
            "http": {
                "method": method.as_str(), "path": uri.path(), "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1", "userAgent": headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or(""),
            },
            "requestId": request_id, "routeKey": target.route_key, "time": now, "timeEpoch": now.millis(),
        });
        if let Some(claims) = claims {
            context["authorizer"] = json!({ "jwt": { "claims": claims, "scopes": null } });
        }
        let mut event = json!({
            "version": "2.0", "routeKey": target.route_key, "rawPath": uri.path(), "rawQueryString": uri.query().unwrap_or(""),
            "headers": joined(headers), "pathParameters": parameters, "queryStringParameters": query(uri),
            "requestContext": context, "isBase64Encoded": is_base64,
        });
        if !body.is_empty() {
            event["body"] = text.into();
        }
        event
    }
}

struct Unauthorized;

struct Incoming {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// The headers by lowercase name. Values of the same name are joined by commas.
fn joined(headers: &HeaderMap) -> BTreeMap<&str, String> {
    let mut joined: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        joined
            .entry(name.as_str())
            .and_modify(|all| *all = format!("{all},{value}"))
            .or_insert_with(|| value.into_owned());
    }
    joined
}

/// The decoded query parameters. Values of the same name are joined by commas.
fn query(uri: &Uri) -> BTreeMap<String, String> {
    let decoded =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for pair in uri.query().unwrap_or("").split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value);
        parameters
            .entry(decoded(name))
            .and_modify(|all| *all = format!("{all},{value}"))
            .or_insert(value);
    }
    parameters
}

fn base64(bytes: &[u8]) -> String {
    aws_smithy_types::base64::encode(bytes)
}

/// An error response of API Gateway itself, in its format.
fn message(status: StatusCode, message: &str) -> Response {
    (status, axum::Json(json!({ "message": message }))).into_response()
}

/// Converts a function's result to an HTTP response. A result without a valid status becomes 500.
fn respond(result: &Value) -> Response {
    let status = result["statusCode"]
        .as_u64()
        .and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
    let body = result["body"].as_str().unwrap_or_default().to_owned();
    let mut response = (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body).into_response();
    for (name, value) in result["headers"].as_object().into_iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Some(Ok(value))) = (name, value.as_str().map(HeaderValue::from_str)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
