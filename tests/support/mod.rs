//! What the journeys share: how a shop is set up, and how its state is read.

pub(crate) mod audit;
pub(crate) mod cards;
pub(crate) mod channels;
pub(crate) mod external_orders;
pub(crate) mod faults;
pub(crate) mod kitchen;
pub(crate) mod log;
pub(crate) mod notifications;
pub(crate) mod template;
pub(crate) mod webhooks;

use local::World;
use serde_json::{Value, json};

/// The body of an order of one customer: products and how many.
pub(crate) fn order(customer: &str, items: &[(&str, i64)]) -> Value {
    let items: Vec<Value> = items
        .iter()
        .map(|(id, quantity)| json!({ "productId": id, "quantity": quantity }))
        .collect();
    json!({ "customerId": customer, "items": items })
}

/// The body of a source of this many coupons of 10 %, at most 3,000 won.
pub(crate) fn coupon_source(quantity: i64) -> Value {
    json!({
        "name": "Spring", "discountRate": 10, "maxDiscountAmount": 3_000, "quantity": quantity,
        "issueFrom": "2026-01-01T00:00:00Z", "issueUntil": "2026-02-01T00:00:00Z", "validDays": 7,
    })
}

/// The same order, paid by card under this payment key.
pub(crate) fn by_card(mut order: Value, payment_key: &str) -> Value {
    order["payment"] = json!({ "method": "CARD", "paymentKey": payment_key });
    order
}

/// A text field of a JSON object. Panics if it is missing.
pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value:#}")).to_owned()
}

/// The payments in the gateway's books: payment key, status, and the amount not refunded.
pub(crate) fn charges(world: &World) -> Vec<(String, String, i64)> {
    let books = world.partner("payment-gateway").books();
    let charge = |payment: &Value| {
        (
            text(payment, "paymentKey"),
            text(payment, "status"),
            payment["balanceAmount"].as_i64().unwrap(),
        )
    };
    books["payments"].as_array().unwrap().iter().map(charge).collect()
}

/// An order in its current state.
pub(crate) async fn get_order(world: &World, order_id: &str) -> Value {
    world.operator().get(&format!("/orders/{order_id}")).await.json()
}

/// The status of an order and of its payment.
pub(crate) async fn statuses(world: &World, order_id: &str) -> [String; 2] {
    let order = get_order(world, order_id).await;
    [text(&order, "status"), text(&order["payment"], "status")]
}

/// Advances time, and then lets everything that is due take effect, by messages and by schedules.
pub(crate) async fn pass_time(world: &World, time: std::time::Duration) {
    world.settle().await;
    world.advance(time);
    world.settle().await;
    for schedule in ["sweep-payments", "schedule-deliveries"] {
        // Where a fault hits it, the next minute finds what this one did not.
        let _ = world.fire(schedule).await;
    }
    world.settle().await;
}

/// Lambda's event for messages of a queue that were sent just now.
pub(crate) fn sqs_event(world: &World, bodies: &[impl AsRef<str>]) -> Value {
    let sent_at = world.now().millis().to_string();
    let attributes = json!({ "ApproximateReceiveCount": "1", "SentTimestamp": sent_at });
    let records = bodies.iter().enumerate().map(|(place, body)| {
        let (id, body) = (place.to_string(), body.as_ref());
        json!({ "messageId": id, "receiptHandle": "r", "body": body, "attributes": attributes })
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

/// Issues a coupon of 10 %, at most 3,000 won, to a customer, from a source of this many.
pub(crate) async fn coupon(world: &World, customer: &str, quantity: i64) -> String {
    let source = coupon_source(quantity);
    world.operator().put("/api/v1/admin/coupon-sources/spring", &source).await.must_be(200);
    let issued = world
        .customer(customer)
        .post("/coupons/spring/issue", &json!({ "customerId": customer }))
        .await;
    text(&issued.json(), "couponId")
}

/// A shop with three products and a customer `c1` with 100,000 points.
pub(crate) async fn shop() -> World {
    let world = World::new().await;
    world.stock("pen", 1_000, 10).await;
    world.stock("ink", 2_500, 10).await;
    world.stock("pad", 500, 10).await;
    world.charge("c1", 100_000).await;
    world.take_calls();
    world
}

/// How many units of a product are left.
pub(crate) async fn units_in_stock(world: &World, product: &str) -> i64 {
    world.anyone().get(&format!("/products/{product}")).await.json()["quantity"].as_i64().unwrap()
}

/// A customer's balance.
pub(crate) async fn balance(world: &World, customer: &str) -> i64 {
    world.operator().get(&format!("/points/{customer}")).await.json()["balance"].as_i64().unwrap()
}

/// The kinds of a customer's ledger entries with their amounts, the oldest first.
pub(crate) async fn ledger(world: &World, customer: &str) -> Vec<(String, i64)> {
    let history =
        world.operator().get(&format!("/points/{customer}/history?limit=100")).await.json();
    let entry = |entry: &Value| {
        (entry["kind"].as_str().unwrap().to_owned(), entry["amount"].as_i64().unwrap())
    };
    history["entries"].as_array().unwrap().iter().rev().map(entry).collect()
}

/// Asserts that the audit finds nothing once everything has taken effect.
pub(crate) async fn assert_books_are_clean(world: &World) {
    world.settle().await;
    let audit = world.audit().await;
    assert_eq!(audit["clean"], json!(true), "{audit:#}");
}
