//! Several payment attempts for one order: retried, late, concurrent, and racing a cancellation.

use crate::support::{
    assert_books_are_clean, balance,
    cards::{LOOKUP_DELAY, body, confirm_late, confirmations, gateway, pay},
    charges,
    faults::first_attempt_fails,
    pass_time, shop, statuses, text, units_in_stock,
};
use domain::{CustomerId, IdempotencyKey, OrderId};
use local::partners::Mode;
use serde_json::json;
use std::{sync::Arc, time::Duration};

#[tokio::test]
async fn a_charge_that_arrives_after_the_payment_lookup_is_refunded() {
    // Meanwhile the order expires unpaid, is paid with points, or is paid with another card.
    for meanwhile in ["nothing", "points", "card"] {
        let world = shop().await;
        gateway(&world).be(Mode::Down);
        let id =
            text(&world.customer("c1").post("/order", &body("card-1")).await.json(), "orderId");
        gateway(&world).be(Mode::Ok);
        pass_time(&world, LOOKUP_DELAY).await;
        assert_eq!(statuses(&world, &id).await, ["STOCK_ALLOCATED", "FAILED"]);
        confirm_late(&world, &id, "card-1").await;
        match meanwhile {
            "points" => {
                let paid = world
                    .customer("c1")
                    .post(&format!("/orders/{id}/pay"), &json!({ "method": "POINTS" }))
                    .await;
                assert_eq!(paid.status, 200, "{paid:?}");
            }
            "card" => {
                assert_eq!(pay(&world, &id, "card-2").await.status, 200);
                let charged: i64 = charges(&world).iter().map(|(_, _, balance)| balance).sum();
                assert_eq!(charged, 12_000, "the gateway does not prevent a second charge");
            }
            _ => {
                world.advance(Duration::from_mins(15));
                world.fire("expire-orders").await.unwrap();
            }
        }
        pass_time(&world, Duration::from_mins(16)).await;
        pass_time(&world, Duration::from_mins(16)).await;
        let (expected, expected_charge) = match meanwhile {
            "points" => (["PAID", "PAID"].map(String::from), 0),
            "card" => (["PAID", "PAID"].map(String::from), 6_000),
            _ => (["EXPIRED", "REFUNDED"].map(String::from), 0),
        };
        assert_eq!(statuses(&world, &id).await, expected, "{meanwhile}");
        let charged: i64 = charges(&world).iter().map(|(_, _, balance)| balance).sum();
        assert_eq!(charged, expected_charge, "{meanwhile}: {:?}", charges(&world));
        assert_books_are_clean(&world).await;
    }
}

/// A client that received no response retries with the payment key that the customer authorised.
#[tokio::test]
async fn a_retry_with_the_same_payment_key_reuses_the_attempt_and_charges_once() {
    // The first request never arrives, or it arrives after its payment was recorded as `FAILED`.
    for arrives_late in [false, true] {
        let world = shop().await;
        gateway(&world).be(Mode::Down);
        let id =
            text(&world.customer("c1").post("/order", &body("card-1")).await.json(), "orderId");
        gateway(&world).be(Mode::Ok);
        pass_time(&world, LOOKUP_DELAY).await;
        assert_eq!(statuses(&world, &id).await, ["STOCK_ALLOCATED", "FAILED"]);
        if arrives_late {
            confirm_late(&world, &id, "card-1").await;
        }
        let again = pay(&world, &id, "card-1").await;
        assert_eq!(again.status, if arrives_late { 202 } else { 200 }, "{again:?}");
        for _ in 0..3 {
            pass_time(&world, Duration::from_mins(16)).await;
        }
        assert_eq!(statuses(&world, &id).await, ["PAID", "PAID"], "{arrives_late}");
        assert_eq!(charges(&world), [("card-1".into(), "DONE".into(), 6_000)], "{arrives_late}");
        assert_books_are_clean(&world).await;
    }
}

