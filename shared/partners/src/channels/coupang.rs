//! Coupang: the WING Open API (<https://developers.coupangcorp.com>).
//!
//! The API lists orders by the day on which they were placed, one status at a time. Cancelled and
//! returned orders disappear from these listings and are listed as return requests.
//!
//! An order may ship in several boxes, and units may move from one box to others. An item is
//! therefore identified by its order and vendor item. The boxes are its parcels.

mod wire;

use super::{
    Channel, ChannelError, Cursor, HttpResponse, InvalidCredentials, Kind, Page, Product, Window,
    credentials, day_begins, id, query_value, read_each, send,
};
use crate::http;
use domain::{ExternalOrderId, ProductId, Timestamp, campaign::Day, channel::ChannelOrderUpdate};
use futures::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Method, StatusCode, Url, header::AUTHORIZATION};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;
use std::{fmt, fmt::Write, time::Duration};
use wire::{Detailed, Listed, Money, OrderSheet, ReturnRequest, SellerProduct};

pub(super) static KIND: Kind = Kind {
    name: "COUPANG",
    url_variable: Some("COUPANG_URL"),
    // Coupang accepts five calls in any second. Calls do not arrive exactly as far apart as they
    // are sent, so this is one less.
    calls_per_second: 4,
    lists_by_placing: true,
    first_reach: Duration::from_hours(30 * 24),
    overlap: Duration::from_hours(24),
    repacks: true,
    has_catalogue: true,
    step_takes: Duration::from_secs(110),
    credentials_last: Some(Duration::from_hours(180 * 24)),
    account: |value, _| {
        credentials::<Credentials>(value)
            .and_then(Credentials::checked)
            .map(|known| Some(known.vendor_id))
    },
    open: |url, value, _| {
        let credentials = credentials::<Credentials>(value)?.checked()?;
        let base = Url::parse(url)
            .map_err(|_| InvalidCredentials("COUPANG_URL is not a valid URL".into()))?;
        Ok(Box::new(Coupang { base, credentials }))
    },
};

/// How long calls stop after a 403 with an HTML page instead of JSON.
const COOL_DOWN: Duration = Duration::from_mins(10);

/// A window has at most 31 days, both ends included: the last day is at most this many days after
/// the first.
const MAX_DAYS: i64 = 30;

/// The timeout of a call, and of a listing. Coupang spends more time than usual on a listing if the
/// request contains the header [`EXTENDED_TIMEOUT`], in milliseconds.
const TIMEOUT: Duration = Duration::from_secs(10);
const LISTING_TIMEOUT: Duration = Duration::from_secs(90);
const EXTENDED_TIMEOUT: &str = "X-EXTENDED-TIMEOUT";

/// The listings that are read for each window, in this order. They follow the lifecycle of an
/// order, so an order that changes its status during the sweep appears again in a later listing.
const SWEEP: [Step; 11] = [
    Step::Orders("ACCEPT"),
    Step::Orders("INSTRUCT"),
    Step::Orders("DEPARTURE"),
    Step::Orders("DELIVERING"),
    Step::Orders("NONE_TRACKING"),
    Step::Orders("FINAL_DELIVERY"),
    Step::Claims("cancelType=CANCEL"),
    Step::Claims("cancelType=RETURN&status=RU"),
    Step::Claims("cancelType=RETURN&status=UC"),
    Step::Claims("cancelType=RETURN&status=PR"),
    Step::Claims("cancelType=RETURN&status=CC"),
];

/// One listing of a sweep.
#[derive(Clone, Copy)]
enum Step {
    /// The orders with this status.
    Orders(&'static str),
    /// The return requests that match this query.
    Claims(&'static str),
}

/// The credentials of a Coupang account.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Credentials {
    vendor_id: String,
    access_key: String,
    secret_key: String,
}

impl Credentials {
    fn checked(self) -> Result<Self, InvalidCredentials> {
        let is_plain = |text: &str| {
            (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if !is_plain(&self.vendor_id) {
            return Err(InvalidCredentials(
                "must have a `vendorId` of 1 to 64 letters and digits".into(),
            ));
        }
        let is_key = |text: &str| {
            (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !is_key(&self.access_key) || !is_key(&self.secret_key) {
            return Err(InvalidCredentials(
                "must have an `accessKey` and a `secretKey` of 1 to 256 characters without spaces"
                    .into(),
            ));
        }
        Ok(self)
    }
}

/// Returns the `Authorization` header of a call. `path` and `query` must be exactly what is sent.
pub fn authorization(
    access_key: &str,
    secret_key: &str,
    method: &str,
    path: &str,
    query: &str,
    now: Timestamp,
) -> String {
    // 2026-01-05T03:04:05.678Z becomes 260105T030405Z.
    let digits: String =
        now.to_string().chars().filter(char::is_ascii_digit).skip(2).take(12).collect();
    let signed_date =
        format!("{}T{}Z", digits.get(..6).unwrap_or_default(), digits.get(6..).unwrap_or_default());
    let message = format!("{signed_date}{method}{path}{query}");
    let signature = Hmac::<Sha256>::new_from_slice(secret_key.as_bytes()).map_or_else(
        |_| String::new(),
        |mut mac| {
            mac.update(message.as_bytes());
            mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            })
        },
    );
    format!(
        "CEA algorithm=HmacSHA256, access-key={access_key}, signed-date={signed_date}, signature={signature}"
    )
}

struct Coupang {
    base: Url,
    credentials: Credentials,
}

impl fmt::Debug for Coupang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coupang")
            .field("vendor_id", &self.credentials.vendor_id)
            .finish_non_exhaustive()
    }
}

/// A position in the listings of orders and return requests.
#[derive(Serialize, Deserialize)]
struct Sweep {
    from: String,
    to: String,
    step: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// A position in the listing of products: a page, or those products of a page whose details are not
/// read yet.
#[derive(Default, Serialize, Deserialize)]
struct ProductListing {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    products: Vec<u64>,
    /// Whether no page follows these products.
    #[serde(default)]
    is_last: bool,
}

impl Coupang {
    /// Makes a call and checks that it succeeded. Status 200 alone does not mean success: the
    /// `code` in the body must say so.
    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &str,
        now: Timestamp,
    ) -> Result<HttpResponse, ChannelError> {
        self.call_within(TIMEOUT, method, path, query, now).await
    }

