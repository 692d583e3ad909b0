//! Smartstore: the Naver Commerce API (<https://apicenter.commerce.naver.com>).
//!
//! Product orders are listed by when they changed, and then looked at in detail: what the list says of a status may be behind
//! what the detail says. An order has a product order for each of its items.

mod wire;

use super::{
    Channel, ChannelError, HttpResponse, InvalidCredentials, Kind, Page, Place, Product, Window, credentials, id,
    on_korean_clocks, query_value, read_each, send, time, won,
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
        credentials::<Credentials>(value).and_then(Credentials::checked).map(|known| Some(known.client_id))
    },
    open: |url, value, _| {
        let credentials = credentials::<Credentials>(value)?.checked()?;
        Ok(Box::new(Smartstore { base: url.trim_end_matches('/').to_owned(), credentials, token: Mutex::default() }))
    },
};

/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A window of changes is no longer than this.
const MAX_WINDOW: Duration = Duration::from_hours(24);

/// Changes in a page at the most, and product orders looked at at once.
const MOST: usize = 300;

/// A token is renewed while it is still good for so long.
const RENEWED_BEFORE: Duration = Duration::from_mins(10);

/// How long to rest where a bucket is empty: it fills by the second.
const REST: Duration = Duration::from_secs(1);

/// How many calls may be made at this moment.
const REMAINING: &str = "gncp-gw-ratelimit-remaining";

/// Our account with the Naver Commerce API.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Credentials {
    client_id: String,
    client_secret: String,
}

impl Credentials {
    fn checked(self) -> Result<Self, InvalidCredentials> {
        let is_id = (1..=40).contains(&self.client_id.len())
            && self.client_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if !is_id {
            return Err(InvalidCredentials("clientId is 1 to 40 letters, digits, '_' or '-'".into()));
        }
        let wrong = || InvalidCredentials("clientSecret is not of the form $2a$10$ and 22 characters".into());
        salt(&self.client_secret).ok_or_else(wrong)?;
        Ok(self)
    }
}

/// The cost and the salt that a client secret is. Its last character may have bits that mean nothing.
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

/// What proves at this moment that we know the secret; nothing, if the secret is none.
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
        f.debug_struct("Smartstore").field("client_id", &self.credentials.client_id).finish_non_exhaustive()
    }
}

/// A place in the listing of changes: a page, or product orders of a page that are to be looked at, and the page after.
#[derive(Clone, Serialize, Deserialize)]
struct Changes {
    from: Timestamp,
    to: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequence: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
    /// Product orders that were left out when they were asked for, and whether those asked for now were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    again: Vec<String>,
    #[serde(default)]
    is_second: bool,
    #[serde(default)]
    is_last: bool,
}

/// A page of the listing of products, counted from 1.
#[derive(Deserialize, Serialize)]
struct Shelf {
    page: u32,
}

/// How long to rest, as the headers of an answer say.
fn rest(headers: &HeaderMap) -> Duration {
    let remaining = headers.get(REMAINING).and_then(|value| value.to_str().ok());
    if remaining == Some("0") { REST } else { Duration::ZERO }
}

impl Smartstore {
    /// A token that is good for a while: the one that is known, or a new one.
    async fn token(&self, now: Timestamp) -> Result<String, ChannelError> {
        let known = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(token) = known.filter(|token| now.plus(RENEWED_BEFORE) < token.until) {
            return Ok(token.text);
        }
        let Credentials { client_id, client_secret } = &self.credentials;
        let sign = client_secret_sign(client_id, client_secret, now)
            .ok_or_else(|| ChannelError::Unauthorized("the secret signs nothing".into()))?;
        let timestamp = now.millis();
        let form = format!(
            "client_id={}&timestamp={timestamp}&client_secret_sign={}&grant_type=client_credentials&type=SELF",
            query_value(client_id),
            query_value(&sign)
        );
        let client = http::client().map_err(|error| ChannelError::Unavailable(error.to_string()))?;
        let request = client.post(format!("{}/v1/oauth2/token", self.base)).timeout(TIMEOUT).body(form);
        let answer = send(request.header("Content-Type", "application/x-www-form-urlencoded")).await?;
        match answer.status {
            status if status.is_success() => {
                let issued: Issued = answer.read()?;
                let token =
                    Token { text: issued.access_token, until: now.plus(Duration::from_secs(issued.expires_in)) };
                *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
                Ok(token.text)
            }
            StatusCode::TOO_MANY_REQUESTS => Err(ChannelError::RateLimited),
            status if status.is_client_error() => Err(ChannelError::Unauthorized(answer.words())),
            _ => Err(ChannelError::Unavailable(answer.words())),
        }
    }

