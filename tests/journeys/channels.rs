//! Sales channels: what is sold on marketplaces is collected into the one standard model, whatever they and the calls do.

use crate::{assert_books_are_clean, left, pass, shop, text};
use local::World;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

pub(crate) const CHANNELS: &str = "/api/v1/admin/channels";

/// Registers the shop of a marketplace's stub.
pub(crate) async fn register(world: &World, partner: &str, shop: usize) -> String {
    let channel = json!({
        "name": format!("{partner} {shop}"), "type": partner.to_uppercase(), "intervalMinutes": 10,
        "credentials": world.partner(partner).credentials["shops"][shop],
    });
    let reply = world.operator().post(CHANNELS, &channel).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    text(&reply.json(), "channelId")
}

/// Lets something happen on a marketplace.
pub(crate) fn stage(world: &World, partner: &str, what: Value) {
    world.partner(partner).stage(&what).unwrap();
}

/// Somebody orders two of a product, in one item.
pub(crate) fn place(world: &World, partner: &str, order: u64) {
    let status = if partner == "coupang" { "ACCEPT" } else { "PAYED" };
    let item = json!({ "item": order * 10, "product": 900, "quantity": 2, "price": 5_000, "discount": 1_000 });
    let placed = json!({ "order": order, "status": status, "inflow": "spring", "buyer": "b7", "items": [item] });
    stage(world, partner, json!({ "place": placed }));
}

/// Has a channel collected, and lets everything take effect.
pub(crate) async fn collect(world: &World, channel: &str) -> Value {
    let asked = world.operator().post(&format!("{CHANNELS}/{channel}/collect"), &json!({})).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    pass(world, Duration::from_secs(1)).await;
    for _ in 0..30 {
        let runs = runs(world, channel).await;
        if let Some(run) = runs.into_iter().find(|run| run["runId"] == asked.json()["runId"]) {
            return run;
        }
        // Another run goes on: the schedule asks for this one after it.
        a_minute_passes(world).await;
    }
    panic!("{asked:?} never began")
}

/// A minute goes by, with its schedules.
pub(crate) async fn a_minute_passes(world: &World) {
    pass(world, Duration::from_mins(1)).await;
    world.fire("schedule-collections").await.unwrap();
    world.settle().await;
}

pub(crate) async fn runs(world: &World, channel: &str) -> Vec<Value> {
    let reply = world.operator().get(&format!("{CHANNELS}/{channel}/runs?limit=100")).await.json();
    reply["runs"].as_array().unwrap().clone()
}

/// The orders of a channel, by their ids there.
pub(crate) async fn orders(world: &World, channel: &str) -> BTreeMap<String, Value> {
    let (mut orders, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = world.operator().get(&format!("/api/v1/admin/orders?channelId={channel}&limit=100{cursor}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        for order in page.json()["orders"].as_array().unwrap() {
            assert!(orders.insert(text(order, "externalOrderId"), order.clone()).is_none(), "{order} comes twice");
        }
        match page.json()["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return orders,
        }
    }
}

#[tokio::test]
async fn an_order_of_each_marketplace_becomes_one_of_the_standard_model() {
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
        assert_eq!(campaign, (partner == "smartstore").then(|| json!("spring")), "only Smartstore tells of the way in");
        assert!(text(&order, "customerId").starts_with("buyer_"));
        // It goes on there, and so it does here.
        stage(&world, partner, json!({ "move": { "order": 7, "status": accepted } }));
        collect(&world, &channel).await;
        let order = orders(&world, &channel).await.remove("7").unwrap();
        assert_eq!((&order["status"], &order["version"]), (&json!("ACCEPTED"), &json!(2)));
        let again = collect(&world, &channel).await;
        assert_eq!((&again["status"], &again["changed"]), (&json!("DONE"), &json!(0)), "nothing is news twice");
    }
}

