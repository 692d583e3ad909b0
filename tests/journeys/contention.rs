//! Many customers buy one product concurrently.

use crate::support::{assert_books_are_clean, balance, kitchen::deliver_to, order, units_in_stock};
use local::World;
use serde_json::json;
use std::sync::Arc;

/// The number of concurrent customers, as in a busy minute.
const CUSTOMERS: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_customers_get_exactly_the_stock_and_pay_only_for_their_units() {
    sell_out_concurrently(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_customers_of_one_store_get_exactly_the_stock() {
    sell_out_concurrently(Some("s1")).await;
}

/// Many customers buy one product until it is sold out. If the product belongs to a store, every
/// order also asserts the store's row.
async fn sell_out_concurrently(store: Option<&str>) {
    let world = Arc::new(World::new().await);
    world.operator().put("/api/v1/admin/stores/s1", &crate::support::kitchen::store(true)).await;
    let mut pen = json!({ "name": "The pen", "category": "things", "price": 10 });
    if let Some(store) = store {
        pen["storeId"] = json!(store);
    }
    world.operator().put("/api/v1/admin/products/pen", &pen).await;
    world.operator().post("/api/v1/admin/products/pen/stock", &json!({ "delta": 500 })).await;
    for customer in 0..CUSTOMERS {
        world.charge(&format!("c{customer}"), 10_000).await;
    }
    world.platform.aws.make_contended();
    let buying =
        (0..CUSTOMERS).map(|customer| tokio::spawn(buy_until_sold_out(world.clone(), customer)));
    let bought: Vec<i64> = futures::future::try_join_all(buying).await.unwrap();
    assert_eq!(bought.iter().sum::<i64>(), 500);
    assert_eq!(units_in_stock(&world, "pen").await, 0);
    for (customer, units) in bought.iter().enumerate() {
        assert_eq!(balance(&world, &format!("c{customer}")).await, 10_000 - 10 * units);
    }
    assert_books_are_clean(&world).await;
}

/// Orders one to three units at a time until the product is sold out, and retries requests refused
/// with `busy`. Returns the number of units bought.
async fn buy_until_sold_out(world: Arc<World>, customer: usize) -> i64 {
    let id = format!("c{customer}");
    let client = world.customer(&id);
    let mut bought = 0;
    for round in 0.. {
        let mut units = 1 + i64::try_from((customer + round) % 3).unwrap();
        loop {
            let body = deliver_to(order(&id, &[("pen", units)]), "37.5", "127");
            let reply = client.post_once("/order", &body, &format!("{round}-{units}")).await;
            match (reply.status, reply.problem().as_str()) {
                (200, _) => break bought += units,
                (503, "busy") => {}
                (409, "out-of-stock") if units > 1 => units -= 1,
                (409, "out-of-stock") => return bought,
                _ => panic!("{reply:?}"),
            }
        }
    }
    bought
}
