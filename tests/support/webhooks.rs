//! A webhook, and the stub of its receiver.

use crate::support::{order, text};
use local::{World, partners::Received};
use serde_json::{Value, json};

pub(crate) const PATH: &str = "/api/v1/admin/webhooks/warehouse";

/// Registers the webhook `warehouse` for these events. Returns its secret.
pub(crate) async fn registered(world: &World, events: &[&str]) -> String {
    let url = format!("{}/orders", world.partner("webhook-receiver").base_url);
    let reply = world.operator().put(PATH, &json!({ "url": url, "events": events })).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    text(&reply.json(), "secret")
}

pub(crate) async fn place(world: &World) -> String {
    let placed = world.customer("c1").post("/order", &order("c1", &[("pad", 1)])).await;
    text(&placed.json(), "orderId")
}

pub(crate) fn received(world: &World) -> Vec<Received> {
    world.partner("webhook-receiver").requests()
}

pub(crate) async fn deliveries(world: &World, name: &str) -> Vec<Value> {
    let path = format!("/api/v1/admin/webhooks/{name}/deliveries?limit=100");
    world.operator().get(&path).await.json()["deliveries"].as_array().unwrap().clone()
}
