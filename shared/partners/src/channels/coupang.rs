//! Coupang: the WING Open API (<https://developers.coupangcorp.com>).
//!
//! Orders are listed by the day on which they were placed and by one status at a time; what was called off or sent back drops out of
//! them, and is listed as return requests. An order may ship in several boxes, and what one box had may be put into others: an item
//! is known by its order and vendor item, and the boxes are its parcels.

mod wire;

use super::{
    Channel, ChannelError, HttpResponse, InvalidCredentials, Kind, Page, Place, Product, Window, credentials,
    day_begins, id, query_value, read_each, send,
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
    // Five are let in, in any second; calls do not arrive quite as far apart as they are made.
    calls_per_second: 4,
    lists_by_placing: true,
    first_reach: Duration::from_hours(30 * 24),
    overlap: Duration::from_hours(24),
    repacks: true,
    has_catalogue: true,
    step_takes: Duration::from_secs(110),
    credentials_last: Some(Duration::from_hours(180 * 24)),
    account: |value, _| {
        credentials::<Credentials>(value).and_then(Credentials::checked).map(|known| Some(known.vendor_id))
    },
    open: |url, value, _| {
        let credentials = credentials::<Credentials>(value)?.checked()?;
        let base = Url::parse(url).map_err(|_| InvalidCredentials("COUPANG_URL is no URL".into()))?;
        Ok(Box::new(Coupang { base, credentials }))
    },
};

/// How long it is to be left alone once it answers with a page instead of JSON.
const LEFT_ALONE: Duration = Duration::from_mins(10);

/// A window has at most 31 days, both ends included.
const MAX_DAYS: i64 = 30;

/// How long a call may take, and how long a listing: Coupang takes longer than usual for a listing if the request says so, by
/// [`EXTENDED_TIMEOUT`] in milliseconds.
const TIMEOUT: Duration = Duration::from_secs(10);
const LISTING_TIMEOUT: Duration = Duration::from_secs(90);
const EXTENDED_TIMEOUT: &str = "X-EXTENDED-TIMEOUT";

/// What is looked through for each window, in this order: as an order goes on, so that one that does meanwhile is met again.
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

/// What is listed in one go.
#[derive(Clone, Copy)]
enum Step {
    /// Orders of a status.
    Orders(&'static str),
    /// Return requests of a kind.
    Claims(&'static str),
}

/// Our account with Coupang.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Credentials {
    vendor_id: String,
    access_key: String,
    secret_key: String,
}

impl Credentials {
    fn checked(self) -> Result<Self, InvalidCredentials> {
        let is_plain =
            |text: &str| (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_plain(&self.vendor_id) {
            return Err(InvalidCredentials("vendorId is 1 to 64 letters and digits".into()));
        }
        let is_key = |text: &str| (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_key(&self.access_key) || !is_key(&self.secret_key) {
            return Err(InvalidCredentials("accessKey and secretKey are 1 to 256 characters without spaces".into()));
        }
        Ok(self)
    }
}

/// The `Authorization` of a call whose path and query are exactly these.
pub fn authorization(
    access_key: &str,
    secret_key: &str,
    method: &str,
    path: &str,
    query: &str,
    now: Timestamp,
) -> String {
    // 2026-01-05T03:04:05.678Z is written 260105T030405Z.
    let digits: String = now.to_string().chars().filter(char::is_ascii_digit).skip(2).take(12).collect();
    let signed_date = format!("{}T{}Z", digits.get(..6).unwrap_or_default(), digits.get(6..).unwrap_or_default());
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
    format!("CEA algorithm=HmacSHA256, access-key={access_key}, signed-date={signed_date}, signature={signature}")
}

struct Coupang {
    base: Url,
    credentials: Credentials,
}

impl fmt::Debug for Coupang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coupang").field("vendor_id", &self.credentials.vendor_id).finish_non_exhaustive()
    }
}

/// A place in the listings of orders and return requests.
#[derive(Serialize, Deserialize)]
struct Sweep {
    from: String,
    to: String,
    step: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// A place in the listing of products: a page, or products of a page that are still to be looked at one by one.
#[derive(Default, Serialize, Deserialize)]
struct Shelf {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    products: Vec<u64>,
    /// Whether there is a page after these products.
    #[serde(default)]
    is_last: bool,
}

impl Coupang {
    /// Makes a call, and makes sure that it was a success: status 200 alone does not say so.
    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &str,
        now: Timestamp,
    ) -> Result<HttpResponse, ChannelError> {
        self.call_within(TIMEOUT, method, path, query, now).await
    }

