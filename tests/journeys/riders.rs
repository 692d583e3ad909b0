//! What riders may pick up, and what they may see.

use crate::support::{
    assert_books_are_clean, get_order,
    kitchen::{advance_to, kitchen, place_order, rider, step},
};
use local::World;
use serde_json::{Value, json};

async fn picked_up(world: &World, id: &str, rider: &str) -> (u16, String) {
    let reply =
        world.caller("rider", rider, None).post(&format!("/orders/{id}/pick-up"), &json!({})).await;
    (reply.status, reply.problem())
}

async fn seen(world: &World, id: &str) -> Value {
    rider(world).get(&format!("/orders/{id}")).await.json()
}

#[tokio::test]
async fn a_rider_has_at_most_five_open_deliveries() {
    let world = kitchen().await;
    let mut ids = Vec::new();
    for _ in 0..7 {
        let id = place_order(&world, &[("gimbap", 1)]).await;
        advance_to(&world, &id, "COOKED").await;
        ids.push(id);
    }
    for id in &ids[..5] {
        assert_eq!(picked_up(&world, id, "r1").await.0, 200);
    }
    assert_eq!(picked_up(&world, &ids[5], "r1").await, (409, "too-many-deliveries".into()));
    assert_eq!(picked_up(&world, &ids[5], "r2").await.0, 200, "another rider may pick it up");
    assert_eq!(step(&world, &ids[0], "confirm-delivery").await.status, 200);
    assert_eq!(picked_up(&world, &ids[6], "r1").await.0, 200, "the rider has delivered one order");
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_unassigned_order_waits_for_another_rider() {
    let world = kitchen().await;
    let id = place_order(&world, &[("gimbap", 1)]).await;
    advance_to(&world, &id, "COOKED").await;
    let pick_up = format!("/orders/{id}/pick-up");
    let taken = rider(&world).post_once(&pick_up, &json!({}), "k").await;
    assert_eq!(
        (taken.status, taken.json()["delivery"]["phone"].is_string()),
        (200, true),
        "{taken:?}"
    );
    assert_eq!(rider(&world).post(&format!("/orders/{id}/unassign"), &json!({})).await.status, 403);
    let back = world.operator().post(&format!("/orders/{id}/unassign"), &json!({})).await;
    assert_eq!(
        (back.status, &back.json()["status"], back.json().get("riderId")),
        (200, &json!("COOKED"), None)
    );
    assert_eq!(
        seen(&world, &id).await["status"],
        json!(404),
        "the order is not assigned to this rider any more"
    );
    world.settle().await;
    let found =
        rider(&world).get("/deliveries?lat=37.5540&lng=126.9220&radiusMeters=1000").await.json();
    assert_eq!(found["deliveries"][0]["orderId"], json!(id));
    assert_eq!(picked_up(&world, &id, "other").await.0, 200);
    let repeat = rider(&world).post_once(&pick_up, &json!({}), "k").await;
    assert!(
        repeat.status == 404 || repeat.json().get("delivery").is_none(),
        "another rider has the order: {repeat:?}"
    );
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_rider_sees_the_address_only_while_the_order_is_on_the_way() {
    let world = kitchen().await;
    let id = place_order(&world, &[("gimbap", 1)]).await;
    advance_to(&world, &id, "COOKED").await;
    world.settle().await;
    let found = rider(&world).get("/deliveries?lat=37.5540&lng=126.9220&radiusMeters=1000").await;
    assert!(!found.body.contains("양화로") && !found.body.contains("1234"), "{}", found.body);
    assert_eq!(
        found.json()["deliveries"][0]["lat"],
        json!(37.555),
        "rounded to a thousandth of a degree"
    );
    step(&world, &id, "pick-up").await;
    assert_eq!(seen(&world, &id).await["delivery"]["address"], json!("서울 마포구 양화로 45"));
    step(&world, &id, "confirm-delivery").await;
    let after = seen(&world, &id).await;
    assert_eq!((&after["status"], after.get("delivery")), (&json!("COMPLETED"), None));
    assert!(
        get_order(&world, &id).await["delivery"].is_object(),
        "other roles still see the delivery"
    );
}

#[tokio::test]
async fn the_audit_finds_open_deliveries_of_a_rider_that_do_not_match_the_orders() {
    let world = kitchen().await;
    let id = place_order(&world, &[("gimbap", 1)]).await;
    advance_to(&world, &id, "PICKED_UP").await;
    let key = json!({ "pk": { "S": "RIDER#r1" }, "sk": { "S": "OPEN-DELIVERIES" } });
    world.dynamodb("DeleteItem", json!({ "TableName": "OrdersTable", "Key": key })).await;
    world.settle().await;
    let audit = world.audit().await;
    assert_eq!(audit["violations"][0]["law"], json!("rider-has-open-deliveries"), "{audit:#}");
}

#[tokio::test]
async fn the_audit_finds_a_hold_without_an_unpaid_order() {
    let world = crate::support::shop().await;
    let hold = json!({
        "pk": { "S": "CUSTOMER#c1" }, "sk": { "S": "HOLDS" }, "version": { "N": "1" },
        "orders": { "M": { "ord_ghost": { "M": { "pen": { "N": "5" } } } } },
    });
    world.dynamodb("PutItem", json!({ "TableName": "CustomersTable", "Item": hold })).await;
    let audit = world.audit().await;
    assert_eq!(audit["violations"][0]["law"], json!("unpaid-orders-are-held"), "{audit:#}");
}
