//! Smartstore: the Naver Commerce API (<https://apicenter.commerce.naver.com>).
//!
//! The API lists product orders by the time of their last change. Their details are read
//! separately, because a status in the list may be older than the one in the details. An order has
//! one product order for each of its items.

mod wire;

use super::{
    Channel, ChannelError, Cursor, HttpResponse, InvalidCredentials, Kind, Page, Product, Window,
    credentials, id, on_korean_clocks, query_value, read_each, send, time, won,
};
use crate::http;
use base64::{
    Engine,
    alphabet::BCRYPT,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use domain::{ProductId, Timestamp, channel::ChannelOrderUpdate};
use futures::future::BoxFuture;
use reqwest::{
    Method, StatusCode,
    header::{AUTHORIZATION, HeaderMap},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use wire::{Detail, Enveloped, Found, Issued, Listed};

pub(super) static KIND: Kind = Kind {
    name: "SMARTSTORE",
    url_variable: Some("SMARTSTORE_URL"),
    calls_per_second: 2,
    lists_by_placing: false,
    first_reach: Duration::from_hours(7 * 24),
    overlap: Duration::from_mins(5),
    repacks: false,
    has_catalogue: true,
    step_takes: Duration::from_secs(40),
    credentials_last: None,
    account: |value, _| {
        credentials::<Credentials>(value)
            .and_then(Credentials::checked)
            .map(|known| Some(known.client_id))
    },
    open: |url, value, _| {
        let credentials = credentials::<Credentials>(value)?.checked()?;
        Ok(Box::new(Smartstore {
            base: url.trim_end_matches('/').to_owned(),
            credentials,
            token: Mutex::default(),
        }))
    },
};

/// The timeout of a call.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest window of changes.
const MAX_WINDOW: Duration = Duration::from_hours(24);

/// The most changes in a page, and the most product orders in one request for details.
const MAX_PER_CALL: usize = 300;

/// How long before its expiry a token is renewed.
const RENEW_BEFORE: Duration = Duration::from_mins(10);

/// The pause while the token bucket of the rate limit is empty. It is refilled every second.
const REFILL_PAUSE: Duration = Duration::from_secs(1);

/// The response header with the number of calls that are permitted now.
const REMAINING: &str = "gncp-gw-ratelimit-remaining";

/// The credentials of an account with the Naver Commerce API.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Credentials {
    client_id: String,
    client_secret: String,
}

impl Credentials {
    fn checked(self) -> Result<Self, InvalidCredentials> {
        let is_id = (1..=40).contains(&self.client_id.len())
            && self
                .client_id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if !is_id {
            return Err(InvalidCredentials(
                "must have a `clientId` of 1 to 40 letters, digits, '_' or '-'".into(),
            ));
        }
        let wrong = || {
            InvalidCredentials(
                "must have a `clientSecret` of the form $2a$10$ and 22 characters".into(),
            )
        };
        salt(&self.client_secret).ok_or_else(wrong)?;
        Ok(self)
    }
}

/// Splits a client secret into the bcrypt cost and salt that it consists of. The last character of
/// the salt may have unused bits.
fn salt(secret: &str) -> Option<(u32, [u8; 16])> {
    let (cost, salt) = secret.strip_prefix("$2a$")?.split_once('$')?;
    let cost: u32 = cost.parse().ok().filter(|cost| (4..=15).contains(cost))?;
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone);
    let salt = GeneralPurpose::new(&BCRYPT, config).decode(salt).ok()?;
    Some((cost, salt.try_into().ok()?))
}

/// Returns the signature that proves knowledge of the secret at `now`. `None`: the secret is
/// malformed.
pub fn client_secret_sign(client_id: &str, client_secret: &str, now: Timestamp) -> Option<String> {
    let (cost, salt) = salt(client_secret)?;
    let hash = bcrypt::hash_with_salt(format!("{client_id}_{}", now.millis()), cost, salt).ok()?;
    Some(STANDARD.encode(hash.format_for_version(bcrypt::Version::TwoA)))
}

struct Smartstore {
    base: String,
    credentials: Credentials,
    token: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    text: String,
    until: Timestamp,
}

impl fmt::Debug for Smartstore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smartstore")
            .field("client_id", &self.credentials.client_id)
            .finish_non_exhaustive()
    }
}

/// A position in the listing of changes: a page, or those product orders of a page whose details
/// are not read yet, and the page after it.
#[derive(Clone, Serialize, Deserialize)]
struct Changes {
    from: Timestamp,
    to: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequence: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
    /// Product orders that were missing in a response. They are requested a second time:
    /// `is_second` is set while they are in `details`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    again: Vec<String>,
    #[serde(default)]
    is_second: bool,
    #[serde(default)]
    is_last: bool,
}

