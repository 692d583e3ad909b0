//! HTTP requests. Every part has a limit, and every error names its field.

use crate::{Environment, Invocation, Response, Route, claims, response, strict};
use base64::{Engine, engine::general_purpose};
use domain::{Caller, Context, Failure, FieldError, IdempotencyKey, Ids, Refusal, Timestamp};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::{collections::HashMap, str::FromStr};

/// The longest body in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The most entries in a page of a list.
pub const MAX_PAGE: u16 = 100;

const DEFAULT_PAGE: u16 = 20;

/// The longest cursor in characters. It becomes part of a key, which DynamoDB limits to 1,024
/// bytes.
const MAX_CURSOR: usize = 512;

/// API Gateway's event (payload format 2.0), as far as it is used. No content of a header or
/// parameter may keep a request from getting a response.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct HttpEvent {
    raw_path: String,
    headers: HashMap<String, String>,
    path_parameters: HashMap<String, String>,
    query_string_parameters: HashMap<String, String>,
    body: Option<String>,
    is_base64_encoded: bool,
    request_context: RequestContext,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RequestContext {
    request_id: String,
    http: HttpDescription,
    authorizer: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HttpDescription {
    method: String,
}

impl HttpEvent {
    pub(crate) fn request_id(&self) -> &str {
        &self.request_context.request_id
    }

    pub(crate) fn method(&self) -> &str {
        &self.request_context.http.method
    }

    pub(crate) fn path(&self) -> &str {
        &self.raw_path
    }

    fn body(&mut self) -> Result<Vec<u8>, Refusal> {
        let body = self.body.take().unwrap_or_default();
        let body = if self.is_base64_encoded {
            general_purpose::STANDARD.decode(body).map_err(|error| Refusal::field("body", error))?
        } else {
            body.into_bytes()
        };
        if body.len() > MAX_BODY_BYTES { Err(Refusal::BodyTooLarge) } else { Ok(body) }
    }
}

/// A request whose caller has a role of the route.
#[derive(Debug)]
pub struct Request {
    /// The caller.
    pub caller: Caller,
    /// When it arrived.
    pub now: Timestamp,
    /// By when the work must be done.
    pub deadline: Timestamp,
    http: HttpEvent,
    body: Vec<u8>,
}

impl Request {
    /// A parameter of the path.
    pub fn path<T: FromStr<Err: ToString>>(&self, name: &str) -> Result<T, Refusal> {
        let text = self.http.path_parameters.get(name).map(String::as_str).unwrap_or_default();
        text.parse().map_err(|error: T::Err| Refusal::field(name, error.to_string()))
    }

    /// Whether the path has a parameter: distinguishes the routes of a function.
    pub fn has_path(&self, name: &str) -> bool {
        self.http.path_parameters.contains_key(name)
    }

    /// A parameter of the query, if present.
    pub fn query<T: FromStr<Err: ToString>>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let Some(text) = self.http.query_string_parameters.get(name) else { return Ok(None) };
        if !text.chars().all(strict::is_xml) {
            return Err(Refusal::field(name, strict::NOT_TEXT));
        }
        text.parse().map(Some).map_err(|error: T::Err| Refusal::field(name, error.to_string()))
    }

    /// The method and the path.
    pub fn method_and_path(&self) -> (&str, &str) {
        (self.http.method(), self.http.path())
    }

    /// The body as JSON of this shape. An unknown field is refused.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        if self.body.is_empty() {
            return strict::read(&self.body).map_err(|errors| Refusal::MalformedRequest { errors });
        }
        let media_type = self.header("content-type").unwrap_or_default();
        let media_type =
            media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if media_type != "application/json"
            && !(media_type.starts_with("application/") && media_type.ends_with("+json"))
        {
            return Err(Refusal::UnsupportedMediaType);
        }
        strict::read(&self.body).map_err(|errors| Refusal::MalformedRequest { errors })
    }

    /// The body as JSON of this shape, or the default if there is none.
    pub fn json_or_nothing<T: DeserializeOwned + Default>(&self) -> Result<T, Refusal> {
        if self.body.is_empty() { Ok(T::default()) } else { self.json() }
    }

    /// The idempotency key, if present.
    pub fn idempotency_key(&self) -> Result<Option<IdempotencyKey>, Refusal> {
        let header = self.header("idempotency-key");
        header
            .map(|key| {
                IdempotencyKey::parse(key).map_err(|error| Refusal::field("Idempotency-Key", error))
            })
            .transpose()
    }

    /// The requested page: its size, and the position that it starts after.
    pub fn page<T: FromStr>(&self) -> Result<(u16, Option<T>), Refusal> {
        let limit = self.query::<u16>("limit")?.unwrap_or(DEFAULT_PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(Refusal::field("limit", format!("must be 1 to {MAX_PAGE}")));
        }
        let cursor = self.query::<String>("cursor")?;
        let after = cursor.map(|cursor| {
            read_cursor(&cursor).ok_or_else(|| Refusal::field("cursor", "is not one of ours"))
        });
        Ok((limit, after.transpose()?))
    }

    /// The context of the use case.
    pub fn context(&self) -> Context {
        Context {
            caller: self.caller.clone(),
            now: self.now,
            deadline: self.deadline,
            ids: self.ids(),
        }
    }

    /// A source of new ids.
    pub fn ids(&self) -> Ids {
        Ids::new(self.now, rand::random)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.http.headers.get(name).map(String::as_str)
    }
}

