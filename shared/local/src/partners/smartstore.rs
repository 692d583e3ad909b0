//! A stub of Smartstore's Naver Commerce API: tokens, changed product orders and their details,
//! products and stock of two shops.
//!
//! Its quirks switch on misbehaviours.

use super::{
    StubRequest, StubResponse, System,
    market::{Market, Order, Pace, Shop, on_korean_clocks, values},
};
use domain::Timestamp;
use partners::channels::smartstore_sign;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The lifetime of a token. A request for a token returns the existing one while at least
/// [`REUSE_ABOVE`] of its lifetime remains.
const TOKEN_LIFETIME: Duration = Duration::from_hours(3);
const REUSE_ABOVE: Duration = Duration::from_mins(30);

/// Calls permitted in a second that uses the burst.
const MAX_CALLS: usize = 4;

/// Calls permitted with one token under the quirk `token-dies`.
const MAX_CALLS_PER_TOKEN: u32 = 3;

#[derive(Debug)]
pub(super) struct Smartstore {
    apps: [App; 2],
    market: Market,
    tokens: Mutex<BTreeMap<String, Token>>,
    pace: Pace,
    remaining: Mutex<usize>,
}

/// The credentials of a shop. They are the same in every process, so that credentials in a data
/// file stay valid.
#[derive(Debug)]
struct App {
    client_id: &'static str,
    /// A bcrypt salt. Its cost is the lowest, because every test uses it.
    client_secret: &'static str,
}

#[derive(Debug)]
struct Token {
    shop: usize,
    until: Timestamp,
    calls: u32,
}

impl App {
    const ALL: [Self; 2] = [
        Self { client_id: "stub-client-1", client_secret: "$2a$04$N9qo8uLOickgx2ZMRZoMye" },
        Self { client_id: "stub-client-2", client_secret: "$2a$04$abcdefghijklmnopqrstuv" },
    ];

    fn credentials(&self) -> Value {
        json!({ "clientId": self.client_id, "clientSecret": self.client_secret })
    }
}

fn refusal(status: u16, code: &str) -> StubResponse {
    (
        status,
        json!({ "code": code, "message": code, "timestamp": "2026-01-05T12:00:00.000+09:00", "traceId": "stub" }),
    )
}

impl Smartstore {
    pub(super) fn new() -> Self {
        Self {
            apps: App::ALL,
            market: Market::default(),
            tokens: Mutex::default(),
            pace: Pace::default(),
            remaining: Mutex::new(MAX_CALLS),
        }
    }

