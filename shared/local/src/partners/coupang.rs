//! A stub of Coupang's WING Open API: order sheets, return requests, products and stock of two
//! shops.
//!
//! It checks signatures over the exact path and query. Its quirks switch on misbehaviours.

mod sheets;

use super::{
    StubRequest, StubResponse, System,
    market::{Claim, Item, Market, Order, Pace, Shop, values},
};
use domain::{Timestamp, campaign::Day};
use partners::channels::coupang_authorization;
use serde_json::{Value, json};
use sheets::{boxes, boxes_of, local, page, sheet, signed_at, window, work};
use std::{collections::BTreeMap, time::Duration};

const SHEETS: &str = "/v2/providers/openapi/apis/api/v5/vendors/";
const SHEETS_V4: &str = "/v2/providers/openapi/apis/api/v4/vendors/";
const RETURNS: &str = "/v2/providers/openapi/apis/api/v6/vendors/";
const PRODUCTS: &str = "/v2/providers/seller_api/apis/api/v1/marketplace/seller-products";
const VENDOR_ITEMS: &str = "/v2/providers/seller_api/apis/api/v1/marketplace/vendor-items/";

/// A listing of more days than this is slow under the quirk `slow-listings`.
const SLOW_ABOVE_DAYS: i64 = 5;

/// Calls permitted per second under the quirk `rate-limit`.
const MAX_CALLS: usize = 5;

#[derive(Debug)]
pub(super) struct Coupang {
    vendors: [Vendor; 2],
    market: Market,
    pace: Pace,
}

/// The credentials of a shop. They are the same in every process, so that credentials in a data
/// file stay valid.
#[derive(Debug)]
struct Vendor {
    id: &'static str,
    access_key: &'static str,
    secret_key: &'static str,
}

impl Vendor {
    const ALL: [Self; 2] = [
        Self { id: "A00012345", access_key: "stub-access-key-1", secret_key: "stub-secret-key-1" },
        Self { id: "A00067890", access_key: "stub-access-key-2", secret_key: "stub-secret-key-2" },
    ];

    fn credentials(&self) -> Value {
        json!({ "vendorId": self.id, "accessKey": self.access_key, "secretKey": self.secret_key })
    }
}

fn error(status: u16, message: &str) -> StubResponse {
    let messages = json!({ "korean": message, "english": message });
    (
        status,
        json!({ "code": "ERROR", "message": message, "transactionId": "stub", "messages": messages }),
    )
}

impl Coupang {
    pub(super) fn new() -> Self {
        Self { vendors: Vendor::ALL, market: Market::default(), pace: Pace::default() }
    }

    /// Authenticates a request. Returns the index of its shop, or the response that refuses it.
    fn caller(&self, request: &StubRequest<'_>) -> Result<usize, StubResponse> {
        let header = request.header("authorization");
        let part = |name: &str| header.split([',', ' ']).find_map(|part| part.strip_prefix(name));
        let (Some(key), Some(date)) = (part("access-key="), part("signed-date=")) else {
            return Err(error(401, "HMAC format is invalid."));
        };
        let Some(place) = self.vendors.iter().position(|vendor| vendor.access_key == key) else {
            return Err(error(401, "Request is not authorized."));
        };
        let Some(signed_at) = signed_at(date) else {
            return Err(error(401, "HMAC format is invalid."));
        };
        if (request.now.millis() - signed_at.millis()).unsigned_abs() > 300_000 {
            return Err(error(401, "Specified signature is expired."));
        }
        let secret = self.vendors[place].secret_key;
        if header
            != coupang_authorization(
                key,
                secret,
                request.method,
                request.path,
                request.query,
                signed_at,
            )
        {
            return Err(error(401, "Invalid signature."));
        }
        Ok(place)
    }

    fn take(&self, request: &StubRequest<'_>) -> StubResponse {
        if request.has("forbidden-page") {
            return (
                403,
                Value::String("<html><head><title>Access Denied</title></head></html>".into()),
            );
        }
        if request.has("not-allowed-ip") {
            return (403, json!({ "code": "ERROR", "message": "[FORBIDDEN] Not allowed IP" }));
        }
        if request.has("key-expired") {
            return error(401, "Request is not authorized.");
        }
        let place = match self.caller(request) {
            Ok(place) => place,
            Err(refusal) => return refusal,
        };
        if request.has("rate-limit") && self.pace.count(request.now, MAX_CALLS).is_none() {
            return (429, json!({ "code": "ERROR", "message": "Too Many Requests" }));
        }
        if request.has("error-in-200") {
            return (200, json!({ "code": "ERROR", "message": "Something went wrong" }));
        }
        self.respond_to(request, place)
    }

