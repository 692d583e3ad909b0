use super::*;

#[test]
fn a_signature_covers_the_exact_path_and_query() {
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
fn versions_4_and_5_of_an_order_sheet_give_the_same_update() {
    let sheet = |price: &str, ordered_at: &str| {
        let text = format!(
            r#"{{"shipmentBoxId":642538970006401429,"orderId":22000009546234,"orderedAt":"{ordered_at}","paidAt":"{ordered_at}","status":"INSTRUCT",
            "receiver":{{"name":"신*희","safeNumber":"050-1","receiverNumber":null,"addr1":"서울","addr2":"1층","postCode":"447-700"}},
            "orderItems":[{{"vendorItemId":3242596358,"vendorItemName":"펜","shippingCount":5,"salesPrice":{price},"discountPrice":{price},
            "cancelCount":1,"holdCountForCancel":2,"canceled":false}}],"deliveryCompanyName":"CJ 대한통운","invoiceNumber":"340010913442"}}"#
        );
        serde_json::from_str::<OrderSheet>(&text).unwrap().into_update().unwrap()
    };
    let fifth = sheet(
        r#"{"currencyCode":"KRW","units":19000,"nanos":0}"#,
        "2025-01-15T14:17:13.973885-08:00",
    );
    let fourth = sheet("19000", "2025-01-16T07:17:13.973885");
    assert_eq!(fifth, fourth);
    let item = &fifth.items["3242596358"]["642538970006401429"];
    assert_eq!((item.ordered, item.cancelled, item.held, item.unit_price.get()), (5, 1, 2, 19_000));
    assert_eq!(fifth.placed_at.unwrap().to_string(), "2025-01-15T22:17:13.973Z");
    assert_eq!(item.shipment.as_ref().unwrap().tracking_number, "340010913442");
}

#[test]
fn a_window_covers_whole_days_and_at_most_31() {
    let value = serde_json::json!({ "vendorId": "A1", "accessKey": "a", "secretKey": "s" });
    let coupang =
        (KIND.open)("http://127.0.0.1", &value, crate::receiver::Reach::default()).unwrap();
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let begin = |from: &str, to: &str, days: u64| {
        coupang.begin(time(from), time(to), Duration::from_hours(24 * days)).unwrap()
    };
    let window = begin("2026-01-04T16:00:00Z", "2026-01-06T03:00:00Z", 31);
    let sweep: Sweep = window.first.read().unwrap();
    assert_eq!(
        (sweep.from.as_str(), sweep.to.as_str(), window.until),
        ("2026-01-05", "2026-01-06", time("2026-01-06T03:00:00Z"))
    );
    for (days, last) in [(2, "2026-01-02"), (1, "2026-01-01"), (0, "2026-01-01")] {
        let sweep: Sweep =
            begin("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z", days).first.read().unwrap();
        assert_eq!(sweep.to, last, "a window that timed out becomes smaller");
    }
    let window = begin("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z", 400);
    let sweep: Sweep = window.first.read().unwrap();
    assert_eq!((sweep.to.as_str(), window.until), ("2026-01-31", time("2026-01-31T15:00:00Z")));
}