    /// Makes the call of a listing, with the longer timeout.
    async fn list_at(
        &self,
        path: &str,
        query: &str,
        now: Timestamp,
    ) -> Result<HttpResponse, ChannelError> {
        self.call_within(LISTING_TIMEOUT, Method::GET, path, query, now).await
    }

    async fn call_within(
        &self,
        timeout: Duration,
        method: Method,
        path: &str,
        query: &str,
        now: Timestamp,
    ) -> Result<HttpResponse, ChannelError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url.set_query(Some(query).filter(|query| !query.is_empty()));
        let Credentials { vendor_id, access_key, secret_key } = &self.credentials;
        // The signature covers the path and query byte for byte as they are sent.
        let signed = (url.path(), url.query().unwrap_or_default());
        let authorization =
            authorization(access_key, secret_key, method.as_str(), signed.0, signed.1, now);
        let client =
            http::client().map_err(|error| ChannelError::Unavailable(error.to_string()))?;
        let request =
            client.request(method, url).timeout(timeout).header(AUTHORIZATION, authorization);
        let request = if timeout > TIMEOUT {
            request.header(EXTENDED_TIMEOUT, timeout.as_millis().to_string())
        } else {
            request
        };
        let request = request
            .header("Content-Type", "application/json;charset=UTF-8")
            .header("X-Requested-By", vendor_id);
        let response = send(request.header("X-MARKET", "KR")).await?;
        match response.status {
            status if status.is_success() => {
                let code = &response.json()["code"];
                let is_success = *code == 200 || *code == "200" || *code == "SUCCESS";
                if is_success {
                    Ok(response)
                } else {
                    Err(ChannelError::Unavailable(response.message()))
                }
            }
            StatusCode::FORBIDDEN if response.body.trim_ascii_start().starts_with(b"<") => {
                Err(ChannelError::CoolingDown(COOL_DOWN))
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => {
                Err(ChannelError::TimedOut)
            }
            _ => Err(response.error()),
        }
    }

    /// Reads a page of the orders with one status, or of return requests.
    async fn sweep(
        &self,
        sweep: Sweep,
        now: Timestamp,
    ) -> Result<Page<ChannelOrderUpdate>, ChannelError> {
        let step = SWEEP
            .get(sweep.step)
            .ok_or_else(|| ChannelError::Rejected("the cursor has an unknown step".into()))?;
        let (vendor, from, to) = (&self.credentials.vendor_id, &sweep.from, &sweep.to);
        let (path, query) = match step {
            Step::Orders(status) => (
                format!("/v2/providers/openapi/apis/api/v5/vendors/{vendor}/ordersheets"),
                format!(
                    "createdAtFrom={from}%2B09:00&createdAtTo={to}%2B09:00&maxPerPage=50&status={status}"
                ),
            ),
            Step::Claims(kind) => (
                format!("/v2/providers/openapi/apis/api/v6/vendors/{vendor}/returnRequests"),
                format!("createdAtFrom={from}&createdAtTo={to}&{kind}&maxPerPage=50"),
            ),
        };
        let response = self.list_at(&path, &with_token(query, sweep.token.as_deref()), now).await?;
        let listed: Listed<Value> = response.read()?;
        let token = listed.next_token();
        let (entries, malformed) = match step {
            Step::Orders(_) => read_each(listed.data, "/shipmentBoxId", OrderSheet::into_update),
            Step::Claims(_) => read_each(listed.data, "/receiptId", ReturnRequest::into_update),
        };
        let step = sweep.step + usize::from(token.is_none());
        let next =
            (step < SWEEP.len()).then(|| Cursor::of(Sweep { step, token, ..sweep })).transpose()?;
        Ok(Page { entries, next, malformed, cool_down: Duration::ZERO })
    }