    /// Makes a call; once more with a new token, if the one that we know is not good any more.
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
            let client = http::client().map_err(|error| ChannelError::Unavailable(error.to_string()))?;
            let request = client.request(method.clone(), format!("{}{path}", self.base)).timeout(TIMEOUT);
            let request = request.header(AUTHORIZATION, format!("Bearer {token}"));
            let request = match body {
                Some(body) => request.header("Content-Type", "application/json").body(body.to_string()),
                None => request,
            };
            let answer = send(request).await?;
            return match answer.status {
                status if status.is_success() => Ok(answer),
                StatusCode::UNAUTHORIZED if !is_second => {
                    is_second = true;
                    *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    continue;
                }
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(ChannelError::Unauthorized(answer.words())),
                StatusCode::TOO_MANY_REQUESTS => Err(ChannelError::RateLimited),
                status if status.is_client_error() => Err(ChannelError::Rejected(answer.words())),
                _ => Err(ChannelError::Unavailable(answer.words())),
            };
        }
    }

    async fn changes(&self, place: Changes, now: Timestamp) -> Result<Page<ChannelOrderUpdate>, ChannelError> {
        let (from, to) = (query_value(&on_korean_clocks(place.from)), query_value(&on_korean_clocks(place.to)));
        let more = place.sequence.as_deref().map(|sequence| format!("&moreSequence={}", query_value(sequence)));
        let query = format!(
            "lastChangedFrom={from}&lastChangedTo={to}&limitCount={MOST}{}",
            more.as_deref().unwrap_or_default()
        );
        let path = format!("/v1/pay-order/seller/product-orders/last-changed-statuses?{query}");
        let answer = self.call(Method::GET, &path, None, now).await?;
        let rest = rest(&answer.headers);
        let Some(listed) = answer.read::<Enveloped<Listed>>()?.data else {
            return Ok(Page { entries: Vec::new(), next: None, unread: Vec::new(), rest });
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
                ..place
            },
            None => Changes { details, is_last: true, ..place },
        };
        Ok(Page { entries: Vec::new(), next: next.place(), unread: Vec::new(), rest })
    }

    async fn details(&self, mut place: Changes, now: Timestamp) -> Result<Page<ChannelOrderUpdate>, ChannelError> {
        let asked: Vec<String> = place.details.drain(..place.details.len().min(MOST)).collect();
        let body = json!({ "productOrderIds": asked, "quantityClaimCompatibility": true });
        let answer = self.call(Method::POST, "/v1/pay-order/seller/product-orders/query", Some(&body), now).await?;
        let told = answer.read::<Enveloped<Vec<Value>>>()?.data.unwrap_or_default();
        let is_told =
            |id: &&String| told.iter().any(|one| one.pointer("/productOrder/productOrderId") == Some(&json!(id)));
        let mut missing: Vec<String> = asked.iter().filter(|id| !is_told(id)).cloned().collect();
        if !place.is_second {
            // Whatever it left out is asked for once more, before the next page.
            place.again.append(&mut missing);
        }
        let (entries, mut unread) = read_each(told, "/productOrder/productOrderId", Detail::told);
        unread.append(&mut missing);
        place.is_second = false;
        if place.details.is_empty() && !place.again.is_empty() {
            place.details = std::mem::take(&mut place.again);
            place.is_second = true;
        }
        Ok(Page { entries, next: place.place(), unread, rest: rest(&answer.headers) })
    }
}

impl Changes {
    /// The place, unless nothing is left there.
    fn place(self) -> Option<Place> {
        (!self.is_last || !self.details.is_empty()).then(|| Place::of(self))
    }
}

