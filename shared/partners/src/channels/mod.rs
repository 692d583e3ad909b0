//! Sales channels: marketplaces where a merchant has an account. Each is one file; the README of this folder says how to add one.

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

/// The most that is told of a trouble, in characters.
const MAX_WORDS: usize = 300;

/// What is true of every account with a marketplace.
#[derive(Debug)]
pub struct Kind {
    /// What it is called on the wire, such as `COUPANG`.
    pub name: &'static str,
    /// The variable that says where it is; none, if it is nowhere.
    pub url_variable: Option<&'static str>,
    /// How often one account may call it in a second.
    pub calls_per_second: u32,
    /// Whether orders are listed by when they were placed, so that those that are open must be looked at again. Else they are
    /// listed by when they changed.
    pub lists_by_placing: bool,
    /// How far back the first collection goes.
    pub first_reach: Duration,
    /// What is listed a little later than it happened is collected all the same: so much of what was collected is collected again.
    pub overlap: Duration,
    /// Whether it moves units to new parcels after an order was listed, so that the whole order must be read again.
    pub repacks: bool,
    /// Whether it lists its products, and can be told how many units of each there are; else its products are those that are ordered.
    pub has_catalogue: bool,
    /// How long a step may take: its calls, and storing what they told.
    pub step_takes: Duration,
    /// How long credentials are good for, if not for ever.
    pub credentials_last: Option<Duration>,
    /// Which account it is, by which no two channels are the same; none, if any number may be. Fails by saying what is wrong
    /// with the credentials.
    pub account: fn(&Value, Reach) -> Result<Option<String>, InvalidCredentials>,
    /// Opens an account.
    pub open: Opens,
}

/// Opens an account: at this base URL, or, where its credentials name the URL, within this reach.
pub type Opens = fn(&str, &Value, Reach) -> Result<Box<dyn Channel>, InvalidCredentials>;

impl Kind {
    /// How far apart the calls of one account are.
    pub fn apart(&self) -> Duration {
        Duration::from_secs(1) / self.calls_per_second
    }
}

/// Every kind of channel.
pub static KINDS: [&Kind; 4] = [&coupang::KIND, &smartstore::KIND, &http::KIND, &mock::KIND];

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.into_iter().find(|kind| kind.name == name)
}

/// An account with a marketplace. Each function makes one call, or the one more that a new token takes.
pub trait Channel: fmt::Debug + Send + Sync {
    /// Makes sure that the credentials are good.
    fn check(&self, now: Timestamp) -> BoxFuture<'_, Result<(), ChannelError>>;

    /// Where a collection of what was placed (or changed) from `from` on begins, and how far it goes: not over a window of `most`,
    /// as far as the marketplace has windows.
    fn begin(&self, from: Timestamp, now: Timestamp, most: Duration) -> Window;

    /// The orders at a place, and where to go on.
    fn orders<'a>(
        &'a self,
        place: &'a Place,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Page<ChannelOrderUpdate>, ChannelError>>;

    /// Reads one whole order; needed for a marketplace that repacks orders.
    fn order<'a>(
        &'a self,
        _: &'a ExternalOrderId,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<ChannelOrderUpdate, ChannelError>> {
        Box::pin(async { Err(ChannelError::Rejected("orders cannot be asked for one by one".into())) })
    }

    /// The products at a place (none: at the first), and where to go on.
    fn products<'a>(
        &'a self,
        place: Option<&'a Place>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Page<Product>, ChannelError>>;

    /// Says how many units of a product can be bought.
    fn set_stock<'a>(
        &'a self,
        product: &'a ProductId,
        units: u32,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), ChannelError>>;
}

/// A stretch of time that is collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Its first place.
    pub first: Place,
    /// Until when everything is collected, once its last place is.
    pub until: Timestamp,
}

/// A place in a marketplace's listings, as that marketplace has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Place(Value);

impl Place {
    fn of(place: impl Serialize) -> Self {
        Self(serde_json::to_value(place).unwrap_or_default())
    }

    /// A place that was written down.
    pub fn parse(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_default())
    }

    /// The place, to be written down.
    pub fn text(&self) -> String {
        self.0.to_string()
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T, ChannelError> {
        T::deserialize(&self.0).map_err(|_| ChannelError::Rejected("the place is none of this channel".into()))
    }
}

/// What is at a place.
#[derive(Debug)]
pub struct Page<T> {
    /// What there is.
    pub entries: Vec<T>,
    /// Where to go on, unless this was the last.
    pub next: Option<Place>,
    /// Entries that were not understood, as far as they can be named.
    pub unread: Vec<String>,
    /// How long the account is not to be called, if the marketplace says so.
    pub rest: Duration,
}

/// A product of a marketplace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// Its id there: that by which its items are ordered, and its stock is set.
    pub product_id: ProductId,
    /// What it is called there.
    pub name: String,
    /// Where it stands, in the marketplace's words.
    pub status: String,
    /// Its price, if the marketplace tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Won>,
    /// How many can be bought, if the marketplace tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<i64>,
}

/// Why credentials cannot be those of a channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCredentials(pub String);

/// Reads credentials.
fn credentials<T: DeserializeOwned>(value: &Value) -> Result<T, InvalidCredentials> {
    if !value.is_object() {
        return Err(InvalidCredentials("are not an object of texts".into()));
    }
    // What serde says may quote a secret; that a field is missing does not.
    T::deserialize(value).map_err(|error| {
        let words = error.to_string();
        let is_missing = words.starts_with("missing field") || words.starts_with("unknown field");
        InvalidCredentials(if is_missing { words } else { "are not an object of texts".into() })
    })
}

/// How far a collection goes at once, unless a smaller window is needed.
pub const MAX_WINDOW: Duration = Duration::from_hours(31 * 24);