    fn respond_to(&self, request: &StubRequest<'_>, place: usize) -> StubResponse {
        let query = values(request.query);
        let vendor = self.vendors[place].id;
        let of_vendor = |rest: &str, what: &str| match rest.split_once('/') {
            Some((one, found)) if found == what => Some(one == vendor),
            Some(_) | None => None,
        };
        let fifth =
            request.path.strip_prefix(SHEETS).and_then(|rest| of_vendor(rest, "ordersheets"));
        let fourth =
            request.path.strip_prefix(SHEETS_V4).and_then(|rest| of_vendor(rest, "ordersheets"));
        let returns =
            request.path.strip_prefix(RETURNS).and_then(|rest| of_vendor(rest, "returnRequests"));
        let acknowledgement = request
            .path
            .strip_prefix(SHEETS_V4)
            .and_then(|rest| of_vendor(rest, "ordersheets/acknowledgement"));
        let by_order =
            request.path.strip_prefix(SHEETS).and_then(|rest| rest.strip_suffix("/ordersheets"));
        let by_order = by_order.and_then(|rest| rest.split_once('/'));
        if let ("GET", Some((one, order))) = (request.method, by_order) {
            return match one == vendor {
                true if request.has("no-single-orders") => error(400, "There is no such order."),
                true => self.sheets_of(order, place),
                false => error(400, "Invalid vendor ID"),
            };
        }
        match (request.method, fifth.or(fourth).or(returns).or(acknowledgement)) {
            (_, Some(false)) => error(400, "Invalid vendor ID"),
            ("GET", Some(true)) if returns.is_some() => self.returns(request, &query, place),
            ("GET", Some(true)) if acknowledgement.is_none() => {
                self.sheets(request, &query, place, fifth.is_some())
            }
            ("PATCH", Some(true)) if acknowledgement.is_some() => self.acknowledge(request, place),
            ("GET", None) if request.path == PRODUCTS => self.products(&query, place),
            ("GET", None) if request.path.starts_with(PRODUCTS) => self
                .product(request.path.trim_start_matches(PRODUCTS).trim_start_matches('/'), place),
            ("PUT", None) => self.set_stock(request.path, place),
            _ => error(404, "Not found"),
        }
    }

    fn sheets(
        &self,
        request: &StubRequest<'_>,
        query: &BTreeMap<String, String>,
        place: usize,
        is_fifth: bool,
    ) -> StubResponse {
        let (from, to) = match window(query, is_fifth) {
            Ok(window) => window,
            Err(refusal) => return refusal,
        };
        let Some(status) = query.get("status") else { return error(400, "status is required") };
        let mut shop = self.market.shop(place);
        let boxes = boxes(&shop, from, to, status);
        let (page, next) = page(request, query, boxes);
        let as_fourth = !is_fifth || request.has("v4");
        let mut rows: Vec<Value> =
            page.iter().map(|(number, order)| sheet(&shop, order, *number, as_fourth)).collect();
        if let Some(first) = rows.first_mut().filter(|_| request.has("garbled")) {
            first["orderItems"] = json!("?");
        }
        if request.has("duplicates") {
            rows.extend(rows.last().cloned());
        }
        if request.has("moves-between-pages") && status == "ACCEPT" {
            // The orders on this page advance before the next page is read.
            for (_, order) in &page {
                for item in
                    shop.orders.get_mut(&order.order).into_iter().flat_map(|order| &mut order.items)
                {
                    item.was = std::mem::replace(&mut item.status, "INSTRUCT".into());
                }
            }
        }
        (200, json!({ "code": 200, "message": "OK", "nextToken": next, "data": rows }))
    }

