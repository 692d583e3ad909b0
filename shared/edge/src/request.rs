//! HTTP requests. Every part has a limit, and every error names its field.

use crate::{Route, claims, strict};
use base64::{Engine, engine::general_purpose};
use domain::{Caller, Context, FieldError, IdempotencyKey, Ids, Refusal, Timestamp};
use lambda_http::{RequestExt, aws_lambda_events::query_map::QueryMap, request::RequestContext};
use serde::de::DeserializeOwned;
use std::{borrow::Cow, collections::BTreeSet, fmt::Display, ops::RangeInclusive, str::FromStr};

/// The longest body in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The most entries in a page of a list.
pub const MAX_PAGE: u16 = 100;

const DEFAULT_PAGE: u16 = 20;

/// The longest cursor in characters. It becomes part of a key, which DynamoDB limits to 1,024
/// bytes.
const MAX_CURSOR: usize = 512;

/// What a log line and a problem say of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestLine {
    pub(crate) request_id: String,
    pub(crate) method: String,
    pub(crate) path: String,
}

impl RequestLine {
    /// The line of a request. `invocation_id` is its id if its source gives it none.
    pub(crate) fn of(http: &lambda_http::Request, invocation_id: &str) -> Self {
        let request_id = match http.request_context_ref() {
            Some(RequestContext::ApiGatewayV1(context)) => context.request_id.as_deref(),
            Some(RequestContext::ApiGatewayV2(context)) => context.request_id.as_deref(),
            _ => None,
        };
        Self {
            request_id: request_id.unwrap_or(invocation_id).to_owned(),
            method: http.method().to_string(),
            path: http.raw_http_path().to_owned(),
        }
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
    http: lambda_http::Request,
}

impl Request {
    /// The request of an event: its caller has a role of the routes, its parameters are known, and
    /// its body is within the limit.
    pub(crate) fn checked(
        routes: &[Route],
        now: Timestamp,
        deadline: Timestamp,
        http: lambda_http::Request,
    ) -> Result<Self, Refusal> {
        let caller = claims::caller(&http);
        let source = http.path_parameters_ref().and_then(|all| all.first("source")?.parse().ok());
        if !routes.iter().all(|route| route.access.admits(&caller, source.as_ref())) {
            return Err(Refusal::Forbidden);
        }
        check_parameters(routes, &http)?;
        if http.body().len() > MAX_BODY_BYTES {
            return Err(Refusal::BodyTooLarge);
        }
        Ok(Self { caller, now, deadline, http })
    }

    /// A parameter of the path.
    pub fn path<T: FromStr<Err: ToString>>(&self, name: &str) -> Result<T, Refusal> {
        let text = self.http.path_parameters_ref().and_then(|all| all.first(name));
        let text = text.unwrap_or_default();
        text.parse().map_err(|error: T::Err| Refusal::field(name, error.to_string()))
    }

    /// Whether the path has a parameter: distinguishes the routes of a function.
    pub fn has_path(&self, name: &str) -> bool {
        self.http.path_parameters_ref().is_some_and(|all| all.first(name).is_some())
    }

    /// A parameter of the query, if present.
    pub fn query<T: FromStr<Err: ToString>>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let values = self.http.query_string_parameters_ref().and_then(|all| all.all(name));
        let Some(values) = values else { return Ok(None) };
        // A repeated parameter is one value with commas, as API Gateway writes it.
        let text = values.join(",");
        if !text.chars().all(strict::is_xml) {
            return Err(Refusal::field(name, strict::NOT_TEXT));
        }
        text.parse().map(Some).map_err(|error: T::Err| Refusal::field(name, error.to_string()))
    }

    /// A query parameter that is a whole number within these limits, if it is given.
    pub fn number<T>(&self, name: &str, limits: RangeInclusive<T>) -> Result<Option<T>, Refusal>
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.query::<String>(name)? else { return Ok(None) };
        let number = text.parse().ok().filter(|number| limits.contains(number));
        let (least, most) = limits.into_inner();
        let message = || format!("must be a whole number from {least} to {most}");
        number.map(Some).ok_or_else(|| Refusal::field(name, message()))
    }

    /// The method and the path.
    pub fn method_and_path(&self) -> (&str, &str) {
        (self.http.method().as_str(), self.http.raw_http_path())
    }

    /// The body as JSON of this shape. An unknown field is refused.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let body: &[u8] = self.http.body();
        if body.is_empty() {
            return strict::read(body).map_err(|errors| Refusal::MalformedRequest { errors });
        }
        let media_type = self.header("content-type").unwrap_or_default();
        let media_type =
            media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if media_type != "application/json"
            && !(media_type.starts_with("application/") && media_type.ends_with("+json"))
        {
            return Err(Refusal::UnsupportedMediaType);
        }
        strict::read(body).map_err(|errors| Refusal::MalformedRequest { errors })
    }

    /// The body as JSON of this shape, or the default if there is none.
    pub fn json_or_nothing<T: DeserializeOwned + Default>(&self) -> Result<T, Refusal> {
        if self.http.body().is_empty() { Ok(T::default()) } else { self.json() }
    }

    /// The idempotency key, if present.
    pub fn idempotency_key(&self) -> Result<Option<IdempotencyKey>, Refusal> {
        let header = self.header("idempotency-key");
        header
            .map(|key| {
                IdempotencyKey::parse(&key)
                    .map_err(|error| Refusal::field("Idempotency-Key", error))
            })
            .transpose()
    }

    /// The requested page: its size, and the position that it starts after.
    pub fn page<T: FromStr>(&self) -> Result<(u16, Option<T>), Refusal> {
        let limit = self.number("limit", 1..=MAX_PAGE)?.unwrap_or(DEFAULT_PAGE);
        let cursor = self.query::<String>("cursor")?;
        let after = cursor.map(|cursor| {
            read_cursor(&cursor)
                .ok_or_else(|| Refusal::field("cursor", "is not a cursor of this list"))
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

    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.http.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
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
fn check_parameters(routes: &[Route], http: &lambda_http::Request) -> Result<(), Refusal> {
    let is_route = |route: &&Route| {
        route.method.to_string() == http.method().as_str() && route.fits(http.raw_http_path())
    };
    let Some(route) = routes.iter().find(is_route) else { return Ok(()) };
    let names = http.query_string_parameters_ref().into_iter().flat_map(QueryMap::iter);
    let names: BTreeSet<&str> = names.map(|(name, _)| name).collect();
    let is_unknown = |name: &&str| !route.query.iter().any(|(known, _)| known == name);
    let error = |name: &str| FieldError {
        field: name.to_owned(),
        message: "is not a known parameter".into(),
    };
    let errors: Vec<FieldError> = names.into_iter().filter(is_unknown).map(error).collect();
    if errors.is_empty() { Ok(()) } else { Err(Refusal::MalformedRequest { errors }) }
}
