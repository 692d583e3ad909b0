//! Sales channels: the orders of marketplaces are collected into the standard order model, whatever
//! the marketplaces do and whichever calls fail.

use crate::support::{
    assert_books_are_clean,
    channels::{CHANNELS, collect, orders, place, register, runs, stage},
    pass_time, shop, text, units_in_stock,
};
use local::World;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn an_order_of_each_marketplace_is_converted_to_the_standard_model() {
    let world = World::new().await;
    for (partner, accepted) in [("coupang", "INSTRUCT"), ("smartstore", "PAYED-OK")] {
        let channel = register(&world, partner, 0).await;
        place(&world, partner, 7);
        let run = collect(&world, &channel).await;
        assert_eq!((&run["status"], &run["changed"]), (&json!("DONE"), &json!(1)), "{run}");
        let order = orders(&world, &channel).await.remove("7").unwrap();
        let channel_status = if partner == "coupang" { "ACCEPT" } else { "PAYED" };
        let item_id = if partner == "coupang" { "900" } else { "70" };
        let mut expected = json!({
            "orderId": order["orderId"], "version": 1, "status": "PAID", "customerId": order["customerId"],
            "source": channel, "externalOrderId": "7",
            "items": [{
                "productId": "900", "quantity": 2, "unitPrice": 5_000, "totalPrice": 10_000,
                "channel": { "itemId": item_id, "name": "Product 900", "status": channel_status, "cancelled": 0 },
            }],
            "originalAmount": 10_000, "discountAmount": 1_000, "totalAmount": 9_000,
            "payment": { "method": "EXTERNAL", "amount": 9_000, "status": "PAID", "paidAt": order["placedAt"] },
            "timeline": order["timeline"], "placedAt": order["placedAt"], "updatedAt": order["updatedAt"],
            "recipient": {
                "name": "신*희", "phone": "050-1111-2222", "address": "서울시 마포구 1층",
                "postCode": "04001", "message": "문 앞",
            },
        });
        if partner == "smartstore" {
            expected["items"][0]["channel"]["inflow"] = json!("spring");
        }
        let mut seen = order.clone();
        let campaign = seen.as_object_mut().unwrap().remove("campaignId");
        assert_eq!(seen, expected);
        assert_eq!(
            campaign,
            (partner == "smartstore").then(|| json!("spring")),
            "only Smartstore reports the inflow path"
        );
        assert!(text(&order, "customerId").starts_with("buyer_"));
        // A status change on the marketplace changes the order here.
        stage(&world, partner, json!({ "move": { "order": 7, "status": accepted } }));
        collect(&world, &channel).await;
        let order = orders(&world, &channel).await.remove("7").unwrap();
        assert_eq!((&order["status"], &order["version"]), (&json!("ACCEPTED"), &json!(2)));
        let again = collect(&world, &channel).await;
        assert_eq!(
            (&again["status"], &again["changed"]),
            (&json!("DONE"), &json!(0)),
            "an unchanged order is not counted as changed"
        );
    }
}

#[tokio::test]
async fn the_schedule_collects_each_active_channel_when_it_is_due() {
    let world = World::new().await;
    let coupang = register(&world, "coupang", 0).await;
    let smartstore = register(&world, "smartstore", 0).await;
    let path = format!("{CHANNELS}/{smartstore}");
    assert_eq!(
        world.operator().patch(&path, &json!({ "active": false })).await.json()["active"],
        false
    );
    assert_eq!(
        world.operator().post(&format!("{path}/collect"), &json!({})).await.problem(),
        "channel-inactive"
    );
    for minute in 0..21 {
        world.fire("schedule-collections").await.unwrap();
        // A schedule that fires twice requests the same run.
        world.fire("schedule-collections").await.unwrap();
        pass_time(&world, Duration::from_mins(1)).await;
        let expected = 1 + minute / 10;
        let runs = runs(&world, &coupang).await;
        assert_eq!(runs.len(), expected, "after {minute} minutes {runs:?}");
        assert!(runs.iter().all(|run| run["status"] == "DONE"), "{runs:?}");
    }
    assert_eq!(runs(&world, &smartstore).await, [] as [Value; 0]);
    let shown = world.operator().get(&format!("{CHANNELS}/{coupang}")).await.json();
    assert!(shown["collectedUntil"].is_string(), "{shown}");
    assert!(
        text(&shown, "credentialsExpireAt").starts_with("2026-07-04T03:04:05"),
        "Coupang's keys expire after 180 days"
    );
}