    async fn list(
        &self,
        token: Option<&str>,
        most: u32,
        now: Timestamp,
    ) -> Result<Listed<SellerProduct>, ChannelError> {
        let query = format!("vendorId={}&maxPerPage={most}", self.credentials.vendor_id);
        self.call(Method::GET, PRODUCTS, &with_token(query, token), now).await?.read()
    }

    async fn product(&self, product: u64, now: Timestamp) -> Result<Vec<Product>, ChannelError> {
        let response = self.call(Method::GET, &format!("{PRODUCTS}/{product}"), "", now).await?;
        let Detailed { data } = response.read()?;
        let mut products = Vec::new();
        for item in data.items {
            let Some(vendor_item_id) = item.vendor_item_id else { continue };
            let name = format!("{} {}", data.seller_product_name, item.item_name);
            products.push(Product {
                product_id: id(ProductId::parse(&vendor_item_id.to_string()))?,
                name: name.trim().to_owned(),
                status: data.status_name.clone(),
                price: item.sale_price.map(Money::won).transpose()?,
                stock: None,
            });
        }
        Ok(products)
    }
}

const PRODUCTS: &str = "/v2/providers/seller_api/apis/api/v1/marketplace/seller-products";
const VENDOR_ITEMS: &str = "/v2/providers/seller_api/apis/api/v1/marketplace/vendor-items";

fn with_token(query: String, token: Option<&str>) -> String {
    match token {
        Some(token) => format!("{query}&nextToken={}", query_value(token)),
        None => query,
    }
}

impl Channel for Coupang {
    fn check(&self, now: Timestamp) -> BoxFuture<'_, Result<(), ChannelError>> {
        Box::pin(async move { self.list(None, 1, now).await.map(drop) })
    }

    fn begin(
        &self,
        from: Timestamp,
        now: Timestamp,
        most: Duration,
    ) -> Result<Window, ChannelError> {
        let (first, today) = (Day::of(from), Day::of(now));
        let days = i64::try_from(most.as_secs() / (24 * 60 * 60)).unwrap_or(MAX_DAYS);
        let last = first.plus((days - 1).clamp(0, MAX_DAYS)).min(today);
        let until = if last == today { now } else { day_begins(last.plus(1)) };
        let (from, to) = (first.to_string(), last.to_string());
        Ok(Window { first: Cursor::of(Sweep { from, to, step: 0, token: None })?, until })
    }

    fn orders<'a>(
        &'a self,
        cursor: &'a Cursor,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Page<ChannelOrderUpdate>, ChannelError>> {
        Box::pin(async move { self.sweep(cursor.read()?, now).await })
    }

    fn order<'a>(
        &'a self,
        id: &'a ExternalOrderId,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<ChannelOrderUpdate, ChannelError>> {
        Box::pin(async move {
            let vendor = &self.credentials.vendor_id;
            let path =
                format!("/v2/providers/openapi/apis/api/v5/vendors/{vendor}/{id}/ordersheets");
            let listed: Listed<OrderSheet> =
                self.call(Method::GET, &path, "", now).await?.read()?;
            let updates = listed
                .data
                .into_iter()
                .map(OrderSheet::into_update)
                .collect::<Result<Vec<_>, _>>()?;
            let whole = updates.into_iter().reduce(ChannelOrderUpdate::and);
            let whole = whole.ok_or_else(|| {
                ChannelError::Unavailable("a listed order has no order sheet".into())
            })?;
            Ok(ChannelOrderUpdate { is_whole: true, ..whole })
        })
    }

    fn products<'a>(
        &'a self,
        cursor: Option<&'a Cursor>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Page<Product>, ChannelError>> {
        Box::pin(async move {
            let mut at: ProductListing = cursor.map(Cursor::read).transpose()?.unwrap_or_default();
            let mut entries = Vec::new();
            if let Some(product) = at.products.pop() {
                entries = match self.product(product, now).await {
                    // The product was removed after it was listed.
                    Err(ChannelError::Rejected(_)) => Vec::new(),
                    result => result?,
                };
            } else {
                let listed = self.list(at.token.as_deref(), 100, now).await?;
                let token = listed.next_token();
                let products =
                    listed.data.iter().rev().map(|product| product.seller_product_id).collect();
                at = ProductListing { is_last: token.is_none(), token, products };
            }
            let is_over = at.products.is_empty() && at.is_last;
            Ok(Page {
                entries,
                next: (!is_over).then(|| Cursor::of(at)).transpose()?,
                malformed: Vec::new(),
                cool_down: Duration::ZERO,
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
            let path = format!("{VENDOR_ITEMS}/{product}/quantities/{units}");
            self.call(Method::PUT, &path, "", now).await.map(drop)
        })
    }
}

#[cfg(test)]
mod tests;
