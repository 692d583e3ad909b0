//! Circuit breakers of webhook endpoints: the circuit of a failing endpoint opens alone, its
//! backlog waits as rows, and nothing is lost.

use crate::support::{
    pass_time, shop, text,
    webhooks::{deliveries, place, received, registered},
};
use domain::Timestamp;
use local::partners::Mode;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

#[tokio::test]
async fn a_failing_endpoint_delays_no_other_one_and_only_its_circuit_opens() {
    for mode in [Mode::Down, Mode::Slow, Mode::Error] {
        let log = crate::support::log::Log::default();
        let _listening = log.listen();
        let world = shop().await;
        world.operator().post("/api/v1/admin/products/pad/stock", &json!({ "delta": 90 })).await;
        registered(&world, &["order.paid.v1"]).await;
        world.partner("tms").be(mode);
        for placed in 1..=12 {
            place(&world).await;
            world.settle().await;
            let all = received(&world);
            assert_eq!(all.len(), placed, "{mode:?}");
            let event: Value = serde_json::from_str(&all[placed - 1].body).unwrap();
            let (received_at, event_at): (Timestamp, Timestamp) =
                (all[placed - 1].at, text(&event, "time").parse().unwrap());
            // A slow call advances the clock that all share, so the delay shows until the circuit
            // is open.
            let has_slow_calls = mode == Mode::Slow && placed <= 6;
            assert!(
                has_slow_calls || event_at.until(received_at) < Duration::from_secs(1),
                "{mode:?}: delivered at once, whatever TMS does"
            );
        }
        assert!(
            log.lines().contains(r#""circuit":"webhook-tms""#)
                && !log.lines().contains(r#""circuit":"webhook-warehouse""#)
        );
        assert!(world.partner("tms").requests().len() < 12, "an open circuit stops the calls");
        world.partner("tms").be(Mode::Ok);
        world.partner("tms").forget();
        for _ in 0..12 {
            pass_time(&world, Duration::from_mins(3)).await;
        }
        let arrived: BTreeSet<String> = world
            .partner("tms")
            .requests()
            .iter()
            .filter(|request| request.status == 200)
            .map(|request| request.headers["webhook-id"].clone())
            .collect();
        assert_eq!(arrived.len(), 12, "{mode:?}: nothing is lost");
    }
}

#[tokio::test]
async fn deliveries_in_progress_when_a_circuit_opens_wait_no_longer_than_the_circuit() {
    let world = shop().await;
    world.operator().post("/api/v1/admin/products/pad/stock", &json!({ "delta": 300 })).await;
    world.charge("c1", 1_000_000).await;
    registered(&world, &["order.paid.v1"]).await;
    let receiver = world.partner("webhook-receiver");
    receiver.be(Mode::Down);
    for _ in 0..110 {
        place(&world).await;
    }
    world.settle().await;
    // The endpoint accepts one probe, so its circuit closes. When the other deliveries follow, it
    // is down again.
    receiver.be(Mode::Ok);
    while !receiver.requests().iter().any(|request| request.status == 200) {
        pass_time(&world, Duration::from_mins(1)).await;
    }
    receiver.be(Mode::Down);
    pass_time(&world, Duration::from_mins(2)).await;
    receiver.be(Mode::Ok);
    for _ in 0..4 {
        pass_time(&world, Duration::from_mins(1)).await;
    }
    let arrived = receiver.requests().iter().filter(|request| request.status == 200).count();
    assert!(arrived >= 90, "the deliveries that were not attempted arrive: {arrived}");
}

#[tokio::test]
async fn a_backlog_behind_an_open_circuit_sends_few_messages_for_each_attempt() {
    let world = shop().await;
    world.operator().post("/api/v1/admin/products/pad/stock", &json!({ "delta": 300 })).await;
    world.charge("c1", 1_000_000).await;
    registered(&world, &["order.paid.v1"]).await;
    world.partner("webhook-receiver").be(Mode::Down);
    for _ in 0..10 {
        place(&world).await;
    }
    world.settle().await;
    // The circuit is open by now, so new deliveries wait as rows.
    for _ in 0..190 {
        place(&world).await;
    }
    world.settle().await;
    world.take_calls();
    let (before, mut messages) = (received(&world).len(), 0);
    for _ in 0..30 {
        pass_time(&world, Duration::from_mins(1)).await;
        let calls = world.take_calls();
        let sent = |call: &&local::aws::Call| {
            call.service == "sqs" && call.operation.starts_with("SendMessage")
        };
        messages += calls
            .iter()
            .filter(sent)
            .filter(|call| {
                call.function.ends_with("deliveries") || call.function == "deliver-webhook"
            })
            .count();
    }
    let tried = received(&world).len() - before;
    assert!(tried <= 40, "the circuit permits one attempt at a time: {tried}");
    assert!(messages <= 2 * tried + 10, "{messages} messages for {tried} attempts");
    // Once the endpoint has recovered, everything arrives. One call of the queue sends ten
    // messages.
    world.partner("webhook-receiver").be(Mode::Ok);
    world.take_calls();
    let mut messages = 0;
    for _ in 0..20 {
        pass_time(&world, Duration::from_mins(1)).await;
        let calls = world.take_calls();
        messages += calls.iter().filter(|call| call.operation == "SendMessageBatch").count();
    }
    let arrived: BTreeSet<String> = received(&world)
        .iter()
        .filter(|request| request.status == 200)
        .map(|request| request.headers["webhook-id"].clone())
        .collect();
    assert_eq!(arrived.len(), 200, "nothing is lost");
    assert!(messages <= 200 / 10 + 10, "{messages}");
    let all = deliveries(&world, "warehouse").await;
    assert!(all.iter().all(|one| one["status"] == json!("DELIVERED")), "{all:?}");
}