#[tokio::test]
async fn a_marketplace_cancellation_cancels_the_same_units() {
    let world = World::new().await;
    for partner in ["coupang", "smartstore"] {
        let channel = register(&world, partner, 0).await;
        place(&world, partner, 7);
        place(&world, partner, 8);
        collect(&world, &channel).await;
        let claim = |claim: u64, order: u64, quantity: u64, done: bool| {
            let claim = json!({ "claim": claim, "order": order, "item": order * 10, "quantity": quantity, "done": done });
            stage(&world, partner, json!({ "claim": claim }));
        };
        claim(1, 7, 1, true);
        claim(2, 8, 2, false);
        if partner == "smartstore" {
            stage(&world, partner, json!({ "move": { "order": 8, "status": "PAYED" } }));
        }
        collect(&world, &channel).await;
        let seen = orders(&world, &channel).await;
        let item = &seen["7"]["items"][0];
        assert_eq!(
            (&item["quantity"], &item["channel"]["cancelled"]),
            (&json!(1), &json!(1)),
            "{partner} {item}"
        );
        assert_eq!(
            (&seen["7"]["totalAmount"], &seen["7"]["discountAmount"]),
            (&json!(4_500), &json!(500)),
            "{partner}"
        );
        // Units of a requested cancellation are held: they must not be shipped, but are not
        // cancelled yet.
        let held = &seen["8"];
        assert_eq!(
            (&held["status"], &held["items"][0]["channel"]["held"]),
            (&json!("PAID"), &json!(2)),
            "{partner}"
        );
        claim(2, 8, 2, true);
        let status = if partner == "coupang" { "ACCEPT" } else { "CANCELED" };
        stage(&world, partner, json!({ "move": { "order": 8, "status": status } }));
        collect(&world, &channel).await;
        let seen = orders(&world, &channel).await;
        assert_eq!(
            (&seen["8"]["status"], &seen["8"]["payment"]["status"]),
            (&json!("CANCELLED"), &json!("REFUNDED"))
        );
        assert_eq!(seen["8"]["totalAmount"], 9_000, "{partner}: the original total is still shown");
    }
}

#[tokio::test]
async fn an_unknown_marketplace_status_is_shown_and_leaves_the_order_unchanged() {
    let world = World::new().await;
    let channel = register(&world, "smartstore", 0).await;
    place(&world, "smartstore", 7);
    collect(&world, &channel).await;
    stage(&world, "smartstore", json!({ "move": { "order": 7, "status": "TELEPORTED" } }));
    collect(&world, &channel).await;
    let order = orders(&world, &channel).await.remove("7").unwrap();
    assert_eq!(
        (&order["status"], &order["items"][0]["channel"]["status"]),
        (&json!("PAID"), &json!("TELEPORTED"))
    );
}

#[tokio::test]
async fn an_order_older_than_the_window_is_collected_until_it_ends() {
    let world = World::new().await;
    let channel = register(&world, "coupang", 0).await;
    place(&world, "coupang", 7);
    collect(&world, &channel).await;
    for (days, status, expected) in
        [(20, "DELIVERING", "SHIPPED"), (25, "FINAL_DELIVERY", "COMPLETED")]
    {
        world.advance(Duration::from_hours(24 * days));
        stage(&world, "coupang", json!({ "move": { "order": 7, "status": status } }));
        collect(&world, &channel).await;
        assert_eq!(orders(&world, &channel).await["7"]["status"], expected);
    }
    // The order has ended and is not collected again.
    let run = collect(&world, &channel).await;
    let from: domain::Timestamp = text(&run, "from").parse().unwrap();
    assert!(from.until(world.now()) < Duration::from_hours(25), "{run}");
    assert_eq!(run["orders"], 0, "{run}");
}

#[tokio::test]
async fn equal_order_ids_of_two_accounts_do_not_collide() {
    let world = World::new().await;
    let first = register(&world, "coupang", 0).await;
    let second = register(&world, "coupang", 1).await;
    place(&world, "coupang", 7);
    let mut elsewhere =
        json!({ "shop": 1, "place": { "order": 7, "status": "INSTRUCT", "items": [] } });
    elsewhere["place"]["items"] =
        json!([{ "item": 70, "product": 900, "quantity": 5, "price": 100 }]);
    stage(&world, "coupang", elsewhere);
    collect(&world, &first).await;
    collect(&world, &second).await;
    let (first, second) = (orders(&world, &first).await, orders(&world, &second).await);
    assert_ne!(first["7"]["orderId"], second["7"]["orderId"]);
    assert_eq!(
        (&first["7"]["totalAmount"], &second["7"]["totalAmount"]),
        (&json!(9_000), &json!(500))
    );
}

