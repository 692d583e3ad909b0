//! Changes of a marketplace's order after its first listing: new parcels, slow pages and repeated
//! requests for a run.

use crate::support::{
    assert_books_are_clean,
    channels::{CHANNELS, a_minute_passes, collect, orders, register, runs, stage},
    channels::{quirks, run_until_ended},
    pass_time, shop, text, units_in_stock,
};
use local::{World, partners::Mode};
use serde_json::{Value, json};
use std::time::Duration;

/// A shop that sells pens on Coupang, with one order of three pens. Returns the world and the
/// channel.
async fn three_pens() -> (World, String) {
    let world = shop().await;
    let channel = register(&world, "coupang", 0).await;
    stage(
        &world,
        "coupang",
        json!({ "product": { "product": 900, "name": "Pen", "price": 100, "stock": 10 } }),
    );
    collect(&world, &channel).await;
    let path = format!("{CHANNELS}/{channel}/products/900");
    assert_eq!(world.operator().put(&path, &json!({ "productId": "pen" })).await.status, 200);
    let item =
        json!({ "item": 70, "product": 900, "quantity": 3, "price": 1_000, "discount": 300 });
    stage(
        &world,
        "coupang",
        json!({ "place": { "order": 7, "status": "INSTRUCT", "items": [item] } }),
    );
    collect(&world, &channel).await;
    (world, channel)
}

