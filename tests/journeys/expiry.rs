//! Orders that are not paid in time expire: stock, coupon and charge are returned exactly once.

use crate::support::{
    assert_books_are_clean, balance, by_card, charges, coupon, faults::ALL_KINDS, get_order, order,
    pass_time, shop, statuses, text, units_in_stock,
};
use local::{World, aws::faults::Rule, partners::Mode};
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// A shop whose gateway declines every card. An order by card reserves its stock and waits for a
/// payment.
async fn declining() -> World {
    let world = shop().await;
    world.partner("payment-gateway").be(Mode::Decline);
    world
}

async fn held(world: &World, key: &str) -> String {
    let body = by_card(order("c1", &[("pen", 1)]), key);
    text(&world.customer("c1").post("/order", &body).await.json(), "orderId")
}

#[tokio::test]
async fn an_order_not_paid_within_fifteen_minutes_returns_stock_and_coupon() {
    let world = declining().await;
    let coupon_id = coupon(&world, "c1", 5).await;
    let mut body = by_card(order("c1", &[("pen", 4)]), "card-1");
    body["couponId"] = json!(coupon_id);
    let failed = world.customer("c1").post("/order", &body).await;
    assert_eq!(failed.problem(), "payment-failed", "{failed:?}");
    let id = text(&failed.json(), "orderId");
    let waiting = get_order(&world, &id).await;
    assert_eq!(
        (&waiting["totalAmount"], &waiting["payBy"]),
        (&json!(3_600), &failed.json()["payBy"])
    );
    world.advance(Duration::from_mins(14));
    world.fire("expire-orders").await.unwrap();
    assert_eq!(
        (statuses(&world, &id).await, units_in_stock(&world, "pen").await),
        (["STOCK_ALLOCATED", "FAILED"].map(String::from), 6)
    );
    world.advance(Duration::from_mins(1));
    let late = world
        .customer("c1")
        .post(&format!("/orders/{id}/pay"), &json!({ "method": "POINTS" }))
        .await;
    assert_eq!(
        (late.status, late.problem().as_str()),
        (409, "not-payable"),
        "refused although the schedule has not expired the order yet"
    );
    for _ in 0..2 {
        world.fire("expire-orders").await.unwrap();
        assert_eq!(
            (statuses(&world, &id).await, units_in_stock(&world, "pen").await),
            (["EXPIRED", "FAILED"].map(String::from), 10)
        );
    }
    let expired = get_order(&world, &id).await;
    assert_eq!(
        (&expired["timeline"][1]["status"], &expired["timeline"][1]["by"]),
        (&json!("EXPIRED"), &json!("system"))
    );
    assert_eq!(expired.get("payBy"), None);
    let coupons = world.customer("c1").get("/customers/c1/coupons").await.json();
    assert_eq!(coupons["coupons"][0]["status"], json!("ISSUED"));
    let late = world
        .customer("c1")
        .post(&format!("/orders/{id}/pay"), &json!({ "method": "POINTS" }))
        .await;
    assert_eq!(
        (late.problem().as_str(), &late.json()["orderStatus"]),
        ("not-payable", &json!("EXPIRED"))
    );
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn overdue_orders_are_found_without_reading_other_orders() {
    let world = declining().await;
    world.stock("pencil", 500, 1_000).await;
    for number in 0..30 {
        world
            .customer("c1")
            .post_once("/order", &order("c1", &[("pencil", 1)]), &format!("paid {number}"))
            .await;
    }
    let ids = [held(&world, "a").await, held(&world, "b").await, held(&world, "c").await];
    world.advance(Duration::from_mins(15));
    world.take_calls();
    world.fire("expire-orders").await.unwrap();
    let calls = world.take_calls();
    let count = |operation: &str| calls.iter().filter(|call| call.operation == operation).count();
    assert_eq!((count("GetItem"), count("TransactWriteItems"), count("Scan")), (3, 3, 0));
    assert!(
        count("Query") <= 8 + 3,
        "one query per partition of the index, and one more where a page had entries: {calls:?}"
    );
    for id in ids {
        assert_eq!(statuses(&world, &id).await[0], "EXPIRED");
    }
    world.take_calls();
    world.fire("expire-orders").await.unwrap();
    assert!(
        world.take_calls().iter().all(|call| call.operation == "Query"),
        "an expired order is not found again"
    );
}

#[tokio::test]
async fn more_overdue_orders_than_one_page_all_expire() {
    let world = declining().await;
    world.operator().post("/api/v1/admin/products/pen/stock", &json!({ "delta": 240 })).await;
    world.partner("payment-gateway").be(Mode::Error);
    for number in 0..250 {
        let customer = format!("c{number}");
        let body = by_card(order(&customer, &[("pen", 1)]), &format!("card-{number}"));
        assert_eq!(world.customer(&customer).post("/order", &body).await.status, 202);
    }
    assert_eq!(units_in_stock(&world, "pen").await, 0);
    world.advance(Duration::from_mins(15));
    world.fire("expire-orders").await.unwrap();
    assert_eq!(units_in_stock(&world, "pen").await, 250);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_order_expires_once_despite_any_failed_call() {
    for operation in ["Query", "GetItem", "TransactWriteItems"] {
        for kind in ALL_KINDS {
            for count in [1, 100] {
                let world = declining().await;
                let ids = [held(&world, "a").await, held(&world, "b").await];
                world.advance(Duration::from_mins(15));
                let operation = Some(operation.to_owned());
                world.inject([Rule {
                    service: None,
                    operation,
                    kind,
                    every: 1,
                    count: Some(count),
                }]);
                let fired = world.fire("expire-orders").await;
                world.inject([]);
                assert_eq!(fired.is_ok(), count == 1, "{kind:?}: {fired:?}");
                world.fire("expire-orders").await.unwrap();
                for id in &ids {
                    assert_eq!(statuses(&world, id).await[0], "EXPIRED");
                }
                assert_eq!(units_in_stock(&world, "pen").await, 10, "{kind:?}");
                assert_books_are_clean(&world).await;
            }
        }
    }
}

#[tokio::test]
async fn a_payment_found_after_the_order_ended_is_refunded() {
    for ending in ["expire", "cancel"] {
        let world = shop().await;
        world.partner("payment-gateway").be(Mode::Lost);
        let id = held(&world, "card-1").await;
        assert_eq!(charges(&world), [("card-1".into(), "DONE".into(), 1_000)]);
        world.settle().await;
        if ending == "expire" {
            world.advance(Duration::from_mins(15));
            world.fire("expire-orders").await.unwrap();
        } else {
            world.customer("c1").post(&format!("/orders/{id}/cancel"), &json!({})).await;
        }
        assert_eq!(units_in_stock(&world, "pen").await, 10, "{ending}");
        world.partner("payment-gateway").be(Mode::Ok);
        pass_time(&world, Duration::from_mins(16)).await;
        let status = if ending == "expire" { "EXPIRED" } else { "CANCELLED" };
        assert_eq!(statuses(&world, &id).await, [status, "REFUNDED"]);
        assert_eq!(charges(&world), [("card-1".into(), "CANCELED".into(), 0)]);
        assert_eq!(units_in_stock(&world, "pen").await, 10, "the stock is not returned twice");
        assert_books_are_clean(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_paid_while_it_expires_is_either_paid_or_expired() {
    for round in 0..20 {
        let world = Arc::new(declining().await);
        let id = held(&world, "card-1").await;
        world.partner("payment-gateway").be(Mode::Ok);
        // Each read of the world's clock advances it by 1 ms: the payment starts just in time, the
        // schedule a moment later.
        world.advance(Duration::from_millis(899_000 - 200 + round * 10));
        let path = format!("/orders/{id}/pay");
        let paying = {
            let world = world.clone();
            tokio::spawn(async move {
                world.customer("c1").post(&path, &json!({ "method": "POINTS" })).await.status
            })
        };
        let expiring = {
            let world = world.clone();
            tokio::spawn(async move {
                world.advance(Duration::from_secs(1));
                world.fire("expire-orders").await.is_ok()
            })
        };
        let (paid, expired) = tokio::join!(paying, expiring);
        assert!(expired.unwrap());
        let statuses = statuses(&world, &id).await;
        if paid.unwrap() == 200 {
            assert_eq!(
                (statuses, balance(&world, "c1").await, units_in_stock(&world, "pen").await),
                (["PAID", "PAID"].map(String::from), 99_000, 9)
            );
        } else {
            world.fire("expire-orders").await.unwrap();
            assert_eq!(
                (balance(&world, "c1").await, units_in_stock(&world, "pen").await),
                (100_000, 10)
            );
        }
        assert_books_are_clean(&world).await;
    }
}
