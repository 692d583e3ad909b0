//! Partners: each reads and writes what its scopes allow, and appears by name in what it changes.

use crate::support::{
    external_orders::update_body,
    kitchen::{kitchen, order_nearby},
    text,
};
use local::World;
use serde_json::{Value, json};

/// An order of a source with everything personal that it can have.
fn with_delivery(version: u64) -> Value {
    let mut body = update_body(version, "PAID");
    body["delivery"] =
        json!({ "recipient": "박보람", "phone": "010-9876-5432", "address": "부산 해운대구 1" });
    body
}

/// Whether a text holds anything of the deliveries of this module's orders.
fn is_personal(text: &str) -> bool {
    ["박보람", "9876", "해운대", "1234-5678", "양화로", "delivery"]
        .iter()
        .any(|part| text.contains(part))
}

#[tokio::test]
async fn two_partners_can_neither_read_nor_overwrite_each_others_orders() {
    let world = World::new().await;
    let (mall, shop) = (
        world.partner_with("mall-inc", "orders.collect:mall"),
        world.partner_with("shop-inc", "orders.collect:shop"),
    );
    let path = "/integrations/orders/mall/e-1";
    let stored = mall.put(path, &update_body(1, "PAID")).await;
    assert_eq!(stored.status, 200, "{stored:?}");
    let order = stored.json();
    world.settle().await;
    world.take_calls();

    let newer = update_body(9, "CANCELLED");
    assert_eq!(shop.put(path, &newer).await.problem(), "forbidden");
    let status = json!({ "status": "CANCELLED" });
    assert_eq!(shop.post(&format!("{path}/status"), &status).await.problem(), "forbidden");
    assert_eq!(shop.get(path).await.problem(), "forbidden");
    assert_eq!(shop.get("/integrations/sources/mall/orders").await.problem(), "forbidden");
    assert_eq!(shop.get("/integrations/orders").await.problem(), "forbidden");
    assert_eq!(world.take_calls(), [], "refused before any read");

    // By our id the other partner's order is as unknown as one that does not exist.
    let by_id = format!("/integrations/orders/{}", text(&order, "orderId"));
    assert_eq!(shop.get(&by_id).await.problem(), "not-found");
    assert_eq!(mall.get(&by_id).await.json(), order);
    // The same external id in another source is another order.
    let own = shop.put("/integrations/orders/shop/e-1", &update_body(1, "SHIPPED")).await.json();
    assert_ne!(own["orderId"], order["orderId"]);
    assert_eq!(mall.get(path).await.json(), order, "nothing changed");
    let listed = mall.get("/integrations/sources/mall/orders").await.json();
    assert_eq!(listed["orders"], json!([order]));
}

#[tokio::test]
async fn a_partner_that_collects_reads_no_order_of_ours() {
    let world = kitchen().await;
    let placed = world.customer("c1").post("/order", &order_nearby(&[("gimbap", 1)])).await;
    let path = format!("/integrations/orders/{}", text(&placed.json(), "orderId"));
    let mall = world.partner_with("mall-inc", "orders.collect:mall");
    assert_eq!(mall.get(&path).await.problem(), "not-found");
    assert_eq!(world.partner_with("tms", "orders.read").get(&path).await.status, 200);
}

#[tokio::test]
async fn only_a_partner_with_the_scope_for_personal_data_sees_any() {
    let world = kitchen().await;
    let mut body = order_nearby(&[("gimbap", 1)]);
    body["campaignId"] = json!("spring");
    let placed = world.customer("c1").post("/order", &body).await;
    assert_eq!(placed.status, 200, "{placed:?}");
    let mall = world.partner_with("mall-inc", "orders.collect:mall");
    let stored = mall.put("/integrations/orders/mall/e-1", &with_delivery(1)).await;
    assert_eq!(stored.status, 200, "{stored:?}");
    assert!(!is_personal(&stored.body), "{stored:?}");
    world.settle().await;

    let own = format!("/integrations/orders/{}", text(&placed.json(), "orderId"));
    for path in [
        "/integrations/orders",
        "/integrations/orders/mall/e-1",
        "/integrations/sources/mall/orders",
        "/campaigns/spring/orders",
        own.as_str(),
    ] {
        let scopes = "orders.read orders.collect:mall campaigns.read";
        let without = world.partner_with("tms", scopes).get(path).await;
        assert_eq!(without.status, 200, "{path} {without:?}");
        assert!(!is_personal(&without.body), "{path} {without:?}");
        let with = world.partner_with("tms", &format!("{scopes} orders.personal"));
        let (with, operators) = (with.get(path).await, world.operator().get(path).await);
        assert!(is_personal(&with.body), "{path} {with:?}");
        assert_eq!(with.json(), operators.json(), "{path}");
    }
    let status = json!({ "status": "SHIPPED" });
    let updated = mall.post("/integrations/orders/mall/e-1/status", &status).await;
    assert_eq!(updated.json()["status"], "SHIPPED");
    assert!(!is_personal(&updated.body), "{updated:?}");
}

#[tokio::test]
async fn an_external_order_names_who_reported_each_of_its_statuses() {
    let world = World::new().await;
    let path = "/integrations/orders/mall/e-1";
    let mall = world.partner_with("mall-inc", "orders.collect:mall");
    mall.put(path, &update_body(1, "PAID")).await.must_be(200);
    let shipped = json!({ "status": "SHIPPED" });
    let order = world.operator().post(&format!("{path}/status"), &shipped).await.json();
    let by: Vec<&Value> =
        order["timeline"].as_array().unwrap().iter().map(|step| &step["by"]).collect();
    assert_eq!(by, [&json!("partner:mall-inc"), &json!("operator:ops")]);
}
