//! Every AWS call on the way of an order that is paid by card fails in every way, and the gateway too: nobody is charged
//! twice, no payment is forgotten, and in the end everything fits.

use crate::{assert_books_are_clean, balance, by_card, charges, left, order, pass, shop, shown, stands, text};
use local::{
    World,
    aws::faults::{Kind, Rule},
    partners::Mode,
};
use serde_json::{Value, json};
use std::time::Duration;

const KINDS: [Kind; 4] = [Kind::Before, Kind::After, Kind::Internal, Kind::Conflict(0)];

/// A fault on the n-th call, once, and on each from the n-th on until the function gives up.
fn rules(nth: u64, kind: Kind) -> [Vec<Rule>; 2] {
    let one = Rule { service: Some("dynamodb".into()), operation: None, kind, every: nth, count: Some(1) };
    // A call that is tried four times fails four times.
    let all = (0..4).map(|again| Rule { every: nth + again, ..one.clone() }).collect();
    [vec![one], all]
}

/// Lets everything come to its end: what is looked into, what is looked into again, what expires, what is refunded.
async fn come_to_an_end(world: &World) {
    world.inject([]);
    world.partner("payment-gateway").be(Mode::Ok);
    pass(world, Duration::from_mins(16)).await;
    world.fire("expire-orders").await.unwrap();
    for _ in 0..2 {
        pass(world, Duration::from_mins(16)).await;
    }
}

/// What is charged is what orders say, stock is what orders left, and the audit finds nothing.
async fn assert_everything_fits(world: &World, id: &str, told: &str) {
    let order = shown(world, id).await;
    let is_paid = order["payment"]["status"] == json!("PAID");
    let is_kept = matches!(order["status"].as_str(), Some("PAID"));
    assert_eq!(is_paid, is_kept, "{told}: {order:#}");
    let charged: i64 = charges(world).iter().map(|(_, _, balance)| balance).sum();
    let by_card = is_paid && order["payment"]["method"] == json!("CARD");
    assert_eq!(charged, if by_card { 1_000 } else { 0 }, "{told}: {order:#} {:?}", charges(world));
    let by_points = is_paid && !by_card;
    assert_eq!(balance(world, "c1").await, if by_points { 99_000 } else { 100_000 }, "{told}");
    assert_eq!(left(world, "pen").await, if is_kept { 9 } else { 10 }, "{told}");
    let attempts_in_gateway = charges(world).iter().filter(|(_, status, _)| status != "ABORTED").count();
    assert!(attempts_in_gateway <= 1, "{told}: {:?}", charges(world));
    assert_books_are_clean(world).await;
}

fn pen() -> Value {
    by_card(order("c1", &[("pen", 1)]), "card-1")
}

