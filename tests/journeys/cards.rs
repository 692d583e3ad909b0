//! Paying by card: a paid order is charged exactly once and no charge is lost, whatever the gateway
//! does.

use crate::support::{
    assert_books_are_clean, balance, by_card,
    cards::{LOOKUP_DELAY, body, confirmations, gateway, pay},
    charges, coupon, get_order, ledger, order, pass_time, shop, statuses, text, units_in_stock,
};
use edge::Signal;
use local::{
    World,
    partners::{Behaviour, Mode},
};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn an_order_by_card_reserves_its_stock_is_charged_and_then_paid() {
    let world = shop().await;
    let placed = world.customer("c1").post("/order", &body("card-1")).await;
    assert_eq!(placed.status, 200, "{placed:?}");
    let placed = placed.json();
    assert_eq!(
        (&placed["status"], &placed["version"], placed.get("payBy")),
        (&json!("PAID"), &json!(2), None)
    );
    let payment = &placed["payment"];
    assert_eq!(
        (&payment["method"], &payment["status"], &payment["amount"]),
        (&json!("CARD"), &json!("PAID"), &json!(6_000))
    );
    let steps: Vec<_> =
        placed["timeline"].as_array().unwrap().iter().map(|step| text(step, "status")).collect();
    assert_eq!(steps, ["STOCK_ALLOCATED", "PAID"]);
    assert_eq!(get_order(&world, &text(&placed, "orderId")).await, placed);
    assert_eq!(charges(&world), [("card-1".into(), "DONE".into(), 6_000)]);
    let [request] = &gateway(&world).requests()[..] else { panic!("one request") };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/payments/confirm"));
    let expected = json!({ "paymentKey": "card-1", "orderId": placed["orderId"], "amount": 6_000 });
    assert_eq!(serde_json::from_str::<Value>(&request.body).unwrap(), expected);
    assert_eq!(request.headers["idempotency-key"], format!("{}-1-1", text(&placed, "orderId")));
    assert_eq!(
        (balance(&world, "c1").await, ledger(&world, "c1").await.len()),
        (100_000, 1),
        "the points do not change"
    );
    world.settle().await;
    assert_eq!(world.partner("data-platform").requests().len(), 1, "one event, for the payment");
    world.advance(LOOKUP_DELAY);
    world.settle().await;
    assert_eq!(
        gateway(&world).requests().len(),
        1,
        "a payment with a known result is not looked up"
    );
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_order_by_card_is_two_transactions_around_the_gateway() {
    let world = shop().await;
    let mut body = body("card-1");
    for (item, price) in body["items"].as_array_mut().unwrap().iter_mut().zip([1_000, 2_500]) {
        item["expectedPrice"] = json!(price);
    }
    for first in [true, false] {
        body["payment"]["paymentKey"] = json!(format!("card-{first}"));
        world.customer("c1").post("/order", &body).await;
        let calls: Vec<_> =
            world.take_calls().into_iter().map(|call| (call.operation, call.write_units)).collect();
        // One read comes first: the stock that the customer's unpaid orders hold. The first
        // transaction writes two stocks, the order, the attempt and the held stock. The second one
        // writes the order, the attempt and the held stock. Each write of an order or an attempt
        // also updates the index of due items.
        let read = ("TransactGetItems".into(), 0);
        let (hold, conclude) =
            (("TransactWriteItems".into(), 12), ("TransactWriteItems".into(), 8));
        let (circuit, count) = (("GetItem".into(), 0), ("UpdateItem".into(), 1));
        let expected = if first {
            vec![read, circuit, hold, conclude, count]
        } else {
            vec![read, hold, conclude]
        };
        assert_eq!(calls, expected, "the circuit is read and updated at most once a second");
    }
}

#[tokio::test]
async fn a_declined_order_holds_its_stock_and_can_be_paid_with_another_card() {
    let world = shop().await;
    gateway(&world).be(Mode::Decline);
    let failed = world.customer("c1").post_once("/order", &body("card-1"), "k").await;
    assert_eq!((failed.status, failed.problem().as_str()), (500, "payment-failed"), "{failed:?}");
    let id = text(&failed.json(), "orderId");
    let waiting = get_order(&world, &id).await;
    assert_eq!(waiting["payBy"], failed.json()["payBy"]);
    assert_eq!(
        (statuses(&world, &id).await, units_in_stock(&world, "pen").await),
        (["STOCK_ALLOCATED", "FAILED"].map(String::from), 9)
    );
    let repeat = world.customer("c1").post_once("/order", &body("card-1"), "k").await;
    assert_eq!(
        (repeat.problem().as_str(), &repeat.json()["orderId"]),
        ("payment-failed", &json!(id))
    );
    assert_eq!(pay(&world, &id, "card-2").await.problem(), "payment-failed");
    gateway(&world).be(Mode::Ok);
    let paid = pay(&world, &id, "card-3").await;
    assert_eq!((paid.status, &paid.json()["status"]), (200, &json!("PAID")));
    let keys: Vec<_> = charges(&world).into_iter().map(|(key, status, _)| (key, status)).collect();
    let charge = |key: &str, status: &str| (key.to_owned(), status.to_owned());
    assert_eq!(
        keys,
        [charge("card-1", "ABORTED"), charge("card-2", "ABORTED"), charge("card-3", "DONE")]
    );
    let again = pay(&world, &id, "card-4").await;
    assert_eq!(
        (again.problem().as_str(), &again.json()["orderStatus"]),
        ("not-payable", &json!("PAID"))
    );
    let repeat = world.customer("c1").post_once("/order", &body("card-1"), "k").await;
    assert_eq!(
        (repeat.status, &repeat.json()["status"]),
        (200, &json!("PAID")),
        "no second order is placed"
    );
    assert_eq!(
        repeat.json(),
        get_order(&world, &id).await,
        "version, timeline and payment are those of the order"
    );
    assert_eq!(units_in_stock(&world, "pen").await, 9);
    pass_time(&world, Duration::from_mins(20)).await;
    assert_eq!(confirmations(&world), 3);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn each_payment_attempt_is_stored_with_its_own_status() {
    let world = shop().await;
    gateway(&world).be(Mode::Decline);
    let failed = world.customer("c1").post("/order", &body("card-1")).await;
    let id = text(&failed.json(), "orderId");
    gateway(&world).be(Mode::Ok);
    pay(&world, &id, "card-2").await;
    world.customer("c1").post(&format!("/orders/{id}/cancel"), &json!({})).await;
    world.enable("settle-payments", false);
    world.settle().await;
    let order = world
        .dynamodb(
            "Query",
            json!({
                "TableName": "OrdersTable", "KeyConditionExpression": "pk = :pk",
                "ExpressionAttributeValues": { ":pk": { "S": format!("ORDER#{id}") } },
            }),
        )
        .await;
    let rows = order["Items"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "one row for the order and one for each attempt");
    assert_eq!(rows[0]["lastChange"]["S"], json!("CANCELLED"));
    let attempts: Vec<_> = rows[1..].iter().map(|row| text(&row["status"], "S")).collect();
    assert_eq!(attempts, ["DECLINED", "REFUNDING"]);
    assert_eq!(rows[1]["declineCode"]["S"], json!("REJECT_CARD_PAYMENT"));
    world.enable("settle-payments", true);
    world.settle().await;
    assert_eq!(statuses(&world, &id).await, ["CANCELLED", "REFUNDED"]);
    assert_eq!(
        get_order(&world, &id).await["version"],
        json!(5),
        "held, failed, paid, cancelled, refunded"
    );
}

#[tokio::test]
async fn a_declined_order_can_be_paid_with_points() {
    let world = shop().await;
    gateway(&world).be(Mode::Decline);
    let failed =
        world.customer("c1").post("/order", &by_card(order("c1", &[("ink", 2)]), "card-1")).await;
    let path = format!("/orders/{}/pay", text(&failed.json(), "orderId"));
    let points = json!({ "method": "POINTS" });
    world.customer("c1").post("/order", &order("c1", &[("pen", 10)])).await;
    world.stock("gold", 86_000, 1).await;
    world.customer("c1").post("/order", &order("c1", &[("gold", 1)])).await;
    let poor = world.customer("c1").post(&path, &points).await;
    assert_eq!((poor.status, poor.problem().as_str()), (409, "insufficient-points"));
    assert_eq!((&poor.json()["required"], &poor.json()["balance"]), (&json!(5_000), &json!(4_000)));
    world.charge("c1", 6_000).await;
    let first = world.customer("c1").post_once(&path, &points, "k").await;
    assert_eq!((first.status, &first.json()["payment"]["method"]), (200, &json!("POINTS")));
    let again = world.customer("c1").post_once(&path, &points, "k").await;
    assert_eq!((again.status, again.is_replayed(), &again.body), (200, true, &first.body));
    let other = world
        .customer("c1")
        .post_once(&path, &json!({ "method": "CARD", "paymentKey": "card-2" }), "k")
        .await;
    assert_eq!((other.status, other.problem().as_str()), (422, "idempotency-key-reused"));
    assert_eq!(balance(&world, "c1").await, 5_000);
    assert_eq!(confirmations(&world), 1);
    let cancelled = world.customer("c1").post(&path.replace("/pay", "/cancel"), &json!({})).await;
    assert_eq!(cancelled.json()["payment"]["status"], json!("REFUNDED"));
    assert_eq!(balance(&world, "c1").await, 10_000);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_payment_whose_gateway_response_was_lost_is_found_and_charged_once() {
    for slow in [false, true] {
        let world = shop().await;
        gateway(&world).be(if slow { Mode::Slow } else { Mode::Lost });
        let first = world.customer("c1").post_once("/order", &body("card-1"), "k").await;
        assert_eq!(
            (first.status, &first.json()["status"]),
            (202, &json!("STOCK_ALLOCATED")),
            "{first:?}"
        );
        assert!(!first.headers.contains_key("retry-after"), "the client has nothing to retry");
        let id = text(&first.json(), "orderId");
        let meanwhile = pay(&world, &id, "card-2").await;
        assert_eq!(
            (meanwhile.status, confirmations(&world)),
            (202, 1),
            "no other card is charged while the result is unknown"
        );
        gateway(&world).be(Mode::Ok);
        pass_time(&world, LOOKUP_DELAY).await;
        assert_eq!(statuses(&world, &id).await, ["PAID", "PAID"]);
        let again = world.customer("c1").post_once("/order", &body("card-1"), "k").await;
        assert_eq!((again.status, again.is_replayed()), (200, true), "the result is known by now");
        assert_eq!(again.json(), get_order(&world, &id).await);
        assert_eq!(
            (charges(&world), confirmations(&world)),
            (vec![("card-1".into(), "DONE".into(), 6_000)], 1)
        );
        world.settle().await;
        assert_eq!(world.partner("data-platform").requests().len(), 1);
        assert_books_are_clean(&world).await;
    }
}

#[tokio::test]
async fn an_order_whose_payment_was_never_processed_can_be_paid_again() {
    for mode in [Mode::Down, Mode::Error] {
        let world = shop().await;
        gateway(&world).be(mode);
        let placed = world.customer("c1").post("/order", &body("card-1")).await;
        assert_eq!(placed.status, 202, "{placed:?}");
        let id = text(&placed.json(), "orderId");
        pass_time(&world, LOOKUP_DELAY).await;
        assert_eq!(
            statuses(&world, &id).await,
            ["STOCK_ALLOCATED", "PENDING"],
            "the lookup failed, too"
        );
        gateway(&world).be(Mode::Ok);
        pass_time(&world, LOOKUP_DELAY).await;
        assert_eq!(statuses(&world, &id).await, ["STOCK_ALLOCATED", "FAILED"]);
        let paid = pay(&world, &id, "card-2").await;
        assert_eq!((paid.status, &paid.json()["status"]), (200, &json!("PAID")));
        pass_time(&world, Duration::from_mins(16)).await;
        assert_eq!(charges(&world), [("card-2".into(), "DONE".into(), 6_000)]);
        assert_books_are_clean(&world).await;
    }
}

#[tokio::test]
async fn a_replayed_payment_returns_its_result_and_a_declined_one_is_attempted_again() {
    let world = shop().await;
    gateway(&world).be(Mode::Decline);
    let id = text(&world.customer("c1").post("/order", &body("card-0")).await.json(), "orderId");
    let (path, choice) =
        (format!("/orders/{id}/pay"), json!({ "method": "CARD", "paymentKey": "card-1" }));
    assert_eq!(
        world.customer("c1").post_once(&path, &choice, "k").await.problem(),
        "payment-failed"
    );
    gateway(&world).be(Mode::Lost);
    let unknown = world.customer("c1").post_once(&path, &choice, "k").await;
    assert_eq!(unknown.status, 202, "{unknown:?}");
    gateway(&world).be(Mode::Ok);
    pass_time(&world, LOOKUP_DELAY).await;
    assert_eq!(statuses(&world, &id).await, ["PAID", "PAID"]);
    let again = world.customer("c1").post_once(&path, &choice, "k").await;
    assert_eq!((again.status, again.is_replayed()), (200, true), "the result is known by now");
    assert_eq!(again.json(), get_order(&world, &id).await);
    assert_eq!(confirmations(&world), 3);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_total_below_the_gateways_minimum_is_declined() {
    let world = shop().await;
    world.stock("clip", 50, 5).await;
    let refused =
        world.customer("c1").post("/order", &by_card(order("c1", &[("clip", 1)]), "card-1")).await;
    assert_eq!(refused.problem(), "payment-failed");
}

#[tokio::test]
async fn a_coupon_is_reserved_with_the_stock_and_the_discounted_total_is_charged() {
    let world = shop().await;
    let mut body = body("card-1");
    body["couponId"] = json!(coupon(&world, "c1", 1).await);
    let placed = world.customer("c1").post("/order", &body).await.json();
    assert_eq!((&placed["discountAmount"], &placed["totalAmount"]), (&json!(600), &json!(5_400)));
    assert_eq!(charges(&world), [("card-1".into(), "DONE".into(), 5_400)]);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_order_of_another_customer_cannot_be_paid_or_cancelled_and_looks_missing() {
    let world = shop().await;
    gateway(&world).be(Mode::Decline);
    let id = text(&world.customer("c1").post("/order", &body("card-1")).await.json(), "orderId");
    for (action, body) in [("pay", json!({ "method": "POINTS" })), ("cancel", json!({}))] {
        for (customer, order) in [("c2", id.as_str()), ("c1", "ord_never")] {
            let reply =
                world.customer(customer).post(&format!("/orders/{order}/{action}"), &body).await;
            assert_eq!((reply.status, reply.problem().as_str()), (404, "not-found"));
        }
    }
    let paid =
        world.operator().post(&format!("/orders/{id}/pay"), &json!({ "method": "POINTS" })).await;
    assert_eq!(paid.json()["timeline"][1]["by"], json!("operator:ops"));
}

#[tokio::test]
async fn a_wrong_gateway_secret_charges_no_card_and_loses_no_stock() {
    let options = local::Options {
        parameters: [("PaymentGatewaySecretKey".to_owned(), "wrong".to_owned())].into(),
        clock: Some(local::Clock::held_at(local::world::BEGINNING.parse().unwrap())),
        ..World::options()
    };
    let world = World::with(options).await;
    world.stock("pen", 1_000, 10).await;
    let placed =
        world.customer("c1").post("/order", &by_card(order("c1", &[("pen", 1)]), "card-1")).await;
    assert_eq!(placed.status, 202, "a wrong secret is not the customer's error: {placed:?}");
    assert_eq!(charges(&world), []);
    world.advance(Duration::from_mins(15));
    world.fire("expire-orders").await.unwrap();
    assert_eq!(units_in_stock(&world, "pen").await, 10);
}

#[tokio::test]
async fn a_charge_of_the_wrong_amount_is_not_settled_and_raises_an_alarm() {
    let log = crate::support::log::Log::default();
    let _listening = log.listen();
    let world = shop().await;
    gateway(&world).behave(Behaviour { mode: Mode::Down, ..Behaviour::default() });
    let placed =
        world.customer("c1").post("/order", &by_card(order("c1", &[("pen", 1)]), "card-1")).await;
    let id = text(&placed.json(), "orderId");
    gateway(&world).be(Mode::Ok);
    crate::support::cards::confirm_late(&world, &id, "card-1").await;
    pass_time(&world, LOOKUP_DELAY).await;
    assert_eq!(
        statuses(&world, &id).await,
        ["STOCK_ALLOCATED", "PENDING"],
        "6,000 won were charged instead of 1,000"
    );
    assert!(
        log.signals().contains(&Signal::PaymentNotSettled),
        "the alarm is raised after the first lookup"
    );
}
