//! A receiver of events that is in trouble: its circuit opens alone, its backlog waits as rows, and nothing is lost.

use crate::{
    pass, shop, text,
    webhooks::{deliveries, place, received, registered},
};
use domain::Timestamp;
use local::partners::Mode;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

#[tokio::test]
async fn one_receiver_in_trouble_delays_no_other_and_its_circuit_opens_alone() {
    for mode in [Mode::Down, Mode::Slow, Mode::Error] {
        let log = crate::log::Log::default();
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
            let told: Value = serde_json::from_str(&all[placed - 1].body).unwrap();
            let (at, event): (Timestamp, Timestamp) = (all[placed - 1].at, text(&told, "time").parse().unwrap());
            // Here a slow call moves the one clock that everybody has; so it shows until the circuit is open.
            let has_slow_calls = mode == Mode::Slow && placed <= 6;
            assert!(has_slow_calls || event.until(at) < Duration::from_secs(1), "{mode:?}: at once, whatever TMS does");
        }
        assert!(
            log.lines().contains(r#""circuit":"webhook-tms""#)
                && !log.lines().contains(r#""circuit":"webhook-warehouse""#)
        );
        assert!(world.partner("tms").requests().len() < 12, "it is left alone");
        world.partner("tms").be(Mode::Ok);
        world.partner("tms").forget();
        for _ in 0..12 {
            pass(&world, Duration::from_mins(3)).await;
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
async fn what_was_on_its_way_when_a_circuit_opened_waits_no_longer_than_the_circuit() {
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
    // It is well for one probe, so its circuit closes; when all the others come, it is down again.
    receiver.be(Mode::Ok);
    while !receiver.requests().iter().any(|request| request.status == 200) {
        pass(&world, Duration::from_mins(1)).await;
    }
    receiver.be(Mode::Down);
    pass(&world, Duration::from_mins(2)).await;
    receiver.be(Mode::Ok);
    for _ in 0..4 {
        pass(&world, Duration::from_mins(1)).await;
    }
    let arrived = receiver.requests().iter().filter(|request| request.status == 200).count();
    assert!(arrived >= 90, "those that were not tried: {arrived}");
}

#[tokio::test]
async fn a_backlog_behind_an_open_circuit_makes_as_many_calls_as_are_sent() {
    let world = shop().await;
    world.operator().post("/api/v1/admin/products/pad/stock", &json!({ "delta": 300 })).await;
    world.charge("c1", 1_000_000).await;
    registered(&world, &["order.paid.v1"]).await;
    world.partner("webhook-receiver").be(Mode::Down);
    for _ in 0..10 {
        place(&world).await;
    }
    world.settle().await;
    // Its circuit is open by now: what comes waits as rows.
    for _ in 0..190 {
        place(&world).await;
    }
    world.settle().await;
    world.take_calls();
    let (before, mut messages) = (received(&world).len(), 0);
    for _ in 0..30 {
        pass(&world, Duration::from_mins(1)).await;
        let calls = world.take_calls();
        let sent = |call: &&local::aws::Call| call.service == "sqs" && call.operation.starts_with("SendMessage");
        messages += calls
            .iter()
            .filter(sent)
            .filter(|call| call.function.ends_with("deliveries") || call.function == "deliver-webhook")
            .count();
    }
    let tried = received(&world).len() - before;
    assert!(tried <= 40, "its circuit lets one through at a time: {tried}");
    assert!(messages <= 2 * tried + 10, "{messages} messages for {tried} calls");
    // Once it is well again everything arrives, ten to a message of the queue.
    world.partner("webhook-receiver").be(Mode::Ok);
    world.take_calls();
    let mut messages = 0;
    for _ in 0..20 {
        pass(&world, Duration::from_mins(1)).await;
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
