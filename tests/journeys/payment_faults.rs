//! Fault injection for payments: every AWS call fails in every way, and so does the payment
//! gateway. No customer is charged twice, no payment is forgotten, and in the end money, stock and
//! orders agree.

use crate::support::{
    assert_books_are_clean, balance, by_card, charges,
    faults::{KINDS, faults_at},
    get_order, order, pass_time, shop, statuses, text, units_in_stock,
};
use local::{
    World,
    aws::faults::{Kind, Rule},
    partners::Mode,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Lets every order and payment reach its final state: payments are settled, checked once more and
/// refunded, and unpaid orders expire.
async fn reach_final_states(world: &World) {
    world.inject([]);
    world.partner("payment-gateway").be(Mode::Ok);
    pass_time(world, Duration::from_mins(16)).await;
    world.fire("expire-orders").await.unwrap();
    for _ in 0..2 {
        pass_time(world, Duration::from_mins(16)).await;
    }
}

/// Asserts that the charges, the balance and the stock match the order, and that the audit finds
/// nothing.
async fn assert_consistent(world: &World, id: &str, context: &str) {
    let order = get_order(world, id).await;
    let payment_is_paid = order["payment"]["status"] == json!("PAID");
    let has_paid_status = matches!(order["status"].as_str(), Some("PAID"));
    assert_eq!(payment_is_paid, has_paid_status, "{context}: {order:#}");
    let charged: i64 = charges(world).iter().map(|(_, _, balance)| balance).sum();
    let by_card = payment_is_paid && order["payment"]["method"] == json!("CARD");
    assert_eq!(
        charged,
        if by_card { 1_000 } else { 0 },
        "{context}: {order:#} {:?}",
        charges(world)
    );
    let by_points = payment_is_paid && !by_card;
    assert_eq!(balance(world, "c1").await, if by_points { 99_000 } else { 100_000 }, "{context}");
    assert_eq!(
        units_in_stock(world, "pen").await,
        if has_paid_status { 9 } else { 10 },
        "{context}"
    );
    let attempts_in_gateway =
        charges(world).iter().filter(|(_, status, _)| status != "ABORTED").count();
    assert!(attempts_in_gateway <= 1, "{context}: {:?}", charges(world));
    assert_books_are_clean(world).await;
}

fn pen() -> Value {
    by_card(order("c1", &[("pen", 1)]), "card-1")
}

#[tokio::test]
async fn a_card_order_is_charged_once_and_never_forgotten_despite_any_fault_in_any_call() {
    for mode in [Mode::Ok, Mode::Lost, Mode::Down, Mode::Decline] {
        for nth in 1..=6 {
            for kind in KINDS {
                for rule in faults_at(nth, kind) {
                    let world = shop().await;
                    world.partner("payment-gateway").be(mode);
                    let context = format!("{mode:?} {rule:?}");
                    world.inject(rule);
                    let first = world.customer("c1").post_once("/order", &pen(), "k").await;
                    world.inject([]);
                    let again = world.customer("c1").post_once("/order", &pen(), "k").await;
                    assert!([200, 202, 500].contains(&again.status), "{context}: {again:?}");
                    match first.status {
                        200 => {
                            assert_eq!(
                                (&again.body, again.status),
                                (&first.body, 200),
                                "{context}"
                            );
                        }
                        500 => assert_eq!(again.problem(), "payment-failed", "{context}"),
                        202 | 503 => {}
                        _ => panic!("{context}: {first:?}"),
                    }
                    let body = again.json();
                    let id = text(&body, "orderId");
                    reach_final_states(&world).await;
                    assert_consistent(&world, &id, &context).await;
                    if first.status == 200 {
                        assert_eq!(statuses(&world, &id).await[0], "PAID", "{context}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_payment_is_made_once_and_never_forgotten_despite_any_fault_in_any_call() {
    let card = json!({ "method": "CARD", "paymentKey": "card-2" });
    let points = json!({ "method": "POINTS" });
    for (choice, mode) in
        [(&card, Mode::Ok), (&card, Mode::Lost), (&card, Mode::Decline), (&points, Mode::Ok)]
    {
        for nth in 1..=5 {
            for kind in KINDS {
                for rule in faults_at(nth, kind) {
                    let world = shop().await;
                    world.partner("payment-gateway").be(Mode::Decline);
                    let id =
                        text(&world.customer("c1").post("/order", &pen()).await.json(), "orderId");
                    world.partner("payment-gateway").be(mode);
                    let context = format!("{choice} {mode:?} {rule:?}");
                    let path = format!("/orders/{id}/pay");
                    world.inject(rule);
                    let first = world.customer("c1").post_once(&path, choice, "k").await;
                    world.inject([]);
                    let again = world.customer("c1").post_once(&path, choice, "k").await;
                    if first.status == 200 {
                        assert_eq!(
                            (&again.body, again.is_replayed()),
                            (&first.body, true),
                            "{context}"
                        );
                    }
                    assert!([200, 202, 500].contains(&again.status), "{context}: {again:?}");
                    reach_final_states(&world).await;
                    assert_consistent(&world, &id, &context).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_cancellation_happens_once_despite_any_fault_in_any_call() {
    for by_points in [true, false] {
        for nth in 1..=2 {
            for kind in KINDS {
                for rule in faults_at(nth, kind) {
                    let world = shop().await;
                    let body = if by_points { order("c1", &[("pen", 1)]) } else { pen() };
                    let id =
                        text(&world.customer("c1").post("/order", &body).await.json(), "orderId");
                    let (path, context) =
                        (format!("/orders/{id}/cancel"), format!("{by_points} {rule:?}"));
                    world.inject(rule);
                    let first = world.customer("c1").post_once(&path, &json!({}), "k").await;
                    world.inject([]);
                    let again = world.customer("c1").post_once(&path, &json!({}), "k").await;
                    assert_eq!(again.status, 200, "{context}: {again:?}");
                    match first.status {
                        200 => assert_eq!(
                            (&again.body, again.is_replayed()),
                            (&first.body, true),
                            "{context}"
                        ),
                        503 => {}
                        _ => panic!("{context}: {first:?}"),
                    }
                    reach_final_states(&world).await;
                    assert_eq!(statuses(&world, &id).await, ["CANCELLED", "REFUNDED"], "{context}");
                    assert_consistent(&world, &id, &context).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_payment_is_settled_once_despite_any_fault_in_any_call() {
    // A payment whose response was lost, and a charge that must be refunded.
    for cancelled in [false, true] {
        for nth in 1..=6 {
            for kind in KINDS {
                for rule in faults_at(nth, kind) {
                    let world = shop().await;
                    world.partner("payment-gateway").be(if cancelled {
                        Mode::Ok
                    } else {
                        Mode::Lost
                    });
                    let id =
                        text(&world.customer("c1").post("/order", &pen()).await.json(), "orderId");
                    if cancelled {
                        world
                            .customer("c1")
                            .post(&format!("/orders/{id}/cancel"), &json!({}))
                            .await;
                    }
                    let context = format!("{cancelled} {rule:?}");
                    world.partner("payment-gateway").be(Mode::Ok);
                    // The stream's records are relayed first, so that the faults hit the settling.
                    world.enable("settle-payments", false);
                    pass_time(&world, Duration::from_secs(31)).await;
                    world.enable("settle-payments", true);
                    world.inject(rule);
                    world.settle().await;
                    reach_final_states(&world).await;
                    let expected =
                        if cancelled { ["CANCELLED", "REFUNDED"] } else { ["PAID", "PAID"] };
                    assert_eq!(statuses(&world, &id).await, expected, "{context}");
                    assert_consistent(&world, &id, &context).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_payment_to_settle_reaches_its_queue_despite_any_fault_of_the_relay() {
    for service in ["sqs", "events"] {
        for kind in [Kind::Before, Kind::After, Kind::Internal, Kind::Throttle, Kind::Entry] {
            for count in [1, 50] {
                let world = shop().await;
                world.partner("payment-gateway").be(Mode::Lost);
                let id = text(&world.customer("c1").post("/order", &pen()).await.json(), "orderId");
                let context = format!("{service} {kind:?} {count}");
                world.inject([Rule { count: Some(count), ..Rule::all_of(service, kind) }]);
                world.settle().await;
                if service == "events" {
                    assert_eq!(
                        world.messages("SettlePaymentsQueue").len(),
                        1,
                        "{context}: settling does not wait for the event bus"
                    );
                }
                reach_final_states(&world).await;
                assert_eq!(statuses(&world, &id).await, ["PAID", "PAID"], "{context}");
                assert_consistent(&world, &id, &context).await;
                assert_eq!(world.partner("data-platform").requests().len(), 1, "{context}");
            }
        }
    }
}
