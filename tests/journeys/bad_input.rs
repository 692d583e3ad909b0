//! Every invalid request gets a documented problem and changes nothing.
//!
//! `World` itself checks, for every request of every test, that each problem is documented.

use crate::support::shop;
use axum::http::Method;
use local::World;
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

const TABLES: [&str; 4] = ["CustomersTable", "ProductsTable", "OrdersTable", "ViewsTable"];

/// All rows of [`TABLES`].
async fn everything(world: &World) -> Vec<Value> {
    let mut all = Vec::new();
    for table in TABLES {
        all.push(world.dynamodb("Scan", json!({ "TableName": table })).await);
    }
    all
}

/// Hostile strings.
fn hostile_text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("NaN".into()),
        Just("-1".into()),
        Just("c1".into()),
        Just("../../etc/passwd".into()),
        Just("a#b".into()),
        Just("'; DROP TABLE orders; --".into()),
        Just("x".repeat(70_000)),
        Just("\u{0}\u{202e}\u{feff}".into()),
        "\\PC{0,40}",
        any::<String>(),
    ]
}

/// Hostile JSON values. They are generated as text, because `serde_json` cannot represent many of
/// the numbers.
fn hostile_json() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        Just("-0"),
        Just("0"),
        Just("-1"),
        Just("1.5"),
        Just("1e3"),
        Just("1e400"),
        Just("-1e-400"),
        Just("9223372036854775807"),
        Just("9223372036854775808"),
        Just("-9223372036854775809"),
        Just("99999999999999999999999999999999"),
        Just("10000001"),
        Just("0x10"),
        Just("NaN"),
        Just("Infinity"),
        Just("01"),
        Just("+1"),
    ];
    let leaf = prop_oneof![
        number.prop_map(str::to_owned),
        hostile_text().prop_map(|text| json!(text).to_string()),
        Just("null".into()),
        Just("true".into()),
        Just("{}".into()),
        Just("[]".into()),
        Just("\"\\ud800\"".into()),
        Just(String::new()),
        (1..400usize).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth)),
        (1..400usize).prop_map(|depth| "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth)),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        let names = prop_oneof![
            Just("customerId"),
            Just("amount"),
            Just("items"),
            Just("productId"),
            Just("quantity"),
            Just("expectedPrice"),
            Just("delta"),
            Just("name"),
            Just("price"),
            Just("category"),
            Just("payment"),
            Just("method"),
            Just("delivery"),
            Just("lat"),
            Just("couponId"),
            Just("paymentKey"),
            Just("discountRate"),
            Just("validDays"),
        ];
        let member = (names, inner.clone()).prop_map(|(name, value)| format!("\"{name}\":{value}"));
        prop_oneof![
            vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(","))),
            vec(inner, 0..5).prop_map(|items| format!("[{}]", items.join(","))),
        ]
    })
}

