//! A campaign's order as external systems see it: TasOn, TMS and readers of the change feed.

use crate::support::{
    assert_books_are_clean,
    external_orders::{partner, update_body},
    kitchen::{advance_to, kitchen, order_nearby},
    text,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

#[tokio::test]
async fn tason_tms_the_statistics_and_the_change_feed_agree_on_a_campaigns_orders() {
    let world = kitchen().await;
    let mut wanted = order_nearby(&[("gimbap", 2)]);
    wanted["campaignId"] = json!("spring");
    let id = text(&world.customer("c1").post("/order", &wanted).await.json(), "orderId");
    let other = text(
        &world.customer("c1").post("/order", &order_nearby(&[("soup", 1)])).await.json(),
        "orderId",
    );
    advance_to(&world, &other, "COMPLETED").await;
    world.settle().await;

    // TasOn receives only the campaign's order, signed.
    let of_tason = |world: &local::World| -> Vec<Value> {
        let requests = world.partner("tason").requests();
        assert!(
            requests.iter().all(|request| request.status == 200),
            "TasOn accepts the signatures: {requests:?}"
        );
        requests.iter().map(|request| serde_json::from_str(&request.body).unwrap()).collect()
    };
    let [paid] = &of_tason(&world)[..] else { panic!("expected one event") };
    assert_eq!((&paid["type"], &paid["data"]["orderId"]), (&json!("order.paid.v1"), &json!(id)));
    let sums = partner(&world).get("/campaigns/spring/statistics").await.json();
    assert_eq!((&sums["orders"], &sums["netRevenue"]), (&json!(1), &json!(8_000)));

    // TasOn receives the cancellation, and the statistics include it.
    world.customer("c1").post(&format!("/orders/{id}/cancel"), &json!({})).await;
    partner(&world).put("/integrations/orders/mall/e-1", &update_body(1, "PAID")).await;
    world.settle().await;
    let types: Vec<String> = of_tason(&world).iter().map(|event| text(event, "type")).collect();
    assert_eq!(types, ["order.paid.v1", "order.cancelled.v1", "order.paid.v1"]);
    let sums = partner(&world).get("/campaigns/spring/statistics").await.json();
    assert_eq!(
        (&sums["orders"], &sums["cancelled"], &sums["netRevenue"], &sums["customers"]),
        (&json!(2), &json!(1), &json!(80_000), &json!(2))
    );

    // TMS receives each version of each order once, and the change feed has the same versions.
    let mut pushed: BTreeMap<(String, u64), String> = BTreeMap::new();
    for request in world.partner("tms").requests() {
        let event: Value = serde_json::from_str(&request.body).unwrap();
        let data = &event["data"];
        let version = (text(data, "orderId"), data["version"].as_u64().unwrap());
        assert_eq!(
            pushed.insert(version, text(data, "status")),
            None,
            "no version is sent to TMS twice"
        );
    }
    let pulled = partner(&world).get("/integrations/orders?limit=100").await.json();
    let pulled: BTreeMap<(String, u64), String> = pulled["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            ((text(change, "orderId"), change["version"].as_u64().unwrap()), text(change, "status"))
        })
        .collect();
    assert_eq!((pushed.len(), &pushed), (9, &pulled));
    world.advance(Duration::from_hours(2));
    assert_books_are_clean(&world).await;
}
