//! Compatibility with clients that were written for the source designs.

use crate::support::{by_card, coupon, kitchen, order, pass_time, shop, text};
use axum::http::Method;
use edge::Signal;
use local::{Options, World, partners::Mode};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn the_field_names_of_the_source_designs_are_accepted() {
    let world = shop().await;
    let charged =
        world.operator().post("/points/charge", &json!({ "userId": "c1", "point": 500 })).await;
    assert_eq!((charged.status, &charged.json()["balance"]), (200, &json!(100_500)));
    let body = json!({ "userId": "c1", "orderItems": [{ "productId": "pen", "quantity": 1 }] });
    let placed = world.customer("c1").post("/order", &body).await;
    assert_eq!((placed.status, &placed.json()["customerId"]), (200, &json!("c1")), "{placed:?}");
    for (body, field) in [
        (json!({ "customerId": "c1", "items": [], "note": 1 }), "note"),
        (
            json!({ "customerId": "c1", "items": [{ "productId": "pen", "quantity": 1, "qty": 2 }] }),
            "items[0].qty",
        ),
        (json!({ "customerId": "c1" }), "items"),
    ] {
        let refused = world.customer("c1").post("/order", &body).await;
        assert_eq!(
            (refused.problem().as_str(), &refused.json()["errors"][0]["field"]),
            ("malformed-request", &json!(field))
        );
    }
    let unknown = world.anyone().get("/products?categroy=desk").await;
    assert_eq!((unknown.status, &unknown.json()["errors"][0]["field"]), (400, &json!("categroy")));
    let long = format!("/products?cursor={}", "QUJD".repeat(500));
    assert_eq!(
        world.anyone().get(&long).await.status,
        400,
        "DynamoDB accepts no sort key of more than 1,024 bytes"
    );
}

