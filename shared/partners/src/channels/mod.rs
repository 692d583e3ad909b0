//! Sales channels: marketplaces where a merchant has an account.
//!
//! Each marketplace is one file. The README of this folder explains how to add one.

mod coupang;
mod http;
mod mock;
mod smartstore;

pub use coupang::authorization as coupang_authorization;
pub use smartstore::client_secret_sign as smartstore_sign;

use crate::receiver::Reach;
use domain::{
    ExternalOrderId, InvalidId, ProductId, Timestamp, Won,
    campaign::{Day, KST},
    channel::ChannelOrderUpdate,
};
use futures::future::BoxFuture;
use reqwest::{RequestBuilder, StatusCode, header::HeaderMap};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{error::Error, fmt, time::Duration};

/// The longest error text, in characters.
const MAX_ERROR_CHARS: usize = 300;

/// A kind of channel: the properties that all accounts of one marketplace share.
#[derive(Debug)]
pub struct Kind {
    /// The wire name, such as `COUPANG`: the `type` of a channel.
    pub name: &'static str,
    /// The environment variable with the base URL. `None`: the credentials contain the URL, or the
    /// kind makes no network calls.
    pub url_variable: Option<&'static str>,
    /// The highest number of calls per second for one account.
    pub calls_per_second: u32,
    /// `true`: orders are listed by the time when they were placed, so open orders must be
    /// collected again. `false`: orders are listed by the time of their last change.
    pub lists_by_placing: bool,
    /// How far back the first collection reaches.
    pub first_reach: Duration,
    /// How far before the watermark a collection starts, because changes may be listed a little
    /// late.
    pub overlap: Duration,
    /// Whether the marketplace moves units to new parcels after it has listed an order. The whole
    /// order must then be read again with [`Channel::order`].
    pub repacks: bool,
    /// `true`: the marketplace lists its products and accepts stock levels. `false`: its products
    /// are those that appear in its orders.
    pub has_catalogue: bool,
    /// The longest time that a step takes: its calls, and storing their results.
    pub step_takes: Duration,
    /// How long credentials are valid. `None`: they do not expire.
    pub credentials_last: Option<Duration>,
    /// Checks credentials and returns the identity of their account, which must be unique among all
    /// channels. `None`: any number of channels may exist. The error says what is wrong with the
    /// credentials.
    pub account: fn(&Value, Reach) -> Result<Option<String>, InvalidCredentials>,
    /// Creates the client of an account.
    pub open: Opens,
}

/// Creates the client of an account from the base URL and the credentials. The [`Reach`] limits a
/// URL that the credentials contain.
pub type Opens = fn(&str, &Value, Reach) -> Result<Box<dyn Channel>, InvalidCredentials>;

impl Kind {
    /// The shortest interval between two calls of one account.
    pub fn call_interval(&self) -> Duration {
        Duration::from_secs(1) / self.calls_per_second
    }
}

/// All kinds of channels.
pub static KINDS: [&Kind; 4] = [&coupang::KIND, &smartstore::KIND, &http::KIND, &mock::KIND];

/// Finds a kind by its wire name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.into_iter().find(|kind| kind.name == name)
}

/// A client of one marketplace account.
///
/// Each method makes one call, plus those that a new token needs.
pub trait Channel: fmt::Debug + Send + Sync {
    /// Checks that the marketplace accepts the credentials.
    fn check(&self, now: Timestamp) -> BoxFuture<'_, Result<(), ChannelError>>;

    /// Begins a collection of the orders placed (or changed) since `from`. Returns the first place
    /// and the end of the window. Where the marketplace has windows, the window is at most `most`
    /// long.
    fn begin(
        &self,
        from: Timestamp,
        now: Timestamp,
        most: Duration,
    ) -> Result<Window, ChannelError>;

    /// Reads the page of orders at a cursor. It comes with the cursor of the next page.
    fn orders<'a>(
        &'a self,
        cursor: &'a Cursor,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Page<ChannelOrderUpdate>, ChannelError>>;

    /// Reads one whole order. Required for a marketplace that repacks orders ([`Kind::repacks`]).
    fn order<'a>(
        &'a self,
        _: &'a ExternalOrderId,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<ChannelOrderUpdate, ChannelError>> {
        Box::pin(async {
            Err(ChannelError::Rejected("this channel cannot read a single order".into()))
        })
    }

    /// Reads the page of products at a cursor; the first page without one. It comes with the
    /// cursor of the next page.
    fn products<'a>(
        &'a self,
        cursor: Option<&'a Cursor>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Page<Product>, ChannelError>>;

    /// Sets the number of units of a product that can be bought.
    fn set_stock<'a>(
        &'a self,
        product: &'a ProductId,
        units: u32,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), ChannelError>>;
}

