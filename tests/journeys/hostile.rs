//! A hostile or careless customer can do little harm to others, and only for a short time.

use crate::support::{
    assert_books_are_clean, by_card, cards::gateway, charges, get_order, order, pass_time, shop,
    text, units_in_stock,
};
use local::partners::Mode;
use serde_json::json;
use std::{sync::Arc, time::Duration};

#[tokio::test]
async fn a_customer_who_never_pays_holds_little_stock_for_a_short_time() {
    let world = shop().await;
    world.operator().post("/api/v1/admin/products/pen/stock", &json!({ "delta": 990 })).await;
    gateway(&world).be(Mode::Decline);
    let customer = world.customer("c9");
    let mut refusals = 0;
    for number in 0..60 {
        let body = by_card(order("c9", &[("pen", 15)]), &format!("card-{number}"));
        let reply = customer.post("/order", &body).await;
        match reply.problem().as_str() {
            "payment-failed" => {}
            "too-many-unpaid" => {
                refusals += 1;
                assert!([3, 20].contains(&reply.json()["limit"].as_u64().unwrap()), "{reply:?}");
            }
            other => panic!("{other}"),
        }
        assert!(units_in_stock(&world, "pen").await >= 1_000 - 20, "{number}");
    }
    assert_eq!(
        (refusals, units_in_stock(&world, "pen").await),
        (59, 985),
        "a customer may hold at most 20 unpaid units of a product"
    );
    // Small orders are limited by their number. The limit also applies to cart orders and to orders
    // without a payment key.
    customer.put("/carts/c9/items/ink", &json!({ "quantity": 1 })).await;
    for number in 0..4 {
        let payment = json!({ "method": "CARD" });
        let placed = match number % 2 {
            0 => customer.post("/carts/c9/order", &json!({ "payment": payment })).await,
            _ => customer.post("/order", &json!({ "customerId": "c9", "items": [{ "productId": "pad", "quantity": 1 }], "payment": payment })).await,
        };
        customer.put("/carts/c9/items/ink", &json!({ "quantity": 1 })).await;
        let is_refused = number >= 2;
        assert_eq!(
            placed.problem(),
            if is_refused { "too-many-unpaid" } else { "" },
            "{number} {placed:?}"
        );
    }
    // Other customers are not affected, and paid orders do not count towards the limits.
    gateway(&world).be(Mode::Ok);
    assert_eq!(world.customer("c1").post("/order", &order("c1", &[("pen", 50)])).await.status, 200);
    for number in 0..5 {
        let paid = world
            .customer("c2")
            .post("/order", &by_card(order("c2", &[("pen", 15)]), &format!("own-{number}")))
            .await;
        assert_eq!(paid.status, 200, "{paid:?}");
    }
    assert_books_are_clean(&world).await;
    world.advance(Duration::from_mins(15));
    world.fire("expire-orders").await.unwrap();
    assert_eq!(units_in_stock(&world, "pen").await, 1_000 - 50 - 75);
    assert_books_are_clean(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_orders_cannot_exceed_the_limit_of_unpaid_orders() {
    let world = Arc::new(shop().await);
    gateway(&world).be(Mode::Decline);
    let placing = (0..12).map(|number| {
        let world = world.clone();
        tokio::spawn(async move {
            let body = by_card(order("c9", &[("pen", 1)]), &format!("card-{number}"));
            world.customer("c9").post("/order", &body).await
        })
    });
    let replies = futures::future::try_join_all(placing).await.unwrap();
    let held = replies.iter().filter(|reply| reply.problem() == "payment-failed").count();
    assert!(held <= 3, "{replies:?}");
    assert_eq!(units_in_stock(&world, "pen").await, 10 - i64::try_from(held).unwrap());
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_card_order_without_a_payment_key_reserves_its_stock_and_is_paid_later() {
    let world = shop().await;
    let body = json!({ "customerId": "c1", "items": [{ "productId": "pen", "quantity": 2 }], "payment": { "method": "CARD" } });
    let held = world.customer("c1").post_once("/order", &body, "k").await;
    assert_eq!((held.status, &held.json()["status"]), (202, &json!("STOCK_ALLOCATED")), "{held:?}");
    assert!(held.json()["payBy"].is_string() && held.json()["totalAmount"] == json!(2_000));
    let again = world.customer("c1").post_once("/order", &body, "k").await;
    assert_eq!((again.status, again.is_replayed(), &again.body), (202, true, &held.body));
    assert_eq!((charges(&world).len(), units_in_stock(&world, "pen").await), (0, 8));
    let id = text(&held.json(), "orderId");
    let paid = world
        .customer("c1")
        .post(&format!("/orders/{id}/pay"), &json!({ "method": "CARD", "paymentKey": "card-1" }))
        .await;
    assert_eq!((paid.status, &paid.json()["status"]), (200, &json!("PAID")));
    let payments = world.customer("c1").get(&format!("/orders/{id}/payments")).await.json();
    let expected = json!([{
        "paymentId": format!("{id}-1"), "method": "CARD", "amount": 2_000, "status": "PAID", "refundedAmount": 0,
        "at": payments["payments"][0]["at"],
    }]);
    assert_eq!(payments["payments"], expected);
    world.customer("c1").post(&format!("/orders/{id}/cancel"), &json!({})).await;
    pass_time(&world, Duration::from_mins(1)).await;
    let payments = world.customer("c1").get(&format!("/orders/{id}/payments")).await.json();
    assert_eq!(
        (&payments["payments"][0]["status"], &payments["payments"][0]["refundedAmount"]),
        (&json!("REFUNDED"), &json!(2_000))
    );
    assert_eq!(world.customer("c2").get(&format!("/orders/{id}/payments")).await.status, 404);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_operators_idempotency_key_does_not_replay_for_a_customer() {
    let world = shop().await;
    gateway(&world).be(Mode::Decline);
    let placed =
        world.customer("c1").post("/order", &by_card(order("c1", &[("pen", 1)]), "card-0")).await;
    let id = text(&placed.json(), "orderId");
    let path = format!("/orders/{id}/pay");
    let points = json!({ "method": "POINTS" });
    assert_eq!(world.operator().post_once(&path, &points, "k").await.status, 200);
    // The id of this customer equals the order's id.
    let thief = world.customer(&id).post_once(&path, &points, "k").await;
    assert_eq!((thief.status, thief.is_replayed()), (404, false), "{thief:?}");
    let cancelled =
        world.operator().post_once(&format!("/orders/{id}/cancel"), &json!({}), "k").await;
    assert_eq!(cancelled.status, 200);
    assert_eq!(
        world
            .customer(&id)
            .post_once(&format!("/orders/{id}/cancel"), &json!({}), "k")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_product_cannot_change_its_store_and_an_unregistered_store_gets_no_orders() {
    let world = crate::support::kitchen::kitchen().await;
    let path = "/api/v1/admin/products/gimbap";
    let dearer = json!({ "name": "gimbap", "category": "food", "price": 4_500 });
    let put = world.operator().put(path, &dearer).await;
    assert_eq!(
        (put.status, &put.json()["storeId"]),
        (200, &json!("s1")),
        "an omitted `storeId` is left unchanged"
    );
    let moved = world
        .operator()
        .put(path, &json!({ "name": "g", "category": "food", "price": 1, "storeId": "s2" }))
        .await;
    assert_eq!((moved.status, moved.problem().as_str()), (409, "not-changeable"));
    let patched = world
        .operator()
        .patch(path, &json!({ "price": 4_600, "description": "새 메뉴" }))
        .await
        .json();
    assert_eq!(
        (&patched["price"], &patched["name"], &patched["storeId"], &patched["description"]),
        (&json!(4_600), &json!("gimbap"), &json!("s1"), &json!("새 메뉴"))
    );
    assert_eq!(
        world
            .operator()
            .patch("/api/v1/admin/products/none", &json!({ "price": 1 }))
            .await
            .problem(),
        "invalid-product"
    );
    let set = world
        .operator()
        .post(&format!("{path}/stock"), &json!({ "quantity": 7, "reason": "counted" }))
        .await;
    assert_eq!(set.json()["quantity"], json!(7));
    let both = world
        .operator()
        .post(&format!("{path}/stock"), &json!({ "quantity": 7, "delta": 1 }))
        .await;
    assert_eq!(both.problem(), "malformed-request");
    // Store `s9` is not registered, so no board would show the order.
    let put = json!({ "name": "cake", "category": "food", "price": 1_000, "storeId": "s9" });
    world.operator().put("/api/v1/admin/products/cake", &put).await;
    world.operator().post("/api/v1/admin/products/cake/stock", &json!({ "delta": 5 })).await;
    let refused = world
        .customer("c1")
        .post("/order", &crate::support::kitchen::order_nearby(&[("cake", 1)]))
        .await;
    assert_eq!((refused.status, refused.problem().as_str()), (409, "store-closed"));
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn goods_are_delivered_without_coordinates() {
    let world = shop().await;
    let mut body = order("c1", &[("pen", 1)]);
    body["delivery"] = json!({ "recipient": "김민지", "phone": "010-1234-5678", "postcode": "04001", "address": "서울 마포구 1", "memo": "문 앞" });
    let placed = world.customer("c1").post("/order", &body).await;
    assert_eq!((placed.status, &placed.json()["delivery"]), (200, &body["delivery"]), "{placed:?}");
    assert_eq!(
        get_order(&world, &text(&placed.json(), "orderId")).await["delivery"],
        body["delivery"]
    );
    body["delivery"]["lat"] = json!(37.5);
    let half = world.customer("c1").post("/order", &body).await;
    assert_eq!(
        (half.problem().as_str(), &half.json()["errors"][0]["field"]),
        ("malformed-request", &json!("delivery.lng"))
    );
}

#[tokio::test]
async fn text_that_no_message_can_carry_is_refused_and_never_blocks_the_shard() {
    let world = shop().await;
    let mut body = order("c1", &[("pen", 1)]);
    body["delivery"] = json!({ "phone": "010-1234-5678", "address": "서울\u{ffff}" });
    let refused = world.customer("c1").post("/order", &body).await;
    assert_eq!(
        (refused.problem().as_str(), &refused.json()["errors"][0]["field"]),
        ("malformed-request", &json!("delivery.address"))
    );
    // If such text is stored nevertheless, it is escaped when it is sent.
    body["delivery"]["address"] = json!("서울");
    let id = text(&world.customer("c1").post("/order", &body).await.json(), "orderId");
    let row = json!({ "pk": { "S": format!("ORDER#{id}") }, "sk": { "S": "ORDER" } });
    let odd = json!({
        "TableName": "OrdersTable", "Key": row,
        "UpdateExpression": "SET delivery.address = :odd, version = version + :one",
        "ExpressionAttributeValues": { ":odd": { "S": "서울\u{ffff}" }, ":one": { "N": "1" } },
    });
    world.dynamodb("UpdateItem", odd).await;
    world.settle().await;
    assert_eq!(world.messages("RelayOrdersDeadLetters"), Vec::<String>::new());
    let bodies: Vec<String> =
        world.partner("tms").requests().iter().map(|request| request.body.clone()).collect();
    assert!(bodies.iter().any(|body| body.contains("서울\\uffff")), "{bodies:?}");
    // An event that is too large for the bus is dead-lettered at once. The next one is relayed.
    let huge = json!({
        "TableName": "OrdersTable", "Key": row,
        "UpdateExpression": "SET couponId = :huge, version = version + :one",
        "ExpressionAttributeValues": { ":huge": { "S": "x".repeat(300_000) }, ":one": { "N": "1" } },
    });
    world.dynamodb("UpdateItem", huge).await;
    let next = world.customer("c1").post("/order", &order("c1", &[("pad", 1)])).await;
    world.settle().await;
    assert_eq!(
        world.messages("RelayOrdersDeadLetters").len(),
        1,
        "the record of the oversized event is dead-lettered"
    );
    let bodies: Vec<String> = world
        .partner("data-platform")
        .requests()
        .iter()
        .map(|request| request.body.clone())
        .collect();
    assert!(
        bodies.iter().any(|body| body.contains(&text(&next.json(), "orderId"))),
        "the shard is not blocked"
    );
}