#[tokio::test]
async fn the_schedule_collects_each_channel_when_it_is_due_and_only_what_is_active() {
    let world = World::new().await;
    let coupang = register(&world, "coupang", 0).await;
    let smartstore = register(&world, "smartstore", 0).await;
    let path = format!("{CHANNELS}/{smartstore}");
    assert_eq!(world.operator().patch(&path, &json!({ "active": false })).await.json()["active"], false);
    assert_eq!(world.operator().post(&format!("{path}/collect"), &json!({})).await.problem(), "channel-inactive");
    for minute in 0..21 {
        world.fire("schedule-collections").await.unwrap();
        // Fired twice, it asks for the same run.
        world.fire("schedule-collections").await.unwrap();
        pass(&world, Duration::from_mins(1)).await;
        let expected = 1 + minute / 10;
        let runs = runs(&world, &coupang).await;
        assert_eq!(runs.len(), expected, "after {minute} minutes {runs:?}");
        assert!(runs.iter().all(|run| run["status"] == "DONE"), "{runs:?}");
    }
    assert_eq!(runs(&world, &smartstore).await, [] as [Value; 0]);
    let shown = world.operator().get(&format!("{CHANNELS}/{coupang}")).await.json();
    assert!(shown["collectedUntil"].is_string(), "{shown}");
    assert!(text(&shown, "credentialsExpireAt").starts_with("2026-07-04T03:04:05"), "Coupang's keys last for 180 days");
}

#[tokio::test]
async fn secrets_are_sealed_and_no_answer_log_or_row_has_them() {
    let world = World::new().await;
    let channel = register(&world, "coupang", 0).await;
    let secret = text(&world.partner("coupang").credentials["shops"][0], "secretKey");
    let path = format!("{CHANNELS}/{channel}");
    let listed = world.operator().get(CHANNELS).await;
    assert_eq!(listed.json()["channels"].as_array().unwrap().len(), 1);
    let rows = world.dynamodb("Scan", json!({ "TableName": "ChannelsTable" })).await;
    for place in [world.operator().get(&path).await.body, listed.body, rows.to_string()] {
        assert!(!place.contains(&secret), "{place}");
        assert!(place.contains("A00012345"), "{place}");
    }
    // Sealed for one channel, they cannot be opened as another's.
    let other = register(&world, "coupang", 1).await;
    let row = |id: &str| json!({ "pk": { "S": "CHANNELS" }, "sk": { "S": id } });
    let table = "ChannelsTable";
    let mut stolen =
        world.dynamodb("GetItem", json!({ "TableName": table, "Key": row(&channel) })).await["Item"]["credentials"]
            .clone();
    stolen = json!({
        "TableName": table, "Key": row(&other), "UpdateExpression": "SET credentials = :stolen",
        "ExpressionAttributeValues": { ":stolen": stolen },
    });
    world.dynamodb("UpdateItem", stolen).await;
    assert_eq!(world.operator().post(&format!("{CHANNELS}/{other}/test"), &json!({})).await.status, 503);
    assert_eq!(
        world.operator().post(&format!("{path}/test"), &json!({})).await.json(),
        json!({ "ok": true, "detail": "" })
    );
}

