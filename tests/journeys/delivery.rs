//! A delivery from end to end, from the charge of points to the customer's grade, as each party
//! sees it.

use crate::support::{
    assert_books_are_clean, balance,
    kitchen::{advance_to, chef, kitchen, order_nearby, rider, step},
    ledger,
    notifications::{messages, notifications},
    text, units_in_stock,
};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_delivery_works_end_to_end_from_the_charge_to_the_grade() {
    let world = kitchen().await;
    let customer = world.customer("c1");
    // The first nine orders send no messages, because a phone number gets only a few messages a
    // day.
    let about = |is_notified| json!({ "name": "김민지", "phone": "010-1234-5678", "notify": { "kakao": is_notified, "sms": is_notified } });
    assert_eq!(
        world.operator().put("/customers/c1", &about(false)).await.json()["grade"],
        json!("BRONZE")
    );
    for _ in 0..9 {
        let placed = customer.post("/order", &order_nearby(&[("gimbap", 1)])).await.json();
        advance_to(&world, &text(&placed, "orderId"), "COMPLETED").await;
    }
    world.settle().await;
    world.operator().put("/customers/c1", &about(true)).await;

    // The tenth order: the customer charges points, orders and pays.
    let payment = json!({ "method": "CARD", "paymentKey": "card-1" });
    let charge = json!({ "customerId": "c1", "amount": 10_000, "payment": payment });
    let charged = customer.post_once("/points/charge", &charge, "k").await;
    assert_eq!(charged.json()["balance"], json!(100_000 - 9 * 4_000 + 10_000));
    let placed =
        customer.post_once("/order", &order_nearby(&[("gimbap", 2), ("soup", 1)]), "dinner").await;
    let id = text(&placed.json(), "orderId");
    assert_eq!(balance(&world, "c1").await, 74_000 - 17_000);
    world.settle().await;

    // The store sees the order first on its board, accepts it and cooks it.
    let board = chef(&world).get("/stores/s1/orders?status=PAID").await.json();
    assert_eq!(board["orders"][0]["orderId"], json!(id));
    for name in ["accept", "start-cooking", "finish-cooking"] {
        assert_eq!(step(&world, &id, name).await.status, 200);
        world.advance(Duration::from_mins(4));
    }
    world.settle().await;

    // A rider nearby finds the order and picks it up. Another rider is too late.
    let found =
        rider(&world).get("/deliveries?lat=37.5540&lng=126.9220&radiusMeters=1000").await.json();
    assert_eq!(found["deliveries"][0]["orderId"], json!(id));
    assert_eq!(
        rider(&world)
            .post(&format!("/orders/{id}/pick-up"), &json!({ "riderId": "r1" }))
            .await
            .status,
        200
    );
    let late =
        world.caller("rider", "r2", None).post(&format!("/orders/{id}/pick-up"), &json!({})).await;
    assert_eq!((late.status, late.problem().as_str()), (409, "wrong-status"));
    assert_eq!(late.json()["detail"], "The order is PICKED_UP; this is not possible now.");
    world.settle().await;
    let found =
        rider(&world).get("/deliveries?lat=37.5540&lng=126.9220&radiusMeters=1000").await.json();
    assert_eq!(found["deliveries"], json!([]));

    // The customer confirms the delivery and rises to the next grade.
    assert_eq!(
        customer.post(&format!("/orders/{id}/confirm-delivery"), &json!({})).await.status,
        200
    );
    world.settle().await;
    let now = customer.get("/customers/c1").await.json();
    assert_eq!((&now["grade"], &now["completedOrders"]), (&json!("SILVER"), &json!(10)));

    // One order view shows every step, and the customer was notified of each step.
    let view = customer.get(&format!("/order-views/{id}")).await.json();
    let steps: Vec<String> =
        view["timeline"].as_array().unwrap().iter().map(|step| text(step, "status")).collect();
    assert_eq!(steps, ["PAID", "ACCEPTED", "COOKING", "COOKED", "PICKED_UP", "COMPLETED"]);
    assert_eq!((&view["deliveryState"], &view["riderId"]), (&json!("DELIVERED"), &json!("r1")));
    let notified: Vec<String> =
        notifications(&world, &id).await.into_iter().map(|(status, ..)| status).collect();
    assert_eq!((notified, messages(&world).len()), (steps, 6));

    assert_eq!(units_in_stock(&world, "gimbap").await, 100 - 9 - 2);
    assert_eq!(ledger(&world, "c1").await.last(), Some(&("USE".to_owned(), -17_000)));
    world.advance(Duration::from_hours(2));
    assert_books_are_clean(&world).await;
}