/// A position in the listing of products: a page, counted from 1.
#[derive(Deserialize, Serialize)]
struct ProductListing {
    page: u32,
}

/// The pause before the next call, from the headers of a response.
fn pause_after(headers: &HeaderMap) -> Duration {
    let remaining = headers.get(REMAINING).and_then(|value| value.to_str().ok());
    if remaining == Some("0") { REFILL_PAUSE } else { Duration::ZERO }
}

impl Smartstore {
    /// Returns a valid token: the cached one, or a new one.
    async fn token(&self, now: Timestamp) -> Result<String, ChannelError> {
        let known = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(token) = known.filter(|token| now.plus(RENEW_BEFORE) < token.until) {
            return Ok(token.text);
        }
        let Credentials { client_id, client_secret } = &self.credentials;
        let sign = client_secret_sign(client_id, client_secret, now)
            .ok_or_else(|| ChannelError::Unauthorized("the client secret is malformed".into()))?;
        let timestamp = now.millis();
        let form = format!(
            "client_id={}&timestamp={timestamp}&client_secret_sign={}&grant_type=client_credentials&type=SELF",
            query_value(client_id),
            query_value(&sign)
        );
        let client =
            http::client().map_err(|error| ChannelError::Unavailable(error.to_string()))?;
        let request =
            client.post(format!("{}/v1/oauth2/token", self.base)).timeout(TIMEOUT).body(form);
        let response =
            send(request.header("Content-Type", "application/x-www-form-urlencoded")).await?;
        match response.status {
            status if status.is_success() => {
                let issued: Issued = response.read()?;
                let token = Token {
                    text: issued.access_token,
                    until: now.plus(Duration::from_secs(issued.expires_in)),
                };
                *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
                Ok(token.text)
            }
            StatusCode::TOO_MANY_REQUESTS => Err(ChannelError::RateLimited),
            status if status.is_client_error() => {
                Err(ChannelError::Unauthorized(response.message()))
            }
            _ => Err(ChannelError::Unavailable(response.message())),
        }
    }

    /// Makes a call. If the cached token is no longer valid (401), the call is repeated once with a
    /// new token.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        now: Timestamp,
    ) -> Result<HttpResponse, ChannelError> {
        let mut is_second = false;
        loop {
            let token = self.token(now).await?;
            let client =
                http::client().map_err(|error| ChannelError::Unavailable(error.to_string()))?;
            let request =
                client.request(method.clone(), format!("{}{path}", self.base)).timeout(TIMEOUT);
            let request = request.header(AUTHORIZATION, format!("Bearer {token}"));
            let request = match body {
                Some(body) => {
                    request.header("Content-Type", "application/json").body(body.to_string())
                }
                None => request,
            };
            let response = send(request).await?;
            return match response.status {
                status if status.is_success() => Ok(response),
                StatusCode::UNAUTHORIZED if !is_second => {
                    is_second = true;
                    *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    continue;
                }
                _ => Err(response.error()),
            };
        }
    }

    async fn changes(
        &self,
        position: Changes,
        now: Timestamp,
    ) -> Result<Page<ChannelOrderUpdate>, ChannelError> {
        let (from, to) = (
            query_value(&on_korean_clocks(position.from)),
            query_value(&on_korean_clocks(position.to)),
        );
        let more = position
            .sequence
            .as_deref()
            .map(|sequence| format!("&moreSequence={}", query_value(sequence)));
        let query = format!(
            "lastChangedFrom={from}&lastChangedTo={to}&limitCount={MAX_PER_CALL}{}",
            more.as_deref().unwrap_or_default()
        );
        let path = format!("/v1/pay-order/seller/product-orders/last-changed-statuses?{query}");
        let response = self.call(Method::GET, &path, None, now).await?;
        let rest = pause_after(&response.headers);
        let Some(listed) = response.read::<Enveloped<Listed>>()?.data else {
            return Ok(Page {
                entries: Vec::new(),
                next: None,
                malformed: Vec::new(),
                cool_down: rest,
            });
        };
        let mut details: Vec<String> =
            listed.last_change_statuses.into_iter().map(|one| one.product_order_id).collect();
        details.sort();
        details.dedup();
        let next = match listed.more {
            Some(more) => Changes {
                from: time(&more.more_from)?,
                sequence: Some(more.more_sequence),
                details,
                is_last: false,
                ..position
            },
            None => Changes { details, is_last: true, ..position },
        };
        Ok(Page {
            entries: Vec::new(),
            next: next.cursor()?,
            malformed: Vec::new(),
            cool_down: rest,
        })
    }

    async fn details(
        &self,
        mut position: Changes,
        now: Timestamp,
    ) -> Result<Page<ChannelOrderUpdate>, ChannelError> {
        let requested: Vec<String> =
            position.details.drain(..position.details.len().min(MAX_PER_CALL)).collect();
        let body = json!({ "productOrderIds": requested, "quantityClaimCompatibility": true });
        let response = self
            .call(Method::POST, "/v1/pay-order/seller/product-orders/query", Some(&body), now)
            .await?;
        let listed = response.read::<Enveloped<Vec<Value>>>()?.data.unwrap_or_default();
        let is_listed = |id: &&String| {
            listed.iter().any(|one| one.pointer("/productOrder/productOrderId") == Some(&json!(id)))
        };
        let mut missing: Vec<String> =
            requested.iter().filter(|id| !is_listed(id)).cloned().collect();
        if !position.is_second {
            // Product orders that are missing are requested once more before the next page.
            position.again.append(&mut missing);
        }
        let (entries, mut malformed) =
            read_each(listed, "/productOrder/productOrderId", Detail::into_update);
        malformed.append(&mut missing);
        position.is_second = false;
        if position.details.is_empty() && !position.again.is_empty() {
            position.details = std::mem::take(&mut position.again);
            position.is_second = true;
        }
        Ok(Page {
            entries,
            next: position.cursor()?,
            malformed,
            cool_down: pause_after(&response.headers),
        })
    }
}