/// A shop whose pens are mapped to a product of a Coupang and a Smartstore channel.
async fn mapped() -> (World, String, String) {
    let world = shop().await;
    let coupang = register(&world, "coupang", 0).await;
    let smartstore = register(&world, "smartstore", 0).await;
    for partner in ["coupang", "smartstore"] {
        stage(
            &world,
            partner,
            json!({ "product": { "product": 900, "name": "Pen", "price": 1_000, "stock": 3 } }),
        );
    }
    for (channel, partner) in [(&coupang, "coupang"), (&smartstore, "smartstore")] {
        collect(&world, channel).await;
        let path = format!("{CHANNELS}/{channel}/products/900");
        assert_eq!(world.operator().put(&path, &json!({ "productId": "none" })).await.status, 404);
        assert_eq!(world.operator().put(&path, &json!({})).await.status, 400);
        let mapped = world.operator().put(&path, &json!({ "productId": "pen" })).await.json();
        assert_eq!(
            (&mapped["productId"], &mapped["name"]),
            (&json!("pen"), &json!(if partner == "coupang" { "Pen 단일상품" } else { "Pen" }))
        );
        pass_time(&world, Duration::from_mins(1)).await;
        assert_eq!(marketplace_stock(&world, partner), 10, "{partner} has our stock");
    }
    (world, coupang, smartstore)
}

fn marketplace_stock(world: &World, partner: &str) -> Value {
    world.partner(partner).books()["shops"][0]["products"][0]["stock"].clone()
}

