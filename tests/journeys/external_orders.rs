//! External orders: orders of other systems are collected into the standard order model and never
//! change points or stock.

use crate::support::{
    assert_books_are_clean, balance,
    external_orders::{partner, update_body},
    order, shop, sqs_event, text, units_in_stock,
};
use local::{
    World,
    aws::faults::{Kind, Rule},
    world::Reply,
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use std::time::Duration;

const PATH: &str = "/integrations/orders/mall/e-1";

async fn put_update(world: &World, version: u64, status: &str) -> Reply {
    partner(world).put(PATH, &update_body(version, status)).await
}

/// An order as a partner reads it.
async fn seen(world: &World, id: &str) -> Value {
    partner(world).get(&format!("/integrations/orders/{id}")).await.json()
}

#[tokio::test]
async fn an_external_order_is_converted_to_the_standard_model() {
    let world = shop().await;
    let reply = put_update(&world, 1, "PAID").await;
    let collected = reply.json();
    let expected = json!({
        "orderId": collected["orderId"], "version": 1, "status": "PAID", "customerId": "c9", "source": "mall",
        "externalOrderId": "e-1", "campaignId": "spring",
        "items": [{ "productId": "tent", "quantity": 2, "unitPrice": 45_000, "totalPrice": 90_000 }],
        "originalAmount": 90_000, "discountAmount": 10_000, "totalAmount": 80_000,
        "payment": { "method": "EXTERNAL", "amount": 80_000, "status": "PAID", "paidAt": "2026-01-05T02:59:00.000Z" },
        "timeline": [{ "status": "PAID", "at": "2026-01-05T03:01:00.000Z", "by": "partner:mall" }],
        "placedAt": "2026-01-05T02:59:00.000Z", "updatedAt": collected["updatedAt"],
    });
    assert_eq!((reply.status, &collected), (200, &expected));
    assert_eq!(seen(&world, &text(&collected, "orderId")).await, collected);
    // A partner can read our own orders, too.
    let ours = world.customer("c1").post("/order", &order("c1", &[("pen", 1)])).await.json();
    assert_eq!(seen(&world, &text(&ours, "orderId")).await, ours);
    assert_eq!(partner(&world).get("/integrations/orders/ord_none").await.status, 404);
}

#[tokio::test]
async fn a_newer_update_changes_the_order_and_an_older_one_does_not() {
    let world = shop().await;
    let first = put_update(&world, 2, "PAID").await.json();
    assert_eq!(put_update(&world, 1, "CANCELLED").await.json(), first, "an older version");
    assert_eq!(put_update(&world, 2, "CANCELLED").await.json(), first, "the same version again");
    let path = format!("{PATH}/status");
    let shipped = partner(&world)
        .post(&path, &json!({ "status": "SHIPPED", "at": "2026-01-05T03:04:00Z" }))
        .await;
    assert_eq!(
        (&shipped.json()["status"], &shipped.json()["version"]),
        (&json!("SHIPPED"), &json!(2))
    );
    let late = partner(&world)
        .post(&path, &json!({ "status": "CANCELLED", "at": "2026-01-05T03:03:00Z" }))
        .await;
    assert_eq!(late.json(), shipped.json(), "an older timestamp");
    let done = put_update(&world, 5, "COMPLETED").await.json();
    let steps: Vec<String> =
        done["timeline"].as_array().unwrap().iter().map(|step| text(step, "status")).collect();
    assert_eq!(
        (steps.join(" "), &done["version"]),
        ("PAID SHIPPED COMPLETED".to_owned(), &json!(3))
    );
    let mut corrected = update_body(6, "COMPLETED");
    corrected["items"][0]["quantity"] = json!(1);
    let corrected = partner(&world).put(PATH, &corrected).await.json();
    assert_eq!((&corrected["totalAmount"], &corrected["version"]), (&json!(35_000), &json!(4)));
    assert_eq!(corrected["timeline"], done["timeline"], "nothing but the items changed");
    let unknown = partner(&world)
        .post(
            "/integrations/orders/mall/e-2/status",
            &json!({ "status": "PAID", "at": "2026-01-05T03:03:00Z" }),
        )
        .await;
    assert_eq!(unknown.problem(), "not-found");
}

#[tokio::test]
async fn an_order_update_does_not_overwrite_a_newer_status_update() {
    let world = shop().await;
    put_update(&world, 1, "PAID").await;
    let path = format!("{PATH}/status");
    let shipped = json!({ "status": "SHIPPED", "at": "2026-01-05T03:04:00Z" });
    assert_eq!(partner(&world).post(&path, &shipped).await.json()["status"], json!("SHIPPED"));
    let mut corrected = update_body(2, "PAID");
    (corrected["updatedAt"], corrected["items"][0]["quantity"]) =
        (json!("2026-01-05T03:02:00Z"), json!(1));
    let order = partner(&world).put(PATH, &corrected).await.json();
    assert_eq!(
        (&order["status"], &order["totalAmount"], &order["payment"]["amount"]),
        (&json!("SHIPPED"), &json!(35_000), &json!(35_000))
    );
    (corrected["version"], corrected["updatedAt"], corrected["status"]) =
        (json!(3), json!("2026-01-05T03:05:00Z"), json!("COMPLETED"));
    assert_eq!(partner(&world).put(PATH, &corrected).await.json()["status"], json!("COMPLETED"));
    let mut old = update_body(1, "PAID");
    old["campaignId"] = json!("autumn");
    assert_eq!(
        partner(&world).put(PATH, &old).await.status,
        200,
        "an outdated update is ignored and not refused"
    );
}

#[tokio::test]
async fn a_paid_external_order_stays_paid_or_is_refunded_and_an_unpaid_one_fails() {
    for (first, then, explicit, status, paid) in [
        ("STOCK_ALLOCATED", "CANCELLED", None, "FAILED", false),
        ("STOCK_ALLOCATED", "EXPIRED", None, "FAILED", false),
        ("PAID", "CANCELLED", None, "REFUNDED", true),
        ("PAID", "EXPIRED", None, "REFUNDED", true),
        ("PAID", "CANCELLED", Some("FAILED"), "REFUNDED", true),
        ("PAID", "STOCK_ALLOCATED", Some("PENDING"), "PAID", true),
        ("PAID", "SHIPPED", Some("REFUNDING"), "REFUNDING", true),
    ] {
        for by_status in [false, true] {
            if by_status && explicit.is_some() {
                continue;
            }
            let world = shop().await;
            put_update(&world, 1, first).await;
            let order = if by_status {
                let body = json!({ "status": then, "at": "2026-01-05T03:04:00Z" });
                partner(&world).post(&format!("{PATH}/status"), &body).await
            } else {
                let mut body = update_body(2, then);
                if let Some(explicit) = explicit {
                    body["payment"] = json!({ "status": explicit });
                }
                partner(&world).put(PATH, &body).await
            };
            let payment = order.json()["payment"].clone();
            assert_eq!(
                (&payment["status"], payment.get("paidAt").is_some()),
                (&json!(status), paid),
                "{first} {then} {explicit:?}"
            );
            world.advance(Duration::from_hours(2));
            assert_books_are_clean(&world).await;
        }
    }
}

#[tokio::test]
async fn the_customer_campaign_and_placement_time_cannot_be_changed() {
    let world = shop().await;
    put_update(&world, 1, "PAID").await;
    for (field, value) in [
        ("customerId", json!("c8")),
        ("campaignId", json!("autumn")),
        ("placedAt", json!("2026-01-05T02:58:00Z")),
    ] {
        let mut other = update_body(2, "SHIPPED");
        other[field] = value;
        let refused = partner(&world).put(PATH, &other).await;
        assert_eq!(
            (refused.problem().as_str(), &refused.json()["field"]),
            ("not-changeable", &json!(field))
        );
    }
}

#[tokio::test]
async fn an_invalid_update_is_refused() {
    let world = shop().await;
    for (change, problem) in [
        (json!({ "items": [] }), "malformed-request"),
        (
            json!({ "items": [{ "productId": "tent", "quantity": 0, "unitPrice": 1 }] }),
            "invalid-quantity",
        ),
        (
            json!({ "items": [{ "productId": "tent", "quantity": 9_999, "unitPrice": 1_000_000_000_000_i64 }] }),
            "amount-too-large",
        ),
        (json!({ "status": "" }), "malformed-request"),
        (json!({ "status": "x".repeat(65) }), "malformed-request"),
        (json!({ "placedAt": "2027-01-05T02:59:00Z" }), "malformed-request"),
        (json!({ "updatedAt": "2027-01-05T02:59:00Z" }), "malformed-request"),
        (json!({ "totalAmount": -1 }), "malformed-request"),
        (json!({ "placedAt": "-000001-01-01T00:00:00Z" }), "malformed-request"),
        (json!({ "reason": "x".repeat(201) }), "malformed-request"),
        (
            json!({ "shipment": { "carrier": "x".repeat(51), "trackingNumber": "1" } }),
            "malformed-request",
        ),
        (
            json!({ "delivery": { "address": "", "lat": 1, "lng": 1, "phone": "010" } }),
            "malformed-request",
        ),
    ] {
        let mut body = update_body(1, "PAID");
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        assert_eq!(partner(&world).put(PATH, &body).await.problem(), problem, "{change}");
    }
    assert_eq!(
        partner(&world).put("/integrations/orders/-/e-1", &update_body(1, "PAID")).await.problem(),
        "malformed-request"
    );
}

#[tokio::test]
async fn external_orders_change_neither_points_nor_stock_and_allow_no_transition_here() {
    let world = shop().await;
    let mut body = update_body(1, "PAID");
    (body["customerId"], body["storeId"]) = (json!("c1"), json!("s1"));
    (body["items"], body["discountAmount"]) =
        (json!([{ "productId": "pen", "quantity": 3, "unitPrice": 1_000 }]), json!(0));
    let id = text(&partner(&world).put(PATH, &body).await.json(), "orderId");
    for (version, status) in [(2, "COOKED"), (3, "PICKED_UP"), (4, "COMPLETED"), (5, "CANCELLED")] {
        (body["version"], body["status"]) = (json!(version), json!(status));
        assert_eq!(partner(&world).put(PATH, &body).await.json()["status"], json!(status));
        world.settle().await;
    }
    for step in ["cancel", "accept", "ship", "confirm-delivery"] {
        let body = if step == "ship" {
            json!({ "carrier": "CJ", "trackingNumber": "1" })
        } else {
            json!({})
        };
        assert_eq!(
            world.operator().post(&format!("/orders/{id}/{step}"), &body).await.problem(),
            "not-found"
        );
    }
    let points = json!({ "method": "POINTS" });
    let paid = world.operator().post(&format!("/orders/{id}/pay"), &points).await;
    assert_eq!(paid.problem(), "not-found");
    let payments = world.operator().get(&format!("/orders/{id}/payments")).await;
    assert_eq!(payments.problem(), "not-found");
    assert_eq!((units_in_stock(&world, "pen").await, balance(&world, "c1").await), (10, 100_000));
    assert_eq!(world.operator().get("/customers/c1").await.json()["completedOrders"], json!(0));
    assert_eq!(world.operator().get("/stores/s1/orders").await.json()["orders"], json!([]));
    assert!(
        world.partner("data-platform").requests().is_empty()
            && world.partner("solapi").requests().is_empty()
    );
    world.fire("aggregate-top-sellers").await.unwrap();
    assert_eq!(world.anyone().get("/products/top-sellers").await.json()["products"], json!([]));
    world.advance(Duration::from_hours(2));
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_event_on_the_bus_collects_an_order_as_a_request_does() {
    let world = shop().await;
    let mut event = update_body(1, "PAID");
    (event["source"], event["externalOrderId"]) = (json!("mall"), json!("e-1"));
    let entry = json!({
        "Entries": [{ "EventBusName": "OrderEvents", "Source": "mall", "DetailType": "ExternalOrder", "Detail": event.to_string() }],
    });
    world.put_events(&entry).await;
    world.settle().await;
    let by_request = put_update(&world, 1, "PAID").await.json();
    assert_eq!(
        (&by_request["version"], &by_request["source"]),
        (&json!(1), &json!("mall")),
        "the event has already collected it"
    );
    for bad in [json!({}), json!({ "source": "mall" }), {
        event["items"] = json!([]);
        event
    }] {
        world.invoke("collect-order-event", sqs_event(&world, &[bad.to_string()])).await.unwrap();
    }
    assert_eq!(world.messages("CollectOrderEventDeadLetters").len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_newest_update_wins_in_whatever_order_updates_arrive(updates in vec((1u64..8, any::<bool>()), 1..16)) {
        let statuses = ["STOCK_ALLOCATED", "PAID", "ACCEPTED", "COOKING", "COOKED", "PICKED_UP", "COMPLETED", "CANCELLED"];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let mut newest = 0;
            for (version, fails) in updates {
                if fails {
                    let rule = Rule { service: None, operation: None, kind: Kind::After, every: 2, count: Some(1) };
                    world.inject([rule]);
                }
                let reply = put_update(&world, version, statuses[usize::try_from(version).unwrap() - 1]).await;
                world.inject([]);
                assert_eq!(reply.status, 200);
                newest = newest.max(version);
                assert_eq!(reply.json()["status"], json!(statuses[usize::try_from(newest).unwrap() - 1]));
            }
        });
    }
}