    /// The sheets of one order, without its cancelled items.
    fn sheets_of(&self, order: &str, place: usize) -> StubResponse {
        let shop = self.market.shop(place);
        let Some(order) = order.parse().ok().and_then(|order: u64| shop.orders.get(&order)) else {
            return error(400, "There is no such order.");
        };
        let boxes = boxes_of(&shop, order, |_| true);
        let rows: Vec<Value> =
            boxes.iter().map(|(number, of_box)| sheet(&shop, of_box, *number, false)).collect();
        (200, json!({ "code": 200, "message": "OK", "data": rows }))
    }

    fn returns(
        &self,
        request: &StubRequest<'_>,
        query: &BTreeMap<String, String>,
        place: usize,
    ) -> StubResponse {
        let (from, to) = match window(query, false) {
            Ok(window) => window,
            Err(refusal) => return refusal,
        };
        let sent_back = query.get("cancelType").is_none_or(|kind| kind == "RETURN");
        if sent_back && !query.contains_key("status") {
            return error(400, "status is required");
        }
        let shop = self.market.shop(place);
        let is_requested = |claim: &&Claim| {
            let day = Day::of(claim.at);
            let status = if claim.done { "CC" } else { "UC" };
            let is_of_status = query.get("status").is_none_or(|wanted| wanted == status);
            (from..=to).contains(&day) && claim.sent_back == sent_back && is_of_status
        };
        let claims: Vec<(u64, &Claim)> =
            shop.claims.values().filter(is_requested).map(|claim| (claim.claim, claim)).collect();
        let (page, next) = page(request, query, claims);
        let row = |claim: &Claim| {
            let items = shop.orders.get(&claim.order).into_iter().flat_map(|order| &order.items);
            let ordered: u32 =
                items.filter(|one| one.product == claim.product).map(|one| one.quantity).sum();
            let status = match (claim.done, claim.sent_back) {
                (true, _) => "RETURNS_COMPLETED",
                (false, true) => "RETURNS_UNCHECKED",
                (false, false) => "RELEASE_STOP_UNCHECKED",
            };
            json!({
                "receiptId": claim.claim, "orderId": claim.order, "paymentId": claim.order, "receiptStatus": status,
                "receiptType": if claim.sent_back { "RETURN" } else { "CANCEL" }, "createdAt": local(claim.at), "modifiedAt": local(claim.at),
                "requesterName": "신*희", "requesterPhoneNumber": "050-0000-0000", "cancelCountSum": claim.quantity,
                "returnItems": [{
                    "vendorItemId": claim.product, "vendorItemName": shop.name(claim.product), "shipmentBoxId": claim.item,
                    "purchaseCount": ordered, "cancelCount": claim.quantity,
                }],
            })
        };
        let rows: Vec<Value> = page.iter().map(|(_, claim)| row(claim)).collect();
        (200, json!({ "code": 200, "message": "OK", "nextToken": next, "data": rows }))
    }

