//! Every AWS call fails in every way: a retry under the same key always finds one effect and one
//! response.

use crate::support::{assert_books_are_clean, balance, ledger, order, shop, units_in_stock};
use local::{
    World,
    aws::faults::{Kind, Rule},
    world::Reply,
};
use serde_json::{Value, json};

/// Every way in which a call can fail. A transaction of `items` items can conflict on each of them.
fn kinds(items: usize) -> Vec<Kind> {
    let conflicts = (0..items).map(Kind::Conflict);
    [Kind::Before, Kind::After, Kind::Throttle, Kind::Internal]
        .into_iter()
        .chain(conflicts)
        .collect()
}

/// Two rules with the same fault. The first hits only the `nth` call, and the function recovers.
/// The second hits every call of `operation`, and the function gives up.
fn rules(nth: u64, kind: Kind, operation: &str) -> [Rule; 2] {
    let operation = Some(operation.to_owned());
    [Rule::nth(nth, kind), Rule { service: None, operation, kind, every: 1, count: None }]
}

/// Sends a request with a fault and retries it without, and asserts that the responses agree.
/// Returns the first response.
async fn send_with_fault_and_retry(world: &World, path: &str, body: &Value, rule: Rule) -> Reply {
    // An operator may do everything that a customer may do.
    let customer = world.operator();
    world.inject([rule.clone()]);
    let first = customer.post_once(path, body, "k").await;
    world.inject([]);
    let second = customer.post_once(path, body, "k").await;
    assert_eq!(second.status, 200, "{rule:?}: {second:?}");
    match first.status {
        200 => assert_eq!((&first.body, second.is_replayed()), (&second.body, true), "{rule:?}"),
        503 => assert_eq!(
            (first.problem().as_str(), first.headers.contains_key("retry-after")),
            ("busy", true),
            "{rule:?}"
        ),
        _ => panic!("{rule:?}: {first:?}"),
    }
    first
}

#[tokio::test]
async fn a_charge_takes_effect_once_despite_any_failed_call() {
    let body = json!({ "customerId": "c1", "amount": 500 });
    for (nth, operation) in [(1, "BatchGetItem"), (2, "TransactWriteItems")] {
        for kind in kinds(3) {
            for (rule, recovers) in rules(nth, kind, operation).into_iter().zip([true, false]) {
                let world = World::new().await;
                let first =
                    send_with_fault_and_retry(&world, "/points/charge", &body, rule.clone()).await;
                assert_eq!(first.status == 200, recovers, "{rule:?}: {first:?}");
                assert_eq!(ledger(&world, "c1").await, [("CHARGE".into(), 500)], "{rule:?}");
                assert_eq!(balance(&world, "c1").await, 500, "{rule:?}");
                assert_books_are_clean(&world).await;
            }
        }
    }
}

#[tokio::test]
async fn an_order_takes_effect_once_despite_any_failed_call() {
    let body = order("c1", &[("pen", 1), ("ink", 2)]);
    for (nth, operation) in [(1, "TransactGetItems"), (2, "TransactWriteItems")] {
        for kind in kinds(5) {
            for (rule, recovers) in rules(nth, kind, operation).into_iter().zip([true, false]) {
                let world = shop().await;
                let first = send_with_fault_and_retry(&world, "/order", &body, rule.clone()).await;
                assert_eq!(first.status == 200, recovers, "{rule:?}: {first:?}");
                assert_eq!(
                    (units_in_stock(&world, "pen").await, units_in_stock(&world, "ink").await),
                    (9, 8),
                    "{rule:?}"
                );
                assert_eq!(
                    ledger(&world, "c1").await,
                    [("CHARGE".into(), 100_000), ("USE".into(), -6_000)],
                    "{rule:?}"
                );
                world.settle().await;
                let delivered = world.partner("data-platform").requests();
                assert_eq!(delivered.len(), 1, "{rule:?}");
                assert_books_are_clean(&world).await;
            }
        }
    }
}

#[tokio::test]
async fn a_stock_adjustment_takes_effect_once_despite_any_failed_call() {
    for (nth, operation) in [(1, "BatchGetItem"), (2, "TransactWriteItems")] {
        for kind in kinds(3) {
            for rule in rules(nth, kind, operation) {
                let world = shop().await;
                let (operator, path) = (world.operator(), "/api/v1/admin/products/pen/stock");
                world.inject([rule.clone()]);
                operator.post_once(path, &json!({ "delta": 5 }), "k").await;
                world.inject([]);
                let second = operator.post_once(path, &json!({ "delta": 5 }), "k").await;
                assert_eq!(second.json()["quantity"], json!(15), "{rule:?}");
                assert_eq!(units_in_stock(&world, "pen").await, 15, "{rule:?}");
                assert_books_are_clean(&world).await;
            }
        }
    }
}

#[tokio::test]
async fn a_refused_order_changes_nothing_despite_any_failed_call() {
    for nth in 1..=3 {
        for kind in kinds(3) {
            let world = shop().await;
            world.inject([Rule::nth(nth, kind)]);
            let refused =
                world.customer("c1").post_once("/order", &order("c1", &[("pen", 11)]), "k").await;
            assert!([409, 503].contains(&refused.status), "{refused:?}");
            world.inject([]);
            assert_eq!(
                (units_in_stock(&world, "pen").await, balance(&world, "c1").await),
                (10, 100_000)
            );
            assert_books_are_clean(&world).await;
        }
    }
}

