//! Settling payments whose gateway response or queue message was lost.

use crate::support::{
    assert_books_are_clean,
    cards::confirm_late,
    cards::{LOOKUP_DELAY, body, confirmations, gateway, pay},
    charges, pass_time, shop, statuses, text,
};
use local::partners::Mode;
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

#[tokio::test]
async fn a_lost_payment_is_retried_under_the_same_key() {
    let world = shop().await;
    gateway(&world).be(Mode::Decline);
    let id = text(&world.customer("c1").post("/order", &body("card-0")).await.json(), "orderId");
    let (path, choice) =
        (format!("/orders/{id}/pay"), json!({ "method": "CARD", "paymentKey": "card-1" }));
    gateway(&world).be(Mode::Down);
    assert_eq!(world.customer("c1").post_once(&path, &choice, "k").await.status, 202);
    gateway(&world).be(Mode::Ok);
    pass_time(&world, LOOKUP_DELAY).await;
    assert_eq!(
        statuses(&world, &id).await,
        ["STOCK_ALLOCATED", "FAILED"],
        "the gateway has no charge"
    );
    // The stored response, 202 "not known yet", is not replayed any more.
    let again = world.customer("c1").post_once(&path, &choice, "k").await;
    assert_eq!((again.status, &again.json()["status"]), (200, &json!("PAID")), "{again:?}");
    let replay = world.customer("c1").post_once(&path, &choice, "k").await;
    assert_eq!((replay.status, replay.is_replayed(), &replay.body), (200, true, &again.body));
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_attempt_that_was_declined_after_a_lost_response_is_checked_again() {
    let world = shop().await;
    gateway(&world).be(Mode::Down);
    let id = text(&world.customer("c1").post("/order", &body("card-1")).await.json(), "orderId");
    gateway(&world).be(Mode::Ok);
    pass_time(&world, LOOKUP_DELAY).await;
    gateway(&world).be(Mode::Decline);
    assert_eq!(pay(&world, &id, "card-1").await.problem(), "payment-failed");
    // The first request takes effect after all.
    gateway(&world).be(Mode::Ok);
    confirm_late(&world, &id, "card-1").await;
    pass_time(&world, Duration::from_mins(16)).await;
    pass_time(&world, Duration::from_mins(1)).await;
    let [order, payment] = statuses(&world, &id).await;
    let charged: i64 = charges(&world).iter().map(|(_, _, won)| won).sum();
    assert_eq!((order.as_str(), payment.as_str(), charged), ("PAID", "PAID", 6_000));
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn every_refund_request_has_a_new_idempotency_key() {
    let world = shop().await;
    let id = text(&world.customer("c1").post("/order", &body("card-1")).await.json(), "orderId");
    gateway(&world).be(Mode::Error);
    assert_eq!(
        world.customer("c1").post(&format!("/orders/{id}/cancel"), &json!({})).await.status,
        200
    );
    for _ in 0..12 {
        pass_time(&world, Duration::from_mins(5)).await;
    }
    let cancels = || {
        let requests = gateway(&world)
            .requests()
            .into_iter()
            .filter(|request| request.path.ends_with("/cancel"));
        requests.map(|request| request.headers["idempotency-key"].clone()).collect::<Vec<_>>()
    };
    let keys = cancels();
    assert!(
        keys.len() >= 5 && keys.iter().collect::<BTreeSet<_>>().len() == keys.len(),
        "{keys:?}"
    );
    assert!(keys.iter().all(|key| key.starts_with(&format!("{id}-1-refund-"))), "{keys:?}");
    gateway(&world).be(Mode::Ok);
    for _ in 0..4 {
        pass_time(&world, Duration::from_mins(16)).await;
    }
    assert_eq!(statuses(&world, &id).await, ["CANCELLED", "REFUNDED"]);
    assert_eq!(charges(&world), [("card-1".into(), "CANCELED".into(), 0)]);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_payment_is_settled_after_its_messages_expired() {
    let world = shop().await;
    gateway(&world).be(Mode::Lost);
    let placed = world.customer("c1").post("/order", &body("card-1")).await;
    let id = text(&placed.json(), "orderId");
    world.enable("settle-payments", false);
    world.settle().await;
    assert_eq!(world.messages("SettlePaymentsQueue").len(), 1);
    // SQS retains a message for at most two weeks, counted from when it was first sent.
    world.advance(Duration::from_hours(24 * 15));
    world.settle().await;
    assert_eq!(world.messages("SettlePaymentsQueue").len(), 0);
    gateway(&world).be(Mode::Ok);
    world.enable("settle-payments", true);
    pass_time(&world, Duration::from_mins(1)).await;
    assert_eq!(
        (statuses(&world, &id).await, confirmations(&world)),
        (["PAID", "PAID"].map(String::from), 1)
    );
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_sweep_that_finds_nothing_costs_four_queries() {
    let world = shop().await;
    world.customer("c1").post("/order", &body("card-1")).await;
    world.settle().await;
    world.take_calls();
    world.fire("sweep-payments").await.unwrap();
    let calls = world.take_calls();
    assert!(calls.len() == 4 && calls.iter().all(|call| call.operation == "Query"), "{calls:?}");
}