/// A valid body with one hostile value in place of one or more of its values, so that the checks
/// behind the parser are reached.
fn nearly_good_body() -> impl Strategy<Value = String> {
    let order = r#"{"customerId":"c1","items":[{"productId":"pen","quantity":@,"expectedPrice":@}],"payment":{"method":@},"delivery":@}"#;
    let holes = prop_oneof![
        Just(r#"{"customerId":@,"amount":5}"#.to_owned()),
        Just(r#"{"customerId":"c1","amount":@}"#.to_owned()),
        Just(r#"{"customerId":"c1","items":@}"#.to_owned()),
        Just(r#"{"customerId":"c1","items":[{"productId":@,"quantity":1}]}"#.to_owned()),
        Just(r#"{"customerId":"c1","items":[{"productId":"pen","quantity":@}]}"#.to_owned()),
        Just(r#"{"customerId":"c1","items":[{"productId":"pen","quantity":1}],"delivery":{"address":@,"lat":@,"lng":@,"phone":@}}"#.to_owned()),
        Just(order.to_owned()),
        Just(r#"{"delta":@}"#.to_owned()),
        Just(r#"{"method":@,"paymentKey":@}"#.to_owned()),
        Just(r#"{"customerId":"c1","items":[{"productId":"pen","quantity":1}],"couponId":@,"payment":{"method":"CARD","paymentKey":@}}"#.to_owned()),
        Just(r#"{"quantity":@}"#.to_owned()),
        Just(r#"{"customerId":@}"#.to_owned()),
        Just(r#"{"couponId":@,"campaignId":@,"payment":@,"delivery":@}"#.to_owned()),
        Just(r#"{"name":"n","discountRate":@,"maxDiscountAmount":@,"quantity":1,"issueFrom":@,"issueUntil":"2026-02-01T00:00:00Z","validDays":@}"#.to_owned()),
        Just(r#"{"delta":1,"reason":@}"#.to_owned()),
        Just(r#"{"name":@,"category":@,"price":@,"storeId":@,"status":@}"#.to_owned()),
        Just(r#"{"name":"n","category":"c","price":@}"#.to_owned()),
    ];
    (holes, hostile_json()).prop_map(|(body, value)| body.replace('@', &value))
}

fn hostile_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => nearly_good_body().prop_map(String::into_bytes),
        2 => hostile_json().prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..200),
        1 => nearly_good_body().prop_map(|body| { let mut bytes = body.into_bytes(); bytes.push(0xff); bytes }),
        1 => Just(vec![b' '; 70_000]),
    ]
}

/// Percent-encodes a text as part of a path or query: every byte that is not an unreserved
/// character of RFC 3986. Only the first 2,000 bytes are used.
fn escaped(text: &str) -> String {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .take(2_000)
        .map(|byte| {
            if is_unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
        })
        .collect()
}

fn hostile_path() -> impl Strategy<Value = (Method, String)> {
    let route = prop::sample::select(admin::ROUTES);
    let part = prop_oneof![3 => hostile_text().prop_map(|text| escaped(&text)), 1 => Just("%ff%fe".to_owned()), 3 => Just("pen".to_owned())];
    let query = prop_oneof![
        3 => Just(String::new()),
        1 => hostile_text().prop_map(|text| format!("?limit={}", escaped(&text))),
        1 => hostile_text().prop_map(|text| format!("?cursor={}", escaped(&text))),
        1 => (hostile_text(), hostile_text()).prop_map(|(a, b)| format!("?category={}&storeId={}&=&&limit", escaped(&a), escaped(&b))),
    ];
    let method = prop_oneof![6 => Just(None), 1 => prop::sample::select(vec![Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH]).prop_map(Some)];
    (route, part, query, method).prop_map(|(route, part, query, method)| {
        let path: Vec<&str> = route
            .path
            .split('/')
            .map(|segment| if segment.starts_with('{') { part.as_str() } else { segment })
            .collect();
        let own = Method::from_bytes(route.method.to_string().as_bytes()).unwrap();
        (method.unwrap_or(own), path.join("/") + &query)
    })
}

fn hostile_header() -> impl Strategy<Value = (String, String)> {
    let visible = "[ -~]{0,300}";
    prop_oneof![
        3 => Just(("x-nothing".to_owned(), "x".to_owned())),
        1 => visible.prop_map(|value| ("idempotency-key".to_owned(), value)),
        1 => Just(("idempotency-key".to_owned(), "é".to_owned())),
        1 => visible.prop_map(|value| ("content-type".to_owned(), value)),
        1 => visible.prop_map(|value| ("host".to_owned(), value)),
        1 => visible.prop_map(|value| ("x-forwarded-for".to_owned(), value)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_requests_cause_no_5xx_and_refused_ones_change_nothing(requests in vec((hostile_path(), hostile_header(), hostile_body()), 40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = shop().await;
            let mut before = everything(&world).await;
            for ((method, path), (name, value), body) in requests {
                let body = if method == Method::GET { Vec::new() } else { body };
                let reply = world.operator().send(method.clone(), &path, &[(&name, &value)], body.clone()).await;
                assert!(reply.status < 500, "{method} {path} {name}: {value} {:?}: {reply:?}", String::from_utf8_lossy(&body));
                let after = everything(&world).await;
                if reply.status >= 400 || method == Method::GET {
                    assert_eq!(before, after, "{method} {path} changed a table: {reply:?}");
                }
                before = after;
            }
            crate::support::assert_books_are_clean(&world).await;
        });
    }
}

/// Bodies of `POST` that are malformed, with the field that the problem names.
const MALFORMED_BODIES: &[(&str, &str, &str)] = &[
    (
        "/order",
        r#"{"customerId":"c1","items":[{"productId":"pen","quantity":"two"}]}"#,
        "items[0].quantity",
    ),
    (
        "/order",
        r#"{"customerId":"c1","items":[{"productId":"pen","quantity":1.5}]}"#,
        "items[0].quantity",
    ),
    ("/order", r#"{"customerId":"c1","items":[{"quantity":1}]}"#, "items[0].productId"),
    ("/order", r#"{"customerId":"c1","items":{}}"#, "items"),
    ("/order", r#"{"customerId":"c 1","items":[]}"#, "customerId"),
    ("/order", r#"{"customerId":"c1","items":[],"payment":{"method":"CASH"}}"#, "payment.method"),
    (
        "/order",
        r#"{"customerId":"c1","items":[],"payment":{"method":"CARD","paymentKey":"a/b"}}"#,
        "payment.paymentKey",
    ),
    ("/orders/ord_1/pay", r#"{"method":"CARD"}"#, "paymentKey"),
    ("/orders/ord_1/pay", "{}", "method"),
    ("/orders/ord_1/cancel", r#"{"reason":1}"#, "reason"),
    (
        "/order",
        r#"{"customerId":"c1","items":[],"delivery":{"address":"x","lat":91,"lng":0,"phone":"010"}}"#,
        "delivery.lat",
    ),
    (
        "/order",
        r#"{"customerId":"c1","items":[],"delivery":{"address":"x","lat":9,"lng":0,"phone":"call"}}"#,
        "delivery.phone",
    ),
    ("/coupons/spring/issue", "{}", "customerId"),
    ("/points/charge", r#"{"customerId":"c1"}"#, "amount"),
    ("/points/charge", r#"{"customerId":"c1","amount":1e2}"#, "amount"),
    ("/points/charge", "{", "body"),
    ("/points/charge", "", "body"),
    ("/points/charge", "[]", "body"),
    ("/points/charge", r#"["c1", 1]"#, "body"),
    ("/points/charge", r#"{"customerId":"c1","amount":1,"bonus":1}"#, "bonus"),
    ("/points/charge", r#"{"customerId":"c1","amount":1,"amount":2}"#, "amount"),
    ("/points/charge", r#"{"customerId":"c1","amount":1,"point":2}"#, "amount"),
    ("/points/charge", r#"{"customerId":"c1","amount":1,"reason":"\uffff"}"#, "reason"),
    ("/order", r#"{"customerId":"c1","items":[["pen",1]]}"#, "items[0]"),
    (
        "/order",
        r#"{"customerId":"c1","items":[],"delivery":{"address":"a\u0000b","phone":"010"}}"#,
        "delivery.address",
    ),
    ("/points/charge", r#"{"customerId":"c1","amount":1} x"#, "body"),
];

#[tokio::test]
async fn the_problem_of_a_malformed_body_names_the_invalid_field() {
    let world = shop().await;
    let customer = world.customer("c1");
    for (path, body, field) in MALFORMED_BODIES {
        let reply = customer.send(Method::POST, path, &[], body.as_bytes().to_vec()).await;
        assert_eq!((reply.status, reply.problem().as_str()), (400, "malformed-request"), "{body}");
        assert_eq!(reply.json()["errors"][0]["field"], json!(field), "{body}: {reply:?}");
    }
}

#[tokio::test]
async fn the_problem_of_a_malformed_parameter_or_header_names_it() {
    let world = shop().await;
    let customer = world.customer("c1");
    for (path, field) in [
        ("/points/c1/history?limit=0", "limit"),
        ("/points/c1/history?limit=101", "limit"),
        ("/points/c1/history?limit=x", "limit"),
        ("/points/c1/history?cursor=!", "cursor"),
        ("/points/c1/history?cursor=bm90IGFuIGlk", "cursor"),
        ("/points/c1/history?limits=1", "limits"),
        ("/points/c1/history?cursor=%EF%BF%BF", "cursor"),
        ("/orders", "customerId"),
        ("/orders?customerId=c1&cursor=bm90IGFuIGlk", "cursor"),
        ("/customers/c1/coupons?status=NEW", "status"),
    ] {
        let reply = customer.get(path).await;
        assert_eq!(
            (reply.status, &reply.json()["errors"][0]["field"]),
            (400, &json!(field)),
            "{path}"
        );
    }
    let key = customer
        .post_once("/orders/ord_1/pay", &json!({ "method": "POINTS" }), &"k".repeat(256))
        .await;
    assert_eq!((key.status, &key.json()["errors"][0]["field"]), (400, &json!("Idempotency-Key")));
}

#[tokio::test]
async fn a_numeric_id_is_read_by_its_digits_and_an_out_of_range_amount_is_invalid() {
    let world = shop().await;
    let operator = world.operator();
    let charged = operator
        .post(
            "/points/charge",
            &json!({ "customerId": 12_345_678_901_234_567_890_u64, "amount": 5 }),
        )
        .await;
    assert_eq!(charged.json()["customerId"], json!("12345678901234567890"));
    for amount in ["99999999999999999999999", "-99999999999999999999999", "0", "-1"] {
        let body = format!(r#"{{"customerId":"c1","amount":{amount}}}"#).into_bytes();
        let refused = operator.send(Method::POST, "/points/charge", &[], body).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (400, "invalid-amount"),
            "{amount}"
        );
    }
}

#[tokio::test]
async fn an_oversized_body_gets_413_and_an_unsupported_content_type_415() {
    let world = shop().await;
    let customer = world.operator();
    let long = format!(r#"{{"customerId":"c1","amount":1,"note":"{}"}}"#, "x".repeat(64 * 1024));
    let refused = customer.send(Method::POST, "/points/charge", &[], long.into_bytes()).await;
    assert_eq!((refused.status, refused.problem().as_str()), (413, "body-too-large"));
    let body = br#"{"customerId":"c1","amount":1}"#.to_vec();
    for (content_type, status) in [
        ("text/plain", 415),
        ("", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
    ] {
        let reply = customer
            .send(Method::POST, "/points/charge", &[("content-type", content_type)], body.clone())
            .await;
        assert_eq!(reply.status, status, "{content_type}");
    }
}