impl Channel for Smartstore {
    fn check(&self, now: Timestamp) -> BoxFuture<'_, Result<(), ChannelError>> {
        Box::pin(async move {
            *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
            self.token(now).await.map(drop)
        })
    }

    fn begin(&self, from: Timestamp, now: Timestamp, most: Duration) -> Window {
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
        Window { first: Place::of(changes), until: to }
    }

    fn orders<'a>(
        &'a self,
        place: &'a Place,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Page<ChannelOrderUpdate>, ChannelError>> {
        Box::pin(async move {
            let place: Changes = place.read()?;
            if place.details.is_empty() { self.changes(place, now).await } else { self.details(place, now).await }
        })
    }

    fn products<'a>(
        &'a self,
        place: Option<&'a Place>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Page<Product>, ChannelError>> {
        Box::pin(async move {
            let Shelf { page } = place.map(Place::read).transpose()?.unwrap_or(Shelf { page: 1 });
            let body = json!({ "page": page, "size": 500, "orderType": "NO" });
            let answer = self.call(Method::POST, "/v1/products/search", Some(&body), now).await?;
            let found: Found = answer.read()?;
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
            let next = (!is_over).then(|| Place::of(Shelf { page: page + 1 }));
            Ok(Page { entries, next, unread: Vec::new(), rest: rest(&answer.headers) })
        })
    }

    fn set_stock<'a>(
        &'a self,
        product: &'a ProductId,
        units: u32,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), ChannelError>> {
        Box::pin(async move {
            let number: u64 =
                product.as_str().parse().map_err(|_| ChannelError::Rejected("it is no origin product".into()))?;
            let update = json!({ "originProductNo": number, "multiUpdateTypes": ["STOCK"], "stockQuantity": units });
            let body = json!({ "multiProductUpdateRequestVos": [update] });
            self.call(Method::PATCH, "/v1/products/origin-products/multi-update", Some(&body), now).await.map(drop)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::order::Status;

    #[test]
    fn the_secret_signs_as_the_official_sample_does() {
        let official = client_secret_sign(
            "aaaabbbbcccc",
            "$2a$10$abcdefghijklmnopqrstuv",
            Timestamp::from_millis(1_643_961_623_299),
        );
        let expected = "JDJhJDEwJGFiY2RlZmdoaWprbG1ub3BxcnN0dXVCVldZSk42T0VPdEx1OFY0cDQxa2IuTnpVaUEzbmsy";
        assert_eq!(official.as_deref(), Some(expected));
        let computed = client_secret_sign(
            "testclientid01",
            "$2a$04$N9qo8uLOickgx2ZMRZoMye",
            Timestamp::from_millis(1_767_582_245_000),
        );
        let expected = "JDJhJDA0JE45cW84dUxPaWNrZ3gyWk1SWm9NeWVWTFVaTklyZC8uekFvSmtVdXB5S09VNFdGbWhmczh1";
        assert_eq!(computed.as_deref(), Some(expected));
        assert_eq!(client_secret_sign("id", "no salt", Timestamp::from_millis(0)), None);
    }

    #[test]
    fn an_account_rests_once_its_bucket_is_empty() {
        let remaining = |calls: &'static str| {
            let header = (reqwest::header::HeaderName::from_static(REMAINING), calls.parse().unwrap());
            rest(&HeaderMap::from_iter([header]))
        };
        assert_eq!((remaining("0"), remaining("3"), rest(&HeaderMap::new())), (REST, Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn what_is_left_of_a_product_order_counts_and_a_claim_that_is_turned_down_does_not() {
        let detail = |claim: Value| {
            let detail = json!({
                "order": { "orderId": "o-1", "orderDate": "2026-01-05T12:00:00.000+09:00", "paymentDate": "2026-01-05T12:01:00.000+09:00", "ordererNo": "77" },
                "productOrder": { "productOrderId": "po-1", "productOrderStatus": "PAYED", "placeOrderStatus": "OK", "originalProductId": "9", "productName": "펜",
                    "productOption": "파랑", "optionPrice": 100, "quantity": 5, "initialQuantity": 5, "remainQuantity": 3, "unitPrice": 900, "remainPaymentAmount": 2700,
                    "productDiscountAmount": 500, "inflowPath": "spring" },
                "currentClaim": claim,
            });
            serde_json::from_value::<Detail>(detail).unwrap().told().unwrap()
        };
        let told =
            detail(json!({ "cancel": { "claimId": "c1", "claimStatus": "CANCEL_REQUEST", "requestQuantity": 1 } }));
        let item = &told.items["po-1"]["po-1"];
        assert_eq!((item.ordered, item.cancelled, item.unit_price.get(), item.discount.get()), (5, 2, 1_000, 300));
        assert_eq!((item.status, item.name.as_str()), (Some(Status::Accepted), "펜 파랑"));
        assert_eq!((item.held, told.claims.len()), (1, 0), "what is done is in the quantity that remains");
        for other in ["CANCEL_REJECT", "CANCEL_DONE"] {
            let told = detail(json!({ "cancel": { "claimId": "c1", "claimStatus": other, "requestQuantity": 1 } }));
            assert_eq!(told.items["po-1"]["po-1"].held, 0, "{other}");
        }
        assert_eq!(
            detail(json!({ "return": { "claimId": "c1", "claimStatus": "RETURN_REQUEST" } })).items["po-1"]["po-1"]
                .held,
            0
        );
    }
}
