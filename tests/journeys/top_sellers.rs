//! The five best sellers of 72 hours, against a sum by brute force.

use domain::{Timestamp, sales::WINDOW};
use local::{
    World,
    aws::faults::{Kind, Rule},
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const PRODUCTS: usize = 7;

/// An order as its events tell it.
#[derive(Debug, Clone)]
struct Told {
    id: usize,
    paid_at: Timestamp,
    items: Vec<(usize, i64)>,
}

/// The message of `record-sales` for an order's payment (version 1) or cancellation (version 2).
fn message(told: &Told, version: u32) -> String {
    let status = if version == 1 { "PAID" } else { "CANCELLED" };
    let item = |(product, quantity): &(usize, i64)| json!({ "productId": format!("p{product}"), "quantity": quantity, "unitPrice": 1, "totalPrice": quantity });
    let order = json!({
        "orderId": format!("o{}", told.id), "version": version, "status": status, "customerId": "c1",
        "items": told.items.iter().map(item).collect::<Vec<_>>(),
        "originalAmount": 1, "discountAmount": 0, "totalAmount": 1,
        "payment": { "method": "POINTS", "amount": 1, "status": "PAID", "paidAt": told.paid_at },
        "timeline": [], "placedAt": told.paid_at, "updatedAt": told.paid_at,
    });
    json!({
        "specversion": "1.0", "id": format!("o{}#{version}", told.id), "source": "/orders",
        "type": if version == 1 { "order.paid.v1" } else { "order.cancelled.v1" },
        "time": told.paid_at, "subject": format!("o{}", told.id), "datacontenttype": "application/json",
        "timestamp": told.paid_at, "data": order,
    })
    .to_string()
}

/// Tells `record-sales`, which must take every message.
async fn tell(world: &World, bodies: &[String]) {
    assert_eq!(
        world.invoke("record-sales", crate::sqs_event(bodies)).await.unwrap(),
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
        .map(|product| (product["productId"].as_str().unwrap().to_owned(), product["soldQuantity"].as_i64().unwrap()))
        .collect()
}

/// What should be ranked at `as_of`, when these orders were told and those of them cancelled.
fn by_brute_force(orders: &[Told], is_cancelled: &[bool], as_of: Timestamp) -> Vec<(String, i64)> {
    let mut sold: BTreeMap<String, i64> = BTreeMap::new();
    for told in orders.iter().filter(|told| !is_cancelled[told.id]) {
        if as_of.minus(WINDOW) < told.paid_at && told.paid_at <= as_of {
            for (product, quantity) in &told.items {
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

/// One event: which order, payment or cancellation, how many minutes after the one before, and whether a count follows.
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
    fn the_ranking_is_the_brute_force_sum_whatever_comes_late_twice_or_in_another_order(
        orders in vec((-90 * 60i64..30 * 60, vec((0..PRODUCTS, 1..9i64), 1..4)), 1..16),
        cancelled in vec(any::<bool>(), 16),
        steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = world().await;
            let beginning = world.now();
            let paid_at = |minutes: i64| Timestamp::from_millis(beginning.millis() + minutes * 60_000);
            let orders: Vec<Told> = orders.into_iter().enumerate()
                .map(|(id, (minutes, items))| Told { id, paid_at: paid_at(minutes), items }).collect();
            // Some events come at random, in a random order and again; in the end each has come at least once.
            for (which, is_cancellation, minutes, is_counted) in steps {
                world.advance(Duration::from_mins(minutes.unsigned_abs()));
                let told = which.get(&orders);
                let version = if is_cancellation && cancelled[told.id] { 2 } else { 1 };
                tell(&world, &[message(told, version)]).await;
                if is_counted {
                    top(&world).await;
                }
            }
            let all = orders.iter().rev().map(|told| message(told, if cancelled[told.id] { 2 } else { 1 }));
            tell(&world, &all.collect::<Vec<_>>()).await;
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
    let told = |id, items| message(&Told { id, paid_at, items }, 1);
    tell(
        &world,
        &[told(0, (0..PRODUCTS).map(|p| (p, i64::try_from(p).unwrap() + 1)).collect()), told(1, vec![(1, 4)])],
    )
    .await;
    let top = top(&world).await;
    // p1 has 6 as p5 has: the tie goes by id.
    let expected = [("p6", 7), ("p1", 6), ("p5", 6), ("p4", 5), ("p3", 4)].map(|(id, units)| (id.to_owned(), units));
    assert_eq!(ranked(&top), expected);
    let first = json!({ "rank": 1, "productId": "p6", "name": "The p6", "category": "things", "price": 100, "soldQuantity": 7 });
    assert_eq!((&top["products"][0], &top["windowHours"]), (&first, &json!(72)));
    world.take_calls();
    world.anyone().get("/products/top-sellers").await;
    let calls: Vec<String> = world.take_calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(calls, ["GetItem"]);
}

#[tokio::test]
async fn whatever_call_of_the_consumer_or_the_count_fails_how_a_sale_counts_once() {
    for kind in [Kind::Before, Kind::After, Kind::Throttle, Kind::Internal, Kind::Conflict(0), Kind::Conflict(1)] {
        for count in [Some(1), None] {
            let world = world().await;
            // Told late, so that a closed hour is summed anew: the sale and its note are one transaction.
            let told = Told { id: 0, paid_at: world.now(), items: vec![(0, 3)] };
            world.advance(Duration::from_hours(5));
            top(&world).await;
            world.send_message("RecordSalesQueue", &message(&told, 1));
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
async fn before_anything_is_counted_nothing_has_sold() {
    let world = World::new().await;
    assert_eq!(world.anyone().get("/products/top-sellers").await.json()["products"], json!([]));
}

#[tokio::test]
async fn a_sale_counts_for_72_hours_to_the_millisecond() {
    let world = world().await;
    let paid_at = world.now();
    tell(&world, &[message(&Told { id: 0, paid_at, items: vec![(0, 3)] }, 1)]).await;
    assert_eq!(ranked(&top(&world).await).len(), 1);
    world.advance(WINDOW.checked_sub(Duration::from_secs(10)).unwrap());
    assert_eq!(ranked(&top(&world).await).len(), 1);
    world.advance(Duration::from_secs(10));
    assert_eq!(ranked(&top(&world).await), []);
}

#[tokio::test]
async fn one_count_costs_the_same_however_old_the_shop_is() {
    let world = world().await;
    let mut costs = Vec::new();
    for day in 0..10 {
        for hour in 0..4 {
            let id = day * 4 + hour;
            tell(&world, &[message(&Told { id, paid_at: world.now(), items: vec![(id % PRODUCTS, 1)] }, 1)]).await;
            world.advance(Duration::from_hours(6));
        }
        top(&world).await;
        world.take_calls();
        top(&world).await;
        let calls: Vec<_> =
            world.take_calls().into_iter().filter(|call| call.function == "aggregate-top-sellers").collect();
        costs.push((calls.len(), calls.iter().map(|call| call.read_units + call.write_units).sum::<u64>()));
    }
    assert_eq!(costs[4], costs[9], "{costs:?}");
    assert!(costs[9].0 <= 80, "one call for each hour and a few more: {costs:?}");
}

/// Totals of many products are kept in parts. When a late cancellation leaves fewer, what was in the others must not count.
#[tokio::test]
async fn an_hour_whose_totals_shrink_to_fewer_parts_counts_only_those() {
    let world = world().await;
    let paid_at = world.now();
    let large = Told { id: 0, paid_at, items: (0..4_500).map(|product| (product, 9)).collect() };
    let small = Told { id: 1, paid_at, items: vec![(3, 1)] };
    tell(&world, &[message(&large, 1), message(&small, 1)]).await;
    world.advance(Duration::from_hours(2));
    assert_eq!(ranked(&top(&world).await)[0], ("p3".into(), 10));
    tell(&world, &[message(&large, 2)]).await;
    // The first count sums the hour anew; the second reads what the first kept.
    for _ in 0..2 {
        assert_eq!(ranked(&top(&world).await), [("p3".into(), 1)]);
    }
}
