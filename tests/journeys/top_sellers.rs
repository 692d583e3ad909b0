//! The five best-selling products of the last 72 hours, compared with a brute-force sum.

use crate::support::faults::ALL_KINDS;
use domain::{Timestamp, sales::WINDOW};
use local::{World, aws::faults::Rule};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const PRODUCTS: usize = 7;

/// A paid order: the part of its data that its events need.
#[derive(Debug, Clone)]
struct PaidOrder {
    id: usize,
    paid_at: Timestamp,
    items: Vec<(usize, i64)>,
}

/// The message to `record-sales` for an order's payment (version 1) or cancellation (version 2).
fn message(paid: &PaidOrder, version: u32) -> String {
    let status = if version == 1 { "PAID" } else { "CANCELLED" };
    let item = |(product, quantity): &(usize, i64)| json!({ "productId": format!("p{product}"), "quantity": quantity, "unitPrice": 1, "totalPrice": quantity });
    let order = json!({
        "orderId": format!("o{}", paid.id), "version": version, "status": status, "customerId": "c1",
        "items": paid.items.iter().map(item).collect::<Vec<_>>(),
        "originalAmount": 1, "discountAmount": 0, "totalAmount": 1,
        "payment": { "method": "POINTS", "amount": 1, "status": "PAID", "paidAt": paid.paid_at },
        "timeline": [], "placedAt": paid.paid_at, "updatedAt": paid.paid_at,
    });
    json!({
        "specversion": "1.0", "id": format!("o{}#{version}", paid.id), "source": "/orders",
        "type": if version == 1 { "order.paid.v1" } else { "order.cancelled.v1" },
        "time": paid.paid_at, "subject": format!("o{}", paid.id), "datacontenttype": "application/json",
        "timestamp": paid.paid_at, "data": order,
    })
    .to_string()
}

/// Invokes `record-sales` with these messages. It must accept all of them.
async fn record(world: &World, bodies: &[String]) {
    assert_eq!(
        world.invoke("record-sales", crate::support::sqs_event(world, bodies)).await.unwrap(),
        json!({ "batchItemFailures": [] })
    );
}

async fn top(world: &World) -> Value {
    world.fire("aggregate-top-sellers").await.unwrap();
    world.anyone().get("/products/top-sellers").await.json()
}

/// The products and units of a ranking.
fn ranked(top: &Value) -> Vec<(String, i64)> {
    let products = top["products"].as_array().unwrap().iter();
    products
        .map(|product| {
            (
                product["productId"].as_str().unwrap().to_owned(),
                product["soldQuantity"].as_i64().unwrap(),
            )
        })
        .collect()
}

/// The expected ranking at `as_of` for these orders, without the cancelled ones.
fn by_brute_force(
    orders: &[PaidOrder],
    is_cancelled: &[bool],
    as_of: Timestamp,
) -> Vec<(String, i64)> {
    let mut sold: BTreeMap<String, i64> = BTreeMap::new();
    for paid in orders.iter().filter(|paid| !is_cancelled[paid.id]) {
        if as_of.minus(WINDOW) < paid.paid_at && paid.paid_at <= as_of {
            for (product, quantity) in &paid.items {
                *sold.entry(format!("p{product}")).or_default() += quantity;
            }
        }
    }
    let mut ranked: Vec<_> = sold.into_iter().collect();
    ranked.sort_by(|(a, a_sold), (b, b_sold)| b_sold.cmp(a_sold).then(a.cmp(b)));
    ranked.truncate(5);
    ranked
}

async fn world() -> World {
    let world = World::new().await;
    for product in 0..PRODUCTS {
        world.stock(&format!("p{product}"), 100, 0).await;
    }
    world
}

/// One event: its order, whether it is a cancellation, the minutes since the previous event, and
/// whether a count follows.
type Step = (prop::sample::Index, bool, i64, bool);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(
        (
            any::<prop::sample::Index>(),
            any::<bool>(),
            prop_oneof![Just(0), 0..30i64, 0..400i64],
            prop::bool::weighted(0.15),
        ),
        0..60,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ranking_is_the_brute_force_sum_with_late_repeated_and_reordered_events(
        orders in vec((-90 * 60i64..30 * 60, vec((0..PRODUCTS, 1..9i64), 1..4)), 1..16),
        cancelled in vec(any::<bool>(), 16),
        steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = world().await;
            let beginning = world.now();
            let paid_at = |minutes: i64| Timestamp::from_millis(beginning.millis() + minutes * 60_000);
            let orders: Vec<PaidOrder> = orders.into_iter().enumerate()
                .map(|(id, (minutes, items))| PaidOrder { id, paid_at: paid_at(minutes), items }).collect();
            // Some events arrive in random order, and repeatedly. In the end each has arrived once
            // or more.
            for (which, is_cancellation, minutes, is_counted) in steps {
                world.advance(Duration::from_mins(minutes.unsigned_abs()));
                let paid = which.get(&orders);
                let version = if is_cancellation && cancelled[paid.id] { 2 } else { 1 };
                record(&world, &[message(paid, version)]).await;
                if is_counted {
                    top(&world).await;
                }
            }
            let all = orders.iter().rev().map(|paid| message(paid, if cancelled[paid.id] { 2 } else { 1 }));
            record(&world, &all.collect::<Vec<_>>()).await;
            let top = top(&world).await;
            let as_of: Timestamp = top["asOf"].as_str().unwrap().parse().unwrap();
            assert_eq!(ranked(&top), by_brute_force(&orders, &cancelled, as_of));
        });
    }
}