/// An opaque cursor for the page after `last`.
pub(crate) fn cursor(last: &str) -> String {
    general_purpose::URL_SAFE_NO_PAD.encode(last)
}

fn read_cursor<T: FromStr>(cursor: &str) -> Option<T> {
    if cursor.len() > MAX_CURSOR {
        return None;
    }
    let bytes = general_purpose::URL_SAFE_NO_PAD.decode(cursor).ok()?;
    String::from_utf8(bytes).ok()?.parse().ok()
}

/// Refuses query parameters that the route does not declare.
fn check_parameters(routes: &[Route], http: &HttpEvent) -> Result<(), Refusal> {
    let asked =
        |route: &&Route| route.method.to_string() == http.method() && route.fits(http.path());
    let Some(route) = routes.iter().find(asked) else { return Ok(()) };
    let mut unknown: Vec<&String> = http.query_string_parameters.keys().collect();
    unknown.retain(|name| !route.query.iter().any(|(known, _)| known == name));
    unknown.sort_unstable();
    if unknown.is_empty() {
        return Ok(());
    }
    let error = |name: &String| FieldError {
        field: name.clone(),
        message: "is not a known parameter".into(),
    };
    Err(Refusal::MalformedRequest { errors: unknown.into_iter().map(error).collect() })
}

/// Reads API Gateway's event, calls the handler, and writes API Gateway's response.
pub(crate) async fn answer<Fut>(
    function: &str,
    routes: &[Route],
    environment: Environment,
    invocation: Invocation,
    handle: impl FnOnce(Request) -> Fut,
) -> Value
where
    Fut: Future<Output = Result<Response, Failure>>,
{
    let deadline = invocation.deadline();
    let mut http: HttpEvent = match serde_json::from_value(invocation.event) {
        Ok(http) => http,
        Err(error) => {
            let mut http = HttpEvent::default();
            http.request_context.request_id = invocation.request_id;
            return response::problem_event(
                function,
                &http,
                &Refusal::field("request", error).into(),
            );
        }
    };
    let claims = http.request_context.authorizer.pointer("/jwt/claims").unwrap_or(&Value::Null);
    let caller = claims::caller(claims);
    if !routes.iter().all(|route| route.access.admits(&caller)) {
        return response::problem_event(function, &http, &Refusal::Forbidden.into());
    }
    if let Err(error) = check_parameters(routes, &http) {
        return response::problem_event(function, &http, &error.into());
    }
    let body = match http.body() {
        Ok(body) => body,
        Err(error) => return response::problem_event(function, &http, &error.into()),
    };
    // The handler takes the request; a problem needs these parts of it.
    let told = HttpEvent {
        raw_path: http.raw_path.clone(),
        request_context: RequestContext {
            request_id: http.request_id().to_owned(),
            http: HttpDescription { method: http.method().to_owned() },
            authorizer: Value::Null,
        },
        ..HttpEvent::default()
    };
    match handle(Request { caller, now: environment.now(), deadline, http, body }).await {
        Ok(answer) => answer.into_event(function, &told),
        Err(error) => response::problem_event(function, &told, &error),
    }
}