    fn tokens(&self) -> MutexGuard<'_, BTreeMap<String, Token>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn issue(&self, request: &StubRequest<'_>) -> StubResponse {
        let form = values(if request.body.is_empty() { request.query } else { request.body });
        let value = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let at: i64 = value("timestamp").parse().unwrap_or(0);
        let app = self.apps.iter().position(|app| app.client_id == value("client_id"));
        let is_recent = (request.now.millis() - at).unsigned_abs() <= 300_000;
        let Some(shop) = app.filter(|_| is_recent && value("grant_type") == "client_credentials")
        else {
            return refusal(403, "ROLE_NOT_FOUND");
        };
        let App { client_id, client_secret } = self.apps[shop];
        let expected = smartstore_sign(client_id, client_secret, Timestamp::from_millis(at));
        if expected.as_deref() != Some(value("client_secret_sign")) || value("type") != "SELF" {
            return refusal(403, "PROVISION_NOT_FOUND");
        }
        let mut tokens = self.tokens();
        let known = tokens
            .iter()
            .find(|(_, token)| token.shop == shop && request.now.plus(REUSE_ABOVE) <= token.until);
        let (text, until) = if let Some((text, token)) = known {
            (text.clone(), token.until)
        } else {
            let (text, until) =
                (format!("{:032x}", rand::random::<u128>()), request.now.plus(TOKEN_LIFETIME));
            tokens.insert(text.clone(), Token { shop, until, calls: 0 });
            (text, until)
        };
        let expires_in = request.now.until(until).as_secs();
        (200, json!({ "access_token": text, "expires_in": expires_in, "token_type": "Bearer" }))
    }

    /// Authenticates a request. Returns the index of its shop. `None`: the token is not valid.
    fn caller(&self, request: &StubRequest<'_>) -> Option<usize> {
        let text = request.header("authorization").strip_prefix("Bearer ")?.to_owned();
        let mut tokens = self.tokens();
        let token = tokens.get_mut(&text).filter(|token| request.now < token.until)?;
        token.calls += 1;
        let (shop, is_dead) =
            (token.shop, request.has("token-dies") && token.calls > MAX_CALLS_PER_TOKEN);
        if is_dead {
            tokens.remove(&text);
            return None;
        }
        Some(shop)
    }

    fn take(&self, request: &StubRequest<'_>) -> StubResponse {
        if (request.method, request.path) == ("POST", "/v1/oauth2/token") {
            return self.issue(request);
        }
        if request.has("not-allowed-ip") {
            return refusal(403, "GW.IP_NOT_ALLOWED");
        }
        let Some(place) = self.caller(request) else { return refusal(401, "GW.AUTHN") };
        if request.has("rate-limit") {
            let left = self.pace.count(request.now, MAX_CALLS);
            *self.remaining.lock().unwrap_or_else(PoisonError::into_inner) = left.unwrap_or(0);
            if left.is_none() {
                return refusal(429, "GW.RATE_LIMIT");
            }
        }
        let response = self.respond_to(request, place);
        if request.has("late-timeout") && request.method != "GET" {
            // The request was executed, but the caller gets a timeout.
            return refusal(504, "GW.TIMEOUT.01");
        }
        response
    }

    fn respond_to(&self, request: &StubRequest<'_>, place: usize) -> StubResponse {
        let body: Value = serde_json::from_str(request.body).unwrap_or_default();
        match (request.method, request.path) {
            ("GET", "/v1/pay-order/seller/product-orders/last-changed-statuses") => {
                self.changes(request, place)
            }
            ("POST", "/v1/pay-order/seller/product-orders/query") => {
                self.details(request, &body, place)
            }
            ("POST", "/v1/pay-order/seller/product-orders/confirm") => {
                self.confirm(request, &body, place)
            }
            ("POST", "/v1/products/search") => self.products(&body, place),
            ("PATCH", "/v1/products/origin-products/multi-update") => self.set_stocks(&body, place),
            _ => refusal(404, "GW.NOT_FOUND"),
        }
    }

    fn changes(&self, request: &StubRequest<'_>, place: usize) -> StubResponse {
        let query = values(request.query);
        let time = |name: &str| query.get(name).and_then(|text| text.parse::<Timestamp>().ok());
        let Some(from) = time("lastChangedFrom") else { return refusal(400, "INVALID_INPUT") };
        let to = time("lastChangedTo").unwrap_or(from.plus(Duration::from_hours(24)));
        if from.plus(Duration::from_hours(24)) < to {
            return refusal(400, "104139");
        }
        let most = query
            .get("limitCount")
            .and_then(|most| most.parse().ok())
            .unwrap_or(300_usize)
            .clamp(1, 300);
        let most = if request.has("small-pages") { 2 } else { most };
        let sequence: u64 =
            query.get("moreSequence").and_then(|text| text.parse().ok()).unwrap_or(0);
        let shop = self.market.shop(place);
        let mut rows: Vec<(Timestamp, u64, &Order)> = Vec::new();
        for order in shop.orders.values() {
            for item in &order.items {
                // Both ends are included.
                let is_requested = (from..=to).contains(&item.changed_at)
                    && (item.changed_at, item.item) >= (from, sequence);
                if is_requested {
                    rows.push((item.changed_at, item.item, order));
                }
            }
        }
        rows.sort_by_key(|(at, item, _)| (*at, *item));
        let more = rows
            .get(most)
            .map(|(at, item, _)| json!({ "moreFrom": on_korean_clocks(*at), "moreSequence": item.to_string() }));
        let row = |(at, number, order): &(Timestamp, u64, &Order)| {
            let item = order.items.iter().find(|item| item.item == *number);
            let status =
                item.map(|item| if request.has("list-behind") { &item.was } else { &item.status });
            json!({
                "orderId": order.order.to_string(), "productOrderId": number.to_string(), "lastChangedType": status,
                "lastChangedDate": on_korean_clocks(*at), "productOrderStatus": status, "receiverAddressChanged": false,
            })
        };
        let listed: Vec<Value> = rows.iter().take(most).map(row).collect();
        if listed.is_empty() {
            return (200, json!({ "timestamp": on_korean_clocks(request.now), "traceId": "stub" }));
        }
        let mut data = json!({ "count": listed.len(), "lastChangeStatuses": listed });
        if let Some(more) = more {
            data["more"] = more;
        }
        (
            200,
            json!({ "timestamp": on_korean_clocks(request.now), "traceId": "stub", "data": data }),
        )
    }

    fn details(&self, request: &StubRequest<'_>, body: &Value, place: usize) -> StubResponse {
        let requested: Vec<u64> = numbers(&body["productOrderIds"]);
        if !(1..=300).contains(&requested.len()) {
            return refusal(400, "INVALID_INPUT");
        }
        let shop = self.market.shop(place);
        let found = requested.iter().filter_map(|number| {
            let order = shop
                .orders
                .values()
                .find(|order| order.items.iter().any(|item| item.item == *number))?;
            detail(&shop, order, *number)
        });
        let mut found: Vec<Value> = found.collect();
        if let Some(first) = found.first_mut().filter(|_| request.has("garbled")) {
            first["productOrder"]["quantity"] = json!("?");
        }
        if request.has("forgets-one") && requested.len() > 1 {
            found.pop();
        }
        (200, json!({ "timestamp": "", "traceId": "stub", "data": found }))
    }

    fn confirm(&self, request: &StubRequest<'_>, body: &Value, place: usize) -> StubResponse {
        let mut shop = self.market.shop(place);
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for (at, number) in numbers(&body["productOrderIds"]).into_iter().enumerate() {
            let found = shop
                .orders
                .values_mut()
                .flat_map(|order| &mut order.items)
                .find(|item| item.item == number);
            match found.filter(|_| !(request.has("partial-failure") && at == 0)) {
                Some(item) => {
                    item.was = std::mem::replace(&mut item.status, "PAYED-OK".into());
                    item.changed_at = request.now;
                    done.push(json!({ "productOrderId": number.to_string(), "isReceiverAddressChanged": request.has("address-changed") }));
                }
                None => {
                    failed
                        .push(json!({ "productOrderId": number.to_string(), "code": "105306", "message": "already" }));
                }
            }
        }
        (
            200,
            json!({ "data": { "successProductOrderInfos": done, "failProductOrderInfos": failed } }),
        )
    }

    fn products(&self, body: &Value, place: usize) -> StubResponse {
        let (page, size) =
            (body["page"].as_u64().unwrap_or(1), body["size"].as_u64().unwrap_or(50).clamp(1, 500));
        let shop = self.market.shop(place);
        let skip = usize::try_from((page.max(1) - 1) * size).unwrap_or(usize::MAX);
        let take = usize::try_from(size).unwrap_or(1);
        let found = shop.products.values().skip(skip).take(take).map(|product| {
            let shown = json!({
                "originProductNo": product.product, "channelProductNo": product.product + 1, "channelServiceType": "STOREFARM",
                "name": product.name, "statusType": "SALE", "salePrice": product.price, "stockQuantity": product.stock,
            });
            json!({ "originProductNo": product.product, "channelProducts": [shown] })
        });
        let found: Vec<Value> = found.collect();
        let is_last = skip + found.len() >= shop.products.len();
        (
            200,
            json!({ "contents": found, "page": page, "size": size, "totalElements": shop.products.len(), "first": page == 1, "last": is_last }),
        )
    }

    fn set_stocks(&self, body: &Value, place: usize) -> StubResponse {
        let mut shop = self.market.shop(place);
        for update in body["multiProductUpdateRequestVos"].as_array().into_iter().flatten() {
            let product = update["originProductNo"]
                .as_u64()
                .and_then(|number| shop.products.get_mut(&number));
            match product.zip(update["stockQuantity"].as_i64()) {
                Some((product, units)) => product.stock = units,
                None => return refusal(400, "INVALID_INPUT"),
            }
        }
        (200, json!({}))
    }
}

