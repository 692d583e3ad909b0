//! Points that customers charge (top up) by card: each payment adds its points exactly once, no
//! points are added without a payment, and no payment is lost.

use crate::support::{
    assert_books_are_clean, balance,
    cards::{LOOKUP_DELAY, confirmations, gateway},
    charges,
    faults::ALL_KINDS,
    ledger, pass_time, shop, text,
};
use local::{World, aws::faults::Rule, partners::Mode, world::Reply};
use serde_json::{Value, json};
use std::time::Duration;

fn charge(amount: i64, key: &str) -> Value {
    json!({ "customerId": "c1", "amount": amount, "payment": { "method": "CARD", "paymentKey": key } })
}

async fn charged(world: &World, body: &Value, key: &str) -> Reply {
    world.customer("c1").post_once("/points/charge", body, key).await
}

async fn status(world: &World, charge_id: &str) -> String {
    text(
        &world.customer("c1").get(&format!("/points/c1/charges/{charge_id}")).await.json(),
        "status",
    )
}

#[tokio::test]
async fn a_customer_cannot_charge_points_without_paying() {
    let world = World::new().await;
    let body = json!({ "customerId": "c1", "amount": 10_000_000 });
    for _ in 0..5 {
        let refused = world.customer("c1").post("/points/charge", &body).await;
        assert_eq!((refused.status, refused.problem().as_str()), (402, "payment-required"));
    }
    assert_eq!(balance(&world, "c1").await, 0);
    assert_eq!(
        world.operator().post("/points/charge", &body).await.status,
        200,
        "an operator may charge points without a payment"
    );
    // With `PointCharges=FREE`, customers charge points without a payment.
    let parameters = [("PointCharges".to_owned(), "FREE".to_owned())].into();
    let free = World::with(local::Options { parameters, ..World::options() }).await;
    assert_eq!(free.customer("c1").post("/points/charge", &body).await.status, 200);
}