/// A period of time whose orders are collected together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The cursor of the first page of its orders.
    pub first: Cursor,
    /// The end of the period. It becomes the watermark once its last page has been read.
    pub until: Timestamp,
}

/// A position in a marketplace's listings, as JSON. Only the client of that marketplace knows its
/// content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    fn of(position: impl Serialize) -> Result<Self, ChannelError> {
        serde_json::to_string(&position)
            .map(Self)
            .map_err(|error| ChannelError::Unavailable(format!("no cursor: {error}")))
    }

    /// The cursor with this text.
    pub fn parse(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text to store.
    pub fn text(&self) -> String {
        self.0.clone()
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T, ChannelError> {
        serde_json::from_str(&self.0).map_err(|_| {
            ChannelError::Rejected("the cursor does not belong to this channel".into())
        })
    }
}

/// One page of a listing.
#[derive(Debug)]
pub struct Page<T> {
    /// The entries that could be read.
    pub entries: Vec<T>,
    /// The cursor of the next page. `None` on the last page.
    pub next: Option<Cursor>,
    /// The ids of entries that are malformed or missing. An id that could not be read is empty.
    pub malformed: Vec<String>,
    /// The pause that the marketplace requests before the account's next call. Zero: no pause.
    pub cool_down: Duration,
}

/// A product in the catalogue of a marketplace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// The product's id on the marketplace. Items are ordered and stock is set under this id.
    pub product_id: ProductId,
    /// The product's name on the marketplace.
    pub name: String,
    /// The status, in the marketplace's own word.
    pub status: String,
    /// The price, if the marketplace reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Won>,
    /// The number of units that can be bought, if the marketplace reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<i64>,
}

/// Why credentials are not valid for a kind of channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCredentials(pub String);

/// Deserializes credentials. An error never quotes a value, because it may be a secret.
fn credentials<T: DeserializeOwned>(value: &Value) -> Result<T, InvalidCredentials> {
    if !value.is_object() {
        return Err(InvalidCredentials("must be a JSON object of strings".into()));
    }
    // Other messages of serde may quote a secret. These two quote only the name of a field.
    T::deserialize(value).map_err(|error| {
        let message = error.to_string();
        let is_harmless =
            message.starts_with("missing field") || message.starts_with("unknown field");
        InvalidCredentials(if is_harmless {
            message
        } else {
            "must be a JSON object of strings".into()
        })
    })
}

/// The longest window of a collection. A page that times out makes the window smaller.
pub const MAX_WINDOW: Duration = Duration::from_hours(31 * 24);

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The marketplace rejects the credentials or denies access. An operator must act.
    #[error("the marketplace rejects the credentials: {0}")]
    Unauthorized(String),
    /// The call exceeds the marketplace's rate limit.
    #[error("the marketplace's rate limit is exceeded")]
    RateLimited,
    /// The marketplace accepts no calls for this long.
    #[error("the marketplace accepts no calls for {0:?}")]
    CoolingDown(Duration),
    /// The marketplace did not respond in time. The request may have been executed.
    #[error("the marketplace did not respond in time")]
    TimedOut,
    /// The marketplace has an outage, or its response is malformed. The request may have been
    /// executed.
    #[error("the marketplace is unavailable: {0}")]
    Unavailable(String),
    /// The marketplace refuses the request permanently.
    #[error("the marketplace rejected the request: {0}")]
    Rejected(String),
}

/// An HTTP response with its whole body.
struct HttpResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl HttpResponse {
    /// The body as JSON; null if it is not JSON.
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A text for errors: the HTTP status, and the code and message of the body.
    fn message(&self) -> String {
        let json = self.json();
        let text = |name: &str| {
            let number = json[name].as_i64().map(|number| number.to_string());
            json[name].as_str().map(str::to_owned).or(number).unwrap_or_default()
        };
        let message = format!("{} {} {}", self.status.as_u16(), text("code"), text("message"));
        message
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .chars()
            .take(MAX_ERROR_CHARS)
            .collect()
    }

    /// The error that the status of a failed call means, where the marketplace has no rule of its
    /// own.
    fn error(&self) -> ChannelError {
        match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                ChannelError::Unauthorized(self.message())
            }
            StatusCode::TOO_MANY_REQUESTS => ChannelError::RateLimited,
            status if status.is_client_error() => ChannelError::Rejected(self.message()),
            _ => ChannelError::Unavailable(self.message()),
        }
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T, ChannelError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // The message of serde may quote a buyer's data. The position does not.
            let place = format!("line {} column {}", error.line(), error.column());
            ChannelError::Unavailable(format!("{}: malformed at {place}", self.status.as_u16()))
        })
    }
}