impl Changes {
    /// The cursor. `None`: nothing remains to be read there.
    fn cursor(self) -> Result<Option<Cursor>, ChannelError> {
        (!self.is_last || !self.details.is_empty()).then(|| Cursor::of(self)).transpose()
    }
}

impl Channel for Smartstore {
    fn check(&self, now: Timestamp) -> BoxFuture<'_, Result<(), ChannelError>> {
        Box::pin(async move {
            *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
            self.token(now).await.map(drop)
        })
    }

    fn begin(
        &self,
        from: Timestamp,
        now: Timestamp,
        most: Duration,
    ) -> Result<Window, ChannelError> {
        let to = from.plus(MAX_WINDOW.min(most)).min(now);
        let changes = Changes {
            from,
            to,
            sequence: None,
            details: Vec::new(),
            again: Vec::new(),
            is_second: false,
            is_last: false,
        };
        Ok(Window { first: Cursor::of(changes)?, until: to })
    }

    fn orders<'a>(
        &'a self,
        cursor: &'a Cursor,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Page<ChannelOrderUpdate>, ChannelError>> {
        Box::pin(async move {
            let position: Changes = cursor.read()?;
            if position.details.is_empty() {
                self.changes(position, now).await
            } else {
                self.details(position, now).await
            }
        })
    }

    fn products<'a>(
        &'a self,
        cursor: Option<&'a Cursor>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Page<Product>, ChannelError>> {
        Box::pin(async move {
            let ProductListing { page } =
                cursor.map(Cursor::read).transpose()?.unwrap_or(ProductListing { page: 1 });
            let body = json!({ "page": page, "size": 500, "orderType": "NO" });
            let response = self.call(Method::POST, "/v1/products/search", Some(&body), now).await?;
            let found: Found = response.read()?;
            let is_over = found.last || found.contents.is_empty();
            let mut entries = Vec::new();
            for product in found.contents {
                let Some(shown) = product.channel_products.into_iter().next() else { continue };
                entries.push(Product {
                    product_id: id(ProductId::parse(&product.origin_product_no.to_string()))?,
                    name: shown.name,
                    status: shown.status_type,
                    price: shown.sale_price.map(won).transpose()?,
                    stock: shown.stock_quantity,
                });
            }
            let next =
                (!is_over).then(|| Cursor::of(ProductListing { page: page + 1 })).transpose()?;
            Ok(Page {
                entries,
                next,
                malformed: Vec::new(),
                cool_down: pause_after(&response.headers),
            })
        })
    }

    fn set_stock<'a>(
        &'a self,
        product: &'a ProductId,
        units: u32,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), ChannelError>> {
        Box::pin(async move {
            let number: u64 = product.as_str().parse().map_err(|_| {
                ChannelError::Rejected("the id is not the number of an origin product".into())
            })?;
            let update = json!({ "originProductNo": number, "multiUpdateTypes": ["STOCK"], "stockQuantity": units });
            let body = json!({ "multiProductUpdateRequestVos": [update] });
            self.call(Method::PATCH, "/v1/products/origin-products/multi-update", Some(&body), now)
                .await
                .map(drop)
        })
    }
}

#[cfg(test)]
mod tests;
