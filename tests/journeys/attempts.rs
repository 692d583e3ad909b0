//! Several attempts to pay one order: tried again, late, at once, and against a cancellation.

use crate::{
    assert_books_are_clean, at, balance,
    cards::{LOOKED_INTO, body, confirmations, gateway, pay},
    charges, first_try_fails, left, pass, shop, stands, text,
};
use domain::{CustomerId, IdempotencyKey, OrderId, Won};
use local::{World, partners::Mode};
use partners::PaymentGateway;
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// What was asked arrives at the gateway when nobody waits for it any more, and after it was looked for.
pub(crate) async fn arrive_late(world: &World, id: &str, key: &str) {
    let client = PaymentGateway::new(&gateway(world).base_url, &gateway(world).secret).unwrap();
    let amount = Won::new(6_000).unwrap();
    client.confirm(&key.parse().unwrap(), id, amount, &format!("{id}-1-1")).await;
}

#[tokio::test]
async fn a_charge_that_came_in_after_it_was_looked_for_is_not_forgotten() {
    // The order expired unpaid; it was paid with points; another card was tried.
    for meanwhile in ["nothing", "points", "card"] {
        let world = shop().await;
        gateway(&world).be(Mode::Down);
        let id = text(&world.customer("c1").post("/order", &body("card-1")).await.json(), "orderId");
        gateway(&world).be(Mode::Ok);
        pass(&world, LOOKED_INTO).await;
        assert_eq!(stands(&world, &id).await, at("STOCK_ALLOCATED", "FAILED"));
        arrive_late(&world, &id, "card-1").await;
        match meanwhile {
            "points" => {
                let paid =
                    world.customer("c1").post(&format!("/orders/{id}/pay"), &json!({ "method": "POINTS" })).await;
                assert_eq!(paid.status, 200, "{paid:?}");
            }
            "card" => {
                assert_eq!(pay(&world, &id, "card-2").await.status, 200);
                let charged: i64 = charges(&world).iter().map(|(_, _, balance)| balance).sum();
                assert_eq!(charged, 12_000, "the gateway does not keep the shop from charging twice");
            }
            _ => {
                world.advance(Duration::from_mins(15));
                world.fire("expire-orders").await.unwrap();
            }
        }
        pass(&world, Duration::from_mins(16)).await;
        pass(&world, Duration::from_mins(16)).await;
        let (expected, kept) = match meanwhile {
            "points" => (at("PAID", "PAID"), 0),
            "card" => (at("PAID", "PAID"), 6_000),
            _ => (at("EXPIRED", "REFUNDED"), 0),
        };
        assert_eq!(stands(&world, &id).await, expected, "{meanwhile}");
        let charged: i64 = charges(&world).iter().map(|(_, _, balance)| balance).sum();
        assert_eq!(charged, kept, "{meanwhile}: {:?}", charges(&world));
        assert_books_are_clean(&world).await;
    }
}

/// What any client does that got no answer: it tries again with what the customer authorised.
#[tokio::test]
async fn the_same_payment_key_again_is_the_same_attempt_and_is_charged_and_kept_once() {
    // The first asking never came in; it came in when it was given up already.
    for came_in_late in [false, true] {
        let world = shop().await;
        gateway(&world).be(Mode::Down);
        let id = text(&world.customer("c1").post("/order", &body("card-1")).await.json(), "orderId");
        gateway(&world).be(Mode::Ok);
        pass(&world, LOOKED_INTO).await;
        assert_eq!(stands(&world, &id).await, at("STOCK_ALLOCATED", "FAILED"));
        if came_in_late {
            arrive_late(&world, &id, "card-1").await;
        }
        let again = pay(&world, &id, "card-1").await;
        assert_eq!(again.status, if came_in_late { 202 } else { 200 }, "{again:?}");
        for _ in 0..3 {
            pass(&world, Duration::from_mins(16)).await;
        }
        assert_eq!(stands(&world, &id).await, at("PAID", "PAID"), "{came_in_late}");
        assert_eq!(charges(&world), [("card-1".into(), "DONE".into(), 6_000)], "{came_in_late}");
        assert_books_are_clean(&world).await;
    }
}