    /// The same of what is listed, for which Coupang may take longer.
    async fn list_at(&self, path: &str, query: &str, now: Timestamp) -> Result<HttpResponse, ChannelError> {
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
        // What is signed is what is sent, byte for byte.
        let signed = (url.path(), url.query().unwrap_or_default());
        let authorization = authorization(access_key, secret_key, method.as_str(), signed.0, signed.1, now);
        let client = http::client().map_err(|error| ChannelError::Unavailable(error.to_string()))?;
        let request = client.request(method, url).timeout(timeout).header(AUTHORIZATION, authorization);
        let request =
            if timeout > TIMEOUT { request.header(EXTENDED_TIMEOUT, timeout.as_millis().to_string()) } else { request };
        let request =
            request.header("Content-Type", "application/json;charset=UTF-8").header("X-Requested-By", vendor_id);
        let answer = send(request.header("X-MARKET", "KR")).await?;
        match answer.status {
            status if status.is_success() => {
                let code = &answer.json()["code"];
                let is_success = *code == 200 || *code == "200" || *code == "SUCCESS";
                if is_success { Ok(answer) } else { Err(ChannelError::Unavailable(answer.words())) }
            }
            StatusCode::FORBIDDEN if answer.body.trim_ascii_start().starts_with(b"<") => {
                Err(ChannelError::CoolingDown(LEFT_ALONE))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(ChannelError::Unauthorized(answer.words())),
            StatusCode::TOO_MANY_REQUESTS => Err(ChannelError::RateLimited),
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Err(ChannelError::TimedOut),
            status if status.is_client_error() => Err(ChannelError::Rejected(answer.words())),
            _ => Err(ChannelError::Unavailable(answer.words())),
        }
    }

    /// A page of orders of a status, or of return requests.
    async fn sweep(&self, sweep: Sweep, now: Timestamp) -> Result<Page<ChannelOrderUpdate>, ChannelError> {
        let step = SWEEP.get(sweep.step).ok_or_else(|| ChannelError::Rejected("there is no such step".into()))?;
        let (vendor, from, to) = (&self.credentials.vendor_id, &sweep.from, &sweep.to);
        let (path, query) = match step {
            Step::Orders(status) => (
                format!("/v2/providers/openapi/apis/api/v5/vendors/{vendor}/ordersheets"),
                format!("createdAtFrom={from}%2B09:00&createdAtTo={to}%2B09:00&maxPerPage=50&status={status}"),
            ),
            Step::Claims(kind) => (
                format!("/v2/providers/openapi/apis/api/v6/vendors/{vendor}/returnRequests"),
                format!("createdAtFrom={from}&createdAtTo={to}&{kind}&maxPerPage=50"),
            ),
        };
        let answer = self.list_at(&path, &with_token(query, sweep.token.as_deref()), now).await?;
        let listed: Listed<Value> = answer.read()?;
        let token = listed.next_token();
        let (entries, unread) = match step {
            Step::Orders(_) => read_each(listed.data, "/shipmentBoxId", OrderSheet::told),
            Step::Claims(_) => read_each(listed.data, "/receiptId", ReturnRequest::told),
        };
        let step = sweep.step + usize::from(token.is_none());
        let next = (step < SWEEP.len()).then(|| Place::of(Sweep { step, token, ..sweep }));
        Ok(Page { entries, next, unread, rest: Duration::ZERO })
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
        let answer = self.call(Method::GET, &format!("{PRODUCTS}/{product}"), "", now).await?;
        let Detailed { data } = answer.read()?;
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

    fn begin(&self, from: Timestamp, now: Timestamp, most: Duration) -> Window {
        let (first, today) = (Day::of(from), Day::of(now));
        let days = i64::try_from(most.as_secs() / (24 * 60 * 60)).unwrap_or(MAX_DAYS);
        let last = first.plus((days - 1).clamp(0, MAX_DAYS)).min(today);
        let until = if last == today { now } else { day_begins(last.plus(1)) };
        Window {
            first: Place::of(Sweep { from: first.to_string(), to: last.to_string(), step: 0, token: None }),
            until,
        }
    }

    fn orders<'a>(
        &'a self,
        place: &'a Place,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Page<ChannelOrderUpdate>, ChannelError>> {
        Box::pin(async move { self.sweep(place.read()?, now).await })
    }

    fn order<'a>(
        &'a self,
        id: &'a ExternalOrderId,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<ChannelOrderUpdate, ChannelError>> {
        Box::pin(async move {
            let vendor = &self.credentials.vendor_id;
            let path = format!("/v2/providers/openapi/apis/api/v5/vendors/{vendor}/{id}/ordersheets");
            let listed: Listed<OrderSheet> = self.call(Method::GET, &path, "", now).await?.read()?;
            let told = listed.data.into_iter().map(OrderSheet::told).collect::<Result<Vec<_>, _>>()?;
            let whole = told.into_iter().reduce(ChannelOrderUpdate::and);
            let whole =
                whole.ok_or_else(|| ChannelError::Unavailable("an order that was listed has no sheet".into()))?;
            Ok(ChannelOrderUpdate { is_whole: true, ..whole })
        })
    }