/// Why a call was in vain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The marketplace does not know us, or does not let us in: somebody must act.
    #[error("the marketplace refuses the credentials: {0}")]
    Unauthorized(String),
    /// It was called too often.
    #[error("the marketplace was called too often")]
    RateLimited,
    /// It wants to be left alone for a while.
    #[error("the marketplace is to be left alone for {0:?}")]
    CoolingDown(Duration),
    /// It did not answer in time. What was asked may have been done.
    #[error("the marketplace did not answer in time")]
    TimedOut,
    /// It is out of order, or what it says is not to be understood. What was asked may have been done.
    #[error("the marketplace is out of order: {0}")]
    Unavailable(String),
    /// It will not do what was asked.
    #[error("the marketplace will not do it: {0}")]
    Rejected(String),
}

/// What an answer is made of.
struct HttpResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl HttpResponse {
    /// The body as JSON; null, if it is none.
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// What the answer says, in so many words: its code and message.
    fn words(&self) -> String {
        let json = self.json();
        let text = |name: &str| {
            let number = json[name].as_i64().map(|number| number.to_string());
            json[name].as_str().map(str::to_owned).or(number).unwrap_or_default()
        };
        let words = format!("{} {} {}", self.status.as_u16(), text("code"), text("message"));
        words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_WORDS).collect()
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T, ChannelError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // What serde says may quote a buyer's data; where it says it does not.
            let place = format!("line {} column {}", error.line(), error.column());
            ChannelError::Unavailable(format!("{}: not to be understood at {place}", self.status.as_u16()))
        })
    }
}

/// Reads what is listed entry by entry: one that is not understood keeps no other one back. It is named by what is at `id`.
fn read_each<T: DeserializeOwned, U>(
    listed: Vec<Value>,
    id: &str,
    told: impl Fn(T) -> Result<U, ChannelError>,
) -> (Vec<U>, Vec<String>) {
    let (mut entries, mut unread) = (Vec::new(), Vec::new());
    for one in listed {
        match T::deserialize(&one).ok().and_then(|one| told(one).ok()) {
            Some(entry) => entries.push(entry),
            None => unread.push(one.pointer(id).map(Value::to_string).unwrap_or_default()),
        }
    }
    (entries, unread)
}

async fn send(request: RequestBuilder) -> Result<HttpResponse, ChannelError> {
    let unreachable = |error: reqwest::Error| {
        if error.is_timeout() { ChannelError::TimedOut } else { ChannelError::Unavailable(said(&error.without_url())) }
    };
    let response = request.send().await.map_err(unreachable)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = crate::http::body(response).await.map_err(unreachable)?;
    let too_long = || ChannelError::Unavailable(format!("{} with an answer that is too long", status.as_u16()));
    Ok(HttpResponse { status, headers, body: body.ok_or_else(too_long)? })
}

/// What an error says, with what caused it.
fn said(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words.chars().take(MAX_WORDS).collect()
}

/// A time that may have an offset, or else is one of Korea's clocks.
fn korean_time(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| format!("{text}+09:00").parse().ok())
}

/// A time that must be there.
fn time(text: &str) -> Result<Timestamp, ChannelError> {
    korean_time(text).ok_or_else(|| ChannelError::Unavailable("a time is not to be understood".into()))
}

/// An id that must be one.
fn id<T>(parsed: Result<T, InvalidId>) -> Result<T, ChannelError> {
    parsed.map_err(|_| ChannelError::Unavailable("an id is not to be understood".into()))
}

/// An amount that must not be too large.
fn won(amount: i64) -> Result<Won, ChannelError> {
    Won::new(amount).map_err(|_| ChannelError::Unavailable(format!("{amount} won are too many")))
}

/// A text, if it says something.
fn not_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// A time as Korea's clocks have it, to the millisecond, such as `2026-01-05T12:04:05.000+09:00`.
fn on_korean_clocks(time: Timestamp) -> String {
    time.plus(KST).to_string().replace('Z', "+09:00")
}

/// The first moment of a day in Korea.
fn day_begins(day: Day) -> Timestamp {
    Timestamp::from_millis(day.number() * 24 * 60 * 60 * 1_000).minus(KST)
}

/// Encodes a value of a query: all but what is never encoded (RFC 3986, section 2.3) and colons.
fn query_value(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_offset_or_as_korean() {
        for text in
            ["2026-01-05T12:04:05+09:00", "2026-01-05T12:04:05", "2026-01-04T19:04:05-08:00", "2026-01-05T03:04:05Z"]
        {
            assert_eq!(korean_time(text), "2026-01-05T03:04:05Z".parse().ok(), "{text}");
        }
        assert_eq!(korean_time("yesterday"), None);
        let time: Timestamp = "2026-01-04T20:04:05.678Z".parse().unwrap();
        assert_eq!(on_korean_clocks(time), "2026-01-05T05:04:05.678+09:00");
        assert_eq!(day_begins(Day::of(time)).to_string(), "2026-01-04T15:00:00.000Z");
        assert_eq!(query_value("2026-01-05+09:00 가"), "2026-01-05%2B09:00%20%EA%B0%80");
    }

    #[test]
    fn no_secret_is_told_by_what_is_wrong_with_it() {
        for kind in [&coupang::KIND, &smartstore::KIND] {
            for value in [
                serde_json::json!({ "secretKey": ["s3cret"] }),
                serde_json::json!("s3cret"),
                serde_json::json!({ "clientId": "x", "clientSecret": "s3cret", "vendorId": "A1", "accessKey": "s3cret", "secretKey": 7 }),
            ] {
                let told = (kind.account)(&value, Reach::default()).unwrap_err().to_string();
                assert!(!told.contains("s3cret"), "{told}");
            }
        }
    }
}