#[tokio::test]
async fn a_card_that_was_declined_may_be_tried_again_under_its_key() {
    let world = shop().await;
    gateway(&world).be(Mode::Decline);
    let id = text(&world.customer("c1").post("/order", &body("card-1")).await.json(), "orderId");
    assert_eq!(pay(&world, &id, "card-2").await.problem(), "payment-failed");
    gateway(&world).be(Mode::Ok);
    assert_eq!(pay(&world, &id, "card-1").await.status, 200);
    pass(&world, Duration::from_mins(16)).await;
    assert_eq!(stands(&world, &id).await, at("PAID", "PAID"));
    let keys: Vec<String> =
        gateway(&world).requests().iter().map(|request| request.headers["idempotency-key"].clone()).collect();
    assert_eq!(
        keys,
        [format!("{id}-1-1"), format!("{id}-2-1"), format!("{id}-1-2")],
        "the gateway repeats what it said"
    );
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_order_that_was_cancelled_while_it_was_to_be_paid_is_not_charged() {
    let world = shop().await;
    gateway(&world).be(Mode::Decline);
    let id = text(&world.customer("c1").post("/order", &body("card-1")).await.json(), "orderId");
    gateway(&world).be(Mode::Ok);
    world.inject([first_try_fails()]);
    let (customer, path, nothing) = (world.customer("c1"), format!("/orders/{id}/cancel"), json!({}));
    let (paid, cancelled) = tokio::join!(pay(&world, &id, "card-2"), customer.post(&path, &nothing));
    assert_eq!((paid.problem().as_str(), cancelled.status), ("not-payable", 200), "{paid:?}");
    assert_eq!(confirmations(&world), 1);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn while_one_payment_is_unclear_no_other_begins_however_they_meet() {
    let points = json!({ "method": "POINTS" });
    for (first, second) in [("card-2", "card-1"), ("card-3", "card-2"), ("points", "card-1"), ("points", "card-3")] {
        let world = shop().await;
        gateway(&world).be(Mode::Decline);
        let id = text(&world.customer("c1").post("/order", &body("card-1")).await.json(), "orderId");
        pay(&world, &id, "card-2").await;
        gateway(&world).be(Mode::Lost);
        world.inject([first_try_fails()]);
        let (customer, path) = (world.customer("c1"), format!("/orders/{id}/pay"));
        let held_up = async {
            match first {
                "points" => customer.post(&path, &points).await,
                key => pay(&world, &id, key).await,
            }
        };
        let (held_up, unclear) = tokio::join!(held_up, pay(&world, &id, second));
        assert_eq!((held_up.status, unclear.status), (202, 202), "{first} {second}: {held_up:?}");
        assert_eq!(confirmations(&world), 3, "{first} {second}");
        gateway(&world).be(Mode::Ok);
        pass(&world, LOOKED_INTO).await;
        assert_eq!(stands(&world, &id).await, at("PAID", "PAID"));
        assert_eq!(balance(&world, "c1").await, 100_000);
        assert_books_are_clean(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_paid_by_many_cards_at_once_is_charged_once() {
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
    let statuses = futures::future::try_join_all(paying).await.unwrap();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(charges(&world).iter().filter(|(_, status, _)| status == "DONE").count(), 1);
    assert_eq!(stands(&world, &id).await, at("PAID", "PAID"));
    assert_books_are_clean(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_cancelled_while_the_card_is_charged_is_refunded() {
    let world = Arc::new(shop().await);
    let key = IdempotencyKey::parse("k").unwrap();
    let id = OrderId::of_key(&CustomerId::parse("c1").unwrap(), &key).to_string();
    let placing = {
        let world = world.clone();
        tokio::spawn(async move { world.customer("c1").post_once("/order", &body("card-1"), "k").await })
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
    // It was cancelled before the answer of the gateway was there, or just after.
    let expected = if placed.status == 200 { "PAID" } else { "CANCELLED" };
    let told =
        if placed.status == 200 { placed.json()["status"].clone() } else { placed.json()["orderStatus"].clone() };
    assert_eq!(told, json!(expected), "{placed:?}");
    pass(&world, LOOKED_INTO).await;
    assert_eq!(stands(&world, &id).await, at("CANCELLED", "REFUNDED"));
    assert_eq!(charges(&world), [("card-1".into(), "CANCELED".into(), 0)]);
    assert_eq!(left(&world, "pen").await, 10);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_card_is_not_tried_without_end() {
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

/// A queue delivers at least once: what told of one state of an attempt says nothing of the next.
#[tokio::test]
async fn a_message_that_comes_again_does_not_end_an_attempt_before_its_time() {
    let world = shop().await;
    gateway(&world).be(Mode::Down);
    let id = text(&world.customer("c1").post("/order", &body("card-1")).await.json(), "orderId");
    world.enable("settle-payments", false);
    world.settle().await;
    let messages = world.messages("SettlePaymentsQueue");
    assert_eq!(messages.len(), 1);
    world.enable("settle-payments", true);
    gateway(&world).be(Mode::Ok);
    pass(&world, LOOKED_INTO).await;
    let asked = gateway(&world).requests().len();
    for _ in 0..2 {
        world.invoke("settle-payments", crate::sqs_event(&messages)).await.unwrap();
    }
    assert_eq!(gateway(&world).requests().len(), asked, "there is nothing to ask");
    arrive_late(&world, &id, "card-1").await;
    pass(&world, Duration::from_mins(16)).await;
    world.fire("expire-orders").await.unwrap();
    pass(&world, Duration::from_mins(1)).await;
    let (status, payment) = stands(&world, &id).await;
    assert!(
        [("PAID", "PAID"), ("EXPIRED", "REFUNDED")].contains(&(status.as_str(), payment.as_str())),
        "{status} {payment}"
    );
    assert_books_are_clean(&world).await;
}
