//! Helpers for the fulfilment tests: a store that sells food, its staff, and a rider.

use crate::support::{order, text};
use local::{
    World,
    world::{Client, Reply},
};
use serde_json::{Value, json};

/// The request body of the store, in Mapo (Seoul), open or closed.
pub(crate) fn store(open: bool) -> Value {
    json!({ "name": "마포분식", "lat": 37.5536, "lng": 126.9214, "phone": "02-123-4567", "open": open })
}

/// A world with the store `s1`, which sells gimbap (4,000 won) and soup (9,000 won), and the
/// customer `c1` with 100,000 points.
pub(crate) async fn kitchen() -> World {
    let world = World::new().await;
    add_store(&world).await;
    world
}

/// Creates the store, its products and the customer in a world.
pub(crate) async fn add_store(world: &World) {
    assert_eq!(world.operator().put("/api/v1/admin/stores/s1", &store(true)).await.status, 200);
    for (product, price) in [("gimbap", 4_000), ("soup", 9_000)] {
        let path = format!("/api/v1/admin/products/{product}");
        let put = json!({ "name": product, "category": "food", "price": price, "storeId": "s1" });
        world.operator().put(&path, &put).await.must_be(200);
        let delta = json!({ "delta": 100 });
        world.operator().post(&format!("{path}/stock"), &delta).await.must_be(200);
    }
    world.stock("pen", 1_000, 100).await;
    // A phone number that an operator sets counts as verified.
    let about = json!({ "name": "김민지", "phone": "010-1234-5678" });
    assert_eq!(world.operator().put("/customers/c1", &about).await.status, 200);
    world.charge("c1", 100_000).await;
    world.take_calls();
}

/// A client with the role `store`, for the store `s1`.
pub(crate) fn chef(world: &World) -> Client<'_> {
    world.caller("store", "chef", Some("s1"))
}

/// A client of the rider `r1`.
pub(crate) fn rider(world: &World) -> Client<'_> {
    world.caller("rider", "r1", None)
}

/// Adds a delivery to these coordinates, in degrees, to the request body of an order.
pub(crate) fn deliver_to(mut order: Value, lat: &str, lng: &str) -> Value {
    let degrees = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    order["delivery"] = json!({ "address": "서울 마포구 양화로 45", "lat": degrees(lat), "lng": degrees(lng), "phone": "010-1234-5678" });
    order
}

/// The request body of an order of `c1` that is delivered near the store.
pub(crate) fn order_nearby(items: &[(&str, i64)]) -> Value {
    deliver_to(order("c1", items), "37.5551", "126.9245")
}

/// Places an order of `c1`, paid with points. Returns its id.
pub(crate) async fn place_order(world: &World, items: &[(&str, i64)]) -> String {
    let placed = world.customer("c1").post("/order", &order_nearby(items)).await;
    assert_eq!(placed.status, 200, "{placed:?}");
    text(&placed.json(), "orderId")
}

/// The transitions of a delivery: the status that each leads to, and the last segment of its path.
pub(crate) const STEPS: [(&str, &str); 5] = [
    ("ACCEPTED", "accept"),
    ("COOKING", "start-cooking"),
    ("COOKED", "finish-cooking"),
    ("PICKED_UP", "pick-up"),
    ("COMPLETED", "confirm-delivery"),
];

/// Requests one transition of an order, in the role that is responsible for it.
pub(crate) async fn step(world: &World, id: &str, step: &str) -> Reply {
    let path = format!("/orders/{id}/{step}");
    match step {
        "pick-up" => rider(world).post(&path, &json!({ "riderId": "r1" })).await,
        "confirm-delivery" | "cancel" => world.customer("c1").post(&path, &json!({})).await,
        "ship" => {
            world
                .operator()
                .post(&path, &json!({ "carrier": "CJ", "trackingNumber": "1234" }))
                .await
        }
        _ => chef(world).post(&path, &json!({})).await,
    }
}

/// Takes a paid order to a status, one transition after the other.
pub(crate) async fn advance_to(world: &World, id: &str, status: &str) {
    let steps =
        STEPS.iter().position(|(reached, _)| *reached == status).map_or(0, |place| place + 1);
    for (reached, name) in &STEPS[..steps] {
        let reply = step(world, id, name).await;
        assert_eq!((reply.status, &reply.json()["status"]), (200, &json!(reached)), "{reply:?}");
    }
}
