//! Order views: one read model for each order, built from events alone. It is correct however the
//! events are delivered.

use crate::support::{
    assert_books_are_clean, by_card, coupon, get_order,
    kitchen::{advance_to, chef, kitchen, order_nearby, place_order, step},
    order, pass_time, text,
};
use local::World;
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use std::time::Duration;

async fn view(world: &World, id: &str) -> Value {
    world.operator().get(&format!("/order-views/{id}")).await.json()
}

#[tokio::test]
async fn a_view_shows_the_order_its_store_its_delivery_state_and_its_notifications() {
    let world = kitchen().await;
    let id = place_order(&world, &[("gimbap", 2)]).await;
    assert_eq!(
        world.customer("c1").get(&format!("/order-views/{id}")).await.status,
        404,
        "no event is projected yet"
    );
    for (status, state) in [
        ("PAID", "PREPARING"),
        ("ACCEPTED", "PREPARING"),
        ("COOKING", "PREPARING"),
        ("COOKED", "WAITING_FOR_RIDER"),
        ("PICKED_UP", "ON_THE_WAY"),
        ("COMPLETED", "DELIVERED"),
    ] {
        if let Some((_, name)) =
            crate::support::kitchen::STEPS.iter().find(|(reached, _)| *reached == status)
        {
            step(&world, &id, name).await;
        }
        world.settle().await;
        let viewed = view(&world, &id).await;
        let order = get_order(&world, &id).await;
        for (name, value) in order.as_object().unwrap() {
            assert_eq!(viewed[name], *value, "{name}");
        }
        assert_eq!((&viewed["status"], &viewed["deliveryState"]), (&json!(status), &json!(state)));
        let store = json!({ "storeId": "s1", "name": "마포분식", "lat": 37.5536, "lng": 126.9214, "phone": "02-123-4567" });
        assert_eq!(viewed["store"], store);
    }
    let viewed = view(&world, &id).await;
    let notifications: Vec<_> = viewed["notifications"].as_array().unwrap().iter().collect();
    let statuses: Vec<_> = notifications.iter().map(|one| text(one, "orderStatus")).collect();
    assert_eq!(statuses, ["PAID", "ACCEPTED", "COOKING", "COOKED", "PICKED_UP", "COMPLETED"]);
    assert!(
        notifications
            .iter()
            .all(|one| one["channel"] == json!("KAKAO") && one["status"] == json!("SENT")),
        "{notifications:?}"
    );
    assert!(
        !viewed["notifications"].to_string().contains("1234"),
        "a view does not show the phone number"
    );
    let list = world.customer("c1").get("/order-views?customerId=c1").await.json();
    assert_eq!(list["orderViews"], json!([viewed]));
}

#[tokio::test]
async fn views_are_listed_page_by_page_newest_first() {
    let world = kitchen().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, place_order(&world, &[("gimbap", 1)]).await);
        world.advance(Duration::from_secs(1));
    }
    world.settle().await;
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world
            .customer("c1")
            .get(&format!("/order-views?customerId=c1&limit=2{cursor}"))
            .await
            .json();
        found.extend(
            page["orderViews"].as_array().unwrap().iter().map(|view| text(view, "orderId")),
        );
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, ids);
    assert_eq!(world.customer("c1").get("/order-views").await.problem(), "malformed-request");
}

/// The events of an order in the queue of `project-order-views`, while that function is disabled.
async fn events_of(world: &World, id: &str) -> Vec<String> {
    world.settle().await;
    let mine = |body: &String| body.contains(&format!("\"subject\":\"{id}\""));
    world.messages("ProjectOrderViewsQueue").into_iter().filter(mine).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_view_equals_the_latest_of_its_events_however_they_are_delivered(deliveries in vec(0usize..6, 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = kitchen().await;
            world.enable("project-order-views", false);
            let id = place_order(&world, &[("gimbap", 1)]).await;
            advance_to(&world, &id, "COMPLETED").await;
            let events = events_of(&world, &id).await;
            assert_eq!(events.len(), 6);
            world.enable("project-order-views", true);
            let mut highest = 0;
            for place in deliveries {
                let response = world.invoke("project-order-views", crate::support::sqs_event(&world, &[&events[place]])).await.unwrap();
                assert_eq!(response["batchItemFailures"], json!([]));
                highest = highest.max(place);
                let latest: Value = serde_json::from_str(&events[highest]).unwrap();
                let viewed = view(&world, &id).await;
                for (name, value) in latest["data"].as_object().unwrap() {
                    assert_eq!(viewed[name], *value, "{name}");
                }
            }
            world.settle().await;
            assert_eq!(view(&world, &id).await["status"], json!("COMPLETED"));
        });
    }
}