fn numbers(list: &Value) -> Vec<u64> {
    list.as_array().into_iter().flatten().filter_map(|one| one.as_str()?.parse().ok()).collect()
}

/// Splits a staged status into the product order's status and the seller's confirmation of it.
fn status(word: &str) -> (&str, &str) {
    match word {
        "PAYED-OK" => ("PAYED", "OK"),
        other => (other, "NOT_YET"),
    }
}

fn detail(shop: &Shop, order: &Order, number: u64) -> Option<Value> {
    let item = order.items.iter().find(|item| item.item == number)?;
    let (aborted, held) = shop.aborted(order.order, item.item, item.product);
    let (status, place_order_status) = status(&item.status);
    let left = item.quantity.saturating_sub(aborted);
    let discount =
        if left == 0 { 0 } else { item.discount * i64::from(left) / i64::from(item.quantity) };
    let claims =
        shop.claims.values().filter(|claim| (claim.order, claim.item) == (order.order, number));
    let current = claims.max_by_key(|claim| (!claim.done, claim.claim)).map(|claim| {
        let kind = if claim.sent_back { "RETURN" } else { "CANCEL" };
        let part = json!({
            "claimId": claim.claim.to_string(), "claimStatus": format!("{kind}_{}", if claim.done { "DONE" } else { "REQUEST" }),
            "claimRequestDate": on_korean_clocks(claim.at), "requestQuantity": claim.quantity,
        });
        json!({ (if claim.sent_back { "return" } else { "cancel" }): part })
    });
    let is_shipped = matches!(status, "DELIVERING" | "DELIVERED" | "PURCHASE_DECIDED");
    let mut details = json!({
        "order": {
            "orderId": order.order.to_string(), "orderDate": on_korean_clocks(order.at), "paymentDate": on_korean_clocks(order.at),
            "ordererName": "신*희", "ordererNo": order.buyer, "ordererTel": "010-0000-0000",
        },
        "productOrder": {
            "productOrderId": number.to_string(), "productOrderStatus": status, "placeOrderStatus": place_order_status,
            "originalProductId": item.product.to_string(), "productId": (item.product + 1).to_string(), "productName": shop.name(item.product),
            "quantity": item.quantity, "initialQuantity": item.quantity, "remainQuantity": left, "unitPrice": item.price,
            "totalProductAmount": item.price * i64::from(item.quantity), "productDiscountAmount": item.discount,
            "remainPaymentAmount": item.price * i64::from(left) - discount, "inflowPath": order.inflow, "shippingMemo": "문 앞",
            "shippingAddress": { "name": "신*희", "tel1": "050-1111-2222", "baseAddress": order.address, "detailedAddress": "1층", "zipCode": "04001" },
        },
        "completedClaims": [],
    });
    if is_shipped {
        details["delivery"] = json!({ "deliveryCompany": "CJGLS", "trackingNumber": number.to_string(), "deliveryMethod": "DELIVERY" });
    }
    if let Some(current) = current.filter(|_| held + aborted > 0) {
        details["currentClaim"] = current;
    }
    Some(details)
}

