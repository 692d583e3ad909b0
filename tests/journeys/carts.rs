//! Carts: a line expires after thirty days, a cart has at most thirty products, and ordering a cart
//! loses no line.

use crate::support::{assert_books_are_clean, balance, by_card, order, shop, text, units_in_stock};
use local::{
    World,
    aws::faults::{Kind, Rule},
    partners::Mode,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

async fn put(world: &World, product: &str, quantity: i64) -> Value {
    let reply = world
        .customer("c1")
        .put(&format!("/carts/c1/items/{product}"), &json!({ "quantity": quantity }))
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

/// The lines of the cart: product ids and quantities.
async fn items(world: &World) -> Vec<(String, i64)> {
    let cart = world.operator().get("/carts/c1").await.json();
    let item = |item: &Value| (text(item, "productId"), item["quantity"].as_i64().unwrap());
    cart["items"].as_array().unwrap().iter().map(item).collect()
}

#[tokio::test]
async fn a_cart_shows_current_prices_and_stocks() {
    let world = shop().await;
    let empty = world.customer("c1").get("/carts/c1").await.json();
    assert_eq!(empty, json!({ "customerId": "c1", "items": [], "totalAmount": 0 }));
    put(&world, "pen", 2).await;
    put(&world, "ink", 11).await;
    let cart = put(&world, "pen", 3).await;
    let expected = json!({
        "customerId": "c1",
        "items": [
            { "productId": "ink", "name": "The ink", "quantity": 11, "unitPrice": 2_500, "available": 10 },
            { "productId": "pen", "name": "The pen", "quantity": 3, "unitPrice": 1_000, "available": 10 },
        ],
        "totalAmount": 30_500,
    });
    assert_eq!(cart, expected);
    assert_eq!(world.customer("c1").get("/carts/c1").await.json(), expected);
    let put = json!({ "name": "Pen", "category": "desk", "price": 1_200 });
    world.operator().put("/api/v1/admin/products/pen", &put).await;
    assert_eq!(world.customer("c1").get("/carts/c1").await.json()["totalAmount"], json!(31_100));
}

#[tokio::test]
async fn a_cart_line_needs_an_existing_product_and_a_valid_quantity() {
    let world = shop().await;
    for (product, quantity, slug) in [
        ("cup", 1, "invalid-product"),
        ("pen", 0, "invalid-quantity"),
        ("pen", 10_000, "invalid-quantity"),
    ] {
        let path = format!("/carts/c1/items/{product}");
        let refused = world.customer("c1").put(&path, &json!({ "quantity": quantity })).await;
        assert_eq!((refused.status, refused.problem().as_str()), (400, slug));
    }
    assert_eq!(items(&world).await, []);
}

#[tokio::test]
async fn cart_lines_are_removed_singly_or_all_at_once_and_removal_is_idempotent() {
    let world = shop().await;
    let customer = world.customer("c1");
    assert_eq!(customer.delete("/carts/c1").await.status, 204);
    for product in ["pen", "ink", "pad"] {
        put(&world, product, 1).await;
    }
    for _ in 0..2 {
        let removed = customer.delete("/carts/c1/items/pen").await;
        assert_eq!((removed.status, removed.body.as_str()), (204, ""));
    }
    assert_eq!(items(&world).await, [("ink".into(), 1), ("pad".into(), 1)]);
    assert_eq!(customer.delete("/carts/c1").await.status, 204);
    assert_eq!(items(&world).await, []);
}

#[tokio::test]
async fn a_cart_line_expires_thirty_days_after_its_last_update() {
    let world = shop().await;
    put(&world, "pen", 1).await;
    put(&world, "ink", 1).await;
    world.advance(Duration::from_hours(29 * 24));
    put(&world, "ink", 2).await;
    world.advance(Duration::from_hours(25));
    assert_eq!(
        items(&world).await,
        [("ink".into(), 2)],
        "expired, although DynamoDB has not removed the row yet"
    );
    let ordered = world.customer("c1").post("/carts/c1/order", &json!({})).await;
    assert_eq!(ordered.json()["totalAmount"], json!(5_000));
    put(&world, "pad", 1).await;
    assert_eq!(items(&world).await, [("pad".into(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_updates_never_put_more_than_thirty_products_into_a_cart() {
    let world = Arc::new(World::new().await);
    for number in 0..40 {
        world.stock(&format!("p{number}"), 10, 1).await;
    }
    let updating = (0..40).map(|number| {
        let world = world.clone();
        tokio::spawn(async move {
            let path = format!("/carts/c1/items/p{number}");
            loop {
                let reply = world.customer("c1").put(&path, &json!({ "quantity": 1 })).await;
                match (reply.status, reply.problem().as_str()) {
                    (200, _) => return true,
                    (409, "cart-full") => return false,
                    (503, "busy") => {}
                    _ => panic!("{reply:?}"),
                }
            }
        })
    });
    let added: Vec<bool> = futures::future::try_join_all(updating).await.unwrap();
    assert_eq!(added.iter().filter(|added| **added).count(), 30);
    let lines = items(&world).await;
    assert_eq!(lines.len(), 30);
    // The lines of a full cart can still be changed.
    put(&world, &lines[0].0, 2).await;
    world.charge("c1", 1_000).await;
    let short = world.customer("c1").post("/carts/c1/order", &json!({})).await;
    assert_eq!(short.problem(), "out-of-stock");
    put(&world, &lines[0].0, 1).await;
    assert_eq!(
        world.customer("c1").post("/carts/c1/order", &json!({})).await.status,
        200,
        "thirty products fit into one order"
    );
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn ordering_the_cart_removes_its_lines_in_the_same_transaction() {
    let world = shop().await;
    for (product, quantity) in [("pen", 1), ("ink", 2), ("pad", 3)] {
        put(&world, product, quantity).await;
    }
    world.customer("c1").post("/order", &order("c1", &[("pen", 1), ("ink", 1), ("pad", 1)])).await;
    world.take_calls();
    let ordered = world
        .customer("c1")
        .post_once("/carts/c1/order", &json!({ "campaignId": "spring" }), "k")
        .await;
    assert_eq!(ordered.status, 200, "{ordered:?}");
    let calls: Vec<_> =
        world.take_calls().into_iter().map(|call| (call.operation, call.write_units)).collect();
    assert_eq!(
        calls,
        [("Query".into(), 0), ("TransactGetItems".into(), 0), ("TransactWriteItems".into(), 18)]
    );
    assert_eq!(
        (&ordered.json()["totalAmount"], &ordered.json()["campaignId"]),
        (&json!(7_500), &json!("spring"))
    );
    assert_eq!(items(&world).await, []);
    assert_eq!((units_in_stock(&world, "pen").await, balance(&world, "c1").await), (8, 88_500));
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_replayed_cart_order_returns_the_first_response_whatever_the_cart_has_now() {
    let world = shop().await;
    let customer = world.customer("c1");
    put(&world, "pen", 2).await;
    let first = customer.post_once("/carts/c1/order", &json!({}), "k").await;
    for product in [None, Some("ink")] {
        if let Some(product) = product {
            put(&world, product, 1).await;
        }
        let again = customer.post_once("/carts/c1/order", &json!({}), "k").await;
        assert_eq!((again.status, again.is_replayed(), &again.body), (200, true, &first.body));
        let other =
            customer.post_once("/carts/c1/order", &json!({ "campaignId": "spring" }), "k").await;
        assert_eq!((other.status, other.problem().as_str()), (422, "idempotency-key-reused"));
    }
    assert_eq!(items(&world).await, [("ink".into(), 1)]);
    // The same key on another route identifies another request.
    assert_eq!(customer.post_once("/order", &order("c1", &[("pen", 2)]), "k").await.status, 200);
    assert_eq!(units_in_stock(&world, "pen").await, 6);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_refused_cart_order_leaves_the_cart_unchanged() {
    let world = shop().await;
    let customer = world.customer("c1");
    for key in [None, Some("k")] {
        let empty = match key {
            None => customer.post("/carts/c1/order", &json!({})).await,
            Some(key) => customer.post_once("/carts/c1/order", &json!({}), key).await,
        };
        assert_eq!((empty.status, empty.problem().as_str()), (400, "empty-order"));
    }
    put(&world, "pen", 11).await;
    assert_eq!(customer.post("/carts/c1/order", &json!({})).await.problem(), "out-of-stock");
    put(&world, "pen", 10).await;
    let coupon = customer.post("/carts/c1/order", &json!({ "couponId": "cpn_none" })).await;
    assert_eq!(coupon.problem(), "coupon-unusable");
    assert_eq!(items(&world).await, [("pen".into(), 10)]);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn ordering_a_cart_by_card_removes_its_lines_when_the_stock_is_reserved() {
    let world = shop().await;
    put(&world, "pen", 2).await;
    world.partner("payment-gateway").be(Mode::Decline);
    let body = by_card(json!({}), "card-1");
    let failed = world.customer("c1").post_once("/carts/c1/order", &body, "k").await;
    assert_eq!((failed.status, failed.problem().as_str()), (500, "payment-failed"));
    assert_eq!((items(&world).await, units_in_stock(&world, "pen").await), (vec![], 8));
    world.partner("payment-gateway").be(Mode::Ok);
    let path = format!("/orders/{}/pay", text(&failed.json(), "orderId"));
    let paid = world
        .customer("c1")
        .post(&path, &json!({ "method": "CARD", "paymentKey": "card-2" }))
        .await;
    assert_eq!(paid.json()["status"], json!("PAID"));
    assert_books_are_clean(&world).await;
}

/// A line changes between the read of the cart and the transaction: the first read of the prices
/// (`TransactGetItems`) fails, and the customer changes the quantity while the function waits to
/// retry.
#[tokio::test]
async fn a_cart_line_changed_while_the_cart_is_ordered_is_refused_and_not_lost() {
    let world = Arc::new(shop().await);
    put(&world, "pen", 2).await;
    let rule = Rule {
        service: None,
        operation: Some("TransactGetItems".into()),
        kind: Kind::Internal,
        every: 1,
        count: Some(1),
    };
    world.inject([rule]);
    let (ordering, updating) = (world.customer("c1"), world.customer("c1"));
    let (nothing, three) = (json!({}), json!({ "quantity": 3 }));
    let (ordered, changed) = tokio::join!(
        ordering.post("/carts/c1/order", &nothing),
        updating.put("/carts/c1/items/pen", &three)
    );
    assert_eq!(changed.status, 200);
    assert_eq!((ordered.status, ordered.problem().as_str()), (409, "cart-changed"), "{ordered:?}");
    assert_eq!(ordered.json()["productId"], json!("pen"));
    assert_eq!(
        (items(&world).await, units_in_stock(&world, "pen").await),
        (vec![("pen".into(), 3)], 10)
    );
    assert_books_are_clean(&world).await;
}