/// The stored rows of all views, sorted by key.
async fn rows(world: &World) -> Vec<Value> {
    let scanned =
        world.dynamodb("Scan", json!({ "TableName": "ViewsTable", "ConsistentRead": true })).await;
    let mut rows: Vec<Value> = scanned["Items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["sk"]["S"] == json!("VIEW"))
        .cloned()
        .collect();
    rows.sort_by_key(|row| row["pk"].to_string());
    rows
}

/// A world with orders in every status but `STOCK_ALLOCATED`.
async fn orders_of_every_kind() -> World {
    let world = kitchen().await;
    for status in ["PAID", "ACCEPTED", "COOKING", "COOKED", "PICKED_UP", "COMPLETED"] {
        let id = place_order(&world, &[("gimbap", 1)]).await;
        advance_to(&world, &id, status).await;
    }
    let mut wanted = order_nearby(&[("soup", 1)]);
    wanted["couponId"] = json!(coupon(&world, "c1", 5).await);
    wanted["campaignId"] = json!("spring");
    world.customer("c1").post("/order", &wanted).await;
    for name in ["reject", "cancel"] {
        let id = place_order(&world, &[("gimbap", 1)]).await;
        step(&world, &id, name).await;
    }
    let parcel = world
        .customer("c1")
        .post("/order", &by_card(order("c1", &[("pen", 1)]), "card-1"))
        .await
        .json();
    step(&world, &text(&parcel, "orderId"), "ship").await;
    let refunded = world
        .customer("c1")
        .post("/order", &by_card(order_nearby(&[("soup", 1)]), "card-2"))
        .await
        .json();
    step(&world, &text(&refunded, "orderId"), "reject").await;
    world.partner("payment-gateway").be(local::partners::Mode::Decline);
    world.customer("c1").post("/order", &by_card(order("c1", &[("pen", 1)]), "card-3")).await;
    world.partner("payment-gateway").be(local::partners::Mode::Ok);
    pass_time(&world, Duration::from_mins(16)).await;
    world.fire("expire-orders").await.unwrap();
    world.settle().await;
    world
}

#[tokio::test]
async fn views_rebuilt_from_the_orders_equal_the_views_built_from_events() {
    let world = orders_of_every_kind().await;
    let built = rows(&world).await;
    assert_eq!(built.len(), 12);
    world.fire("rebuild-views").await.unwrap();
    assert_eq!(rows(&world).await, built, "a rebuild leaves correct views unchanged");
    // A third of the views are deleted, a third show a wrong amount, a third have version 0.
    for (place, row) in built.iter().enumerate() {
        let key = json!({ "pk": row["pk"], "sk": row["sk"] });
        let corrupt = |set: &str, value: Value| {
            json!({
                "TableName": "ViewsTable", "Key": key, "UpdateExpression": set,
                "ExpressionAttributeNames": { "#a": "totalAmount", "#v": "version" },
                "ExpressionAttributeValues": { ":v": value, ":same": row["version"] },
            })
        };
        let done = match place % 3 {
            0 => {
                world.dynamodb("DeleteItem", json!({ "TableName": "ViewsTable", "Key": key })).await
            }
            1 => {
                world
                    .dynamodb("UpdateItem", corrupt("SET #a = :v, #v = :same", json!({ "N": "1" })))
                    .await
            }
            _ => {
                world
                    .dynamodb("UpdateItem", corrupt("SET #v = :v, #a = :same", json!({ "N": "0" })))
                    .await
            }
        };
        assert_eq!(done, json!({}));
    }
    world.advance(Duration::from_hours(2));
    let audit = world.audit().await;
    let violations = audit["violations"].as_array().unwrap();
    assert_eq!(violations.len(), 12, "{violations:#?}");
    assert!(violations.iter().all(|one| one["law"] == json!("order-view-is-the-order")));
    world.fire("rebuild-views").await.unwrap();
    assert_eq!(rows(&world).await, built);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_rebuild_does_not_overwrite_a_newer_view() {
    let world = kitchen().await;
    let id = place_order(&world, &[("gimbap", 1)]).await;
    world.settle().await;
    chef(&world).post(&format!("/orders/{id}/accept"), &json!({})).await;
    // The view is newer than the order that the rebuild reads.
    let ahead = json!({
        "TableName": "ViewsTable", "Key": { "pk": { "S": format!("ORDER#{id}") }, "sk": { "S": "VIEW" } },
        "UpdateExpression": "SET #v = :v", "ExpressionAttributeNames": { "#v": "version" },
        "ExpressionAttributeValues": { ":v": { "N": "9" } },
    });
    world.dynamodb("UpdateItem", ahead).await;
    world.fire("rebuild-views").await.unwrap();
    assert_eq!(view(&world, &id).await["version"], json!(9));
}