impl System for Smartstore {
    fn caller_timeout(&self, _: &StubRequest<'_>) -> Duration {
        Duration::from_secs(10)
    }

    fn respond(&self, request: &StubRequest<'_>) -> StubResponse {
        self.take(request)
    }

    fn decline(&self, _: &StubRequest<'_>) -> StubResponse {
        refusal(400, "INVALID_INPUT")
    }

    fn error(&self) -> StubResponse {
        refusal(500, "GW.PROXY.01")
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let remaining = *self.remaining.lock().unwrap_or_else(PoisonError::into_inner);
        vec![
            ("gncp-gw-ratelimit-replenish-rate", (MAX_CALLS / 2).to_string()),
            ("gncp-gw-ratelimit-burst-capacity", MAX_CALLS.to_string()),
            ("gncp-gw-ratelimit-remaining", remaining.to_string()),
        ]
    }

    fn credentials(&self) -> Value {
        json!({ "shops": self.apps.iter().map(App::credentials).collect::<Vec<_>>() })
    }

    fn books(&self) -> Value {
        self.market.books()
    }

    fn stage(&self, what: &Value, now: Timestamp) -> Result<(), String> {
        self.market.stage(what, now)
    }

    fn quirks(&self) -> &'static [&'static str] {
        &[
            "token-dies",
            "small-pages",
            "list-behind",
            "garbled",
            "forgets-one",
            "rate-limit",
            "not-allowed-ip",
            "address-changed",
            "partial-failure",
            "late-timeout",
        ]
    }
}
