//! The circuit breaker for the payment gateway: while it is open, orders are placed and customers
//! pay a moment later.

use crate::support::{
    assert_books_are_clean, by_card, charges, order, pass_time, statuses, text, units_in_stock,
};
use local::{
    World,
    aws::faults::{Kind, Rule},
    partners::{Behaviour, Mode},
    world::Reply,
};
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// A shop that allows one customer 50 unpaid orders.
async fn shop() -> World {
    let limits = [
        ("MaxUnpaidOrders".to_owned(), "50".to_owned()),
        ("MaxHeldUnits".to_owned(), "9999".to_owned()),
    ];
    let clock = Some(local::Clock::held_at(local::world::BEGINNING.parse().unwrap()));
    let world =
        World::with(local::Options { parameters: limits.into(), clock, ..World::options() }).await;
    world.stock("pad", 500, 10).await;
    world.charge("c1", 100_000).await;
    world.take_calls();
    world
}

async fn order_by_card(world: &World, key: &str) -> Reply {
    order_of("c1", world, key).await
}

async fn order_of(customer: &str, world: &World, key: &str) -> Reply {
    world.customer(customer).post("/order", &by_card(order(customer, &[("pad", 1)]), key)).await
}

/// The number of requests that the gateway has received.
fn gateway_requests(world: &World) -> usize {
    world.partner("payment-gateway").requests().len()
}

/// Whether an order was placed without a call to the gateway.
fn is_deferred(reply: &Reply) -> bool {
    reply.status == 202 && reply.headers.contains_key("retry-after")
}

/// A shop whose gateway, in this mode, has opened the circuit with five orders. The results of
/// their payments are unknown.
async fn overloaded(mode: Mode) -> World {
    let world = shop().await;
    world.operator().post("/api/v1/admin/products/pad/stock", &json!({ "delta": 90 })).await;
    world.partner("payment-gateway").be(mode);
    for number in 0..5 {
        let reply = order_by_card(&world, &format!("bad-{number}")).await;
        assert_eq!((reply.status, is_deferred(&reply)), (202, false), "{reply:?}");
    }
    world
}

#[tokio::test]
async fn while_the_circuit_is_open_orders_reserve_their_stock_and_are_paid_later() {
    for mode in [Mode::Error, Mode::Down, Mode::Slow] {
        let world = overloaded(mode).await;
        let before = gateway_requests(&world);
        let deferred = order_by_card(&world, "card-1").await;
        assert!(is_deferred(&deferred), "{mode:?}: {deferred:?}");
        let wait: u64 = deferred.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=10).contains(&wait));
        assert_eq!(
            (gateway_requests(&world), units_in_stock(&world, "pad").await),
            (before, 94),
            "the gateway is not called, and the stock is reserved"
        );
        let id = text(&deferred.json(), "orderId");
        assert_eq!(statuses(&world, &id).await, ["STOCK_ALLOCATED", "PENDING"]);
        let still = world
            .customer("c1")
            .post(
                &format!("/orders/{id}/pay"),
                &json!({ "method": "CARD", "paymentKey": "card-1" }),
            )
            .await;
        assert!(is_deferred(&still), "all functions share the circuit: {still:?}");
        assert_eq!(gateway_requests(&world), before);
        let points = world.customer("c1").post("/order", &order("c1", &[("pad", 1)])).await;
        assert_eq!(points.status, 200, "payments with points are not affected");
        world.partner("payment-gateway").be(Mode::Ok);
        world.advance(Duration::from_secs(wait));
        let paid = world
            .customer("c1")
            .post(
                &format!("/orders/{id}/pay"),
                &json!({ "method": "CARD", "paymentKey": "card-1" }),
            )
            .await;
        assert_eq!((paid.status, &paid.json()["status"]), (200, &json!("PAID")), "{paid:?}");
        world.advance(Duration::from_secs(1));
        assert_eq!(
            order_by_card(&world, "card-2").await.status,
            200,
            "the probe succeeded and closed the circuit"
        );
        pass_time(&world, Duration::from_secs(30)).await;
        pass_time(&world, Duration::from_mins(16)).await;
        assert_books_are_clean(&world).await;
    }
}

