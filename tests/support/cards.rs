//! Orders paid by card, and the stub of the payment gateway.

use crate::support::{by_card, order};
use domain::Won;
use local::{World, world::Reply};
use partners::PaymentGateway;
use serde_json::{Value, json};
use std::time::Duration;

/// The delay after which `settle-payments` looks up a payment whose result is unknown: 30 seconds.
pub(crate) const LOOKUP_DELAY: Duration = Duration::from_secs(30);

pub(crate) fn body(key: &str) -> Value {
    by_card(order("c1", &[("pen", 1), ("ink", 2)]), key)
}

pub(crate) fn gateway(world: &World) -> &local::partners::Partner {
    world.partner("payment-gateway")
}

pub(crate) async fn pay(world: &World, id: &str, key: &str) -> Reply {
    let choice = json!({ "method": "CARD", "paymentKey": key });
    world.customer("c1").post(&format!("/orders/{id}/pay"), &choice).await
}

/// The number of confirm requests that the gateway has received.
pub(crate) fn confirmations(world: &World) -> usize {
    gateway(world)
        .requests()
        .iter()
        .filter(|request| request.path == "/v1/payments/confirm")
        .count()
}

/// Sends the first attempt's confirm request (6,000 won) directly to the gateway, as a request that
/// the network delivered after its caller had timed out.
pub(crate) async fn confirm_late(world: &World, id: &str, key: &str) {
    let client = PaymentGateway::new(&gateway(world).base_url, &gateway(world).secret).unwrap();
    let amount = Won::new(6_000).unwrap();
    client.confirm(&key.parse().unwrap(), id, amount, &format!("{id}-1-1")).await;
}
