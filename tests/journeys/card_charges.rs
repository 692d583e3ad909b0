//! Points that customers charge by card: charged once, never minted, never forgotten.

use crate::{
    assert_books_are_clean, balance,
    cards::{LOOKED_INTO, confirmations, gateway},
    charges, ledger, pass, shop, text,
};
use local::{
    World,
    aws::faults::{Kind, Rule},
    partners::Mode,
    world::Reply,
};
use serde_json::{Value, json};
use std::time::Duration;

fn charge(amount: i64, key: &str) -> Value {
    json!({ "customerId": "c1", "amount": amount, "payment": { "method": "CARD", "paymentKey": key } })
}

async fn charged(world: &World, body: &Value, key: &str) -> Reply {
    world.customer("c1").post_once("/points/charge", body, key).await
}

async fn status(world: &World, charge_id: &str) -> String {
    text(&world.customer("c1").get(&format!("/points/c1/charges/{charge_id}")).await.json(), "status")
}

#[tokio::test]
async fn a_customer_gets_no_points_without_paying_for_them() {
    let world = World::new().await;
    let body = json!({ "customerId": "c1", "amount": 10_000_000 });
    for _ in 0..5 {
        let refused = world.customer("c1").post("/points/charge", &body).await;
        assert_eq!((refused.status, refused.problem().as_str()), (402, "payment-required"));
    }
    assert_eq!(balance(&world, "c1").await, 0);
    assert_eq!(world.operator().post("/points/charge", &body).await.status, 200, "an operator gives them");
    // A shop may give them to whoever asks.
    let parameters = [("PointCharges".to_owned(), "FREE".to_owned())].into();
    let generous = World::with(local::Options { parameters, ..World::options() }).await;
    assert_eq!(generous.customer("c1").post("/points/charge", &body).await.status, 200);
}

