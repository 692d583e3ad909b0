//! Charging points, and the ledger that explains the balance.

use crate::support::{balance, ledger, shop};
use local::World;
use serde_json::json;

#[tokio::test]
async fn points_are_charged_and_the_ledger_explains_the_balance() {
    let world = World::new().await;
    let customer = world.customer("c1");
    assert_eq!(
        customer.get("/points/c1").await.json(),
        json!({ "customerId": "c1", "balance": 0 })
    );
    let charged = world
        .operator()
        .post("/points/charge", &json!({ "customerId": "c1", "amount": 700 }))
        .await;
    assert_eq!(charged.status, 200);
    let charged = charged.json();
    assert_eq!(
        (&charged["customerId"], &charged["amount"], &charged["balance"]),
        (&json!("c1"), &json!(700), &json!(700))
    );
    world
        .operator()
        .post("/points/charge", &json!({ "customerId": "c1", "amount": 300, "reason": "sorry" }))
        .await;
    assert_eq!(balance(&world, "c1").await, 1_000);
    let history = customer.get("/points/c1/history").await.json();
    assert_eq!(history["entries"][1]["entryId"], charged["entryId"]);
    assert_eq!(history["entries"][1]["at"], charged["chargedAt"]);
    assert_eq!(history["entries"][0]["reason"], json!("sorry"));
    assert_eq!(ledger(&world, "c1").await, [("CHARGE".into(), 700), ("CHARGE".into(), 300)]);
}

#[tokio::test]
async fn a_charge_repeated_under_its_key_happens_once_and_returns_the_first_response() {
    let world = World::new().await;
    let (customer, body) = (world.operator(), json!({ "customerId": "c1", "amount": 700 }));
    let first = customer.post_once("/points/charge", &body, "k").await;
    customer.post("/points/charge", &json!({ "customerId": "c1", "amount": 1 })).await;
    let again = customer.post_once("/points/charge", &body, "\"k\"").await;
    assert_eq!((first.status, first.is_replayed()), (200, false));
    assert_eq!((again.status, again.is_replayed()), (200, true));
    assert_eq!(first.body, again.body);
    assert_eq!(balance(&world, "c1").await, 701);
    let other = customer
        .post_once("/points/charge", &json!({ "customerId": "c1", "amount": 701 }), "k")
        .await;
    assert_eq!((other.status, other.problem().as_str()), (422, "idempotency-key-reused"));
    let theirs = world
        .operator()
        .post_once("/points/charge", &json!({ "customerId": "c2", "amount": 5 }), "k")
        .await;
    assert_eq!(
        (theirs.status, theirs.is_replayed()),
        (200, false),
        "an idempotency key belongs to one customer"
    );
}

#[tokio::test]
async fn a_charge_is_one_read_and_one_transaction() {
    let world = shop().await;
    world.operator().post("/points/charge", &json!({ "customerId": "c1", "amount": 700 })).await;
    let calls: Vec<String> = world.take_calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(calls, ["BatchGetItem", "TransactWriteItems"]);
}

#[tokio::test]
async fn an_invalid_charge_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let customer = world.operator();
    for amount in [0, -1, 10_000_001, i64::MAX, i64::MIN] {
        let refused =
            customer.post("/points/charge", &json!({ "customerId": "c1", "amount": amount })).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (400, "invalid-amount"),
            "{amount}"
        );
    }
    assert_eq!(ledger(&world, "c1").await, []);
    let full = json!({
        "TableName": "CustomersTable", "Item": { "pk": { "S": "CUSTOMER#c1" }, "sk": { "S": "POINTS" }, "balance": { "N": "999999999999" } },
    });
    world.dynamodb("PutItem", full).await;
    let refused =
        customer.post("/points/charge", &json!({ "customerId": "c1", "amount": 2 })).await;
    assert_eq!((refused.status, refused.problem().as_str()), (409, "balance-limit"));
    let fits = customer.post("/points/charge", &json!({ "customerId": "c1", "amount": 1 })).await;
    assert_eq!(fits.json()["balance"], json!(1_000_000_000_000_i64));
}

#[tokio::test]
async fn a_long_history_is_read_page_by_page_without_gaps_or_repeats() {
    let world = World::new().await;
    for amount in 1..=25 {
        world.charge("c1", amount).await;
    }
    let (customer, mut amounts, mut path) =
        (world.customer("c1"), Vec::new(), "/points/c1/history?limit=10".to_owned());
    loop {
        let page = customer.get(&path).await.json();
        amounts.extend(
            page["entries"]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| entry["amount"].as_i64().unwrap()),
        );
        match page["nextCursor"].as_str() {
            Some(cursor) => path = format!("/points/c1/history?limit=10&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(amounts, (1..=25).rev().collect::<Vec<_>>());
}