    fn acknowledge(&self, request: &StubRequest<'_>, place: usize) -> StubResponse {
        let body: Value = serde_json::from_str(request.body).unwrap_or_default();
        let numbers: Vec<u64> = body["shipmentBoxIds"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .collect();
        let is_partial = request.has("partial-acknowledgement");
        let mut shop = self.market.shop(place);
        let mut results = Vec::new();
        for (at, number) in numbers.iter().enumerate() {
            let mut items = shop
                .orders
                .values_mut()
                .flat_map(|order| &mut order.items)
                .filter(|one| one.item == *number)
                .peekable();
            let succeeds = items.peek().is_some() && !(is_partial && at == 0);
            for item in items.filter(|item| succeeds && item.status == "ACCEPT") {
                item.was = std::mem::replace(&mut item.status, "INSTRUCT".into());
            }
            let code = if succeeds { "OK" } else { "NOT_FOUND_SHIPMENT_BOX" };
            results.push(
                json!({ "shipmentBoxId": number, "succeed": succeeds, "resultCode": code, "retryRequired": false }),
            );
        }
        let failed = results.iter().filter(|result| result["succeed"] == false).count();
        let code = match failed {
            0 => 0,
            some if some < results.len() => 1,
            _ => 99,
        };
        let data = json!({ "responseCode": code, "responseMessage": if code == 0 { "SUCCESS" } else { "FAIL" }, "responseList": results });
        (200, json!({ "code": "200", "message": "OK", "data": data }))
    }

    fn products(&self, query: &BTreeMap<String, String>, place: usize) -> StubResponse {
        if query.get("vendorId").is_none_or(|vendor| *vendor != self.vendors[place].id) {
            return error(400, "업체코드는 반드시 입력되어야 합니다.");
        }
        let most = query
            .get("maxPerPage")
            .and_then(|most| most.parse().ok())
            .unwrap_or(10_usize)
            .clamp(1, 100);
        let token: u64 = query.get("nextToken").and_then(|token| token.parse().ok()).unwrap_or(0);
        let shop = self.market.shop(place);
        let mut rows: Vec<Value> = Vec::new();
        let mut next = String::new();
        for product in shop.products.values().filter(|product| product.product >= token) {
            if rows.len() == most {
                next = product.product.to_string();
                break;
            }
            // A seller's product has vendor items, which are what is ordered. Here each product has
            // one.
            rows.push(json!({
                "sellerProductId": product.product, "sellerProductName": product.name, "vendorId": self.vendors[place].id, "statusName": "승인완료",
            }));
        }
        (200, json!({ "code": "SUCCESS", "message": "", "nextToken": next, "data": rows }))
    }

    fn product(&self, number: &str, place: usize) -> StubResponse {
        let shop = self.market.shop(place);
        match number.parse().ok().and_then(|number: u64| shop.products.get(&number)) {
            None => error(400, "There is no such product."),
            Some(product) => {
                let item = json!({ "vendorItemId": product.product, "itemName": "단일상품", "salePrice": product.price, "maximumBuyCount": product.stock });
                let data = json!({ "sellerProductId": product.product, "sellerProductName": product.name, "statusName": "승인완료", "items": [item] });
                (200, json!({ "code": "SUCCESS", "message": "", "data": data }))
            }
        }
    }

    fn set_stock(&self, path: &str, place: usize) -> StubResponse {
        let parts: Vec<&str> =
            path.strip_prefix(VENDOR_ITEMS).unwrap_or_default().split('/').collect();
        let [product, "quantities", units] = parts[..] else { return error(404, "Not found") };
        let mut shop = self.market.shop(place);
        let product = product.parse().ok().and_then(|number: u64| shop.products.get_mut(&number));
        match product.zip(units.parse().ok()) {
            None => error(400, "There is no such vendor item."),
            Some((product, units)) => {
                product.stock = units;
                (200, json!({ "code": "SUCCESS", "message": "재고 변경을 완료했습니다." }))
            }
        }
    }
}

impl System for Coupang {
    fn caller_timeout(&self, request: &StubRequest<'_>) -> Duration {
        // A caller that announces a longer timeout waits that long.
        request
            .header("x-extended-timeout")
            .parse()
            .map_or(Duration::from_secs(10), Duration::from_millis)
    }

    fn processing_time(&self, request: &StubRequest<'_>) -> Duration {
        work(request).min(self.caller_timeout(request))
    }

    fn respond(&self, request: &StubRequest<'_>) -> StubResponse {
        // Coupang's own gateway times out when its callers do.
        if work(request) > self.caller_timeout(request) {
            error(504, "Request timed out")
        } else {
            self.take(request)
        }
    }

    fn decline(&self, _: &StubRequest<'_>) -> StubResponse {
        error(400, "Invalid vendor ID")
    }

    fn error(&self) -> StubResponse {
        error(500, "Internal server error")
    }

    fn credentials(&self) -> Value {
        json!({ "shops": self.vendors.iter().map(Vendor::credentials).collect::<Vec<_>>() })
    }

    fn books(&self) -> Value {
        self.market.books()
    }

    fn stage(&self, what: &Value, now: Timestamp) -> Result<(), String> {
        self.market.stage(what, now)
    }

    fn quirks(&self) -> &'static [&'static str] {
        &[
            "v4",
            "duplicates",
            "garbled",
            "small-pages",
            "moves-between-pages",
            "rate-limit",
            "forbidden-page",
            "error-in-200",
            "not-allowed-ip",
            "key-expired",
            "partial-acknowledgement",
            "slow-pages",
            "slow-listings",
            "no-single-orders",
        ]
    }
}