#[tokio::test]
async fn a_declined_payment_key_can_be_retried() {
    let world = shop().await;
    gateway(&world).be(Mode::Decline);
    let id = text(&world.customer("c1").post("/order", &body("card-1")).await.json(), "orderId");
    assert_eq!(pay(&world, &id, "card-2").await.problem(), "payment-failed");
    gateway(&world).be(Mode::Ok);
    assert_eq!(pay(&world, &id, "card-1").await.status, 200);
    pass_time(&world, Duration::from_mins(16)).await;
    assert_eq!(statuses(&world, &id).await, ["PAID", "PAID"]);
    let keys: Vec<String> = gateway(&world)
        .requests()
        .iter()
        .map(|request| request.headers["idempotency-key"].clone())
        .collect();
    assert_eq!(
        keys,
        [format!("{id}-1-1"), format!("{id}-2-1"), format!("{id}-1-2")],
        "each confirm request needs its own key: the gateway replays its response to a repeated one"
    );
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_order_cancelled_before_its_payment_starts_is_not_charged() {
    let world = shop().await;
    gateway(&world).be(Mode::Decline);
    let id = text(&world.customer("c1").post("/order", &body("card-1")).await.json(), "orderId");
    gateway(&world).be(Mode::Ok);
    world.inject([first_attempt_fails()]);
    let (customer, path, nothing) =
        (world.customer("c1"), format!("/orders/{id}/cancel"), json!({}));
    let (paid, cancelled) =
        tokio::join!(pay(&world, &id, "card-2"), customer.post(&path, &nothing));
    assert_eq!((paid.problem().as_str(), cancelled.status), ("not-payable", 200), "{paid:?}");
    assert_eq!(confirmations(&world), 1);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn no_payment_starts_while_another_has_an_unknown_result() {
    let points = json!({ "method": "POINTS" });
    for (first, second) in
        [("card-2", "card-1"), ("card-3", "card-2"), ("points", "card-1"), ("points", "card-3")]
    {
        let world = shop().await;
        gateway(&world).be(Mode::Decline);
        let id =
            text(&world.customer("c1").post("/order", &body("card-1")).await.json(), "orderId");
        pay(&world, &id, "card-2").await;
        gateway(&world).be(Mode::Lost);
        world.inject([first_attempt_fails()]);
        let (customer, path) = (world.customer("c1"), format!("/orders/{id}/pay"));
        let delayed = async {
            match first {
                "points" => customer.post(&path, &points).await,
                key => pay(&world, &id, key).await,
            }
        };
        let (delayed, unknown) = tokio::join!(delayed, pay(&world, &id, second));
        assert_eq!((delayed.status, unknown.status), (202, 202), "{first} {second}: {delayed:?}");
        assert_eq!(confirmations(&world), 3, "{first} {second}");
        gateway(&world).be(Mode::Ok);
        pass_time(&world, LOOKUP_DELAY).await;
        assert_eq!(statuses(&world, &id).await, ["PAID", "PAID"]);
        assert_eq!(balance(&world, "c1").await, 100_000);
        assert_books_are_clean(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_card_payments_charge_an_order_once() {
    let world = Arc::new(shop().await);
    gateway(&world).be(Mode::Decline);
    let id = text(&world.customer("c1").post("/order", &body("card-0")).await.json(), "orderId");
    gateway(&world).be(Mode::Ok);
    let paying = (1..=12).map(|number| {
        let (world, id) = (world.clone(), id.clone());
        tokio::spawn(async move {
            let reply = pay(&world, &id, &format!("card-{number}")).await;
            assert!([200, 202, 409, 503].contains(&reply.status), "{reply:?}");
            reply.status
        })
    });
    let replies = futures::future::try_join_all(paying).await.unwrap();
    assert_eq!(replies.iter().filter(|status| **status == 200).count(), 1, "{replies:?}");
    assert_eq!(charges(&world).iter().filter(|(_, status, _)| status == "DONE").count(), 1);
    assert_eq!(statuses(&world, &id).await, ["PAID", "PAID"]);
    assert_books_are_clean(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_cancelled_while_its_card_is_charged_is_refunded() {
    let world = Arc::new(shop().await);
    let key = IdempotencyKey::parse("k").unwrap();
    let id = OrderId::of_key(&CustomerId::parse("c1").unwrap(), &key).to_string();
    let placing = {
        let world = world.clone();
        tokio::spawn(
            async move { world.customer("c1").post_once("/order", &body("card-1"), "k").await },
        )
    };
    let cancelling = {
        let (world, path) = (world.clone(), format!("/orders/{id}/cancel"));
        tokio::spawn(async move {
            while world.customer("c1").post(&path, &json!({})).await.status != 200 {
                tokio::task::yield_now().await;
            }
        })
    };
    let (placed, cancelled) = tokio::join!(placing, cancelling);
    cancelled.unwrap();
    let placed = placed.unwrap();
    // The order is cancelled either before the gateway responds or just after.
    let expected = if placed.status == 200 { "PAID" } else { "CANCELLED" };
    let status = if placed.status == 200 {
        placed.json()["status"].clone()
    } else {
        placed.json()["orderStatus"].clone()
    };
    assert_eq!(status, json!(expected), "{placed:?}");
    pass_time(&world, LOOKUP_DELAY).await;
    assert_eq!(statuses(&world, &id).await, ["CANCELLED", "REFUNDED"]);
    assert_eq!(charges(&world), [("card-1".into(), "CANCELED".into(), 0)]);
    assert_eq!(units_in_stock(&world, "pen").await, 10);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_order_allows_at_most_twenty_card_attempts() {
    let world = shop().await;
    gateway(&world).be(Mode::Decline);
    let id = text(&world.customer("c1").post("/order", &body("card-1")).await.json(), "orderId");
    for number in 2..=20 {
        assert_eq!(pay(&world, &id, &format!("card-{number}")).await.problem(), "payment-failed");
    }
    let refused = pay(&world, &id, "card-21").await;
    assert_eq!((refused.status, refused.problem().as_str()), (409, "too-many-attempts"));
    assert_eq!(confirmations(&world), 20);
}

/// A queue delivers at least once: a repeated message about an earlier state of an attempt must not
/// affect its current state.
#[tokio::test]
async fn a_repeated_queue_message_does_not_end_an_attempt_early() {
    let world = shop().await;
    gateway(&world).be(Mode::Down);
    let id = text(&world.customer("c1").post("/order", &body("card-1")).await.json(), "orderId");
    world.enable("settle-payments", false);
    world.settle().await;
    let messages = world.messages("SettlePaymentsQueue");
    assert_eq!(messages.len(), 1);
    world.enable("settle-payments", true);
    gateway(&world).be(Mode::Ok);
    pass_time(&world, LOOKUP_DELAY).await;
    let requests_before = gateway(&world).requests().len();
    for _ in 0..2 {
        world
            .invoke("settle-payments", crate::support::sqs_event(&world, &messages))
            .await
            .unwrap();
    }
    assert_eq!(
        gateway(&world).requests().len(),
        requests_before,
        "an outdated message causes no request"
    );
    confirm_late(&world, &id, "card-1").await;
    pass_time(&world, Duration::from_mins(16)).await;
    world.fire("expire-orders").await.unwrap();
    pass_time(&world, Duration::from_mins(1)).await;
    let [status, payment] = statuses(&world, &id).await;
    assert!(
        [("PAID", "PAID"), ("EXPIRED", "REFUNDED")].contains(&(status.as_str(), payment.as_str())),
        "{status} {payment}"
    );
    assert_books_are_clean(&world).await;
}