/// Without a key, a retry of the client is indistinguishable from a second request. The function's
/// own retry must still not apply a request twice.
#[tokio::test]
async fn a_request_without_a_key_takes_effect_once_when_a_response_of_dynamodb_is_lost() {
    let lost = || Rule {
        service: None,
        operation: Some("TransactWriteItems".into()),
        kind: Kind::After,
        every: 1,
        count: Some(1),
    };
    let world = shop().await;
    world.inject([lost()]);
    let charged = world
        .operator()
        .post("/points/charge", &json!({ "customerId": "c1", "amount": 500 }))
        .await;
    assert_eq!(
        (charged.status, &charged.json()["balance"], charged.is_replayed()),
        (200, &json!(100_500), false)
    );
    world.inject([lost()]);
    let placed = world.customer("c1").post("/order", &order("c1", &[("pen", 1)])).await;
    assert_eq!((placed.status, placed.is_replayed()), (200, false), "{placed:?}");
    world.inject([lost()]);
    let adjusted =
        world.operator().post("/api/v1/admin/products/pen/stock", &json!({ "delta": 5 })).await;
    assert_eq!(adjusted.json()["quantity"], json!(14));
    assert_eq!((balance(&world, "c1").await, units_in_stock(&world, "pen").await), (99_500, 14));
    assert_books_are_clean(&world).await;
}

/// The function has cached the prices and reads nothing first: only the transaction detects that
/// the points are already spent.
#[tokio::test]
async fn points_are_not_spent_twice_by_orders_without_a_prior_read() {
    let world = shop().await;
    world.charge("c2", 1_500).await;
    world.customer("c1").post("/order", &order("c1", &[("pen", 1)])).await;
    for expected in [200, 409] {
        let reply = world.customer("c2").post("/order", &order("c2", &[("pen", 1)])).await;
        assert_eq!(reply.status, expected, "{reply:?}");
    }
    assert_eq!((balance(&world, "c2").await, units_in_stock(&world, "pen").await), (500, 8));
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_cart_is_ordered_once_despite_any_failed_call() {
    for (nth, operation) in [(1, "Query"), (2, "TransactGetItems"), (3, "TransactWriteItems")] {
        for kind in kinds(2) {
            for (rule, recovers) in rules(nth, kind, operation).into_iter().zip([true, false]) {
                let world = shop().await;
                for product in ["pen", "ink"] {
                    let path = format!("/carts/c1/items/{product}");
                    world.customer("c1").put(&path, &json!({ "quantity": 1 })).await;
                }
                let first =
                    send_with_fault_and_retry(&world, "/carts/c1/order", &json!({}), rule.clone())
                        .await;
                assert_eq!(first.status == 200, recovers, "{rule:?}: {first:?}");
                assert_eq!(
                    (units_in_stock(&world, "pen").await, balance(&world, "c1").await),
                    (9, 96_500),
                    "{rule:?}"
                );
                assert_eq!(
                    world.operator().get("/carts/c1").await.json()["items"],
                    json!([]),
                    "{rule:?}"
                );
                assert_books_are_clean(&world).await;
            }
        }
    }
}

#[tokio::test]
async fn a_coupon_is_issued_once_despite_any_failed_call() {
    for (nth, operation) in [(1, "BatchGetItem"), (2, "TransactWriteItems")] {
        for kind in kinds(2) {
            for (rule, recovers) in rules(nth, kind, operation).into_iter().zip([true, false]) {
                let world = shop().await;
                let source = "/api/v1/admin/coupon-sources/spring";
                world.operator().put(source, &crate::support::coupon_source(5)).await;
                let body = json!({ "customerId": "c1" });
                let first =
                    send_with_fault_and_retry(&world, "/coupons/spring/issue", &body, rule.clone())
                        .await;
                assert_eq!(first.status == 200, recovers, "{rule:?}: {first:?}");
                let put = world.operator().put(source, &crate::support::coupon_source(5)).await;
                assert_eq!(put.json()["issued"], json!(1), "{rule:?}");
                assert_books_are_clean(&world).await;
            }
        }
    }
}

#[tokio::test]
async fn a_retry_that_could_end_after_the_deadline_is_not_made() {
    let world = shop().await;
    world.inject([Rule::all_of("dynamodb", Kind::Conflict(0))]);
    let mut body = order("c1", &[("pen", 1)]);
    body["items"][0]["expectedPrice"] = json!(1_000);
    let customer = world.customer("c1");
    // Most of the function's time passes while it waits for the second attempt: a third one could
    // end after the deadline.
    let (refused, ()) = tokio::join!(customer.post("/order", &body), async {
        world.advance(std::time::Duration::from_secs(18));
    });
    assert_eq!((refused.status, refused.problem().as_str()), (503, "busy"));
    assert_eq!(world.take_calls().len(), 2);
}

#[tokio::test]
async fn conflicts_and_throttling_are_attempted_four_times_and_then_refused_as_busy() {
    for kind in [Kind::Conflict(0), Kind::Throttle] {
        let world = shop().await;
        world.inject([Rule::all_of("dynamodb", kind)]);
        let mut body = order("c1", &[("pen", 1)]);
        body["items"][0]["expectedPrice"] = json!(1_000);
        let refused = world.customer("c1").post("/order", &body).await;
        assert_eq!((refused.status, refused.problem().as_str()), (503, "busy"));
        assert_eq!(world.take_calls().len(), 4, "{kind:?}");
    }
}