#[tokio::test]
async fn new_credentials_replace_the_old_ones_and_are_of_the_same_account() {
    let world = World::new().await;
    for (partner, wrong) in [("coupang", "secretKey"), ("smartstore", "clientSecret")] {
        let good = world.partner(partner).credentials["shops"][0].clone();
        let mut bad = good.clone();
        bad[wrong] = json!("$2a$04$ABCDEFGHIJKLMNOPQRSTUu");
        let body = json!({ "name": "x", "type": partner.to_uppercase(), "credentials": bad });
        let created = world.operator().post_once(CHANNELS, &body, partner).await;
        let channel = text(&created.json(), "channelId");
        let again = world.operator().post_once(CHANNELS, &body, partner).await;
        assert!(again.is_replayed() && again.json()["channelId"] == channel, "{again:?}");
        let mut renamed = body.clone();
        renamed["name"] = json!("z");
        let reused = world.operator().post_once(CHANNELS, &renamed, partner).await;
        assert_eq!((reused.status, reused.problem().as_str()), (422, "idempotency-key-reused"));
        let path = format!("{CHANNELS}/{channel}");
        let tested = world.operator().post(&format!("{path}/test"), &json!({})).await.json();
        assert_eq!(tested["ok"], false, "{tested}");
        let run = collect(&world, &channel).await;
        assert_eq!(run["status"], "FAILED", "{run}");
        assert!(text(&run, "error").starts_with("the marketplace refuses the credentials: 40"), "{run}");
        world.advance(Duration::from_hours(1));
        let patched = world.operator().patch(&path, &json!({ "credentials": good, "name": "y" })).await.json();
        assert_ne!(patched["credentialsSince"], patched["createdAt"]);
        assert_eq!(collect(&world, &channel).await["status"], "DONE");
        let other = json!({ "credentials": world.partner(partner).credentials["shops"][1] });
        assert_eq!(world.operator().patch(&path, &other).await.status, 400);
        let twice = world
            .operator()
            .post(CHANNELS, &json!({ "name": "z", "type": partner.to_uppercase(), "credentials": good }))
            .await;
        assert_eq!(twice.problem(), "channel-exists", "{twice:?}");
        assert_eq!(world.operator().delete(&path).await.status, 204);
        assert_eq!(world.operator().get(&path).await.status, 404);
        register(&world, partner, 0).await;
    }
}

#[tokio::test]
async fn what_is_no_channel_is_refused_and_says_why_without_a_secret() {
    let world = World::new().await;
    let coupang = |secret: &str| json!({ "vendorId": "A1", "accessKey": "a", "secretKey": secret });
    for (body, field) in [
        (json!({ "name": "", "type": "MOCK" }), "name"),
        (json!({ "name": "x", "type": "EBAY" }), "type"),
        (json!({ "name": "x", "type": "MOCK", "intervalMinutes": 0 }), "intervalMinutes"),
        (json!({ "name": "x", "type": "MOCK", "intervalMinutes": 1_441 }), "intervalMinutes"),
        (json!({ "name": "x", "type": "COUPANG" }), "credentials"),
        (json!({ "name": "x", "type": "COUPANG", "credentials": ["A1", "a", "hidden"] }), "credentials"),
        (json!({ "name": "x", "type": "COUPANG", "credentials": coupang("two words hidden") }), "credentials"),
        (json!({ "name": "x", "type": "COUPANG", "credentials": coupang(&"hidden".repeat(1_000)) }), "credentials"),
        (
            json!({ "name": "x", "type": "SMARTSTORE", "credentials": { "clientId": "c", "clientSecret": "hidden" } }),
            "credentials",
        ),
    ] {
        let reply = world.operator().post(CHANNELS, &body).await;
        assert_eq!((reply.status, &reply.json()["errors"][0]["field"]), (400, &json!(field)), "{reply:?}");
        assert!(!reply.body.contains("hidden"), "{reply:?}");
    }
    for path in ["", "/runs"] {
        assert_eq!(world.operator().get(&format!("{CHANNELS}/chn_none{path}")).await.status, 404);
    }
    assert_eq!(world.operator().get("/api/v1/admin/products?channelId=chn_none").await.status, 404);
    assert_eq!(world.operator().get("/api/v1/admin/orders?status=LOST").await.status, 400);
    let told = crate::external_orders::told(1, "PAID");
    let channel = register(&world, "coupang", 0).await;
    let partner = crate::external_orders::partner(&world);
    assert_eq!(partner.put(&format!("/integrations/orders/{channel}/7"), &told).await.status, 400);
}

