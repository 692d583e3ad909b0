//! Many customers at once on one product.

use crate::{assert_books_are_clean, balance, kitchen::to, left, order};
use local::World;
use serde_json::json;
use std::sync::Arc;

/// As many customers as a busy minute brings.
const CUSTOMERS: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn customers_who_press_at_once_get_exactly_what_there_is_and_pay_for_no_more() {
    press_at_once(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_of_one_store_who_press_at_once_do_too() {
    press_at_once(Some("s1")).await;
}

/// Many customers buy the same product until it is gone; of no store, or of one whose row every order asserts.
async fn press_at_once(store: Option<&str>) {
    let world = Arc::new(World::new().await);
    world.operator().put("/api/v1/admin/stores/s1", &crate::kitchen::store(true)).await;
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
    let shopping = (0..CUSTOMERS).map(|customer| tokio::spawn(shop_until_it_is_gone(world.clone(), customer)));
    let bought: Vec<i64> = futures::future::try_join_all(shopping).await.unwrap();
    assert_eq!(bought.iter().sum::<i64>(), 500);
    assert_eq!(left(&world, "pen").await, 0);
    for (customer, units) in bought.iter().enumerate() {
        assert_eq!(balance(&world, &format!("c{customer}")).await, 10_000 - 10 * units);
    }
    assert_books_are_clean(&world).await;
}

/// Orders one to three units at a time until there are none; repeats what was told to be busy. Tells how many it got.
async fn shop_until_it_is_gone(world: Arc<World>, customer: usize) -> i64 {
    let id = format!("c{customer}");
    let client = world.customer(&id);
    let mut bought = 0;
    for round in 0.. {
        let mut units = 1 + i64::try_from((customer + round) % 3).unwrap();
        loop {
            let body = to(order(&id, &[("pen", units)]), "37.5", "127");
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
