//! Stocks of products that are sold on channels, too: what is odd about marketplaces does not make ours wrong.

use crate::{
    assert_books_are_clean,
    channels::{CHANNELS, collect, orders, place, register, runs, stage},
    left,
    marketplaces::{PARTNERS, quirks},
    pass, shop, text,
};
use local::World;
use serde_json::{Value, json};
use std::time::Duration;

/// Puts products on sale on a marketplace, has them collected, and maps them to the pen.
async fn sell_pens(world: &World, partner: &str, products: &[u64]) -> String {
    for product in products {
        stage(world, partner, json!({ "product": { "product": product, "name": "Pen", "price": 1_000, "stock": 3 } }));
    }
    let channel = register(world, partner, 0).await;
    collect(world, &channel).await;
    for product in products {
        map(world, &channel, *product).await;
    }
    pass(world, Duration::from_mins(2)).await;
    channel
}

async fn map(world: &World, channel: &str, product: u64) {
    let path = format!("{CHANNELS}/{channel}/products/{product}");
    assert_eq!(world.operator().put(&path, &json!({ "productId": "pen" })).await.status, 200);
}

/// How many pens each product of a marketplace has.
fn there(world: &World, partner: &str) -> Vec<i64> {
    let products = world.partner(partner).books()["shops"][0]["products"].clone();
    products.as_array().unwrap().iter().map(|product| product["stock"].as_i64().unwrap()).collect()
}

/// Lets time go by until every channel was collected by the schedule once more.
async fn when_due(world: &World) {
    pass(world, Duration::from_mins(10)).await;
    world.fire("schedule-collections").await.unwrap();
    pass(world, Duration::from_mins(2)).await;
}

#[tokio::test]
async fn two_items_of_one_order_and_two_listings_of_one_product_take_from_one_stock() {
    for partner in PARTNERS {
        let world = shop().await;
        let channel = sell_pens(&world, partner, &[900, 901]).await;
        assert_eq!(there(&world, partner), [10, 10], "{partner}");
        let status = if partner == "coupang" { "ACCEPT" } else { "PAYED" };
        let item = |item: u64, product: u64| json!({ "item": item, "product": product, "quantity": 1, "price": 500 });
        let items = [item(71, 900), item(72, 900), item(73, 901)];
        stage(&world, partner, json!({ "place": { "order": 7, "status": status, "items": items } }));
        when_due(&world).await;
        assert_eq!((left(&world, "pen").await, there(&world, partner)), (7, vec![7, 7]), "{partner}");
        // With Coupang two boxes have one item.
        let items = if partner == "coupang" { 2 } else { 3 };
        assert_eq!(orders(&world, &channel).await["7"]["items"].as_array().unwrap().len(), items);
        assert_eq!(runs(&world, &channel).await[0]["status"], "DONE");
        assert_books_are_clean(&world).await;
    }
}

#[tokio::test]
async fn what_was_ordered_there_before_it_was_told_of_our_stock_is_not_sold_twice() {
    let world = shop().await;
    let coupang = sell_pens(&world, "coupang", &[900]).await;
    sell_pens(&world, "smartstore", &[900]).await;
    // Two are ordered at Coupang; before that is collected, one is sold here, and Coupang is told by the change at Smartstore.
    place(&world, "coupang", 7);
    let one = json!({ "item": 80, "product": 900, "quantity": 1, "price": 500 });
    stage(&world, "smartstore", json!({ "place": { "order": 8, "status": "PAYED", "items": [one] } }));
    let smartstore = text(&world.operator().get(CHANNELS).await.json()["channels"][0], "channelId");
    collect(&world, &smartstore).await;
    pass(&world, Duration::from_mins(1)).await;
    assert_eq!((left(&world, "pen").await, there(&world, "coupang")), (9, vec![9]));
    collect_without_telling_all(&world, &coupang).await;
    assert_eq!((left(&world, "pen").await, there(&world, "coupang")), (7, vec![7]));
}

/// The schedule's collections tell only what has changed.
async fn collect_without_telling_all(world: &World, channel: &str) {
    let before = runs(world, channel).await.len();
    when_due(world).await;
    assert_eq!(runs(world, channel).await.len(), before + 1);
}

#[tokio::test]
async fn a_product_that_is_gone_there_is_shown_and_keeps_no_other_one_back() {
    for partner in PARTNERS {
        let world = shop().await;
        let channel = sell_pens(&world, partner, &[900]).await;
        // It is still listed here, and was removed there; another one comes after it.
        let product = json!({ "TableName": "ChannelsTable", "Item": {
            "pk": { "S": format!("CHANNEL#{channel}") }, "sk": { "S": "PRODUCT#100" }, "channelId": { "S": channel },
            "externalId": { "S": "100" }, "name": { "S": "Gone" }, "status": { "S": "SALE" },
        } });
        world.dynamodb("PutItem", product).await;
        map(&world, &channel, 100).await;
        world.operator().post("/api/v1/admin/products/pen/stock", &json!({ "delta": 5 })).await;
        when_due(&world).await;
        assert_eq!(
            (runs(&world, &channel).await[0]["status"].clone(), there(&world, partner)),
            (json!("DONE"), vec![15])
        );
        let listed = world.operator().get(&format!("/api/v1/admin/products?channelId={channel}")).await.json();
        let error = text(&listed["products"][0], "stockError");
        assert!(error.contains("will not do it: 400"), "{listed}");
    }
}

#[tokio::test]
async fn a_stock_that_was_told_although_nobody_heard_is_told_again() {
    let world = shop().await;
    let channel = sell_pens(&world, "smartstore", &[900]).await;
    quirks(&world, "smartstore", &["late-timeout"]);
    world.operator().post("/api/v1/admin/products/pen/stock", &json!({ "delta": 5 })).await;
    for _ in 0..3 {
        when_due(&world).await;
    }
    quirks(&world, "smartstore", &[]);
    for _ in 0..3 {
        when_due(&world).await;
    }
    assert_eq!(there(&world, "smartstore"), [15]);
    let listed = world.operator().get(&format!("/api/v1/admin/products?channelId={channel}")).await.json();
    let product = &listed["products"][0];
    assert_eq!((&product["stock"], &product["stockError"]), (&json!(15), &Value::Null), "{listed}");
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn what_is_broken_here_is_seen_in_the_run_and_ends_it() {
    let world = shop().await;
    let channel = sell_pens(&world, "coupang", &[900]).await;
    let key = json!({ "pk": { "S": "PRODUCT#pen" }, "sk": { "S": "STOCK#0" } });
    let set = |quantity: Value| {
        json!({
            "TableName": "ProductsTable", "Key": key, "UpdateExpression": "SET quantity = :quantity",
            "ExpressionAttributeValues": { ":quantity": quantity },
        })
    };
    world.dynamodb("UpdateItem", set(json!({ "S": "many" }))).await;
    place(&world, "coupang", 7);
    when_due(&world).await;
    let run = crate::marketplaces::until_it_ends(&world, &channel).await;
    assert_eq!(run["status"], "FAILED", "{run}");
    assert!(text(&run, "error").ends_with("it is ours to mend, see the log"), "{run}");
    world.dynamodb("UpdateItem", set(json!({ "N": "10" }))).await;
    when_due(&world).await;
    assert_eq!((left(&world, "pen").await, there(&world, "coupang")), (8, vec![8]));
    assert_books_are_clean(&world).await;
}
