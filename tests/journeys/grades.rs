//! Completed orders raise a customer's grade. Each order counts once.

use crate::support::{
    assert_books_are_clean,
    kitchen::{advance_to, kitchen, place_order, step},
    order, text,
};
use local::World;
use serde_json::{Value, json};

async fn customer(world: &World, id: &str) -> Value {
    world.operator().get(&format!("/customers/{id}")).await.json()
}

#[tokio::test]
async fn a_customer_reaches_silver_with_the_tenth_and_gold_with_the_fiftieth_completed_order() {
    let world = kitchen().await;
    world.charge("c1", 1_000_000).await;
    for completed in 1..=50_u64 {
        let placed = world.customer("c1").post("/order", &order("c1", &[("pen", 1)])).await.json();
        let id = text(&placed, "orderId");
        for name in ["ship", "confirm-delivery"] {
            assert_eq!(step(&world, &id, name).await.status, 200);
        }
        world.settle().await;
        let now = customer(&world, "c1").await;
        let grade = match completed {
            0..10 => "BRONZE",
            10..50 => "SILVER",
            _ => "GOLD",
        };
        assert_eq!((&now["completedOrders"], &now["grade"]), (&json!(completed), &json!(grade)));
    }
    world.advance(std::time::Duration::from_hours(2));
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_order_counts_once_when_completed_however_often_its_event_arrives() {
    let world = kitchen().await;
    let id = place_order(&world, &[("gimbap", 1)]).await;
    advance_to(&world, &id, "PICKED_UP").await;
    let cancelled = place_order(&world, &[("gimbap", 1)]).await;
    step(&world, &cancelled, "cancel").await;
    world.settle().await;
    assert_eq!(customer(&world, "c1").await["completedOrders"], json!(0));
    let done = step(&world, &id, "confirm-delivery").await.json();
    let event = |order: &Value, event_type: &str| {
        json!({
            "specversion": "1.0", "id": format!("{id}#6"), "source": "/orders", "type": event_type, "time": order["updatedAt"],
            "subject": id, "datacontenttype": "application/json", "timestamp": order["updatedAt"], "data": order,
        })
        .to_string()
    };
    let completed = event(&done, "order.completed.v1");
    let mut late = done.clone();
    late["status"] = json!("PICKED_UP");
    let batch =
        [completed.clone(), completed.clone(), event(&late, "order.picked-up.v1"), completed];
    for _ in 0..3 {
        let response =
            world.invoke("raise-grade", crate::support::sqs_event(&world, &batch)).await.unwrap();
        assert_eq!(response["batchItemFailures"], json!([]));
        world.settle().await;
        assert_eq!(customer(&world, "c1").await["completedOrders"], json!(1));
    }
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn profile_changes_and_grade_changes_do_not_affect_each_other() {
    let world = kitchen().await;
    let unregistered = world.customer("c7").get("/customers/c7").await.json();
    let defaults = json!({
        "customerId": "c7", "phoneVerified": false, "notify": { "kakao": true, "sms": true }, "grade": "BRONZE", "completedOrders": 0,
    });
    assert_eq!(unregistered, defaults);
    let id = place_order(&world, &[("gimbap", 1)]).await;
    advance_to(&world, &id, "COMPLETED").await;
    world.settle().await;
    let about = json!({ "name": "김민지", "phone": "+82 10-1234-5678", "notify": { "kakao": false, "sms": true } });
    let expected = json!({
        "customerId": "c1", "name": "김민지", "phone": "+82 10-1234-5678", "phoneVerified": true,
        "notify": { "kakao": false, "sms": true }, "grade": "BRONZE", "completedOrders": 1,
    });
    assert_eq!(world.customer("c1").put("/customers/c1", &about).await.json(), expected);
    let id = place_order(&world, &[("gimbap", 1)]).await;
    advance_to(&world, &id, "COMPLETED").await;
    world.settle().await;
    let now = customer(&world, "c1").await;
    assert_eq!((&now["completedOrders"], &now["name"]), (&json!(2), &json!("김민지")));
    for (body, field) in [
        (json!({ "phone": "010-1234-5678" }), "name"),
        (json!({ "name": "", "phone": "010-1234-5678" }), "name"),
        (json!({ "name": "x", "phone": "02-123-4567" }), "phone"),
        (json!({ "name": "x", "phone": "060-700-1234" }), "phone"),
        (json!({ "name": "x", "phone": "+1 650 253 0000" }), "phone"),
        (json!({ "name": "x", "phone": "call me" }), "phone"),
        (
            json!({ "name": "x", "phone": "010-1234-5678", "notify": { "kakao": true } }),
            "notify.sms",
        ),
    ] {
        let refused = world.customer("c1").put("/customers/c1", &body).await;
        assert_eq!(
            (refused.problem().as_str(), &refused.json()["errors"][0]["field"]),
            ("malformed-request", &json!(field))
        );
    }
}
