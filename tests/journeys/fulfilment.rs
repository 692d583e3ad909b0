//! Fulfilment: stores accept, reject and cook orders, riders deliver them, carriers ship them, and
//! customers confirm the delivery.

use crate::support::{
    assert_books_are_clean, balance, by_card, charges, coupon, get_order,
    kitchen::{
        STEPS, add_store, advance_to, chef, kitchen, order_nearby, place_order, rider, step, store,
    },
    order, pass_time, statuses, text, units_in_stock,
};
use local::World;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

#[tokio::test]
async fn an_order_is_accepted_cooked_picked_up_and_confirmed_by_the_responsible_roles() {
    let world = kitchen().await;
    let id = place_order(&world, &[("gimbap", 2), ("soup", 1)]).await;
    world.take_calls();
    for (reached, name) in STEPS {
        let updated = step(&world, &id, name).await.json();
        let calls: Vec<_> =
            world.take_calls().into_iter().map(|call| (call.operation, call.write_units)).collect();
        // An order row larger than 1 KB costs two more write units.
        let [(read, 0), (write, 2 | 4)] = &calls[..] else {
            panic!("expected one read and one write: {calls:?}")
        };
        assert_eq!((read.as_str(), write.as_str()), ("GetItem", "TransactWriteItems"));
        assert_eq!(
            (&updated["status"], &updated),
            (&json!(reached), &get_order(&world, &id).await)
        );
        world.take_calls();
    }
    let done = get_order(&world, &id).await;
    let steps: Vec<_> = done["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (text(step, "status"), text(step, "by")))
        .collect();
    let expected = [
        ("PAID", "customer:c1"),
        ("ACCEPTED", "store:s1"),
        ("COOKING", "store:s1"),
        ("COOKED", "store:s1"),
        ("PICKED_UP", "rider:r1"),
        ("COMPLETED", "customer:c1"),
    ];
    assert_eq!(steps, expected.map(|(status, by)| (status.to_owned(), by.to_owned())));
    assert_eq!((&done["riderId"], &done["version"]), (&json!("r1"), &json!(6)));
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_transition_from_the_wrong_status_reports_the_current_and_the_required_status() {
    let needed = |name: &str| match name {
        "accept" | "reject" => vec!["PAID"],
        "start-cooking" => vec!["ACCEPTED"],
        "finish-cooking" => vec!["COOKING"],
        "pick-up" => vec!["COOKED"],
        "confirm-delivery" => vec!["PICKED_UP"],
        _ => vec![],
    };
    let all = [
        "accept",
        "reject",
        "start-cooking",
        "finish-cooking",
        "pick-up",
        "confirm-delivery",
        "ship",
    ];
    for status in std::iter::once("PAID").chain(STEPS.map(|(reached, _)| reached)) {
        let world = kitchen().await;
        let id = place_order(&world, &[("gimbap", 1)]).await;
        advance_to(&world, &id, status).await;
        let before = get_order(&world, &id).await;
        for name in all.into_iter().filter(|name| !needed(name).contains(&status)) {
            let refused = step(&world, &id, name).await;
            assert_eq!(
                (refused.status, refused.problem().as_str()),
                (409, "wrong-status"),
                "{name} in status {status}"
            );
            let body = refused.json();
            assert_eq!(
                (&body["orderStatus"], &body["expected"]),
                (&json!(status), &json!(needed(name))),
                "{name}"
            );
        }
        assert_eq!(get_order(&world, &id).await, before, "a refused transition changes nothing");
    }
}

#[tokio::test]
async fn goods_are_shipped_and_confirmed_but_never_cooked() {
    let world = kitchen().await;
    let placed = world.customer("c1").post("/order", &order("c1", &[("pen", 2)])).await.json();
    let id = text(&placed, "orderId");
    for name in ["accept", "reject", "pick-up"] {
        let caller = world.operator();
        let body = if name == "pick-up" { json!({ "riderId": "r1" }) } else { json!({}) };
        let refused = caller.post(&format!("/orders/{id}/{name}"), &body).await;
        assert_eq!(
            (refused.problem().as_str(), &refused.json()["expected"]),
            ("wrong-status", &json!([])),
            "{name}"
        );
    }
    assert_eq!(
        chef(&world).post(&format!("/orders/{id}/accept"), &json!({})).await.status,
        404,
        "the order belongs to no store"
    );
    let shipped = step(&world, &id, "ship").await.json();
    let shipment = json!({ "carrier": "CJ", "trackingNumber": "1234" });
    assert_eq!((&shipped["status"], &shipped["shipment"]), (&json!("SHIPPED"), &shipment));
    assert_eq!(step(&world, &id, "cancel").await.problem(), "not-cancellable");
    let done = step(&world, &id, "confirm-delivery").await.json();
    assert_eq!(
        (&done["status"], &done["shipment"]),
        (&json!("COMPLETED"), &shipment),
        "a completed order still has its shipment"
    );
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_rejection_returns_stock_points_and_coupon_in_one_transaction() {
    let world = kitchen().await;
    let coupon = coupon(&world, "c1", 5).await;
    let mut wanted = order_nearby(&[("gimbap", 2), ("soup", 1)]);
    wanted["couponId"] = json!(coupon);
    let placed = world.customer("c1").post("/order", &wanted).await.json();
    let id = text(&placed, "orderId");
    assert_eq!(
        (units_in_stock(&world, "gimbap").await, balance(&world, "c1").await),
        (98, 100_000 - 15_300)
    );
    world.take_calls();
    let refused =
        chef(&world).post(&format!("/orders/{id}/reject"), &json!({ "reason": "재료 소진" })).await;
    let writes = world.take_calls().iter().filter(|call| call.write_units > 0).count();
    assert_eq!((refused.status, writes), (200, 1));
    let body = refused.json();
    assert_eq!((&body["status"], &body["reason"]), (&json!("REJECTED"), &json!("재료 소진")));
    assert_eq!(statuses(&world, &id).await, ["REJECTED", "REFUNDED"]);
    assert_eq!(
        (units_in_stock(&world, "gimbap").await, units_in_stock(&world, "soup").await),
        (100, 100)
    );
    assert_eq!(balance(&world, "c1").await, 100_000);
    let coupons = world.customer("c1").get("/customers/c1/coupons?status=ISSUED").await.json();
    assert_eq!(coupons["coupons"][0]["couponId"], json!(coupon));
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_rejected_card_order_is_refunded_through_the_gateway() {
    let world = kitchen().await;
    let placed = world
        .customer("c1")
        .post("/order", &by_card(order_nearby(&[("soup", 1)]), "card-1"))
        .await
        .json();
    let id = text(&placed, "orderId");
    assert_eq!(step(&world, &id, "reject").await.json()["payment"]["status"], json!("REFUNDING"));
    pass_time(&world, Duration::from_mins(1)).await;
    assert_eq!(statuses(&world, &id).await, ["REJECTED", "REFUNDED"]);
    assert_eq!(charges(&world), [("card-1".into(), "CANCELED".into(), 0)]);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_store_cannot_accept_an_unpaid_order() {
    let world = kitchen().await;
    world.partner("payment-gateway").be(local::partners::Mode::Decline);
    let declined =
        world.customer("c1").post("/order", &by_card(order_nearby(&[("soup", 1)]), "card-1")).await;
    let id = text(&declined.json(), "orderId");
    let refused = step(&world, &id, "accept").await;
    assert_eq!(
        (refused.problem().as_str(), &refused.json()["orderStatus"]),
        ("wrong-status", &json!("STOCK_ALLOCATED"))
    );
}

/// Sends the callers' requests for one order concurrently. Returns the successful ones and the
/// order's final status.
async fn race(
    world: &Arc<World>,
    id: &str,
    callers: Vec<(&'static str, &'static str)>,
) -> (Vec<String>, String) {
    let racing = callers.into_iter().map(|(name, who)| {
        let (world, path) = (world.clone(), format!("/orders/{id}/{name}"));
        tokio::spawn(async move {
            let client = match name {
                "pick-up" => world.caller("rider", who, None),
                "cancel" | "confirm-delivery" => world.customer("c1"),
                _ => world.caller("store", who, Some("s1")),
            };
            let reply = client.post(&path, &json!({})).await;
            assert!([200, 409, 503].contains(&reply.status), "{reply:?}");
            (reply.status == 200).then(|| format!("{name} by {who}"))
        })
    });
    let won: Vec<String> =
        futures::future::try_join_all(racing).await.unwrap().into_iter().flatten().collect();
    let [status, _] = statuses(world, id).await;
    (won, status)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_conflicting_transitions_exactly_one_succeeds() {
    let world = Arc::new(World::new().await);
    add_store(&world).await;
    world.platform.aws.make_contended();
    for _ in 0..10 {
        let id = place_order(&world, &[("gimbap", 1)]).await;
        let (won, status) =
            race(&world, &id, vec![("accept", "a"), ("accept", "b"), ("accept", "c")]).await;
        assert_eq!((won.len(), status.as_str()), (1, "ACCEPTED"), "{won:?}");

        cook(&world, &id).await;
        let (won, status) =
            race(&world, &id, vec![("pick-up", "r1"), ("pick-up", "r2"), ("pick-up", "r3")]).await;
        assert_eq!((won.len(), status.as_str()), (1, "PICKED_UP"), "{won:?}");
        assert!(
            won[0].ends_with(get_order(&world, &id).await["riderId"].as_str().unwrap()),
            "the rider with the successful response is assigned"
        );

        let id = place_order(&world, &[("gimbap", 1)]).await;
        let (won, status) =
            race(&world, &id, vec![("reject", "a"), ("accept", "b"), ("reject", "c")]).await;
        assert_eq!(won.len(), 1, "{won:?}");
        assert_eq!(status, if won[0].starts_with("accept") { "ACCEPTED" } else { "REJECTED" });

        // An accepted order can still be cancelled. A cancelled order cannot be accepted.
        let id = place_order(&world, &[("gimbap", 1)]).await;
        let (won, status) =
            race(&world, &id, vec![("cancel", "c1"), ("accept", "a"), ("reject", "b")]).await;
        let was_accepted = won.iter().any(|one| one.starts_with("accept"));
        let was_cancelled = won.iter().any(|one| one.starts_with("cancel"));
        assert!(won.len() == 1 || (won.len() == 2 && was_accepted && was_cancelled), "{won:?}");
        assert_eq!(
            status,
            match (was_cancelled, was_accepted) {
                (true, _) => "CANCELLED",
                (false, true) => "ACCEPTED",
                (false, false) => "REJECTED",
            }
        );

        // An order that is being cooked cannot be cancelled.
        let id = place_order(&world, &[("gimbap", 1)]).await;
        advance_to(&world, &id, "ACCEPTED").await;
        let (won, status) = race(&world, &id, vec![("cancel", "c1"), ("start-cooking", "a")]).await;
        assert_eq!(won.len(), 1, "{won:?}");
        assert_eq!(status, if won[0].starts_with("cancel") { "CANCELLED" } else { "COOKING" });
    }
    assert_books_are_clean(&world).await;
}

/// Takes an accepted order to `COOKED`.
async fn cook(world: &World, id: &str) {
    for name in ["start-cooking", "finish-cooking"] {
        assert_eq!(step(world, id, name).await.status, 200);
    }
}

#[tokio::test]
async fn a_transition_repeated_under_its_key_returns_the_first_response_and_happens_once() {
    let world = kitchen().await;
    let id = place_order(&world, &[("gimbap", 1)]).await;
    let path = format!("/orders/{id}/accept");
    let first = chef(&world).post_once(&path, &json!({}), "k").await;
    cook(&world, &id).await;
    let again = chef(&world).post_once(&path, &json!({}), "k").await;
    assert_eq!((again.status, again.is_replayed(), &again.body), (200, true, &first.body));
    assert_eq!(
        chef(&world).post(&path, &json!({})).await.problem(),
        "wrong-status",
        "without the key it is a new request"
    );
    assert_eq!(chef(&world).post_once(&path, &json!({}), "other").await.problem(), "wrong-status");

    // An idempotency key belongs to one rider. The same key from another rider is a new request.
    let pick_up = format!("/orders/{id}/pick-up");
    let mine = rider(&world).post_once(&pick_up, &json!({}), "k").await;
    let theirs = world.caller("rider", "r2", None).post_once(&pick_up, &json!({}), "k").await;
    assert_eq!((mine.status, theirs.problem().as_str()), (200, "wrong-status"));
    let other = place_order(&world, &[("gimbap", 1)]).await;
    let reused = chef(&world).post_once(&format!("/orders/{other}/accept"), &json!({}), "k").await;
    assert_eq!((reused.status, reused.problem().as_str()), (422, "idempotency-key-reused"));
    let reason = |reason: &str| json!({ "reason": reason });
    let reject = format!("/orders/{other}/reject");
    assert_eq!(chef(&world).post_once(&reject, &reason("a"), "r").await.status, 200);
    assert_eq!(
        chef(&world).post_once(&reject, &reason("b"), "r").await.problem(),
        "idempotency-key-reused"
    );
    assert!(chef(&world).post_once(&reject, &reason("a"), "r").await.is_replayed());
    assert_eq!(balance(&world, "c1").await, 96_000, "refunded once");
}

#[tokio::test]
async fn a_closed_store_accepts_no_new_orders_and_finishes_existing_ones() {
    let world = kitchen().await;
    let id = place_order(&world, &[("gimbap", 1)]).await;
    let close = |open| {
        let world = &world;
        async move { world.operator().put("/api/v1/admin/stores/s1", &store(open)).await.json() }
    };
    let closed = close(false).await;
    assert_eq!(
        (&closed["storeId"], &closed["open"], &closed["lat"]),
        (&json!("s1"), &json!(false), &json!(37.5536))
    );
    for is_cold in [false, true] {
        if is_cold {
            world.cool_down();
        }
        world.take_calls();
        let refused = world.customer("c1").post("/order", &order_nearby(&[("gimbap", 1)])).await;
        assert_eq!((refused.status, refused.problem().as_str()), (409, "store-closed"));
        assert_eq!(refused.json()["storeId"], json!("s1"));
        assert!(world.take_calls().len() <= 2);
    }
    // Every other refusal takes precedence over the closed store.
    let too_many = world.customer("c1").post("/order", &order_nearby(&[("gimbap", 999)])).await;
    assert_eq!(too_many.problem(), "out-of-stock");
    world.customer("c1").put("/carts/c1/items/gimbap", &json!({ "quantity": 1 })).await;
    let mut cart = order_nearby(&[]);
    for field in ["items", "customerId"] {
        cart.as_object_mut().unwrap().remove(field);
    }
    assert_eq!(world.customer("c1").post("/carts/c1/order", &cart).await.problem(), "store-closed");
    assert_eq!((units_in_stock(&world, "gimbap").await, balance(&world, "c1").await), (99, 96_000));
    advance_to(&world, &id, "COMPLETED").await;
    close(true).await;
    assert_eq!(world.customer("c1").post("/carts/c1/order", &cart).await.status, 200);
    // An order that was placed while the store was open is replayed after it closes.
    let placed =
        world.customer("c1").post_once("/order", &order_nearby(&[("gimbap", 1)]), "k").await;
    close(false).await;
    let again =
        world.customer("c1").post_once("/order", &order_nearby(&[("gimbap", 1)]), "k").await;
    assert_eq!((again.status, &again.body), (200, &placed.body));
}

#[tokio::test]
async fn an_order_of_a_store_costs_one_extra_write_and_no_extra_call() {
    let world = kitchen().await;
    let mut wanted = order_nearby(&[("gimbap", 1), ("soup", 1)]);
    for (item, price) in wanted["items"].as_array_mut().unwrap().iter_mut().zip([4_000, 9_000]) {
        item["expectedPrice"] = json!(price);
    }
    // The first order fills the price cache, which also holds the store of each product.
    world.customer("c1").post("/order", &wanted).await;
    world.take_calls();
    assert_eq!(world.customer("c1").post("/order", &wanted).await.status, 200);
    let calls: Vec<_> =
        world.take_calls().into_iter().map(|call| (call.operation, call.write_units)).collect();
    assert_eq!(
        calls,
        [("TransactWriteItems".into(), 12)],
        "two stocks, the store, the balance, the ledger entry and the order"
    );
}

#[tokio::test]
async fn orders_are_placed_and_paid_while_fulfilment_is_disabled_and_none_is_missing_afterwards() {
    let world = kitchen().await;
    let is_disabled = |(binary, _): &(&str, _)| ["fulfilment", "notifications"].contains(binary);
    let functions =
        local::binaries().into_iter().filter(is_disabled).flat_map(|(_, functions)| functions);
    let functions: Vec<&str> = functions.map(|function| function.name).collect();
    assert!(functions.len() >= 19, "{functions:?}");
    let switch = |is_on| functions.iter().for_each(|function| world.enable(function, is_on));
    switch(false);
    let mut ids = Vec::new();
    for place in 0..12 {
        let body = order_nearby(&[("gimbap", 1)]);
        let body = if place % 2 == 0 { body } else { by_card(body, &format!("card-{place}")) };
        let placed = world.customer("c1").post("/order", &body).await;
        assert_eq!((placed.status, &placed.json()["status"]), (200, &json!("PAID")), "{placed:?}");
        ids.push(text(&placed.json(), "orderId"));
        world.settle().await;
        world.advance(Duration::from_mins(10));
    }
    assert_eq!(chef(&world).get("/stores/s1/orders").await.status, 503, "the board is unavailable");
    world.customer("c1").post(&format!("/orders/{}/cancel", ids[0]), &json!({})).await;
    switch(true);
    world.settle().await;
    let board = chef(&world).get("/stores/s1/orders?status=PAID&limit=100").await.json();
    let on_board: Vec<String> =
        board["orders"].as_array().unwrap().iter().map(|order| text(order, "orderId")).collect();
    assert_eq!(on_board, ids[1..], "oldest first");
    let views = world.customer("c1").get("/order-views?customerId=c1&limit=100").await.json();
    assert_eq!(views["orderViews"].as_array().unwrap().len(), 12);
    for id in &ids[1..] {
        advance_to(&world, id, "COMPLETED").await;
    }
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_board_lists_its_stores_orders_by_status_page_by_page() {
    let world = kitchen().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(place_order(&world, &[("gimbap", 1)]).await);
        world.advance(Duration::from_secs(1));
    }
    advance_to(&world, &ids[1], "ACCEPTED").await;
    advance_to(&world, &ids[3], "COOKED").await;
    world.settle().await;
    let listed = |path: String| {
        let world = &world;
        async move {
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = chef(world).get(&format!("{path}&limit=2{cursor}")).await.json();
                found.extend(
                    page["orders"].as_array().unwrap().iter().map(|order| text(order, "orderId")),
                );
                match page["nextCursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => return found,
                }
            }
        }
    };
    let newest: Vec<String> = ids.iter().rev().cloned().collect();
    assert_eq!(listed("/stores/s1/orders?".into()).await, newest, "the whole board, newest first");
    let paid = [0, 2, 4].map(|place: usize| ids[place].clone());
    assert_eq!(
        listed("/stores/s1/orders?status=PAID".into()).await,
        paid,
        "the longest waiting order comes first"
    );
    assert_eq!(listed("/stores/s1/orders?status=COOKED".into()).await, [ids[3].clone()]);
    let one = &chef(&world).get("/stores/s1/orders?status=COOKED").await.json()["orders"][0];
    assert_eq!(*one, get_order(&world, &ids[3]).await, "the board shows an order as the API does");
    assert_eq!(
        world.operator().get("/stores/s2/orders").await.json()["orders"],
        Value::Array(vec![])
    );
    assert_eq!(
        chef(&world).get("/stores/s1/orders?status=LOST").await.problem(),
        "malformed-request"
    );
}

#[tokio::test]
async fn an_unpaid_order_never_appears_on_the_board() {
    let world = kitchen().await;
    world.partner("payment-gateway").be(local::partners::Mode::Decline);
    world.customer("c1").post("/order", &by_card(order_nearby(&[("soup", 1)]), "card-1")).await;
    pass_time(&world, Duration::from_mins(16)).await;
    world.fire("expire-orders").await.unwrap();
    world.settle().await;
    assert_eq!(world.operator().get("/stores/s1/orders").await.json()["orders"], json!([]));
}