#[tokio::test]
async fn what_is_called_off_there_is_called_off_here_in_part_or_whole() {
    let world = World::new().await;
    for partner in ["coupang", "smartstore"] {
        let channel = register(&world, partner, 0).await;
        place(&world, partner, 7);
        place(&world, partner, 8);
        collect(&world, &channel).await;
        let claim = |claim: u64, order: u64, quantity: u64, done: bool| {
            let claim =
                json!({ "claim": claim, "order": order, "item": order * 10, "quantity": quantity, "done": done });
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
        assert_eq!((&item["quantity"], &item["channel"]["cancelled"]), (&json!(1), &json!(1)), "{partner} {item}");
        assert_eq!(
            (&seen["7"]["totalAmount"], &seen["7"]["discountAmount"]),
            (&json!(4_500), &json!(500)),
            "{partner}"
        );
        // What is asked to be called off is not to be shipped; it is not called off yet.
        let held = &seen["8"];
        assert_eq!((&held["status"], &held["items"][0]["channel"]["held"]), (&json!("PAID"), &json!(2)), "{partner}");
        claim(2, 8, 2, true);
        let status = if partner == "coupang" { "ACCEPT" } else { "CANCELED" };
        stage(&world, partner, json!({ "move": { "order": 8, "status": status } }));
        collect(&world, &channel).await;
        let seen = orders(&world, &channel).await;
        assert_eq!((&seen["8"]["status"], &seen["8"]["payment"]["status"]), (&json!("CANCELLED"), &json!("REFUNDED")));
        assert_eq!(seen["8"]["totalAmount"], 9_000, "{partner}: what it was is still seen");
    }
}

#[tokio::test]
async fn a_status_that_nobody_knows_is_kept_and_shown_and_the_order_stays_where_it_was() {
    let world = World::new().await;
    let channel = register(&world, "smartstore", 0).await;
    place(&world, "smartstore", 7);
    collect(&world, &channel).await;
    stage(&world, "smartstore", json!({ "move": { "order": 7, "status": "TELEPORTED" } }));
    collect(&world, &channel).await;
    let order = orders(&world, &channel).await.remove("7").unwrap();
    assert_eq!((&order["status"], &order["items"][0]["channel"]["status"]), (&json!("PAID"), &json!("TELEPORTED")));
}

#[tokio::test]
async fn an_order_that_is_older_than_the_window_is_seen_to_its_end() {
    let world = World::new().await;
    let channel = register(&world, "coupang", 0).await;
    place(&world, "coupang", 7);
    collect(&world, &channel).await;
    for (days, status, expected) in [(20, "DELIVERING", "SHIPPED"), (25, "FINAL_DELIVERY", "COMPLETED")] {
        world.advance(Duration::from_hours(24 * days));
        stage(&world, "coupang", json!({ "move": { "order": 7, "status": status } }));
        collect(&world, &channel).await;
        assert_eq!(orders(&world, &channel).await["7"]["status"], expected);
    }
    // Nothing is to be expected of it any more: it is not looked for again.
    let run = collect(&world, &channel).await;
    let from: domain::Timestamp = text(&run, "from").parse().unwrap();
    assert!(from.until(world.now()) < Duration::from_hours(25), "{run}");
    assert_eq!(run["orders"], 0, "{run}");
}

#[tokio::test]
async fn two_accounts_of_one_marketplace_never_collide() {
    let world = World::new().await;
    let first = register(&world, "coupang", 0).await;
    let second = register(&world, "coupang", 1).await;
    place(&world, "coupang", 7);
    let mut elsewhere = json!({ "shop": 1, "place": { "order": 7, "status": "INSTRUCT", "items": [] } });
    elsewhere["place"]["items"] = json!([{ "item": 70, "product": 900, "quantity": 5, "price": 100 }]);
    stage(&world, "coupang", elsewhere);
    collect(&world, &first).await;
    collect(&world, &second).await;
    let (first, second) = (orders(&world, &first).await, orders(&world, &second).await);
    assert_ne!(first["7"]["orderId"], second["7"]["orderId"]);
    assert_eq!((&first["7"]["totalAmount"], &second["7"]["totalAmount"]), (&json!(9_000), &json!(500)));
}

#[tokio::test]
async fn a_mapped_product_is_taken_from_our_stock_once_and_the_other_channels_are_told() {
    let world = shop().await;
    let coupang = register(&world, "coupang", 0).await;
    let smartstore = register(&world, "smartstore", 0).await;
    for partner in ["coupang", "smartstore"] {
        stage(&world, partner, json!({ "product": { "product": 900, "name": "Pen", "price": 1_000, "stock": 3 } }));
    }
    let there = |partner: &str| world.partner(partner).books()["shops"][0]["products"][0]["stock"].clone();
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
        pass(&world, Duration::from_mins(1)).await;
        assert_eq!(there(partner), 10, "{partner} is told of our stock");
    }
    place(&world, "coupang", 7);
    for _ in 0..3 {
        collect(&world, &coupang).await;
        pass(&world, Duration::from_mins(1)).await;
        assert_eq!((left(&world, "pen").await, there("coupang"), there("smartstore")), (8, json!(8), json!(8)));
    }
    let item = &orders(&world, &coupang).await["7"]["items"][0];
    assert_eq!((&item["productId"], &item["channel"]["productId"]), (&json!("900"), &json!("pen")));
    // More is ordered there than there is: the floor is nothing, and what lacks is shown.
    let item = json!({ "item": 80, "product": 900, "quantity": 11, "price": 5_000 });
    stage(&world, "smartstore", json!({ "place": { "order": 8, "status": "PAYED", "items": [item] } }));
    collect(&world, &smartstore).await;
    pass(&world, Duration::from_mins(1)).await;
    assert_eq!((left(&world, "pen").await, there("coupang")), (0, json!(0)));
    assert_eq!(orders(&world, &smartstore).await["8"]["items"][0]["channel"]["stockDebt"], 3);
    assert_books_are_clean(&world).await;
    // What is called off comes back, less what was lacking: nothing was taken of that.
    stage(
        &world,
        "smartstore",
        json!({ "claim": { "claim": 1, "order": 8, "item": 80, "quantity": 6, "done": true } }),
    );
    collect(&world, &smartstore).await;
    pass(&world, Duration::from_mins(1)).await;
    assert_eq!((left(&world, "pen").await, there("coupang"), there("smartstore")), (3, json!(3), json!(3)));
    assert_eq!(orders(&world, &smartstore).await["8"]["items"][0]["channel"]["stockDebt"], Value::Null);
    // What is sold here is told there with the next collection.
    world.customer("c1").post("/order", &crate::order("c1", &[("pen", 1)])).await;
    pass(&world, Duration::from_mins(10)).await;
    world.fire("schedule-collections").await.unwrap();
    pass(&world, Duration::from_mins(1)).await;
    assert_eq!(there("coupang"), 2);
    let listed = world.operator().get(&format!("/api/v1/admin/products?channelId={coupang}")).await.json();
    assert_eq!((&listed["products"][0]["productId"], &listed["products"][0]["stock"]), (&json!("pen"), &json!(2)));
    // A product that is mapped to none is none of ours.
    let path = format!("{CHANNELS}/{coupang}/products/900");
    assert_eq!(world.operator().put(&path, &json!({ "productId": null })).await.status, 200);
    place(&world, "coupang", 9);
    collect(&world, &coupang).await;
    assert_eq!(left(&world, "pen").await, 2);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_order_of_a_channel_is_told_to_everybody_whom_orders_are_told() {
    let world = shop().await;
    let channel = register(&world, "smartstore", 0).await;
    place(&world, "smartstore", 7);
    collect(&world, &channel).await;
    pass(&world, Duration::from_secs(5)).await;
    let order = orders(&world, &channel).await.remove("7").unwrap();
    let partner = crate::external_orders::partner(&world);
    let fed = partner.get("/integrations/orders?limit=100").await.json();
    let fed: Vec<&Value> = fed["changes"].as_array().unwrap().iter().map(|change| &change["orderId"]).collect();
    assert!(fed.contains(&&order["orderId"]), "{fed:?}");
    let of_campaign = partner.get("/campaigns/spring/orders").await.json();
    assert_eq!(of_campaign["orders"][0]["orderId"], order["orderId"], "{of_campaign}");
    for receiver in ["tms", "tason"] {
        let bodies: Vec<String> = world.partner(receiver).requests().into_iter().map(|one| one.body).collect();
        assert!(bodies.iter().any(|body| body.contains(&text(&order, "orderId"))), "{receiver} {bodies:?}");
        // To whom it goes is nobody's business there.
        assert!(bodies.iter().all(|body| !body.contains("마포구") && !body.contains("050-1111")), "{bodies:?}");
    }
    let all = world.operator().get("/api/v1/admin/orders").await.json();
    assert_eq!(all["orders"][0]["orderId"], order["orderId"], "{all}");
    let paid = world.operator().get(&format!("/api/v1/admin/orders?channelId={channel}&status=PAID")).await.json();
    assert_eq!(paid["orders"].as_array().unwrap().len(), 1);
    let none = world.operator().get(&format!("/api/v1/admin/orders?channelId={channel}&status=SHIPPED")).await.json();
    assert_eq!(none["orders"], json!([]));
    // What is known of a buyer goes.
    stage(&world, "smartstore", json!({ "move": { "order": 7, "status": "PURCHASE_DECIDED" } }));
    collect(&world, &channel).await;
    assert!(orders(&world, &channel).await["7"]["recipient"].is_object());
    pass(&world, Duration::from_hours(24 * 15)).await;
    world.sweep();
    assert_eq!(orders(&world, &channel).await["7"]["recipient"], Value::Null);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn stock_that_an_order_of_a_channel_did_not_take_and_one_that_is_not_listed_are_found() {
    let world = shop().await;
    let channel = register(&world, "coupang", 0).await;
    stage(&world, "coupang", json!({ "product": { "product": 900, "name": "Pen", "price": 1_000, "stock": 3 } }));
    collect(&world, &channel).await;
    let path = format!("{CHANNELS}/{channel}/products/900");
    assert_eq!(world.operator().put(&path, &json!({ "productId": "pen" })).await.status, 200);
    place(&world, "coupang", 7);
    collect(&world, &channel).await;
    assert_books_are_clean(&world).await;
    let order = orders(&world, &channel).await.remove("7").unwrap();
    let (id, placed_at) = (text(&order, "orderId"), text(&order, "placedAt"));
    let laws = [
        ("ProductsTable", "PRODUCT#pen".to_owned(), format!("MOVE#{id}#000001"), "channel-order-took-its-stock"),
        ("ChannelsTable", format!("CHANNEL#{channel}"), format!("ORDER#{placed_at}#{id}"), "channel-order-is-listed"),
    ];
    for (table, pk, sk, law) in laws {
        let key = json!({ "pk": { "S": pk }, "sk": { "S": sk } });
        let row = world.dynamodb("GetItem", json!({ "TableName": table, "Key": key })).await["Item"].clone();
        assert!(row.is_object(), "{table} {key}");
        world.dynamodb("DeleteItem", json!({ "TableName": table, "Key": key })).await;
        let audit = world.audit().await;
        let violated = audit["violations"].as_array().unwrap().iter().any(|violation| violation["law"] == law);
        assert!(violated, "{audit:#}");
        world.dynamodb("PutItem", json!({ "TableName": table, "Item": row })).await;
    }
    assert_books_are_clean(&world).await;
}