#[tokio::test]
async fn the_service_description_health_and_nearby_stores_are_public() {
    let world = kitchen::kitchen().await;
    let root = world.anyone().get("/").await.json();
    assert_eq!(
        (&root["name"], &root["docs"], &root["openapi"]),
        (&json!("jumun"), &json!("/docs"), &json!("/openapi.json"))
    );
    assert_eq!(world.anyone().get("/health").await.json(), json!({ "status": "ok" }));
    let mut far = kitchen::store(false);
    (far["lat"], far["name"]) = (json!(37.6), json!("멀리"));
    world.operator().put("/api/v1/admin/stores/a9", &far).await;
    let all = world.anyone().get("/stores").await.json();
    let ids = |page: &Value| -> Vec<String> {
        page["stores"].as_array().unwrap().iter().map(|store| text(store, "storeId")).collect()
    };
    assert_eq!((ids(&all), all.get("nextCursor")), (vec!["a9".into(), "s1".into()], None));
    assert!(!all.to_string().contains("123-4567"), "the store's phone number is not public");
    let near = world.anyone().get("/stores?lat=37.5536&lng=126.9214").await.json();
    assert_eq!(
        (ids(&near), &near["stores"][0]["distanceMeters"]),
        (vec!["s1".into(), "a9".into()], &json!(0))
    );
    let first = world.anyone().get("/stores?lat=37.5536&lng=126.9214&limit=1").await.json();
    let second =
        format!("/stores?lat=37.5536&lng=126.9214&limit=1&cursor={}", text(&first, "nextCursor"));
    assert_eq!(ids(&world.anyone().get(&second).await.json()), ["a9"]);
    assert_eq!(
        ids(&world.anyone().get("/stores?lat=37.5536&lng=126.9214&radiusMeters=500").await.json()),
        ["s1"]
    );
    let one = world.anyone().get("/stores/s1").await.json();
    assert_eq!((&one["name"], &one["open"]), (&json!("마포분식"), &json!(true)));
    assert_eq!(world.anyone().get("/stores/s7").await.problem(), "invalid-store");
    for wrong in ["lat=37", "lng=127", "radiusMeters=5", "lat=91&lng=0"] {
        assert_eq!(world.anyone().get(&format!("/stores?{wrong}")).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn an_external_order_is_found_by_its_external_id_and_shows_its_external_status() {
    let world = shop().await;
    let partner = world.partner_with("tms", "orders.read orders.collect:mall");
    let path = |number: usize| format!("/integrations/orders/mall/e-{number}");
    for number in 1..=5 {
        world.advance(Duration::from_secs(1));
        let update = json!({
            "status": "preparing", "customerId": "c7", "placedAt": world.now(),
            "items": [{ "productId": "tent", "quantity": 1, "unitPrice": 1_000 }],
        });
        let reply = partner.put(&path(number), &update).await;
        assert_eq!(
            (&reply.json()["status"], &reply.json()["externalStatus"]),
            (&json!("PAID"), &json!("preparing")),
            "{reply:?}"
        );
    }
    let status = |body: Value| {
        let partner = world.partner_with("tms", "orders.read orders.collect:mall");
        async move { partner.post(&format!("{}/status", path(1)), &body).await.json() }
    };
    let shipped = status(json!({ "status": "Shipped" })).await;
    assert_eq!((&shipped["status"], shipped.get("externalStatus")), (&json!("SHIPPED"), None));
    let lost = status(json!({ "status": "lost in transit" })).await;
    assert_eq!(
        (&lost["status"], &lost["externalStatus"]),
        (&json!("SHIPPED"), &json!("lost in transit"))
    );
    let old = status(json!({ "status": "COMPLETED", "at": "2026-01-01T00:00:00Z" })).await;
    assert_eq!(old["status"], json!("SHIPPED"), "an older update changes nothing");
    let by_source = partner.get(&path(1)).await.json();
    assert_eq!(
        (&by_source["externalOrderId"], &by_source["status"]),
        (&json!("e-1"), &json!("SHIPPED"))
    );
    assert_eq!(partner.get("/integrations/orders/mall/e-9").await.status, 404);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page =
            partner.get(&format!("/integrations/sources/mall/orders?limit=2{cursor}")).await.json();
        seen.extend(
            page["orders"].as_array().unwrap().iter().map(|order| text(order, "externalOrderId")),
        );
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["e-5", "e-4", "e-3", "e-2", "e-1"], "the newest first");
    world.settle().await;
    let feed = partner.get("/integrations/orders?limit=100").await.json();
    let types: Vec<String> =
        feed["changes"].as_array().unwrap().iter().map(|change| text(change, "type")).collect();
    assert_eq!(types[4..], ["order.paid.v1", "order.shipped.v1", "order.updated.v1"]);
}

#[tokio::test]
async fn the_last_page_has_no_next_cursor() {
    let world = shop().await;
    let pages = async |path: &str| {
        let page = world.operator().get(path).await.json();
        page.get("nextCursor").is_some()
    };
    assert!(!pages("/products?limit=3").await && pages("/products?limit=2").await);
    assert!(!pages("/points/c1/history?limit=1").await);
    coupon(&world, "c1", 5).await;
    assert!(
        !pages("/customers/c1/coupons?limit=1").await
            && !pages("/customers/c1/coupons?limit=1&status=ISSUED").await
    );
    for _ in 0..2 {
        world.customer("c1").post("/order", &order("c1", &[("pen", 1)])).await;
    }
    world.settle().await;
    assert!(
        !pages("/orders?customerId=c1&limit=2").await
            && pages("/orders?customerId=c1&limit=1").await
    );
}

#[tokio::test]
async fn a_used_coupon_shows_when_it_was_used() {
    let world = shop().await;
    let coupon_id = coupon(&world, "c1", 5).await;
    let mut body = order("c1", &[("pen", 1)]);
    body["couponId"] = json!(coupon_id);
    let placed = world.customer("c1").post("/order", &body).await.json();
    let shown = async || {
        world.customer("c1").get("/customers/c1/coupons").await.json()["coupons"][0].clone()
    };
    assert_eq!(
        (&shown().await["usedAt"], &shown().await["status"]),
        (&placed["placedAt"], &json!("USED"))
    );
    world
        .customer("c1")
        .post(&format!("/orders/{}/cancel", text(&placed, "orderId")), &json!({}))
        .await;
    assert_eq!(shown().await.get("usedAt"), None);
}

#[tokio::test]
async fn the_data_platform_receives_only_cancellations_of_paid_orders() {
    let world = shop().await;
    let paid = world.customer("c1").post("/order", &order("c1", &[("pen", 1)])).await.json();
    world
        .customer("c1")
        .post(&format!("/orders/{}/cancel", text(&paid, "orderId")), &json!({}))
        .await;
    world.partner("payment-gateway").be(Mode::Decline);
    let unpaid = world
        .customer("c1")
        .post("/order", &by_card(order("c1", &[("pen", 1)]), "card-1"))
        .await
        .json();
    world
        .customer("c1")
        .post(&format!("/orders/{}/cancel", text(&unpaid, "orderId")), &json!({}))
        .await;
    pass_time(&world, Duration::from_mins(1)).await;
    let received: Vec<Value> = world
        .partner("data-platform")
        .requests()
        .iter()
        .map(|one| serde_json::from_str(&one.body).unwrap())
        .collect();
    let types: Vec<(String, String)> =
        received.iter().map(|one| (text(one, "type"), text(one, "subject"))).collect();
    let id = text(&paid, "orderId");
    assert_eq!(types, [("order.paid.v1".into(), id.clone()), ("order.cancelled.v1".into(), id)]);
}

#[tokio::test]
async fn grade_and_circuit_thresholds_come_from_the_parameters() {
    let parameters = [
        ("GradeSilverFrom", "1"),
        ("GradeGoldFrom", "2"),
        ("CircuitMinCalls", "2"),
        ("CircuitOpenSeconds", "600"),
    ];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let clock = Some(local::Clock::held_at(local::world::BEGINNING.parse().unwrap()));
    let world = World::with(Options { parameters, clock, ..World::options() }).await;
    kitchen::add_store(&world).await;
    for grade in ["SILVER", "GOLD"] {
        let id = kitchen::place_order(&world, &[("gimbap", 1)]).await;
        kitchen::advance_to(&world, &id, "COMPLETED").await;
        world.settle().await;
        assert_eq!(world.customer("c1").get("/customers/c1").await.json()["grade"], json!(grade));
    }
    world.partner("payment-gateway").be(Mode::Error);
    let mut waits = Vec::new();
    for number in 0..3 {
        let placed = world
            .customer("c1")
            .post("/order", &by_card(order("c1", &[("pen", 1)]), &format!("card-{number}")))
            .await;
        waits.push(
            placed
                .headers
                .get("retry-after")
                .map(|wait| wait.to_str().unwrap().parse::<u64>().unwrap()),
        );
    }
    assert!(waits[..2] == [None, None] && waits[2].is_some_and(|wait| wait > 500), "{waits:?}");
}

#[tokio::test]
async fn a_body_without_a_content_type_is_refused() {
    let world = shop().await;
    let body = br#"{"customerId":"c1","items":[{"productId":"pen","quantity":1}]}"#.to_vec();
    let reply =
        world.customer("c1").send(Method::POST, "/order", &[("content-type", "")], body).await;
    assert_eq!((reply.status, reply.problem().as_str()), (415, "unsupported-media-type"));
}

#[tokio::test]
async fn alarms_count_faults_and_not_refusals() {
    let log = crate::support::log::Log::default();
    let _listening = log.listen();
    let world = shop().await;
    world.partner("payment-gateway").be(Mode::Decline);
    let declined =
        world.customer("c1").post("/order", &by_card(order("c1", &[("pen", 1)]), "card-1")).await;
    assert_eq!(declined.status, 500);
    // The alarm subtracts the refusals with 5xx from the 5xx responses.
    assert_eq!(log.signals(), [Signal::RefusedWith5xx]);
    let template =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")).unwrap();
    let alarm = template.split("\n  ApiErrorsAlarm:").nth(1).unwrap().split("\n\n").next().unwrap();
    assert!(
        alarm.contains("Expression: answers - FILL(refusals, 0)")
            && alarm.contains("MetricName: RefusedWith5xx"),
        "{alarm}"
    );
}