#[tokio::test]
async fn a_mapped_product_is_reserved_once_and_the_other_channels_get_the_new_stock() {
    let (world, coupang, _) = mapped().await;
    place(&world, "coupang", 7);
    for _ in 0..3 {
        collect(&world, &coupang).await;
        pass_time(&world, Duration::from_mins(1)).await;
        assert_eq!(
            (
                units_in_stock(&world, "pen").await,
                marketplace_stock(&world, "coupang"),
                marketplace_stock(&world, "smartstore")
            ),
            (8, json!(8), json!(8))
        );
    }
    let item = &orders(&world, &coupang).await["7"]["items"][0];
    assert_eq!((&item["productId"], &item["channel"]["productId"]), (&json!("900"), &json!("pen")));
    // The next collection sends the stock after a sale in our own shop.
    world.customer("c1").post("/order", &crate::support::order("c1", &[("pen", 1)])).await;
    pass_time(&world, Duration::from_mins(10)).await;
    world.fire("schedule-collections").await.unwrap();
    pass_time(&world, Duration::from_mins(1)).await;
    assert_eq!(marketplace_stock(&world, "coupang"), 7);
    let listed =
        world.operator().get(&format!("/api/v1/admin/products?channelId={coupang}")).await.json();
    assert_eq!(
        (&listed["products"][0]["productId"], &listed["products"][0]["stock"]),
        (&json!("pen"), &json!(7))
    );
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_order_for_more_units_than_our_stock_shows_its_shortfall() {
    let (world, _, smartstore) = mapped().await;
    let item = json!({ "item": 80, "product": 900, "quantity": 13, "price": 5_000 });
    stage(
        &world,
        "smartstore",
        json!({ "place": { "order": 8, "status": "PAYED", "items": [item] } }),
    );
    collect(&world, &smartstore).await;
    pass_time(&world, Duration::from_mins(1)).await;
    assert_eq!(
        (units_in_stock(&world, "pen").await, marketplace_stock(&world, "coupang")),
        (0, json!(0))
    );
    assert_eq!(orders(&world, &smartstore).await["8"]["items"][0]["channel"]["stockDebt"], 3);
    assert_books_are_clean(&world).await;
    // A cancellation releases its units except the shortfall, which was never reserved.
    stage(
        &world,
        "smartstore",
        json!({ "claim": { "claim": 1, "order": 8, "item": 80, "quantity": 6, "done": true } }),
    );
    collect(&world, &smartstore).await;
    pass_time(&world, Duration::from_mins(1)).await;
    assert_eq!(
        (
            units_in_stock(&world, "pen").await,
            marketplace_stock(&world, "coupang"),
            marketplace_stock(&world, "smartstore")
        ),
        (3, json!(3), json!(3))
    );
    assert_eq!(
        orders(&world, &smartstore).await["8"]["items"][0]["channel"]["stockDebt"],
        Value::Null
    );
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_unmapped_product_does_not_use_our_stock() {
    let (world, coupang, _) = mapped().await;
    let path = format!("{CHANNELS}/{coupang}/products/900");
    assert_eq!(world.operator().put(&path, &json!({ "productId": null })).await.status, 200);
    place(&world, "coupang", 9);
    collect(&world, &coupang).await;
    assert_eq!(units_in_stock(&world, "pen").await, 10);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_channel_order_reaches_every_consumer_of_orders() {
    let world = shop().await;
    let channel = register(&world, "smartstore", 0).await;
    place(&world, "smartstore", 7);
    collect(&world, &channel).await;
    pass_time(&world, Duration::from_secs(5)).await;
    let order = orders(&world, &channel).await.remove("7").unwrap();
    let partner = crate::support::external_orders::partner(&world);
    let fed = partner.get("/integrations/orders?limit=100").await.json();
    let fed: Vec<&Value> =
        fed["changes"].as_array().unwrap().iter().map(|change| &change["orderId"]).collect();
    assert!(fed.contains(&&order["orderId"]), "{fed:?}");
    let of_campaign = partner.get("/campaigns/spring/orders").await.json();
    assert_eq!(of_campaign["orders"][0]["orderId"], order["orderId"], "{of_campaign}");
    for receiver in ["tms", "tason"] {
        let bodies: Vec<String> =
            world.partner(receiver).requests().into_iter().map(|one| one.body).collect();
        assert!(
            bodies.iter().any(|body| body.contains(&text(&order, "orderId"))),
            "{receiver} {bodies:?}"
        );
        // These partners do not receive the recipient's personal data.
        assert!(
            bodies.iter().all(|body| !body.contains("마포구") && !body.contains("050-1111")),
            "{bodies:?}"
        );
    }
    let all = world.operator().get("/api/v1/admin/orders").await.json();
    assert_eq!(all["orders"][0]["orderId"], order["orderId"], "{all}");
    let paid = world
        .operator()
        .get(&format!("/api/v1/admin/orders?channelId={channel}&status=PAID"))
        .await
        .json();
    assert_eq!(paid["orders"].as_array().unwrap().len(), 1);
    let none = world
        .operator()
        .get(&format!("/api/v1/admin/orders?channelId={channel}&status=SHIPPED"))
        .await
        .json();
    assert_eq!(none["orders"], json!([]));
    // The recipient's personal data expires 14 days after the order has ended.
    stage(&world, "smartstore", json!({ "move": { "order": 7, "status": "PURCHASE_DECIDED" } }));
    collect(&world, &channel).await;
    assert!(orders(&world, &channel).await["7"]["recipient"].is_object());
    pass_time(&world, Duration::from_hours(24 * 15)).await;
    world.sweep();
    assert_eq!(orders(&world, &channel).await["7"]["recipient"], Value::Null);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn the_audit_finds_a_missing_stock_movement_and_an_unlisted_channel_order() {
    let world = shop().await;
    let channel = register(&world, "coupang", 0).await;
    stage(
        &world,
        "coupang",
        json!({ "product": { "product": 900, "name": "Pen", "price": 1_000, "stock": 3 } }),
    );
    collect(&world, &channel).await;
    let path = format!("{CHANNELS}/{channel}/products/900");
    assert_eq!(world.operator().put(&path, &json!({ "productId": "pen" })).await.status, 200);
    place(&world, "coupang", 7);
    collect(&world, &channel).await;
    assert_books_are_clean(&world).await;
    let order = orders(&world, &channel).await.remove("7").unwrap();
    let (id, placed_at) = (text(&order, "orderId"), text(&order, "placedAt"));
    let laws = [
        (
            "ProductsTable",
            "PRODUCT#pen".to_owned(),
            format!("MOVE#{id}#000001"),
            "channel-order-took-its-stock",
        ),
        (
            "ChannelsTable",
            format!("CHANNEL#{channel}"),
            format!("ORDER#{placed_at}#{id}"),
            "channel-order-is-listed",
        ),
    ];
    for (table, pk, sk, law) in laws {
        let key = json!({ "pk": { "S": pk }, "sk": { "S": sk } });
        let row =
            world.dynamodb("GetItem", json!({ "TableName": table, "Key": key })).await["Item"]
                .clone();
        assert!(row.is_object(), "{table} {key}");
        world.dynamodb("DeleteItem", json!({ "TableName": table, "Key": key })).await;
        let audit = world.audit().await;
        let violated =
            audit["violations"].as_array().unwrap().iter().any(|violation| violation["law"] == law);
        assert!(violated, "{audit:#}");
        world.dynamodb("PutItem", json!({ "TableName": table, "Item": row })).await;
    }
    assert_books_are_clean(&world).await;
}