    fn products<'a>(
        &'a self,
        place: Option<&'a Place>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Page<Product>, ChannelError>> {
        Box::pin(async move {
            let mut at: Shelf = place.map(Place::read).transpose()?.unwrap_or_default();
            let mut entries = Vec::new();
            if let Some(product) = at.products.pop() {
                entries = match self.product(product, now).await {
                    // It was removed since it was listed.
                    Err(ChannelError::Rejected(_)) => Vec::new(),
                    told => told?,
                };
            } else {
                let listed = self.list(at.token.as_deref(), 100, now).await?;
                let token = listed.next_token();
                let products = listed.data.iter().rev().map(|product| product.seller_product_id).collect();
                at = Shelf { is_last: token.is_none(), token, products };
            }
            let is_over = at.products.is_empty() && at.is_last;
            Ok(Page { entries, next: (!is_over).then(|| Place::of(at)), unread: Vec::new(), rest: Duration::ZERO })
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
mod tests {
    use super::*;

    #[test]
    fn calls_are_signed_over_exactly_what_is_sent() {
        let now = "2026-01-05T03:04:05Z".parse().unwrap();
        for (method, path, query, signature) in [
            (
                "GET",
                "/v2/providers/openapi/apis/api/v5/vendors/A00012345/ordersheets",
                "createdAtFrom=2026-01-01%2B09:00&createdAtTo=2026-01-05%2B09:00&maxPerPage=50&status=ACCEPT",
                "0b70911e37d9f56ef1a81d1e0b2ab18bd5c694c7b7b04f225ece7d27add86c17",
            ),
            (
                "POST",
                "/v2/providers/openapi/apis/api/v4/vendors/A00012345/orders/invoices",
                "",
                "3b6eb0955004172dc9dcfd84df7b77436c149ab6fef80c210a64996c22dc4b23",
            ),
            (
                "GET",
                "/v2/providers/seller_api/apis/api/v1/marketplace/seller-products",
                "vendorId=A00012345&nextToken=1&maxPerPage=10",
                "3c549b71c9dfb8ec60e45984202933a8298596a5ca77c7e08fdb7a679f5a0219",
            ),
        ] {
            let header = authorization("ACCESS", "SECRET_KEY_EXAMPLE", method, path, query, now);
            let expected = format!(
                "CEA algorithm=HmacSHA256, access-key=ACCESS, signed-date=260105T030405Z, signature={signature}"
            );
            assert_eq!(header, expected);
        }
    }

    #[test]
    fn the_fourth_and_the_fifth_version_of_an_order_sheet_say_the_same() {
        let sheet = |price: &str, ordered_at: &str| {
            let text = format!(
                r#"{{"shipmentBoxId":642538970006401429,"orderId":22000009546234,"orderedAt":"{ordered_at}","paidAt":"{ordered_at}","status":"INSTRUCT",
                "receiver":{{"name":"신*희","safeNumber":"050-1","receiverNumber":null,"addr1":"서울","addr2":"1층","postCode":"447-700"}},
                "orderItems":[{{"vendorItemId":3242596358,"vendorItemName":"펜","shippingCount":5,"salesPrice":{price},"discountPrice":{price},
                "cancelCount":1,"holdCountForCancel":2,"canceled":false}}],"deliveryCompanyName":"CJ 대한통운","invoiceNumber":"340010913442"}}"#
            );
            serde_json::from_str::<OrderSheet>(&text).unwrap().told().unwrap()
        };
        let fifth = sheet(r#"{"currencyCode":"KRW","units":19000,"nanos":0}"#, "2025-01-15T14:17:13.973885-08:00");
        let fourth = sheet("19000", "2025-01-16T07:17:13.973885");
        assert_eq!(fifth, fourth);
        let item = &fifth.items["3242596358"]["642538970006401429"];
        assert_eq!((item.ordered, item.cancelled, item.held, item.unit_price.get()), (5, 1, 2, 19_000));
        assert_eq!(fifth.placed_at.unwrap().to_string(), "2025-01-15T22:17:13.973Z");
        assert_eq!(item.shipment.as_ref().unwrap().tracking_number, "340010913442");
    }

    #[test]
    fn a_window_is_of_days_and_none_is_too_long() {
        let value = serde_json::json!({ "vendorId": "A1", "accessKey": "a", "secretKey": "s" });
        let coupang = (KIND.open)("http://127.0.0.1", &value, crate::receiver::Reach::default()).unwrap();
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let begin =
            |from: &str, to: &str, days: u64| coupang.begin(time(from), time(to), Duration::from_hours(24 * days));
        let window = begin("2026-01-04T16:00:00Z", "2026-01-06T03:00:00Z", 31);
        let sweep: Sweep = window.first.read().unwrap();
        assert_eq!(
            (sweep.from.as_str(), sweep.to.as_str(), window.until),
            ("2026-01-05", "2026-01-06", time("2026-01-06T03:00:00Z"))
        );
        for (days, last) in [(2, "2026-01-02"), (1, "2026-01-01"), (0, "2026-01-01")] {
            let sweep: Sweep = begin("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z", days).first.read().unwrap();
            assert_eq!(sweep.to, last, "a window that was too slow is made smaller");
        }
        let window = begin("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z", 400);
        let sweep: Sweep = window.first.read().unwrap();
        assert_eq!((sweep.to.as_str(), window.until), ("2026-01-31", time("2026-01-31T15:00:00Z")));
    }
}
