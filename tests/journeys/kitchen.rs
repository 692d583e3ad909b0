//! A store whose food is delivered, for the stories of fulfilment.

use crate::{order, text};
use local::{
    World,
    world::{Client, Reply},
};
use serde_json::{Value, json};

/// The body of the store, in Seoul's Mapo, open or closed.
pub(crate) fn store(open: bool) -> Value {
    json!({ "name": "마포분식", "lat": 37.5536, "lng": 126.9214, "phone": "02-123-4567", "open": open })
}

/// A world with the store `s1`, which makes gimbap (4,000 won) and soup (9,000 won), and a customer `c1` with 100,000 points.
pub(crate) async fn kitchen() -> World {
    let world = World::new().await;
    furnish(&world).await;
    world
}

/// Opens the store in a world.
pub(crate) async fn furnish(world: &World) {
    assert_eq!(world.operator().put("/api/v1/admin/stores/s1", &store(true)).await.status, 200);
    for (product, price) in [("gimbap", 4_000), ("soup", 9_000)] {
        let path = format!("/api/v1/admin/products/{product}");
        let put = json!({ "name": product, "category": "food", "price": price, "storeId": "s1" });
        world.operator().put(&path, &put).await;
        world.operator().post(&format!("{path}/stock"), &json!({ "delta": 100 })).await;
    }
    world.stock("pen", 1_000, 100).await;
    // A number that an operator sets counts as verified.
    let about = json!({ "name": "김민지", "phone": "010-1234-5678" });
    assert_eq!(world.operator().put("/customers/c1", &about).await.status, 200);
    world.charge("c1", 100_000).await;
    world.take_calls();
}

/// Somebody at the store.
pub(crate) fn chef(world: &World) -> Client<'_> {
    world.caller("store", "chef", Some("s1"))
}

/// A rider.
pub(crate) fn rider(world: &World) -> Client<'_> {
    world.caller("rider", "r1", None)
}

/// The body of an order that goes to this place.
pub(crate) fn to(mut order: Value, lat: &str, lng: &str) -> Value {
    let degrees = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    order["delivery"] = json!({ "address": "서울 마포구 양화로 45", "lat": degrees(lat), "lng": degrees(lng), "phone": "010-1234-5678" });
    order
}

/// The body of an order of `c1` to a place near the store.
pub(crate) fn nearby(items: &[(&str, i64)]) -> Value {
    to(order("c1", items), "37.5551", "126.9245")
}

/// `c1` orders, and pays with points: the order's id.
pub(crate) async fn ordered(world: &World, items: &[(&str, i64)]) -> String {
    let placed = world.customer("c1").post("/order", &nearby(items)).await;
    assert_eq!(placed.status, 200, "{placed:?}");
    text(&placed.json(), "orderId")
}

/// The steps of a delivery: the status that each comes to, and its path.
pub(crate) const STEPS: [(&str, &str); 5] = [
    ("ACCEPTED", "accept"),
    ("COOKING", "start-cooking"),
    ("COOKED", "finish-cooking"),
    ("PICKED_UP", "pick-up"),
    ("COMPLETED", "confirm-delivery"),
];

/// Takes one step of an order, as the one whose step it is.
pub(crate) async fn step(world: &World, id: &str, step: &str) -> Reply {
    let path = format!("/orders/{id}/{step}");
    match step {
        "pick-up" => rider(world).post(&path, &json!({ "riderId": "r1" })).await,
        "confirm-delivery" | "cancel" => world.customer("c1").post(&path, &json!({})).await,
        "ship" => world.operator().post(&path, &json!({ "carrier": "CJ", "trackingNumber": "1234" })).await,
        _ => chef(world).post(&path, &json!({})).await,
    }
}

/// Takes an order that is paid to a status, step by step.
pub(crate) async fn walk(world: &World, id: &str, status: &str) {
    let steps = STEPS.iter().position(|(reached, _)| *reached == status).map_or(0, |place| place + 1);
    for (reached, name) in &STEPS[..steps] {
        let reply = step(world, id, name).await;
        assert_eq!((reply.status, &reply.json()["status"]), (200, &json!(reached)), "{reply:?}");
    }
}
