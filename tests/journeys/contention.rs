//! Many customers at once on one product.

use crate::{assert_books_are_clean, balance, left, order};
use local::World;
use std::sync::Arc;

/// As many customers as a busy minute brings.
const CUSTOMERS: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn customers_who_press_at_once_get_exactly_what_there_is_and_pay_for_no_more() {
    let world = Arc::new(World::new().await);
    world.stock("pen", 10, 500).await;
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
            let reply = client.post_once("/order", &order(&id, &[("pen", units)]), &format!("{round}-{units}")).await;
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
