//! Stocks of products that are also sold on marketplaces: the quirks of marketplaces do not make
//! our stock wrong.

use crate::support::{
    assert_books_are_clean,
    channels::{CHANNELS, collect, orders, place, register, runs, stage},
    channels::{PARTNERS, quirks},
    pass_time, shop, text, units_in_stock,
};
use local::World;
use serde_json::{Value, json};
use std::time::Duration;

/// Puts products on sale on a marketplace, collects them and maps them to the product `pen`.
/// Returns the channel's id.
async fn sell_pens(world: &World, partner: &str, products: &[u64]) -> String {
    for product in products {
        stage(
            world,
            partner,
            json!({ "product": { "product": product, "name": "Pen", "price": 1_000, "stock": 3 } }),
        );
    }
    let channel = register(world, partner, 0).await;
    collect(world, &channel).await;
    for product in products {
        map(world, &channel, *product).await;
    }
    pass_time(world, Duration::from_mins(2)).await;
    channel
}

async fn map(world: &World, channel: &str, product: u64) {
    let path = format!("{CHANNELS}/{channel}/products/{product}");
    assert_eq!(world.operator().put(&path, &json!({ "productId": "pen" })).await.status, 200);
}

/// The stock that the marketplace has for each of its products.
fn marketplace_stocks(world: &World, partner: &str) -> Vec<i64> {
    let products = world.partner(partner).books()["shops"][0]["products"].clone();
    products.as_array().unwrap().iter().map(|product| product["stock"].as_i64().unwrap()).collect()
}

/// Advances time until the schedule has collected every channel once more.
async fn run_due_collections(world: &World) {
    pass_time(world, Duration::from_mins(10)).await;
    world.fire("schedule-collections").await.unwrap();
    pass_time(world, Duration::from_mins(2)).await;
}

#[tokio::test]
async fn all_items_and_listings_of_one_product_share_one_stock() {
    for partner in PARTNERS {
        let world = shop().await;
        let channel = sell_pens(&world, partner, &[900, 901]).await;
        assert_eq!(marketplace_stocks(&world, partner), [10, 10], "{partner}");
        let status = if partner == "coupang" { "ACCEPT" } else { "PAYED" };
        let item = |item: u64, product: u64| json!({ "item": item, "product": product, "quantity": 1, "price": 500 });
        let items = [item(71, 900), item(72, 900), item(73, 901)];
        stage(
            &world,
            partner,
            json!({ "place": { "order": 7, "status": status, "items": items } }),
        );
        run_due_collections(&world).await;
        assert_eq!(
            (units_in_stock(&world, "pen").await, marketplace_stocks(&world, partner)),
            (7, vec![7, 7]),
            "{partner}"
        );
        // Coupang identifies an item by its vendor item: two boxes with the same one are one item.
        let items = if partner == "coupang" { 2 } else { 3 };
        assert_eq!(orders(&world, &channel).await["7"]["items"].as_array().unwrap().len(), items);
        assert_eq!(runs(&world, &channel).await[0]["status"], "DONE");
        assert_books_are_clean(&world).await;
    }
}

#[tokio::test]
async fn an_order_that_is_not_collected_when_our_stock_is_sent_is_not_sold_twice() {
    let world = shop().await;
    let coupang = sell_pens(&world, "coupang", &[900]).await;
    sell_pens(&world, "smartstore", &[900]).await;
    // Two units are ordered at Coupang. Before that order is collected, one unit is sold at
    // Smartstore, and the collection of that order sends the new stock to Coupang.
    place(&world, "coupang", 7);
    let one = json!({ "item": 80, "product": 900, "quantity": 1, "price": 500 });
    stage(
        &world,
        "smartstore",
        json!({ "place": { "order": 8, "status": "PAYED", "items": [one] } }),
    );
    let smartstore = text(&world.operator().get(CHANNELS).await.json()["channels"][0], "channelId");
    collect(&world, &smartstore).await;
    pass_time(&world, Duration::from_mins(1)).await;
    assert_eq!(
        (units_in_stock(&world, "pen").await, marketplace_stocks(&world, "coupang")),
        (9, vec![9])
    );
    collect_by_schedule(&world, &coupang).await;
    assert_eq!(
        (units_in_stock(&world, "pen").await, marketplace_stocks(&world, "coupang")),
        (7, vec![7])
    );
}

/// Runs one scheduled collection. Unlike a requested one, it sends only stocks that have changed.
async fn collect_by_schedule(world: &World, channel: &str) {
    let before = runs(world, channel).await.len();
    run_due_collections(world).await;
    assert_eq!(runs(world, channel).await.len(), before + 1);
}

#[tokio::test]
async fn a_product_removed_by_the_marketplace_is_reported_and_blocks_no_other() {
    for partner in PARTNERS {
        let world = shop().await;
        let channel = sell_pens(&world, partner, &[900]).await;
        // The product is still listed here, but the marketplace has removed it. Another product
        // comes after it.
        let product = json!({ "TableName": "ChannelsTable", "Item": {
            "pk": { "S": format!("CHANNEL#{channel}") }, "sk": { "S": "PRODUCT#100" }, "channelId": { "S": channel },
            "externalId": { "S": "100" }, "name": { "S": "Gone" }, "status": { "S": "SALE" },
        } });
        world.dynamodb("PutItem", product).await;
        map(&world, &channel, 100).await;
        world.operator().post("/api/v1/admin/products/pen/stock", &json!({ "delta": 5 })).await;
        run_due_collections(&world).await;
        assert_eq!(
            (
                runs(&world, &channel).await[0]["status"].clone(),
                marketplace_stocks(&world, partner)
            ),
            (json!("DONE"), vec![15])
        );
        let listed = world
            .operator()
            .get(&format!("/api/v1/admin/products?channelId={channel}"))
            .await
            .json();
        let error = text(&listed["products"][0], "stockError");
        assert!(error.contains("rejected the request: 400"), "{listed}");
    }
}

#[tokio::test]
async fn a_stock_whose_response_was_lost_is_sent_again() {
    let world = shop().await;
    let channel = sell_pens(&world, "smartstore", &[900]).await;
    quirks(&world, "smartstore", &["late-timeout"]);
    world.operator().post("/api/v1/admin/products/pen/stock", &json!({ "delta": 5 })).await;
    for _ in 0..3 {
        run_due_collections(&world).await;
    }
    quirks(&world, "smartstore", &[]);
    for _ in 0..3 {
        run_due_collections(&world).await;
    }
    assert_eq!(marketplace_stocks(&world, "smartstore"), [15]);
    let listed =
        world.operator().get(&format!("/api/v1/admin/products?channelId={channel}")).await.json();
    let product = &listed["products"][0];
    assert_eq!((&product["stock"], &product["stockError"]), (&json!(15), &Value::Null), "{listed}");
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_internal_error_fails_the_run_and_is_shown_in_it() {
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
    run_due_collections(&world).await;
    let run = crate::support::channels::run_until_ended(&world, &channel).await;
    assert_eq!(run["status"], "FAILED", "{run}");
    assert!(text(&run, "error").ends_with("internal error, see the log"), "{run}");
    world.dynamodb("UpdateItem", set(json!({ "N": "10" }))).await;
    run_due_collections(&world).await;
    assert_eq!(
        (units_in_stock(&world, "pen").await, marketplace_stocks(&world, "coupang")),
        (8, vec![8])
    );
    assert_books_are_clean(&world).await;
}