/// Reads a listing entry by entry, so that a malformed entry does not affect the others.
///
/// Returns the converted entries and the ids of the malformed ones. `id` is the JSON pointer to the
/// id of an entry.
fn read_each<T: DeserializeOwned, U>(
    listed: Vec<Value>,
    id: &str,
    convert: impl Fn(T) -> Result<U, ChannelError>,
) -> (Vec<U>, Vec<String>) {
    let (mut entries, mut malformed) = (Vec::new(), Vec::new());
    for one in listed {
        match T::deserialize(&one).ok().and_then(|one| convert(one).ok()) {
            Some(entry) => entries.push(entry),
            None => malformed.push(one.pointer(id).map(Value::to_string).unwrap_or_default()),
        }
    }
    (entries, malformed)
}

async fn send(request: RequestBuilder) -> Result<HttpResponse, ChannelError> {
    let unreachable = |error: reqwest::Error| {
        if error.is_timeout() {
            ChannelError::TimedOut
        } else {
            ChannelError::Unavailable(error_chain(&error.without_url()))
        }
    };
    let response = request.send().await.map_err(unreachable)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = crate::http::body(response).await.map_err(unreachable)?;
    let too_large =
        || ChannelError::Unavailable(format!("{}: the response is too large", status.as_u16()));
    Ok(HttpResponse { status, headers, body: body.ok_or_else(too_large)? })
}

/// The text of an error and of all its causes, cut after [`MAX_ERROR_CHARS`] characters.
fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text.chars().take(MAX_ERROR_CHARS).collect()
}

/// Parses a time. A time without an offset is Korean time.
fn korean_time(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| format!("{text}+09:00").parse().ok())
}

/// Parses a required time.
fn time(text: &str) -> Result<Timestamp, ChannelError> {
    korean_time(text).ok_or_else(|| ChannelError::Unavailable("a time is malformed".into()))
}

/// Reports an invalid id as a malformed response.
fn id<T>(parsed: Result<T, InvalidId>) -> Result<T, ChannelError> {
    parsed.map_err(|_| ChannelError::Unavailable("an id is malformed".into()))
}

/// Checks that an amount is within the limits of [`Won`].
fn won(amount: i64) -> Result<Won, ChannelError> {
    Won::new(amount)
        .map_err(|_| ChannelError::Unavailable(format!("the amount {amount} is out of range")))
}

/// The text, unless it is missing or blank.
fn not_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// Formats a time as Korean time with milliseconds, such as `2026-01-05T12:04:05.000+09:00`.
fn on_korean_clocks(time: Timestamp) -> String {
    time.plus(KST).to_string().replace('Z', "+09:00")
}

/// The start of a day in Korea.
fn day_begins(day: Day) -> Timestamp {
    Timestamp::from_millis(day.number() * 24 * 60 * 60 * 1_000).minus(KST)
}

/// Percent-encodes a query value. Unreserved characters (RFC 3986, section 2.3) and colons are not
/// encoded.
fn query_value(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const ENCODED: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_an_offset_is_korean_time() {
        for text in [
            "2026-01-05T12:04:05+09:00",
            "2026-01-05T12:04:05",
            "2026-01-04T19:04:05-08:00",
            "2026-01-05T03:04:05Z",
        ] {
            assert_eq!(korean_time(text), "2026-01-05T03:04:05Z".parse().ok(), "{text}");
        }
        assert_eq!(korean_time("yesterday"), None);
        let time: Timestamp = "2026-01-04T20:04:05.678Z".parse().unwrap();
        assert_eq!(on_korean_clocks(time), "2026-01-05T05:04:05.678+09:00");
        assert_eq!(day_begins(Day::of(time)).to_string(), "2026-01-04T15:00:00.000Z");
        assert_eq!(query_value("2026-01-05+09:00 가"), "2026-01-05%2B09:00%20%EA%B0%80");
    }

    #[test]
    fn an_error_about_credentials_contains_no_secret() {
        for kind in [&coupang::KIND, &smartstore::KIND] {
            for value in [
                serde_json::json!({ "secretKey": ["s3cret"] }),
                serde_json::json!("s3cret"),
                serde_json::json!({ "clientId": "x", "clientSecret": "s3cret", "vendorId": "A1", "accessKey": "s3cret", "secretKey": 7 }),
            ] {
                let error = (kind.account)(&value, Reach::default()).unwrap_err().to_string();
                assert!(!error.contains("s3cret"), "{error}");
            }
        }
    }
}
