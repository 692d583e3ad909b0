//! Order sheets as Coupang lists them: signatures, windows, boxes and pages.

use super::{
    BTreeMap, Day, Duration, Item, Order, SLOW_ABOVE_DAYS, Shop, StubRequest, StubResponse,
    Timestamp, Value, error, json, values,
};

/// Parses the time of a signature, such as 260105T030405Z.
pub(super) fn signed_at(date: &str) -> Option<Timestamp> {
    let part = |from: usize| date.get(from..from + 2);
    let text = format!(
        "20{}-{}-{}T{}:{}:{}Z",
        part(0)?,
        part(2)?,
        part(4)?,
        part(7)?,
        part(9)?,
        part(11)?
    );
    text.parse().ok()
}

/// Formats a time as Korean time without an offset, as version 4 of the API does.
pub(super) fn local(time: Timestamp) -> String {
    time.plus(domain::campaign::KST).to_string().get(..19).unwrap_or_default().to_owned()
}

/// Parses the requested days, at most 31. Version 5 of the API requires an offset.
pub(super) fn window(
    query: &BTreeMap<String, String>,
    is_fifth: bool,
) -> Result<(Day, Day), StubResponse> {
    let day = |name: &str| {
        let text = query.get(name).map(String::as_str).unwrap_or_default();
        let text = if is_fifth { text.strip_suffix("+09:00") } else { Some(text) };
        text.and_then(|text| text.parse::<Day>().ok())
            .ok_or_else(|| error(400, "startTime/endTime not valid"))
    };
    let (from, to) = (day("createdAtFrom")?, day("createdAtTo")?);
    if to.number() - from.number() >= 31 || to < from {
        return Err(error(400, "endTime-startTime range should less than31."));
    }
    Ok((from, to))
}

/// The boxes with a status in the orders placed on these days, without cancelled items.
pub(super) fn boxes(shop: &Shop, from: Day, to: Day, status: &str) -> Vec<(u64, Order)> {
    let orders = shop.orders.values().filter(|order| (from..=to).contains(&Day::of(order.at)));
    let boxes = orders.flat_map(|order| boxes_of(shop, order, |item| item.status == status));
    boxes.collect::<BTreeMap<_, _>>().into_iter().collect()
}

/// The boxes of an order, each with its items of this kind, without cancelled items.
pub(super) fn boxes_of(
    shop: &Shop,
    order: &Order,
    is_of_kind: impl Fn(&Item) -> bool,
) -> BTreeMap<u64, Order> {
    let mut boxes: BTreeMap<u64, Order> = BTreeMap::new();
    for item in order.items.iter().filter(|item| is_of_kind(item)) {
        if shop.aborted(order.order, item.item, item.product).0 < item.quantity {
            let one = boxes
                .entry(item.item)
                .or_insert_with(|| Order { items: Vec::new(), ..order.clone() });
            one.items.push(item.clone());
        }
    }
    boxes
}

/// A page of numbered entries, and the token of the next page.
pub(super) fn page<T>(
    request: &StubRequest<'_>,
    query: &BTreeMap<String, String>,
    all: Vec<(u64, T)>,
) -> (Vec<(u64, T)>, String) {
    let most =
        query.get("maxPerPage").and_then(|most| most.parse().ok()).unwrap_or(50_usize).clamp(1, 50);
    let most = if request.has("small-pages") { 2 } else { most };
    let token: u64 = query.get("nextToken").and_then(|token| token.parse().ok()).unwrap_or(0);
    let mut remaining = all.into_iter().filter(|(number, _)| *number >= token);
    let page: Vec<(u64, T)> = remaining.by_ref().take(most).collect();
    (page, remaining.next().map(|(number, _)| number.to_string()).unwrap_or_default())
}

pub(super) fn sheet(shop: &Shop, order: &Order, number: u64, as_fourth: bool) -> Value {
    let money = |won: i64| {
        if as_fourth {
            json!(won)
        } else {
            json!({ "currencyCode": "KRW", "units": won, "nanos": 0 })
        }
    };
    let at =
        if as_fourth { local(order.at) } else { super::super::market::on_korean_clocks(order.at) };
    let status = order.items.first().map(|item| item.status.clone()).unwrap_or_default();
    let is_shipped = matches!(status.as_str(), "DEPARTURE" | "DELIVERING" | "FINAL_DELIVERY");
    let item = |item: &Item| {
        let (aborted, held) = shop.aborted(order.order, item.item, item.product);
        json!({
            "vendorItemPackageId": 0, "vendorItemId": item.product, "vendorItemName": shop.name(item.product), "sellerProductId": item.product,
            "shippingCount": item.quantity, "salesPrice": money(item.price), "orderPrice": money(item.price * i64::from(item.quantity)),
            "discountPrice": money(item.discount), "cancelCount": aborted, "holdCountForCancel": held, "canceled": false,
            "extraProperties": {},
        })
    };
    json!({
        "shipmentBoxId": number, "orderId": order.order, "orderedAt": at, "paidAt": at, "status": status,
        "orderer": { "name": "신*희", "email": "", "safeNumber": "050-0000-0000", "ordererNumber": null },
        "receiver": {
            "name": "신*희", "safeNumber": "050-1111-2222", "receiverNumber": null, "addr1": order.address, "addr2": "1층", "postCode": "04001",
        },
        "parcelPrintMessage": "문 앞", "shippingPrice": money(0), "remotePrice": null, "splitShipping": false,
        "orderItems": order.items.iter().map(item).collect::<Vec<_>>(),
        "deliveryCompanyName": if is_shipped { "CJ 대한통운" } else { "" }, "invoiceNumber": if is_shipped { number.to_string() } else { String::new() },
        "inTrasitDateTime": "", "deliveredDate": "", "refer": "안드로이드앱", "shipmentType": "THIRD_PARTY",
    })
}

/// Whether a request lists the orders or returns of more than [`SLOW_ABOVE_DAYS`] days.
pub(super) fn is_long_listing(request: &StubRequest<'_>) -> bool {
    let query = values(request.query);
    let day = |name: &str| query.get(name).and_then(|text| text.get(..10)?.parse::<Day>().ok());
    let days = day("createdAtFrom")
        .zip(day("createdAtTo"))
        .map(|(from, to)| to.number() - from.number() + 1);
    days.is_some_and(|days| days > SLOW_ABOVE_DAYS)
}

/// How long a request takes.
pub(super) fn work(request: &StubRequest<'_>) -> Duration {
    if request.has("slow-listings") && is_long_listing(request) {
        return Duration::from_mins(2);
    }
    let is_listing = request.query.contains("createdAtFrom");
    if request.has("slow-pages") && is_listing { Duration::from_secs(30) } else { Duration::ZERO }
}