#[tokio::test]
async fn an_order_by_card_is_charged_once_and_never_forgotten_whatever_fails_how() {
    for mode in [Mode::Ok, Mode::Lost, Mode::Down, Mode::Decline] {
        for nth in 1..=6 {
            for kind in KINDS {
                for rule in rules(nth, kind) {
                    let world = shop().await;
                    world.partner("payment-gateway").be(mode);
                    let told = format!("{mode:?} {rule:?}");
                    world.inject(rule);
                    let first = world.customer("c1").post_once("/order", &pen(), "k").await;
                    world.inject([]);
                    let again = world.customer("c1").post_once("/order", &pen(), "k").await;
                    assert!([200, 202, 500].contains(&again.status), "{told}: {again:?}");
                    match first.status {
                        200 => assert_eq!((&again.body, again.status), (&first.body, 200), "{told}"),
                        500 => assert_eq!(again.problem(), "payment-failed", "{told}"),
                        202 | 503 => {}
                        _ => panic!("{told}: {first:?}"),
                    }
                    let body = again.json();
                    let id = text(&body, "orderId");
                    come_to_an_end(&world).await;
                    assert_everything_fits(&world, &id, &told).await;
                    if first.status == 200 {
                        assert_eq!(stands(&world, &id).await.0, "PAID", "{told}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_payment_is_made_once_and_never_forgotten_whatever_fails_how() {
    let card = json!({ "method": "CARD", "paymentKey": "card-2" });
    let points = json!({ "method": "POINTS" });
    for (choice, mode) in [(&card, Mode::Ok), (&card, Mode::Lost), (&card, Mode::Decline), (&points, Mode::Ok)] {
        for nth in 1..=5 {
            for kind in KINDS {
                for rule in rules(nth, kind) {
                    let world = shop().await;
                    world.partner("payment-gateway").be(Mode::Decline);
                    let id = text(&world.customer("c1").post("/order", &pen()).await.json(), "orderId");
                    world.partner("payment-gateway").be(mode);
                    let told = format!("{choice} {mode:?} {rule:?}");
                    let path = format!("/orders/{id}/pay");
                    world.inject(rule);
                    let first = world.customer("c1").post_once(&path, choice, "k").await;
                    world.inject([]);
                    let again = world.customer("c1").post_once(&path, choice, "k").await;
                    if first.status == 200 {
                        assert_eq!((&again.body, again.is_replayed()), (&first.body, true), "{told}");
                    }
                    assert!([200, 202, 500].contains(&again.status), "{told}: {again:?}");
                    come_to_an_end(&world).await;
                    assert_everything_fits(&world, &id, &told).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_cancellation_happens_once_whatever_fails_how() {
    for by_points in [true, false] {
        for nth in 1..=2 {
            for kind in KINDS {
                for rule in rules(nth, kind) {
                    let world = shop().await;
                    let body = if by_points { order("c1", &[("pen", 1)]) } else { pen() };
                    let id = text(&world.customer("c1").post("/order", &body).await.json(), "orderId");
                    let (path, told) = (format!("/orders/{id}/cancel"), format!("{by_points} {rule:?}"));
                    world.inject(rule);
                    let first = world.customer("c1").post_once(&path, &json!({}), "k").await;
                    world.inject([]);
                    let again = world.customer("c1").post_once(&path, &json!({}), "k").await;
                    assert_eq!(again.status, 200, "{told}: {again:?}");
                    match first.status {
                        200 => assert_eq!((&again.body, again.is_replayed()), (&first.body, true), "{told}"),
                        503 => {}
                        _ => panic!("{told}: {first:?}"),
                    }
                    come_to_an_end(&world).await;
                    assert_eq!(stands(&world, &id).await, ("CANCELLED".into(), "REFUNDED".into()), "{told}");
                    assert_everything_fits(&world, &id, &told).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_settled_is_settled_once_whatever_fails_how() {
    // A payment whose answer was lost; and a charge that must go back.
    for cancelled in [false, true] {
        for nth in 1..=6 {
            for kind in KINDS {
                for rule in rules(nth, kind) {
                    let world = shop().await;
                    world.partner("payment-gateway").be(if cancelled { Mode::Ok } else { Mode::Lost });
                    let id = text(&world.customer("c1").post("/order", &pen()).await.json(), "orderId");
                    if cancelled {
                        world.customer("c1").post(&format!("/orders/{id}/cancel"), &json!({})).await;
                    }
                    let told = format!("{cancelled} {rule:?}");
                    world.partner("payment-gateway").be(Mode::Ok);
                    // What the stream brings is brought; then the settling fails.
                    world.enable("settle-payments", false);
                    pass(&world, Duration::from_secs(31)).await;
                    world.enable("settle-payments", true);
                    world.inject(rule);
                    world.settle().await;
                    come_to_an_end(&world).await;
                    let expected = if cancelled { ("CANCELLED", "REFUNDED") } else { ("PAID", "PAID") };
                    assert_eq!(stands(&world, &id).await, (expected.0.into(), expected.1.into()), "{told}");
                    assert_everything_fits(&world, &id, &told).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_to_be_settled_reaches_its_queue_whatever_call_of_the_relay_fails_how() {
    for service in ["sqs", "events"] {
        for kind in [Kind::Before, Kind::After, Kind::Internal, Kind::Throttle, Kind::Entry] {
            for count in [1, 50] {
                let world = shop().await;
                world.partner("payment-gateway").be(Mode::Lost);
                let id = text(&world.customer("c1").post("/order", &pen()).await.json(), "orderId");
                let told = format!("{service} {kind:?} {count}");
                world.inject([Rule { count: Some(count), ..Rule::all_of(service, kind) }]);
                world.settle().await;
                if service == "events" {
                    assert_eq!(world.messages("SettlePaymentsQueue").len(), 1, "{told}: money does not wait for news");
                }
                come_to_an_end(&world).await;
                assert_eq!(stands(&world, &id).await, ("PAID".into(), "PAID".into()), "{told}");
                assert_everything_fits(&world, &id, &told).await;
                assert_eq!(world.partner("data-platform").requests().len(), 1, "{told}");
            }
        }
    }
}
