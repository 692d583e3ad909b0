//! The list of a customer's orders, newest first.

use crate::support::{by_card, order, shop, text};
use serde_json::{Value, json};

#[tokio::test]
async fn a_customer_lists_orders_with_their_current_status_page_by_page() {
    let world = shop().await;
    world.charge("c2", 5_000).await;
    let mut placed = Vec::new();
    for number in 0..5 {
        let body = order("c1", &[("pad", 1)]);
        let body = if number == 3 { by_card(body, "card-1") } else { body };
        placed.push(text(&world.customer("c1").post("/order", &body).await.json(), "orderId"));
    }
    world.customer("c2").post("/order", &order("c2", &[("pad", 1)])).await;
    world.settle().await;
    // The list shows a change of status before its event is projected.
    world.customer("c1").post(&format!("/orders/{}/cancel", placed[1]), &json!({})).await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world
            .customer("c1")
            .get(&format!("/orders?customerId=c1&limit=2{cursor}"))
            .await
            .json();
        let orders: &Vec<Value> = page["orders"].as_array().unwrap();
        assert!(orders.len() <= 2);
        seen.extend(orders.iter().map(|order| (text(order, "orderId"), text(order, "status"))));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let expected: Vec<_> = placed
        .iter()
        .rev()
        .map(|id| (id.clone(), if *id == placed[1] { "CANCELLED" } else { "PAID" }.to_owned()))
        .collect();
    assert_eq!(seen, expected);
    let empty = world.customer("c9").get("/orders?customerId=c9").await.json();
    assert_eq!(empty, json!({ "orders": [] }));
}

#[tokio::test]
async fn an_order_whose_events_arrive_twice_or_out_of_order_is_listed_once() {
    let world = shop().await;
    world.customer("c1").post("/order", &by_card(order("c1", &[("pad", 1)]), "card-1")).await;
    world.enable("project-customer-orders", false);
    world.settle().await;
    let bodies = world.messages("ProjectCustomerOrdersQueue");
    assert_eq!(bodies.len(), 2, "one event for the allocated stock and one for the payment");
    world.enable("project-customer-orders", true);
    let bodies: Vec<&String> = bodies.iter().rev().chain(&bodies).collect();
    world
        .invoke("project-customer-orders", crate::support::sqs_event(&world, &bodies))
        .await
        .unwrap();
    world.settle().await;
    let list = world.customer("c1").get("/orders?customerId=c1").await.json();
    assert_eq!(list["orders"].as_array().unwrap().len(), 1);
}