#[tokio::test]
async fn the_ranking_shows_five_products_with_their_names_and_is_one_read() {
    let world = world().await;
    let paid_at = world.now();
    let event = |id, items| message(&PaidOrder { id, paid_at, items }, 1);
    record(
        &world,
        &[
            event(0, (0..PRODUCTS).map(|p| (p, i64::try_from(p).unwrap() + 1)).collect()),
            event(1, vec![(1, 4)]),
        ],
    )
    .await;
    let top = top(&world).await;
    // p1 and p5 have 6 units each: a tie is ordered by product id.
    let expected = [("p6", 7), ("p1", 6), ("p5", 6), ("p4", 5), ("p3", 4)]
        .map(|(id, units)| (id.to_owned(), units));
    assert_eq!(ranked(&top), expected);
    let first = json!({ "rank": 1, "productId": "p6", "name": "The p6", "category": "things", "price": 100, "soldQuantity": 7 });
    assert_eq!((&top["products"][0], &top["windowHours"]), (&first, &json!(72)));
    world.take_calls();
    world.anyone().get("/products/top-sellers").await;
    let calls: Vec<String> = world.take_calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(calls, ["GetItem"]);
}

#[tokio::test]
async fn a_sale_counts_once_despite_any_fault_of_the_consumer_or_the_count() {
    for kind in ALL_KINDS {
        for count in [Some(1), None] {
            let world = world().await;
            // The event is late, so a closed hour is summed again: the sale and the note that
            // requests the new sum are one transaction.
            let paid = PaidOrder { id: 0, paid_at: world.now(), items: vec![(0, 3)] };
            world.advance(Duration::from_hours(5));
            top(&world).await;
            world.send_message("RecordSalesQueue", &message(&paid, 1));
            let rule = Rule { count, ..Rule::all_of("dynamodb", kind) };
            world.inject([rule.clone()]);
            world.settle().await;
            let _ = world.fire("aggregate-top-sellers").await;
            world.inject([]);
            world.advance(Duration::from_mins(2));
            world.settle().await;
            world.inject([Rule { every: 3, ..rule.clone() }]);
            let _ = world.fire("aggregate-top-sellers").await;
            world.inject([]);
            assert_eq!(ranked(&top(&world).await), [("p0".to_owned(), 3)], "{rule:?}");
            assert_eq!(world.messages("RecordSalesQueue"), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn the_ranking_is_empty_before_the_first_count() {
    let world = World::new().await;
    assert_eq!(world.anyone().get("/products/top-sellers").await.json()["products"], json!([]));
}

#[tokio::test]
async fn a_sale_counts_for_72_hours_to_the_millisecond() {
    let world = world().await;
    let paid_at = world.now();
    record(&world, &[message(&PaidOrder { id: 0, paid_at, items: vec![(0, 3)] }, 1)]).await;
    assert_eq!(ranked(&top(&world).await).len(), 1);
    world.advance(WINDOW.checked_sub(Duration::from_secs(10)).unwrap());
    assert_eq!(ranked(&top(&world).await).len(), 1);
    world.advance(Duration::from_secs(10));
    assert_eq!(ranked(&top(&world).await), []);
}

#[tokio::test]
async fn one_count_costs_the_same_regardless_of_the_shops_age() {
    let world = world().await;
    let mut costs = Vec::new();
    for day in 0..10 {
        for hour in 0..4 {
            let id = day * 4 + hour;
            record(
                &world,
                &[message(
                    &PaidOrder { id, paid_at: world.now(), items: vec![(id % PRODUCTS, 1)] },
                    1,
                )],
            )
            .await;
            world.advance(Duration::from_hours(6));
        }
        top(&world).await;
        world.take_calls();
        top(&world).await;
        let calls: Vec<_> = world
            .take_calls()
            .into_iter()
            .filter(|call| call.function == "aggregate-top-sellers")
            .collect();
        costs.push((
            calls.len(),
            calls.iter().map(|call| call.read_units + call.write_units).sum::<u64>(),
        ));
    }
    assert_eq!(costs[4], costs[9], "{costs:?}");
    assert!(costs[9].0 <= 80, "one call per hour and a few more: {costs:?}");
}

/// The totals of an hour with many products have several parts. When a late cancellation leaves
/// fewer parts, the contents of the obsolete ones must not count.
#[tokio::test]
async fn an_hour_whose_totals_shrink_to_fewer_parts_counts_only_the_current_parts() {
    let world = world().await;
    let paid_at = world.now();
    let large =
        PaidOrder { id: 0, paid_at, items: (0..4_500).map(|product| (product, 9)).collect() };
    let small = PaidOrder { id: 1, paid_at, items: vec![(3, 1)] };
    record(&world, &[message(&large, 1), message(&small, 1)]).await;
    world.advance(Duration::from_hours(2));
    assert_eq!(ranked(&top(&world).await)[0], ("p3".into(), 10));
    record(&world, &[message(&large, 2)]).await;
    // The first count sums the hour again. The second one reads the totals that the first one
    // stored.
    for _ in 0..2 {
        assert_eq!(ranked(&top(&world).await), [("p3".into(), 1)]);
    }
}