#[tokio::test]
async fn a_replayed_deferred_order_returns_the_first_response() {
    let world = overloaded(Mode::Error).await;
    let body = by_card(order("c1", &[("pad", 1)]), "card-1");
    let first = world.customer("c1").post_once("/order", &body, "k").await;
    world.partner("payment-gateway").be(Mode::Ok);
    world.advance(Duration::from_secs(30));
    let again = world.customer("c1").post_once("/order", &body, "k").await;
    assert_eq!((again.status, again.is_replayed(), &again.body), (202, true, &first.body));
    assert_eq!(charges(&world), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_caller_at_a_time_probes_and_a_failed_probe_leaves_the_circuit_open() {
    let world = Arc::new(overloaded(Mode::Error).await);
    for _ in 0..3 {
        let before = gateway_requests(&world);
        world.advance(Duration::from_secs(11));
        let ordering = (0..10).map(|number| {
            let world = world.clone();
            tokio::spawn(async move {
                order_of(&format!("c{number}"), &world, &format!("card-{number}")).await
            })
        });
        let replies = futures::future::try_join_all(ordering).await.unwrap();
        assert_eq!(gateway_requests(&world), before + 1, "one probe");
        assert_eq!(replies.iter().filter(|reply| is_deferred(reply)).count(), 9);
    }
    world.partner("payment-gateway").be(Mode::Ok);
    pass_time(&world, Duration::from_mins(16)).await;
    world.fire("expire-orders").await.unwrap();
    pass_time(&world, Duration::from_mins(16)).await;
    assert_eq!(units_in_stock(&world, "pad").await, 100);
    assert_books_are_clean(&world).await;
}

/// Two functions find at the same time that the circuit may be probed: one of them gets the lease.
#[tokio::test]
async fn of_two_concurrent_probers_exactly_one_calls() {
    let world = overloaded(Mode::Error).await;
    let deferred = order_by_card(&world, "card-1").await;
    let path = format!("/orders/{}/pay", text(&deferred.json(), "orderId"));
    let before = gateway_requests(&world);
    world.advance(Duration::from_secs(11));
    // The first request for the lease fails. While its function waits to retry, the other function
    // takes the lease.
    world.inject([crate::support::faults::first_attempt_fails()]);
    let (customer, choice) =
        (world.customer("c1"), json!({ "method": "CARD", "paymentKey": "card-1" }));
    let (ordered, paid) =
        tokio::join!(order_by_card(&world, "card-2"), customer.post(&path, &choice));
    assert_eq!(gateway_requests(&world), before + 1, "{ordered:?} {paid:?}");
    assert!(is_deferred(&ordered), "{ordered:?}");
    assert_eq!(
        (paid.status, is_deferred(&paid)),
        (202, false),
        "it probed, and the gateway still fails: {paid:?}"
    );
}

#[tokio::test]
async fn failures_that_opened_the_circuit_are_not_counted_again() {
    let world = overloaded(Mode::Error).await;
    world.partner("payment-gateway").be(Mode::Ok);
    world.advance(Duration::from_secs(11));
    assert_eq!(order_by_card(&world, "card-1").await.status, 200, "the probe");
    world.partner("payment-gateway").be(Mode::Error);
    for number in 2..6 {
        assert!(!is_deferred(&order_by_card(&world, &format!("card-{number}")).await), "{number}");
    }
    order_by_card(&world, "card-6").await;
    assert!(is_deferred(&order_by_card(&world, "card-7").await), "five failed calls open it");
}

#[tokio::test]
async fn a_prober_that_does_not_call_lets_the_next_caller_probe() {
    let world = overloaded(Mode::Error).await;
    world.partner("payment-gateway").be(Mode::Ok);
    world.advance(Duration::from_secs(11));
    let mut too_many = by_card(order("c1", &[("pad", 9_000)]), "card-1");
    too_many["items"][0]["expectedPrice"] = json!(500);
    assert_eq!(world.customer("c1").post("/order", &too_many).await.problem(), "out-of-stock");
    assert_eq!(order_by_card(&world, "card-2").await.status, 200);
}

#[tokio::test]
async fn a_prober_that_never_reports_a_result_is_replaced() {
    let world = overloaded(Mode::Error).await;
    world.advance(Duration::from_secs(11));
    // The function takes the lease, but cannot record the result of the probe.
    let rule = Rule {
        service: Some("dynamodb".into()),
        operation: Some("TransactWriteItems".into()),
        kind: Kind::Internal,
        every: 1,
        count: None,
    };
    world.inject([Rule { every: 2, count: Some(100), ..rule }]);
    order_by_card(&world, "card-1").await;
    world.inject([]);
    world.partner("payment-gateway").be(Mode::Ok);
    world.advance(Duration::from_secs(16));
    assert_eq!(order_by_card(&world, "card-2").await.status, 200);
}

#[tokio::test]
async fn slow_responses_open_the_circuit_although_they_succeed() {
    let world = shop().await;
    let slow = Behaviour { mode: Mode::Slow, delay_ms: Some(4_000), ..Behaviour::default() };
    world.partner("payment-gateway").behave(slow);
    for number in 0..5 {
        assert_eq!(order_by_card(&world, &format!("card-{number}")).await.status, 200);
    }
    assert!(is_deferred(&order_by_card(&world, "card-5").await));
}

#[tokio::test]
async fn a_share_of_failures_below_the_threshold_and_declined_cards_do_not_open_it() {
    let world = shop().await;
    world.operator().post("/api/v1/admin/products/pad/stock", &json!({ "delta": 90 })).await;
    let some = Behaviour { mode: Mode::Error, share: Some(0.4), ..Behaviour::default() };
    world.partner("payment-gateway").behave(some);
    for number in 0..20 {
        assert!(!is_deferred(&order_by_card(&world, &format!("card-{number}")).await), "{number}");
    }
    world.partner("payment-gateway").be(Mode::Decline);
    for number in 20..40 {
        assert_eq!(
            order_by_card(&world, &format!("card-{number}")).await.problem(),
            "payment-failed"
        );
    }
}

#[tokio::test]
async fn failures_outside_the_window_do_not_count() {
    let world = shop().await;
    for number in 0..8 {
        world.partner("payment-gateway").be(Mode::Error);
        assert!(!is_deferred(&order_by_card(&world, &format!("card-{number}")).await), "{number}");
        world.advance(Duration::from_secs(11));
    }
}

#[tokio::test]
async fn calls_go_through_when_the_circuit_cannot_be_read_or_written() {
    for kind in [Kind::Before, Kind::Throttle, Kind::Internal] {
        for operation in ["GetItem", "UpdateItem", "BatchGetItem"] {
            let world = shop().await;
            let operation = Some(operation.to_owned());
            world.inject([Rule { service: None, operation, kind, every: 1, count: None }]);
            assert_eq!(order_by_card(&world, "card-1").await.status, 200, "{kind:?}");
            world.partner("payment-gateway").be(Mode::Error);
            assert_eq!(order_by_card(&world, "card-2").await.status, 202, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn payment_lookups_respect_the_open_circuit() {
    let world = overloaded(Mode::Error).await;
    let before = gateway_requests(&world);
    world.settle().await;
    world.advance(Duration::from_secs(30));
    world.settle().await;
    assert_eq!(
        gateway_requests(&world),
        before + 1,
        "five payments are due for a lookup, and one of them probes"
    );
    world.partner("payment-gateway").be(Mode::Ok);
    for _ in 0..6 {
        pass_time(&world, Duration::from_mins(3)).await;
    }
    let orders = world.dynamodb("Scan", json!({ "TableName": "OrdersTable" })).await;
    let open = orders["Items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["status"]["S"] == json!("ASKED"))
        .count();
    assert_eq!(open, 0, "all payments are settled once the gateway has recovered");
}