/// The number of changes that orders made to the stock of pens, and their sum.
async fn movements(world: &World) -> (usize, i64) {
    let query = json!({
        "TableName": "ProductsTable", "KeyConditionExpression": "pk = :pk AND begins_with(sk, :move)",
        "ExpressionAttributeValues": { ":pk": { "S": "PRODUCT#pen" }, ":move": { "S": "MOVE#ord_" } },
    });
    let found = world.dynamodb("Query", query).await;
    let deltas = found["Items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| text(&one["delta"], "N").parse::<i64>().unwrap());
    (deltas.clone().count(), deltas.sum())
}

#[tokio::test]
async fn a_split_shipment_leaves_the_order_unchanged() {
    let (world, channel) = three_pens().await;
    assert_eq!((units_in_stock(&world, "pen").await, movements(&world).await), (7, (1, -3)));
    // One unit is shipped first, in a parcel of its own.
    stage(
        &world,
        "coupang",
        json!({ "split": { "order": 7, "item": 70, "product": 900, "units": 1, "into": 71 } }),
    );
    stage(&world, "coupang", json!({ "move": { "order": 7, "item": 71, "status": "DEPARTURE" } }));
    collect(&world, &channel).await;
    let order = orders(&world, &channel).await["7"].clone();
    let items = order["items"].as_array().unwrap();
    assert_eq!(
        (items.len(), &items[0]["quantity"], &items[0]["channel"]["itemId"]),
        (1, &json!(3), &json!("900"))
    );
    assert_eq!(
        (&order["status"], &order["totalAmount"], &items[0]["channel"]["cancelled"]),
        (&json!("ACCEPTED"), &json!(2_700), &json!(0))
    );
    assert_eq!(
        (units_in_stock(&world, "pen").await, movements(&world).await),
        (7, (1, -3)),
        "the stock is unchanged"
    );
    let requests = world
        .partner("coupang")
        .requests()
        .iter()
        .filter(|one| one.path.ends_with("/7/ordersheets"))
        .count();
    assert_eq!(requests, 1, "the whole order is requested once");
    // The other two units are cancelled. The shipped one stays shipped.
    stage(
        &world,
        "coupang",
        json!({ "claim": { "claim": 1, "order": 7, "item": 70, "quantity": 2, "done": true } }),
    );
    collect(&world, &channel).await;
    let order = orders(&world, &channel).await["7"].clone();
    assert_eq!((&order["status"], &order["items"][0]["quantity"]), (&json!("SHIPPED"), &json!(1)));
    assert_eq!(units_in_stock(&world, "pen").await, 9);
    stage(
        &world,
        "coupang",
        json!({ "move": { "order": 7, "item": 71, "status": "FINAL_DELIVERY" } }),
    );
    collect(&world, &channel).await;
    assert_eq!(
        orders(&world, &channel).await["7"]["status"],
        "COMPLETED",
        "no leftover parcel prevents the completion"
    );
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_order_that_cannot_be_fetched_blocks_no_other_order() {
    let (world, channel) = three_pens().await;
    let item = json!({ "item": 80, "product": 900, "quantity": 2, "price": 1_000 });
    stage(
        &world,
        "coupang",
        json!({ "place": { "order": 8, "status": "ACCEPT", "items": [item] } }),
    );
    collect(&world, &channel).await;
    assert_eq!(units_in_stock(&world, "pen").await, 5);
    quirks(&world, "coupang", &["no-single-orders"]);
    stage(
        &world,
        "coupang",
        json!({ "split": { "order": 7, "item": 70, "product": 900, "units": 1, "into": 71 } }),
    );
    stage(
        &world,
        "coupang",
        json!({ "claim": { "claim": 1, "order": 8, "item": 80, "quantity": 2, "done": true } }),
    );
    let run = collect(&world, &channel).await;
    let run =
        if run["status"] == "RUNNING" { run_until_ended(&world, &channel).await } else { run };
    assert!(run.to_string().contains("There is no such order"), "the run names it: {run}");
    assert_eq!(
        (
            orders(&world, &channel).await["8"]["status"].clone(),
            units_in_stock(&world, "pen").await
        ),
        (json!("CANCELLED"), 7)
    );
    // Once it can be fetched, it matches the marketplace's order.
    quirks(&world, "coupang", &[]);
    collect(&world, &channel).await;
    assert_eq!(
        (
            orders(&world, &channel).await["7"]["items"][0]["quantity"].clone(),
            units_in_stock(&world, "pen").await
        ),
        (json!(3), 7)
    );
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn the_audit_finds_excess_reservations_and_a_product_in_two_items() {
    let (world, channel) = three_pens().await;
    let id = text(&orders(&world, &channel).await["7"], "orderId");
    let key = json!({ "pk": { "S": format!("ORDER#{id}") }, "sk": { "S": "EXTERNAL" } });
    let row =
        world.dynamodb("GetItem", json!({ "TableName": "OrdersTable", "Key": key })).await["Item"]
            .clone();
    let mut duplicated = row.clone();
    duplicated["orderState"]["M"]["items"]["M"]["71-900"] =
        row["orderState"]["M"]["items"]["M"]["900"].clone();
    world.dynamodb("PutItem", json!({ "TableName": "OrdersTable", "Item": duplicated })).await;
    let laws = |audit: &Value| -> Vec<String> {
        audit["violations"].as_array().unwrap().iter().map(|one| text(one, "law")).collect()
    };
    let found = laws(&world.audit().await);
    assert!(found.contains(&"channel-order-reserves-what-it-has".into()), "{found:?}");
    let mut more = row;
    more["orderState"]["M"]["items"]["M"]["900"]["M"]["reservation"]["M"]["shortfall"] =
        json!({ "N": "1" });
    world.dynamodb("PutItem", json!({ "TableName": "OrdersTable", "Item": more })).await;
    let found = laws(&world.audit().await);
    assert!(found.contains(&"channel-order-reserves-what-it-has".into()), "{found:?}");
}

#[tokio::test]
async fn a_marketplace_that_needs_half_a_minute_per_page_is_collected() {
    let (world, channel) = three_pens().await;
    quirks(&world, "coupang", &["slow-pages"]);
    stage(&world, "coupang", json!({ "move": { "order": 7, "status": "DEPARTURE" } }));
    let run = collect(&world, &channel).await;
    let run =
        if run["status"] == "RUNNING" { run_until_ended(&world, &channel).await } else { run };
    assert_eq!(
        (&run["status"], &orders(&world, &channel).await["7"]["status"]),
        (&json!("DONE"), &json!("SHIPPED"))
    );
    let listing = world
        .partner("coupang")
        .requests()
        .into_iter()
        .rfind(|one| one.path.contains("/ordersheets?"))
        .unwrap();
    assert_eq!(listing.headers["x-extended-timeout"], "90000");
    assert!(
        listing.path.contains("createdAtFrom=2026-01-") && listing.path.contains("%2B09:00"),
        "the query is sent as it was signed"
    );
}

#[tokio::test]
async fn a_page_that_is_too_slow_is_requested_with_a_smaller_window() {
    let world = World::new().await;
    let channel = register(&world, "coupang", 0).await;
    let item = json!({ "item": 70, "product": 900, "quantity": 1, "price": 1_000 });
    for (order, days) in [(1, 29), (2, 12), (3, 0)] {
        let at = world.now().minus(Duration::from_hours(24 * days)).to_string();
        stage(
            &world,
            "coupang",
            json!({ "place": { "order": order, "at": at, "status": "ACCEPT", "items": [item] } }),
        );
    }
    quirks(&world, "coupang", &["slow-listings"]);
    collect(&world, &channel).await;
    let run = run_until_ended(&world, &channel).await;
    assert_eq!(
        (&run["status"], orders(&world, &channel).await.len()),
        (&json!("DONE"), 3),
        "{run}"
    );
}

#[tokio::test]
async fn repeated_requests_for_a_collection_start_one_run() {
    let world = World::new().await;
    let channel = register(&world, "coupang", 0).await;
    world.enable("collect-channel", false);
    let collect = format!("{CHANNELS}/{channel}/collect");
    let first = world.operator().post(&collect, &json!({})).await;
    for _ in 0..50 {
        let again = world.operator().post(&collect, &json!({})).await;
        assert_eq!((again.status, again.json()), (202, first.json()));
    }
    assert_eq!(world.messages("CollectChannelQueue").len(), 1);
    world.enable("collect-channel", true);
    run_until_ended(&world, &channel).await;
    pass_time(&world, Duration::from_secs(1)).await;
    assert_eq!(runs(&world, &channel).await.len(), 1);
    let next = world.operator().post(&collect, &json!({})).await;
    assert_ne!(next.json(), first.json(), "the first run has begun, so this is a new one");
    // A run whose message is lost is requested again by the schedule.
    world.settle().await;
    world.partner("coupang").be(Mode::Ok);
    world.inject([local::aws::faults::Rule::all_of("sqs", local::aws::faults::Kind::Before)]);
    let lost = world.operator().post(&collect, &json!({})).await;
    assert_eq!(lost.status, 503);
    world.inject([]);
    a_minute_passes(&world).await;
    a_minute_passes(&world).await;
    assert_eq!(runs(&world, &channel).await.len(), 3);
}

/// Creates a channel of the stub that lists orders at a URL.
async fn http_channel(world: &World) -> String {
    let system = world.partner("orders-api");
    let url = format!("{}/orders", system.base_url);
    let body = json!({
        "name": "Own mall", "type": "HTTP", "intervalMinutes": 10,
        "credentials": { "url": url, "token": system.secret },
    });
    let created = world.operator().post(CHANNELS, &body).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert!(!created.body.contains(&system.secret), "credentials are never returned");
    let channel = text(&created.json(), "channelId");
    assert_eq!(created.headers["location"], format!("{CHANNELS}/{channel}"));
    channel
}

#[tokio::test]
async fn any_system_that_lists_orders_is_a_channel_by_its_url() {
    let world = shop().await;
    let channel = http_channel(&world).await;
    let system = world.partner("orders-api");
    for number in 1..=5 {
        system
            .stage(&json!({ "order": {
                "externalOrderId": format!("e-{number}"), "status": if number == 5 { "in_transit" } else { "paid" }, "customerId": "c7",
                "campaignId": "spring", "items": [{ "productId": "cup", "quantity": number, "unitPrice": 1_000 }],
                "discountAmount": 100, "placedAt": "2026-01-05T03:00:00Z",
            } }))
            .unwrap();
    }
    let run = collect(&world, &channel).await;
    assert_eq!((&run["status"], &run["orders"]), (&json!("DONE"), &json!(5)), "{run}");
    let seen = orders(&world, &channel).await;
    let last = &seen["e-5"];
    assert_eq!((&last["status"], &last["totalAmount"]), (&json!("PAID"), &json!(4_900)));
    assert_eq!((&last["customerId"], &last["campaignId"]), (&json!("c7"), &json!("spring")));
    assert_eq!(
        last["items"][0]["channel"]["status"],
        json!("in_transit"),
        "the system's own status"
    );
    assert!(
        system.requests().iter().all(|one| one.path.starts_with("/orders?updatedSince=")),
        "page by page"
    );
    assert!(system.requests().len() >= 3);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_line_that_a_system_no_longer_lists_is_cancelled_and_its_stock_is_released() {
    let world = shop().await;
    let channel = http_channel(&world).await;
    let system = world.partner("orders-api");
    let known = json!({
        "externalOrderId": "e-1", "status": "paid", "customerId": "c7",
        "placedAt": "2026-01-05T03:00:00Z",
        "items": [{ "productId": "pen", "quantity": 1, "unitPrice": 1_000 }],
    });
    system.stage(&json!({ "order": known })).unwrap();
    collect(&world, &channel).await;
    let mapped = world
        .operator()
        .put(&format!("{CHANNELS}/{channel}/products/pen"), &json!({ "productId": "pen" }))
        .await;
    assert_eq!(mapped.status, 200, "{mapped:?}");
    let mut order = json!({
        "externalOrderId": "e-6", "status": "paid", "customerId": "c7", "placedAt": "2026-01-05T03:00:00Z",
        "items": [{ "productId": "cup", "quantity": 1, "unitPrice": 1_000 }, { "productId": "pen", "quantity": 2, "unitPrice": 500 }],
    });
    system.stage(&json!({ "order": order })).unwrap();
    collect(&world, &channel).await;
    let summary = |order: &Value| (order["status"].clone(), order["totalAmount"].clone());
    assert_eq!(
        (summary(&orders(&world, &channel).await["e-6"]), units_in_stock(&world, "pen").await),
        ((json!("PAID"), json!(2_000)), 8)
    );
    order["items"].as_array_mut().unwrap().pop();
    order["status"] = json!("completed");
    system.stage(&json!({ "order": order })).unwrap();
    collect(&world, &channel).await;
    let seen = orders(&world, &channel).await;
    assert_eq!(
        (summary(&seen["e-6"]), units_in_stock(&world, "pen").await),
        ((json!("COMPLETED"), json!(1_000)), 10)
    );
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_wrong_token_or_an_unsafe_url_of_an_http_channel_is_reported() {
    let world = shop().await;
    let channel = http_channel(&world).await;
    let system = world.partner("orders-api");
    let wrong = json!({ "credentials": { "url": format!("{}/orders", system.base_url), "token": "wrong" } });
    assert_eq!(world.operator().patch(&format!("{CHANNELS}/{channel}"), &wrong).await.status, 200);
    let tried =
        world.operator().post(&format!("{CHANNELS}/{channel}/test"), &json!({})).await.json();
    assert_eq!(tried["ok"], json!(false));
    for url in
        ["http://10.0.0.1/orders", "https://169.254.169.254", "ftp://x", "https://x.example/?a=b"]
    {
        let body =
            json!({ "name": "x", "type": "HTTP", "credentials": { "url": url, "token": "t" } });
        assert_eq!(
            world.operator().post(CHANNELS, &body).await.problem(),
            "malformed-request",
            "{url}"
        );
    }
}
