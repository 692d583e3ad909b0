//! Coupons: never more than the source has, one for each customer, used once, and usable again when
//! the order is cancelled.

use crate::support::{
    assert_books_are_clean, balance, coupon, coupon_source, faults::first_attempt_fails, order,
    shop, text, units_in_stock,
};
use local::World;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const SOURCE: &str = "/api/v1/admin/coupon-sources/spring";

fn with_coupon(mut order: Value, coupon: &str) -> Value {
    order["couponId"] = json!(coupon);
    order
}

async fn coupon_statuses(world: &World, customer: &str, query: &str) -> Vec<String> {
    let list =
        world.customer(customer).get(&format!("/customers/{customer}/coupons{query}")).await.json();
    list["coupons"].as_array().unwrap().iter().map(|coupon| text(coupon, "status")).collect()
}

#[tokio::test]
async fn a_coupon_discounts_its_percentage_rounded_down_and_capped() {
    let world = shop().await;
    let coupon_id = coupon(&world, "c1", 10).await;
    let placed = world
        .customer("c1")
        .post("/order", &with_coupon(order("c1", &[("pad", 1), ("ink", 3)]), &coupon_id))
        .await;
    assert_eq!(placed.status, 200, "{placed:?}");
    let placed = placed.json();
    assert_eq!(
        (
            &placed["originalAmount"],
            &placed["discountAmount"],
            &placed["totalAmount"],
            &placed["couponId"]
        ),
        (&json!(8_000), &json!(800), &json!(7_200), &json!(coupon_id))
    );
    assert_eq!(balance(&world, "c1").await, 92_800);
    assert_eq!(coupon_statuses(&world, "c1", "").await, ["USED"]);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_order_with_a_coupon_takes_one_read_and_one_transaction() {
    let world = shop().await;
    let coupon_id = coupon(&world, "c1", 10).await;
    world.take_calls();
    let placed = world
        .customer("c1")
        .post(
            "/order",
            &with_coupon(order("c1", &[("pen", 1), ("ink", 1), ("pad", 1)]), &coupon_id),
        )
        .await;
    assert_eq!(placed.status, 200, "{placed:?}");
    let calls: Vec<_> =
        world.take_calls().into_iter().map(|call| (call.operation, call.write_units)).collect();
    assert_eq!(calls, [("TransactGetItems".into(), 0), ("TransactWriteItems".into(), 14)]);
}

#[tokio::test]
async fn a_discount_never_exceeds_the_order_total() {
    let world = shop().await;
    let mut source = coupon_source(10);
    source
        .as_object_mut()
        .unwrap()
        .retain(|name, _| name != "discountRate" && name != "maxDiscountAmount");
    source["discountAmount"] = json!(5_000);
    assert_eq!(world.operator().put(SOURCE, &source).await.status, 200);
    let issued = world
        .customer("c1")
        .post("/coupons/spring/issue", &json!({ "customerId": "c1" }))
        .await
        .json();
    assert_eq!(issued["discountAmount"], json!(5_000));
    let placed = world
        .customer("c1")
        .post("/order", &with_coupon(order("c1", &[("pen", 2)]), &text(&issued, "couponId")))
        .await
        .json();
    assert_eq!((&placed["discountAmount"], &placed["totalAmount"]), (&json!(2_000), &json!(0)));
    assert_eq!(balance(&world, "c1").await, 100_000);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_unusable_coupon_is_refused_with_a_reason_and_changes_nothing() {
    let world = shop().await;
    let mut source = coupon_source(10);
    source["minimumOrderAmount"] = json!(5_000);
    world.operator().put(SOURCE, &source).await;
    let issued = world
        .customer("c1")
        .post("/coupons/spring/issue", &json!({ "customerId": "c1" }))
        .await
        .json();
    let coupon_id = text(&issued, "couponId");
    let attempt = async |customer: &str, items: &[(&str, i64)], coupon: &str| {
        world.charge(customer, 50_000).await;
        let refused = world
            .customer(customer)
            .post("/order", &with_coupon(order(customer, items), coupon))
            .await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (409, "coupon-unusable"),
            "{refused:?}"
        );
        text(&refused.json(), "reason")
    };
    assert_eq!(attempt("c1", &[("pen", 1)], &coupon_id).await, "below-minimum-order-amount");
    assert_eq!(attempt("c1", &[("ink", 2)], "cpn_other").await, "unknown");
    assert_eq!(
        attempt("c2", &[("ink", 2)], &coupon_id).await,
        "unknown",
        "another customer's coupon is unknown"
    );
    world.customer("c1").post("/order", &with_coupon(order("c1", &[("ink", 2)]), &coupon_id)).await;
    assert_eq!(attempt("c1", &[("ink", 2)], &coupon_id).await, "used");
    assert_eq!((units_in_stock(&world, "pen").await, units_in_stock(&world, "ink").await), (10, 8));
    let second = world
        .customer("c2")
        .post("/coupons/spring/issue", &json!({ "customerId": "c2" }))
        .await
        .json();
    world.advance(Duration::from_hours(7 * 24));
    assert_eq!(attempt("c2", &[("ink", 2)], &text(&second, "couponId")).await, "expired");
    assert_eq!(coupon_statuses(&world, "c2", "").await, ["EXPIRED"]);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_customer_gets_one_coupon_per_source_and_a_replay_returns_it() {
    let world = shop().await;
    world.operator().put(SOURCE, &coupon_source(10)).await;
    let customer = world.customer("c1");
    let body = json!({ "customerId": "c1" });
    let first = customer.post_once("/coupons/spring/issue", &body, "k").await;
    customer
        .post("/order", &with_coupon(order("c1", &[("ink", 2)]), &text(&first.json(), "couponId")))
        .await;
    let again = customer.post_once("/coupons/spring/issue", &body, "k").await;
    assert_eq!((again.status, again.is_replayed(), &again.body), (200, true, &first.body));
    for refused in [
        customer.post("/coupons/spring/issue", &body).await,
        customer.post_once("/coupons/spring/issue", &body, "other").await,
    ] {
        assert_eq!((refused.status, refused.problem().as_str()), (409, "coupon-already-issued"));
        assert_eq!(refused.json()["couponId"], first.json()["couponId"]);
    }
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn coupons_are_issued_while_the_source_is_open_and_not_sold_out() {
    let world = shop().await;
    let issue = async |customer: &str| {
        let reply = world
            .customer(customer)
            .post("/coupons/spring/issue", &json!({ "customerId": customer }))
            .await;
        (reply.status, reply.problem())
    };
    assert_eq!(issue("c1").await, (404, "not-found".into()));
    let mut source = coupon_source(1);
    source["issueFrom"] = json!("2026-01-06T00:00:00Z");
    world.operator().put(SOURCE, &source).await;
    assert_eq!(issue("c1").await, (409, "coupon-not-open".into()));
    world.advance(Duration::from_hours(24));
    assert_eq!(issue("c1").await.0, 200);
    assert_eq!(issue("c2").await, (409, "coupon-sold-out".into()));
    let mut changed = source.clone();
    changed["quantity"] = json!(2);
    assert_eq!(
        world.operator().put(SOURCE, &changed).await.json()["issued"],
        json!(1),
        "an update does not reset the issued count"
    );
    assert_eq!(issue("c2").await.0, 200);
    changed["quantity"] = json!(1);
    let refused = world.operator().put(SOURCE, &changed).await;
    assert_eq!(
        (refused.problem().as_str(), &refused.json()["issued"]),
        ("quantity-below-issued", &json!(2))
    );
    world.advance(Duration::from_hours(40 * 24));
    assert_eq!(issue("c3").await, (409, "coupon-not-open".into()));
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_coupon_source_with_invalid_terms_is_refused() {
    let world = shop().await;
    for (name, value, field) in [
        ("name", json!(""), "name"),
        ("discountRate", json!(0), "discountRate"),
        ("discountRate", json!(101), "discountRate"),
        ("maxDiscountAmount", Value::Null, "maxDiscountAmount"),
        ("maxDiscountAmount", json!(0), "maxDiscountAmount"),
        ("discountAmount", json!(5), "discountAmount"),
        ("minimumOrderAmount", json!(-1), "minimumOrderAmount"),
        ("quantity", json!(0), "quantity"),
        ("quantity", json!(99_999_999_999_999_999_999_u128.to_string()), "quantity"),
        ("validDays", json!(0), "validDays"),
        ("issueUntil", json!("2025-01-01T00:00:00Z"), "issueUntil"),
        ("issueFrom", json!("soon"), "issueFrom"),
    ] {
        let mut source = coupon_source(10);
        source[name] = value;
        let refused = world.operator().put(SOURCE, &source).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (400, "malformed-request"),
            "{name}"
        );
        assert_eq!(refused.json()["errors"][0]["field"], json!(field), "{name}: {refused:?}");
    }
}

#[tokio::test]
async fn a_coupon_is_released_by_a_cancellation_while_it_is_valid() {
    let world = shop().await;
    let coupon_id = coupon(&world, "c1", 10).await;
    let ordering = with_coupon(order("c1", &[("ink", 2)]), &coupon_id);
    for expected in ["ISSUED", "EXPIRED"] {
        let placed = world.customer("c1").post("/order", &ordering).await.json();
        assert_eq!(coupon_statuses(&world, "c1", "?status=USED").await, ["USED"]);
        if expected == "EXPIRED" {
            world.advance(Duration::from_hours(8 * 24));
        }
        let cancelled = world
            .customer("c1")
            .post(&format!("/orders/{}/cancel", text(&placed, "orderId")), &json!({}))
            .await;
        assert_eq!(cancelled.status, 200, "{cancelled:?}");
        assert_eq!(coupon_statuses(&world, "c1", "").await, [expected]);
    }
    assert_eq!(balance(&world, "c1").await, 100_000);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn coupons_are_listed_by_status_in_pages() {
    let world = shop().await;
    for number in 0..7 {
        world
            .operator()
            .put(&format!("/api/v1/admin/coupon-sources/s{number}"), &coupon_source(1))
            .await;
        world
            .customer("c1")
            .post(&format!("/coupons/s{number}/issue"), &json!({ "customerId": "c1" }))
            .await;
    }
    let list = world.customer("c1").get("/customers/c1/coupons?limit=100").await.json();
    let ids: Vec<String> =
        list["coupons"].as_array().unwrap().iter().map(|coupon| text(coupon, "couponId")).collect();
    assert_eq!(ids.len(), 7);
    world.customer("c1").post("/order", &with_coupon(order("c1", &[("pen", 1)]), &ids[2])).await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world
            .customer("c1")
            .get(&format!("/customers/c1/coupons?status=ISSUED&limit=2{cursor}"))
            .await
            .json();
        let coupons = page["coupons"].as_array().unwrap();
        assert!(coupons.len() <= 2);
        seen.extend(coupons.iter().map(|coupon| text(coupon, "couponId")));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let issued: Vec<String> = ids.iter().filter(|id| **id != ids[2]).cloned().collect();
    assert_eq!(seen, issued);
}

#[tokio::test]
async fn of_two_concurrent_orders_with_one_coupon_exactly_one_succeeds() {
    let world = shop().await;
    let coupon_id = coupon(&world, "c1", 1).await;
    world.inject([first_attempt_fails()]);
    let (delayed, quick) = (world.customer("c1"), world.customer("c1"));
    let (pens, inks) = (
        with_coupon(order("c1", &[("pen", 2)]), &coupon_id),
        with_coupon(order("c1", &[("ink", 2)]), &coupon_id),
    );
    let (second, first) = tokio::join!(delayed.post("/order", &pens), quick.post("/order", &inks));
    assert_eq!((first.status, second.problem().as_str()), (200, "coupon-unusable"), "{second:?}");
    assert_eq!(second.json()["reason"], json!("used"));
    assert_eq!((units_in_stock(&world, "pen").await, units_in_stock(&world, "ink").await), (10, 8));
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn concurrent_requests_of_one_customer_issue_one_coupon() {
    let world = shop().await;
    world.operator().put(SOURCE, &coupon_source(10)).await;
    world.inject([first_attempt_fails()]);
    let (delayed, quick, body) =
        (world.customer("c1"), world.customer("c1"), json!({ "customerId": "c1" }));
    let (second, first) = tokio::join!(
        delayed.post("/coupons/spring/issue", &body),
        quick.post("/coupons/spring/issue", &body)
    );
    assert_eq!(
        (first.status, second.problem().as_str()),
        (200, "coupon-already-issued"),
        "{second:?}"
    );
    assert_eq!(world.operator().put(SOURCE, &coupon_source(10)).await.json()["issued"], json!(1));
    assert_books_are_clean(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_stays_clean_while_coupons_are_issued_and_their_source_is_updated() {
    let world = Arc::new(World::new().await);
    world.operator().put(SOURCE, &coupon_source(10_000)).await;
    let issuing = (0..4).map(|row| {
        let world = world.clone();
        tokio::spawn(async move {
            for number in 0..60 {
                let id = format!("c{row}-{number}");
                let issued = world
                    .customer(&id)
                    .post("/coupons/spring/issue", &json!({ "customerId": id }))
                    .await;
                assert_eq!(issued.status, 200, "{issued:?}");
                if number % 10 == 0 {
                    let put = world.operator().put(SOURCE, &coupon_source(10_000 + number)).await;
                    assert_eq!(put.status, 200, "a source can be updated under load: {put:?}");
                }
            }
        })
    });
    let issuing: Vec<_> = issuing.collect();
    while !issuing.iter().all(tokio::task::JoinHandle::is_finished) {
        let audit = world.audit().await;
        assert_eq!(audit["clean"], json!(true), "{audit:#}");
    }
    futures::future::try_join_all(issuing).await.unwrap();
    assert_books_are_clean(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_concurrent_customers_get_exactly_the_hundred_coupons() {
    let world = Arc::new(World::new().await);
    world.operator().put(SOURCE, &coupon_source(100)).await;
    world.platform.aws.make_contended();
    let issuing = (0..1_000).map(|customer| {
        let world = world.clone();
        tokio::spawn(async move {
            let (id, body) =
                (format!("c{customer}"), json!({ "customerId": format!("c{customer}") }));
            let client = world.customer(&id);
            loop {
                let reply = client.post_once("/coupons/spring/issue", &body, "k").await;
                match (reply.status, reply.problem().as_str()) {
                    (200, _) => return true,
                    (409, "coupon-sold-out") => return false,
                    (503, "busy") => {}
                    _ => panic!("{reply:?}"),
                }
            }
        })
    });
    let issued: Vec<bool> = futures::future::try_join_all(issuing).await.unwrap();
    assert_eq!(issued.iter().filter(|issued| **issued).count(), 100);
    for (customer, issued) in issued.iter().enumerate().step_by(50) {
        assert_eq!(
            coupon_statuses(&world, &format!("c{customer}"), "").await.len(),
            usize::from(*issued)
        );
    }
    assert_books_are_clean(&world).await;
}
