//! Cancelling orders: stock, points and card charges are returned exactly once.

use crate::support::{
    assert_books_are_clean, balance, by_card, charges, get_order, ledger, order, pass_time, shop,
    statuses, text, units_in_stock,
};
use local::{World, partners::Mode};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

async fn placed(world: &World, body: &Value) -> String {
    let reply = world.customer("c1").post("/order", body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    text(&reply.json(), "orderId")
}

#[tokio::test]
async fn a_cancelled_order_returns_stock_and_points_in_one_transaction() {
    let world = shop().await;
    let id = placed(&world, &order("c1", &[("pen", 1), ("ink", 2)])).await;
    world.take_calls();
    let cancelled = world
        .customer("c1")
        .post(&format!("/orders/{id}/cancel"), &json!({ "reason": "ordered twice" }))
        .await;
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    let calls: Vec<_> =
        world.take_calls().into_iter().map(|call| (call.operation, call.write_units)).collect();
    assert_eq!(
        calls,
        [("GetItem".into(), 0), ("TransactWriteItems".into(), 10)],
        "two stocks, the balance, the ledger entry, the order"
    );
    let cancelled = cancelled.json();
    assert_eq!((&cancelled["status"], &cancelled["version"]), (&json!("CANCELLED"), &json!(2)));
    assert_eq!(cancelled["payment"]["status"], json!("REFUNDED"));
    assert_eq!(
        cancelled["timeline"][1],
        json!({ "status": "CANCELLED", "at": cancelled["updatedAt"], "by": "customer:c1" })
    );
    assert_eq!(get_order(&world, &id).await, cancelled);
    assert_eq!(
        (
            units_in_stock(&world, "pen").await,
            units_in_stock(&world, "ink").await,
            balance(&world, "c1").await
        ),
        (10, 10, 100_000)
    );
    assert_eq!(
        ledger(&world, "c1").await,
        [("CHARGE".into(), 100_000), ("USE".into(), -6_000), ("REFUND".into(), 6_000)]
    );
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_cancellation_needs_no_body_and_cannot_be_repeated() {
    let world = shop().await;
    let id = placed(&world, &order("c1", &[("pen", 1)])).await;
    let path = format!("/orders/{id}/cancel");
    let bare = world.customer("c1").send(axum::http::Method::POST, &path, &[], Vec::new()).await;
    assert_eq!(bare.status, 200, "{bare:?}");
    let again = world.customer("c1").post(&path, &json!({})).await;
    assert_eq!((again.status, again.problem().as_str()), (409, "not-cancellable"));
    assert_eq!(again.json()["orderStatus"], json!("CANCELLED"));
    assert_eq!(balance(&world, "c1").await, 100_000);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_replayed_cancellation_returns_the_first_response() {
    let world = shop().await;
    let id = placed(&world, &by_card(order("c1", &[("pen", 1)]), "card-1")).await;
    let path = format!("/orders/{id}/cancel");
    let first = world.customer("c1").post_once(&path, &json!({}), "k").await;
    assert_eq!(first.json()["payment"]["status"], json!("REFUNDING"));
    pass_time(&world, Duration::ZERO).await;
    assert_eq!(statuses(&world, &id).await, ["CANCELLED", "REFUNDED"]);
    let again = world.customer("c1").post_once(&path, &json!({}), "k").await;
    assert_eq!((again.status, again.is_replayed(), &again.body), (200, true, &first.body));
    let other = world.customer("c1").post_once(&path, &json!({ "reason": "another" }), "k").await;
    assert_eq!((other.status, other.problem().as_str()), (422, "idempotency-key-reused"));
    let id = placed(&world, &order("c1", &[("pad", 1)])).await;
    let elsewhere =
        world.customer("c1").post_once(&format!("/orders/{id}/cancel"), &json!({}), "k").await;
    assert_eq!(
        (elsewhere.status, elsewhere.problem().as_str()),
        (422, "idempotency-key-reused"),
        "a customer's key belongs to one request"
    );
    assert_eq!(statuses(&world, &id).await, ["PAID", "PAID"]);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_replayed_order_request_returns_the_first_response_after_a_cancellation() {
    let world = shop().await;
    for (body, key) in
        [(order("c1", &[("pen", 1)]), "a"), (by_card(order("c1", &[("pen", 1)]), "card-1"), "b")]
    {
        let first = world.customer("c1").post_once("/order", &body, key).await;
        world
            .customer("c1")
            .post(&format!("/orders/{}/cancel", text(&first.json(), "orderId")), &json!({}))
            .await;
        pass_time(&world, Duration::ZERO).await;
        for is_cold in [false, true] {
            if is_cold {
                world.cool_down();
            }
            let again = world.customer("c1").post_once("/order", &body, key).await;
            assert_eq!((again.status, again.is_replayed(), &again.body), (200, true, &first.body));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_cancellations_exactly_one_succeeds() {
    let world = Arc::new(shop().await);
    for body in [order("c1", &[("pen", 2)]), by_card(order("c1", &[("pen", 2)]), "card-1")] {
        let id = placed(&world, &body).await;
        let cancelling = (0..16).map(|_| {
            let (world, path) = (world.clone(), format!("/orders/{id}/cancel"));
            tokio::spawn(async move { world.customer("c1").post(&path, &json!({})).await.status })
        });
        let mut replies = futures::future::try_join_all(cancelling).await.unwrap();
        replies.sort_unstable();
        let (done, refused) = replies.split_at(1);
        assert_eq!(done, [200]);
        assert!(refused.iter().all(|status| *status == 409 || *status == 503), "{refused:?}");
        world.settle().await;
        assert_eq!(statuses(&world, &id).await, ["CANCELLED", "REFUNDED"]);
    }
    assert_eq!((units_in_stock(&world, "pen").await, balance(&world, "c1").await), (10, 100_000));
    assert_eq!(charges(&world), [("card-1".into(), "CANCELED".into(), 0)]);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_card_refund_is_retried_until_the_gateway_confirms_it() {
    let world = shop().await;
    let id = placed(&world, &by_card(order("c1", &[("pen", 1)]), "card-1")).await;
    world.customer("c1").post(&format!("/orders/{id}/cancel"), &json!({})).await;
    assert_eq!(units_in_stock(&world, "pen").await, 10, "the stock is returned immediately");
    for mode in [Mode::Error, Mode::Down, Mode::Lost] {
        world.partner("payment-gateway").be(mode);
        for _ in 0..3 {
            pass_time(&world, Duration::from_mins(15)).await;
            assert_eq!(statuses(&world, &id).await, ["CANCELLED", "REFUNDING"], "{mode:?}");
        }
    }
    world.partner("payment-gateway").be(Mode::Ok);
    pass_time(&world, Duration::from_mins(16)).await;
    assert_eq!(statuses(&world, &id).await, ["CANCELLED", "REFUNDED"]);
    assert_eq!(
        charges(&world),
        [("card-1".into(), "CANCELED".into(), 0)],
        "refunded once, although a response was lost"
    );
    assert_eq!(
        get_order(&world, &id).await["version"],
        json!(4),
        "held, paid, cancelled, refunded"
    );
    let requests = world.partner("payment-gateway").requests();
    let keys: Vec<&String> =
        requests.iter().map(|request| &request.headers["idempotency-key"]).collect();
    let distinct = std::collections::BTreeSet::from_iter(&keys).len();
    assert_eq!(
        distinct,
        keys.len(),
        "each request needs its own key: the gateway replays a refusal to a repeated one"
    );
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn sales_of_a_cancelled_order_do_not_count() {
    let world = shop().await;
    let id = placed(&world, &order("c1", &[("pen", 2)])).await;
    placed(&world, &order("c1", &[("pen", 1)])).await;
    world.customer("c1").post(&format!("/orders/{id}/cancel"), &json!({})).await;
    world.settle().await;
    world.fire("aggregate-top-sellers").await.unwrap();
    let top = world.anyone().get("/products/top-sellers").await.json();
    assert_eq!(top["products"][0]["soldQuantity"], json!(1));
}

#[tokio::test]
async fn a_cancellation_whose_refund_exceeds_the_balance_limit_changes_nothing() {
    let world = shop().await;
    let id = placed(&world, &order("c1", &[("pen", 1)])).await;
    let request = json!({
        "TableName": "CustomersTable", "Key": { "pk": { "S": "CUSTOMER#c1" }, "sk": { "S": "POINTS" } },
        "UpdateExpression": "SET balance = :v", "ExpressionAttributeValues": { ":v": { "N": "1000000000000" } },
    });
    world.dynamodb("UpdateItem", request).await;
    let refused = world.customer("c1").post(&format!("/orders/{id}/cancel"), &json!({})).await;
    assert_eq!((refused.status, refused.problem().as_str()), (409, "balance-limit"));
    assert_eq!(
        (statuses(&world, &id).await, units_in_stock(&world, "pen").await),
        (["PAID", "PAID"].map(String::from), 9)
    );
}

#[tokio::test]
async fn a_free_order_is_paid_and_cancelled_without_the_gateway() {
    let world = shop().await;
    world.stock("leaflet", 0, 5).await;
    let placed = world
        .customer("c1")
        .post("/order", &by_card(order("c1", &[("leaflet", 1)]), "card-1"))
        .await;
    assert_eq!((placed.status, &placed.json()["status"]), (200, &json!("PAID")));
    let path = format!("/orders/{}/cancel", text(&placed.json(), "orderId"));
    assert_eq!(
        world.customer("c1").post(&path, &json!({})).await.json()["payment"]["status"],
        json!("REFUNDED")
    );
    assert_eq!((charges(&world), units_in_stock(&world, "leaflet").await), (vec![], 5));
    assert_books_are_clean(&world).await;
}