#[tokio::test]
async fn points_are_charged_by_card_once_for_each_key_and_the_ledger_says_which_charge() {
    let world = World::new().await;
    let first = charged(&world, &charge(5_000, "card-1"), "k").await;
    assert_eq!((first.status, &first.json()["balance"]), (200, &json!(5_000)), "{first:?}");
    let again = charged(&world, &charge(5_000, "card-1"), "k").await;
    assert_eq!((again.status, again.is_replayed(), &again.body), (200, true, &first.body));
    assert_eq!(charged(&world, &charge(6_000, "card-1"), "k").await.problem(), "idempotency-key-reused");
    // Without a key the payment itself tells a repeat.
    let bare = world.customer("c1").post("/points/charge", &charge(700, "card-2")).await;
    let repeat = world.customer("c1").post("/points/charge", &charge(700, "card-2")).await;
    assert_eq!((bare.status, repeat.status, &repeat.body), (200, 200, &bare.body));
    assert_eq!((confirmations(&world), balance(&world, "c1").await), (2, 5_700));
    let history = world.customer("c1").get("/points/c1/history").await.json();
    let reference = text(&history["entries"][1], "reference");
    assert_eq!(status(&world, &reference).await, "CHARGED");
    assert_eq!(world.customer("c2").get(&format!("/points/c2/charges/{reference}")).await.status, 404);
    assert_eq!(charges(&world).iter().map(|(_, _, won)| won).sum::<i64>(), 5_700);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_card_that_is_declined_charges_nothing_and_a_repeat_is_tried_afresh() {
    let world = World::new().await;
    gateway(&world).be(Mode::Decline);
    for _ in 0..2 {
        let declined = charged(&world, &charge(5_000, "card-1"), "k").await;
        assert_eq!((declined.status, declined.problem().as_str()), (500, "payment-failed"));
    }
    assert_eq!((confirmations(&world), balance(&world, "c1").await), (2, 0));
    assert_eq!(charged(&world, &charge(5_000, "card-2"), "k").await.problem(), "idempotency-key-reused");
    gateway(&world).be(Mode::Ok);
    for _ in 0..2 {
        assert_eq!(charged(&world, &charge(5_000, "card-1"), "k").await.status, 200);
    }
    assert_eq!((confirmations(&world), balance(&world, "c1").await), (3, 5_000));
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_charge_whose_answer_was_lost_is_found_and_added_once() {
    for mode in [Mode::Lost, Mode::Slow, Mode::Down] {
        let world = World::new().await;
        gateway(&world).be(mode);
        let pending = charged(&world, &charge(5_000, "card-1"), "k").await;
        let id = text(&pending.json(), "chargeId");
        assert_eq!((pending.status, &pending.json()["status"]), (202, &json!("PENDING")));
        gateway(&world).be(Mode::Ok);
        pass(&world, LOOKED_INTO).await;
        let (expected, points) = if mode == Mode::Down { ("PENDING", 0) } else { ("CHARGED", 5_000) };
        assert_eq!((status(&world, &id).await.as_str(), balance(&world, "c1").await), (expected, points), "{mode:?}");
        // What never came in cannot come in any more after a while.
        pass(&world, Duration::from_mins(16)).await;
        let expected = if mode == Mode::Down { "FAILED" } else { "CHARGED" };
        assert_eq!(status(&world, &id).await, expected, "{mode:?}");
        let again = charged(&world, &charge(5_000, "card-1"), "k").await;
        assert_eq!((again.status, again.is_replayed()), (200, mode != Mode::Down), "what failed is tried afresh");
        assert_eq!((balance(&world, "c1").await, charges(&world).len()), (5_000, 1), "{mode:?}");
        assert_books_are_clean(&world).await;
    }
}

#[tokio::test]
async fn a_charge_for_which_the_balance_has_no_room_any_more_goes_back() {
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
    pass(&world, LOOKED_INTO).await;
    pass(&world, Duration::from_mins(1)).await;
    assert_eq!(status(&world, &id).await, "FAILED");
    assert_eq!(charges(&world), [("card-1".into(), "CANCELED".into(), 0)]);
    assert_eq!(charged(&world, &charge(5_000, "card-1"), "k").await.problem(), "balance-limit");
    let refused = charged(&world, &charge(5_000, "card-2"), "other").await;
    assert_eq!((refused.problem().as_str(), charges(&world).len()), ("balance-limit", 1), "no card is charged for it");
}

#[tokio::test]
async fn a_charge_by_card_happens_once_whatever_call_fails_how() {
    for operation in ["Query", "GetItem", "TransactWriteItems", "UpdateItem"] {
        for kind in [Kind::Before, Kind::After, Kind::Throttle, Kind::Internal, Kind::Conflict(0), Kind::Conflict(1)] {
            for (nth, count) in [(1, Some(1)), (2, Some(1)), (3, Some(1)), (1, None), (2, None)] {
                let world = World::new().await;
                let operation = Some(operation.to_owned());
                world.inject([Rule { service: None, operation: operation.clone(), kind, every: nth, count }]);
                let first = charged(&world, &charge(5_000, "card-1"), "k").await;
                let told = format!("{kind:?} at {nth} of {operation:?}, {count:?}: {first:?}");
                assert!([200, 202, 503].contains(&first.status), "{told}");
                world.inject([]);
                pass(&world, LOOKED_INTO).await;
                pass(&world, Duration::from_mins(20)).await;
                let second = charged(&world, &charge(5_000, "card-1"), "k").await;
                let paid: i64 = charges(&world).iter().map(|(_, _, won)| won).sum();
                assert_eq!(balance(&world, "c1").await, paid, "{told}");
                // Where nothing was asked, or nobody heard and nothing came in, the second try says so.
                assert!(second.status == 200 || second.problem() == "payment-failed", "{told} {second:?}");
                assert!(first.status != 200 || paid == 5_000, "{told}");
                assert!(ledger(&world, "c1").await.len() <= 1, "{told}");
                assert_books_are_clean(&world).await;
            }
        }
    }
}

#[tokio::test]
async fn points_that_no_card_paid_for_are_found_by_the_audit() {
    let world = shop().await;
    let charged = charged(&world, &charge(5_000, "card-1"), "k").await;
    let history = world.customer("c1").get("/points/c1/history").await.json();
    let id = text(&history["entries"][0], "reference");
    assert_eq!(charged.status, 200);
    let unpay = json!({
        "TableName": "OrdersTable", "Key": { "pk": { "S": format!("CHARGE#{id}") }, "sk": { "S": "PAYMENT#001" } },
        "UpdateExpression": "SET #status = :s", "ExpressionAttributeNames": { "#status": "status" },
        "ExpressionAttributeValues": { ":s": { "S": "DECLINED" } },
    });
    world.dynamodb("UpdateItem", unpay).await;
    let audit = world.audit().await;
    assert_eq!(audit["violations"][0]["law"], json!("points-charged-as-card"), "{audit:#}");
}