#[tokio::test]
async fn points_are_charged_once_per_key_and_the_ledger_entry_references_the_charge() {
    let world = World::new().await;
    let first = charged(&world, &charge(5_000, "card-1"), "k").await;
    assert_eq!((first.status, &first.json()["balance"]), (200, &json!(5_000)), "{first:?}");
    let again = charged(&world, &charge(5_000, "card-1"), "k").await;
    assert_eq!((again.status, again.is_replayed(), &again.body), (200, true, &first.body));
    assert_eq!(
        charged(&world, &charge(6_000, "card-1"), "k").await.problem(),
        "idempotency-key-reused"
    );
    // Without an `Idempotency-Key`, the payment key identifies a repeated request.
    let bare = world.customer("c1").post("/points/charge", &charge(700, "card-2")).await;
    let repeat = world.customer("c1").post("/points/charge", &charge(700, "card-2")).await;
    assert_eq!((bare.status, repeat.status, &repeat.body), (200, 200, &bare.body));
    assert_eq!((confirmations(&world), balance(&world, "c1").await), (2, 5_700));
    let history = world.customer("c1").get("/points/c1/history").await.json();
    let reference = text(&history["entries"][1], "reference");
    assert_eq!(status(&world, &reference).await, "CHARGED");
    assert_eq!(
        world.customer("c2").get(&format!("/points/c2/charges/{reference}")).await.status,
        404
    );
    assert_eq!(charges(&world).iter().map(|(_, _, won)| won).sum::<i64>(), 5_700);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_declined_card_adds_no_points_and_a_retry_calls_the_gateway_again() {
    let world = World::new().await;
    gateway(&world).be(Mode::Decline);
    for _ in 0..2 {
        let declined = charged(&world, &charge(5_000, "card-1"), "k").await;
        assert_eq!((declined.status, declined.problem().as_str()), (500, "payment-failed"));
    }
    assert_eq!((confirmations(&world), balance(&world, "c1").await), (2, 0));
    assert_eq!(
        charged(&world, &charge(5_000, "card-2"), "k").await.problem(),
        "idempotency-key-reused"
    );
    gateway(&world).be(Mode::Ok);
    for _ in 0..2 {
        assert_eq!(charged(&world, &charge(5_000, "card-1"), "k").await.status, 200);
    }
    assert_eq!((confirmations(&world), balance(&world, "c1").await), (3, 5_000));
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_charge_whose_gateway_response_was_lost_is_found_and_added_once() {
    for mode in [Mode::Lost, Mode::Slow, Mode::Down] {
        let world = World::new().await;
        gateway(&world).be(mode);
        let pending = charged(&world, &charge(5_000, "card-1"), "k").await;
        let id = text(&pending.json(), "chargeId");
        assert_eq!((pending.status, &pending.json()["status"]), (202, &json!("PENDING")));
        gateway(&world).be(Mode::Ok);
        pass_time(&world, LOOKUP_DELAY).await;
        let (expected, points) =
            if mode == Mode::Down { ("PENDING", 0) } else { ("CHARGED", 5_000) };
        assert_eq!(
            (status(&world, &id).await.as_str(), balance(&world, "c1").await),
            (expected, points),
            "{mode:?}"
        );
        // A request that has not arrived by now cannot charge any more: its authorisation has
        // lapsed.
        pass_time(&world, Duration::from_mins(16)).await;
        let expected = if mode == Mode::Down { "FAILED" } else { "CHARGED" };
        assert_eq!(status(&world, &id).await, expected, "{mode:?}");
        let again = charged(&world, &charge(5_000, "card-1"), "k").await;
        assert_eq!(
            (again.status, again.is_replayed()),
            (200, mode != Mode::Down),
            "a failed charge is attempted again"
        );
        assert_eq!((balance(&world, "c1").await, charges(&world).len()), (5_000, 1), "{mode:?}");
        assert_books_are_clean(&world).await;
    }
}

#[tokio::test]
async fn a_charge_that_would_exceed_the_balance_limit_is_refunded() {
    let world = World::new().await;
    gateway(&world).be(Mode::Lost);
    let pending = charged(&world, &charge(5_000, "card-1"), "k").await;
    let id = text(&pending.json(), "chargeId");
    let full = json!({
        "TableName": "CustomersTable",
        "Item": { "pk": { "S": "CUSTOMER#c1" }, "sk": { "S": "POINTS" }, "balance": { "N": "999999999999" } },
    });
    world.dynamodb("PutItem", full).await;
    gateway(&world).be(Mode::Ok);
    pass_time(&world, LOOKUP_DELAY).await;
    pass_time(&world, Duration::from_mins(1)).await;
    assert_eq!(status(&world, &id).await, "FAILED");
    assert_eq!(charges(&world), [("card-1".into(), "CANCELED".into(), 0)]);
    assert_eq!(charged(&world, &charge(5_000, "card-1"), "k").await.problem(), "balance-limit");
    let refused = charged(&world, &charge(5_000, "card-2"), "other").await;
    assert_eq!(
        (refused.problem().as_str(), charges(&world).len()),
        ("balance-limit", 1),
        "the card is not charged"
    );
}

#[tokio::test]
async fn a_card_charge_takes_effect_once_despite_any_failed_call() {
    for operation in ["Query", "GetItem", "TransactWriteItems", "UpdateItem"] {
        for kind in ALL_KINDS {
            for (nth, count) in [(1, Some(1)), (2, Some(1)), (3, Some(1)), (1, None), (2, None)] {
                let world = World::new().await;
                let operation = Some(operation.to_owned());
                world.inject([Rule {
                    service: None,
                    operation: operation.clone(),
                    kind,
                    every: nth,
                    count,
                }]);
                let first = charged(&world, &charge(5_000, "card-1"), "k").await;
                let context = format!("{kind:?} at {nth} of {operation:?}, {count:?}: {first:?}");
                assert!([200, 202, 503].contains(&first.status), "{context}");
                world.inject([]);
                pass_time(&world, LOOKUP_DELAY).await;
                pass_time(&world, Duration::from_mins(20)).await;
                let second = charged(&world, &charge(5_000, "card-1"), "k").await;
                let paid: i64 = charges(&world).iter().map(|(_, _, won)| won).sum();
                assert_eq!(balance(&world, "c1").await, paid, "{context}");
                // The second request may fail if the gateway was not called, or was called without
                // a charge.
                assert!(
                    second.status == 200 || second.problem() == "payment-failed",
                    "{context} {second:?}"
                );
                assert!(first.status != 200 || paid == 5_000, "{context}");
                assert!(ledger(&world, "c1").await.len() <= 1, "{context}");
                assert_books_are_clean(&world).await;
            }
        }
    }
}

#[tokio::test]
async fn the_audit_finds_points_that_no_card_payment_covers() {
    let world = shop().await;
    let charged = charged(&world, &charge(5_000, "card-1"), "k").await;
    let history = world.customer("c1").get("/points/c1/history").await.json();
    let id = text(&history["entries"][0], "reference");
    assert_eq!(charged.status, 200);
    let decline = json!({
        "TableName": "OrdersTable", "Key": { "pk": { "S": format!("CHARGE#{id}") }, "sk": { "S": "PAYMENT#001" } },
        "UpdateExpression": "SET #status = :s", "ExpressionAttributeNames": { "#status": "status" },
        "ExpressionAttributeValues": { ":s": { "S": "DECLINED" } },
    });
    world.dynamodb("UpdateItem", decline).await;
    let audit = world.audit().await;
    assert_eq!(audit["violations"][0]["law"], json!("points-charged-as-card"), "{audit:#}");
}
