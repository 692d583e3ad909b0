//! Stores take, refuse and cook orders, riders bring them, carriers carry them, customers confirm them.

use crate::{
    assert_books_are_clean, at, balance, by_card, charges, coupon,
    kitchen::{STEPS, chef, furnish, kitchen, nearby, ordered, rider, step, store, walk},
    left, order, pass, shown, stands, text,
};
use local::World;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

#[tokio::test]
async fn an_order_is_accepted_cooked_picked_up_and_confirmed_each_by_whose_step_it_is() {
    let world = kitchen().await;
    let id = ordered(&world, &[("gimbap", 2), ("soup", 1)]).await;
    world.take_calls();
    for (reached, name) in STEPS {
        let moved = step(&world, &id, name).await.json();
        let calls: Vec<_> = world.take_calls().into_iter().map(|call| (call.operation, call.write_units)).collect();
        // A row beyond a kilobyte takes two units more.
        let [(read, 0), (write, 2 | 4)] = &calls[..] else { panic!("one read and one write: {calls:?}") };
        assert_eq!((read.as_str(), write.as_str()), ("GetItem", "TransactWriteItems"));
        assert_eq!((&moved["status"], &moved), (&json!(reached), &shown(&world, &id).await));
        world.take_calls();
    }
    let done = shown(&world, &id).await;
    let steps: Vec<_> =
        done["timeline"].as_array().unwrap().iter().map(|step| (text(step, "status"), text(step, "by"))).collect();
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
async fn a_step_out_of_turn_says_where_the_order_stands_and_where_it_would_have_to() {
    let needed = |name: &str| match name {
        "accept" | "reject" => vec!["PAID"],
        "start-cooking" => vec!["ACCEPTED"],
        "finish-cooking" => vec!["COOKING"],
        "pick-up" => vec!["COOKED"],
        "confirm-delivery" => vec!["PICKED_UP"],
        _ => vec![],
    };
    let all = ["accept", "reject", "start-cooking", "finish-cooking", "pick-up", "confirm-delivery", "ship"];
    for status in std::iter::once("PAID").chain(STEPS.map(|(reached, _)| reached)) {
        let world = kitchen().await;
        let id = ordered(&world, &[("gimbap", 1)]).await;
        walk(&world, &id, status).await;
        let before = shown(&world, &id).await;
        for name in all.into_iter().filter(|name| !needed(name).contains(&status)) {
            let refused = step(&world, &id, name).await;
            assert_eq!((refused.status, refused.problem().as_str()), (409, "wrong-status"), "{name} when {status}");
            let body = refused.json();
            assert_eq!((&body["orderStatus"], &body["expected"]), (&json!(status), &json!(needed(name))), "{name}");
        }
        assert_eq!(shown(&world, &id).await, before, "nothing happened");
    }
}

#[tokio::test]
async fn goods_are_shipped_and_confirmed_and_never_cooked() {
    let world = kitchen().await;
    let placed = world.customer("c1").post("/order", &order("c1", &[("pen", 2)])).await.json();
    let id = text(&placed, "orderId");
    for name in ["accept", "reject", "pick-up"] {
        let caller = world.operator();
        let body = if name == "pick-up" { json!({ "riderId": "r1" }) } else { json!({}) };
        let refused = caller.post(&format!("/orders/{id}/{name}"), &body).await;
        assert_eq!((refused.problem().as_str(), &refused.json()["expected"]), ("wrong-status", &json!([])), "{name}");
    }
    assert_eq!(chef(&world).post(&format!("/orders/{id}/accept"), &json!({})).await.status, 404, "it is no store's");
    let shipped = step(&world, &id, "ship").await.json();
    let shipment = json!({ "carrier": "CJ", "trackingNumber": "1234" });
    assert_eq!((&shipped["status"], &shipped["shipment"]), (&json!("SHIPPED"), &shipment));
    assert_eq!(step(&world, &id, "cancel").await.problem(), "not-cancellable");
    let done = step(&world, &id, "confirm-delivery").await.json();
    assert_eq!((&done["status"], &done["shipment"]), (&json!("COMPLETED"), &shipment), "how it came stays known");
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_refused_order_gives_back_stock_points_and_coupon_in_one_transaction() {
    let world = kitchen().await;
    let coupon = coupon(&world, "c1", 5).await;
    let mut wanted = nearby(&[("gimbap", 2), ("soup", 1)]);
    wanted["couponId"] = json!(coupon);
    let placed = world.customer("c1").post("/order", &wanted).await.json();
    let id = text(&placed, "orderId");
    assert_eq!((left(&world, "gimbap").await, balance(&world, "c1").await), (98, 100_000 - 15_300));
    world.take_calls();
    let refused = chef(&world).post(&format!("/orders/{id}/reject"), &json!({ "reason": "재료 소진" })).await;
    let writes = world.take_calls().iter().filter(|call| call.write_units > 0).count();
    assert_eq!((refused.status, writes), (200, 1));
    let body = refused.json();
    assert_eq!((&body["status"], &body["reason"]), (&json!("REJECTED"), &json!("재료 소진")));
    assert_eq!(stands(&world, &id).await, at("REJECTED", "REFUNDED"));
    assert_eq!((left(&world, "gimbap").await, left(&world, "soup").await), (100, 100));
    assert_eq!(balance(&world, "c1").await, 100_000);
    let coupons = world.customer("c1").get("/customers/c1/coupons?status=ISSUED").await.json();
    assert_eq!(coupons["coupons"][0]["couponId"], json!(coupon));
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_order_by_card_that_is_refused_is_refunded_through_the_gateway() {
    let world = kitchen().await;
    let placed = world.customer("c1").post("/order", &by_card(nearby(&[("soup", 1)]), "card-1")).await.json();
    let id = text(&placed, "orderId");
    assert_eq!(step(&world, &id, "reject").await.json()["payment"]["status"], json!("REFUNDING"));
    pass(&world, Duration::from_mins(1)).await;
    assert_eq!(stands(&world, &id).await, at("REJECTED", "REFUNDED"));
    assert_eq!(charges(&world), [("card-1".into(), "CANCELED".into(), 0)]);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn an_order_that_waits_to_be_paid_is_nothing_that_a_store_can_take() {
    let world = kitchen().await;
    world.partner("payment-gateway").be(local::partners::Mode::Decline);
    let declined = world.customer("c1").post("/order", &by_card(nearby(&[("soup", 1)]), "card-1")).await;
    let id = text(&declined.json(), "orderId");
    let refused = step(&world, &id, "accept").await;
    assert_eq!(
        (refused.problem().as_str(), &refused.json()["orderStatus"]),
        ("wrong-status", &json!("STOCK_ALLOCATED"))
    );
}

/// Everybody does one thing to an order at once; the paths of those who did it, and where the order stands then.
async fn race(world: &Arc<World>, id: &str, callers: Vec<(&'static str, &'static str)>) -> (Vec<String>, String) {
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
    let won: Vec<String> = futures::future::try_join_all(racing).await.unwrap().into_iter().flatten().collect();
    (won, stands(world, id).await.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_accept_of_two_riders_and_of_accept_and_cancel_and_reject_exactly_one_wins() {
    let world = Arc::new(World::new().await);
    furnish(&world).await;
    world.platform.aws.make_contended();
    for _ in 0..10 {
        let id = ordered(&world, &[("gimbap", 1)]).await;
        let (won, status) = race(&world, &id, vec![("accept", "a"), ("accept", "b"), ("accept", "c")]).await;
        assert_eq!((won.len(), status.as_str()), (1, "ACCEPTED"), "{won:?}");

        walk_on(&world, &id).await;
        let (won, status) = race(&world, &id, vec![("pick-up", "r1"), ("pick-up", "r2"), ("pick-up", "r3")]).await;
        assert_eq!((won.len(), status.as_str()), (1, "PICKED_UP"), "{won:?}");
        assert!(
            won[0].ends_with(shown(&world, &id).await["riderId"].as_str().unwrap()),
            "the one who was told so has it"
        );

        let id = ordered(&world, &[("gimbap", 1)]).await;
        let (won, status) = race(&world, &id, vec![("reject", "a"), ("accept", "b"), ("reject", "c")]).await;
        assert_eq!(won.len(), 1, "{won:?}");
        assert_eq!(status, if won[0].starts_with("accept") { "ACCEPTED" } else { "REJECTED" });

        // An order that was accepted can still be called off; one that was called off cannot be accepted.
        let id = ordered(&world, &[("gimbap", 1)]).await;
        let (won, status) = race(&world, &id, vec![("cancel", "c1"), ("accept", "a"), ("reject", "b")]).await;
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

        // Once it is being cooked it cannot be called off.
        let id = ordered(&world, &[("gimbap", 1)]).await;
        walk(&world, &id, "ACCEPTED").await;
        let (won, status) = race(&world, &id, vec![("cancel", "c1"), ("start-cooking", "a")]).await;
        assert_eq!(won.len(), 1, "{won:?}");
        assert_eq!(status, if won[0].starts_with("cancel") { "CANCELLED" } else { "COOKING" });
    }
    assert_books_are_clean(&world).await;
}

/// Takes an order that is accepted to COOKED.
async fn walk_on(world: &World, id: &str) {
    for name in ["start-cooking", "finish-cooking"] {
        assert_eq!(step(world, id, name).await.status, 200);
    }
}

#[tokio::test]
async fn a_step_repeated_under_its_key_is_answered_the_same_and_done_once() {
    let world = kitchen().await;
    let id = ordered(&world, &[("gimbap", 1)]).await;
    let path = format!("/orders/{id}/accept");
    let first = chef(&world).post_once(&path, &json!({}), "k").await;
    walk_on(&world, &id).await;
    let again = chef(&world).post_once(&path, &json!({}), "k").await;
    assert_eq!((again.status, again.is_replayed(), &again.body), (200, true, &first.body));
    assert_eq!(
        chef(&world).post(&path, &json!({})).await.problem(),
        "wrong-status",
        "without its key it is another one"
    );
    assert_eq!(chef(&world).post_once(&path, &json!({}), "other").await.problem(), "wrong-status");

    // A key belongs to one rider: another's is not a repeat.
    let pick_up = format!("/orders/{id}/pick-up");
    let mine = rider(&world).post_once(&pick_up, &json!({}), "k").await;
    let theirs = world.caller("rider", "r2", None).post_once(&pick_up, &json!({}), "k").await;
    assert_eq!((mine.status, theirs.problem().as_str()), (200, "wrong-status"));
    let other = ordered(&world, &[("gimbap", 1)]).await;
    let reused = chef(&world).post_once(&format!("/orders/{other}/accept"), &json!({}), "k").await;
    assert_eq!((reused.status, reused.problem().as_str()), (422, "idempotency-key-reused"));
    let reason = |reason: &str| json!({ "reason": reason });
    let reject = format!("/orders/{other}/reject");
    assert_eq!(chef(&world).post_once(&reject, &reason("a"), "r").await.status, 200);
    assert_eq!(chef(&world).post_once(&reject, &reason("b"), "r").await.problem(), "idempotency-key-reused");
    assert!(chef(&world).post_once(&reject, &reason("a"), "r").await.is_replayed());
    assert_eq!(balance(&world, "c1").await, 96_000, "given back once");
}

#[tokio::test]
async fn a_closed_store_takes_no_orders_and_finishes_those_that_it_has() {
    let world = kitchen().await;
    let id = ordered(&world, &[("gimbap", 1)]).await;
    let close = |open| {
        let world = &world;
        async move { world.operator().put("/api/v1/admin/stores/s1", &store(open)).await.json() }
    };
    let closed = close(false).await;
    assert_eq!((&closed["storeId"], &closed["open"], &closed["lat"]), (&json!("s1"), &json!(false), &json!(37.5536)));
    for is_cold in [false, true] {
        if is_cold {
            world.cool_down();
        }
        world.take_calls();
        let refused = world.customer("c1").post("/order", &nearby(&[("gimbap", 1)])).await;
        assert_eq!((refused.status, refused.problem().as_str()), (409, "store-closed"));
        assert_eq!(refused.json()["storeId"], json!("s1"));
        assert!(world.take_calls().len() <= 2);
    }
    // Whatever else is wrong is told first.
    let too_many = world.customer("c1").post("/order", &nearby(&[("gimbap", 999)])).await;
    assert_eq!(too_many.problem(), "out-of-stock");
    world.customer("c1").put("/carts/c1/items/gimbap", &json!({ "quantity": 1 })).await;
    let mut cart = nearby(&[]);
    for gone in ["items", "customerId"] {
        cart.as_object_mut().unwrap().remove(gone);
    }
    assert_eq!(world.customer("c1").post("/carts/c1/order", &cart).await.problem(), "store-closed");
    assert_eq!((left(&world, "gimbap").await, balance(&world, "c1").await), (99, 96_000));
    walk(&world, &id, "COMPLETED").await;
    close(true).await;
    assert_eq!(world.customer("c1").post("/carts/c1/order", &cart).await.status, 200);
    // A repeat of what was placed while the store was open is answered whenever it comes.
    let placed = world.customer("c1").post_once("/order", &nearby(&[("gimbap", 1)]), "k").await;
    close(false).await;
    let again = world.customer("c1").post_once("/order", &nearby(&[("gimbap", 1)]), "k").await;
    assert_eq!((again.status, &again.body), (200, &placed.body));
}

#[tokio::test]
async fn an_order_of_a_store_takes_one_write_more_and_still_one_call() {
    let world = kitchen().await;
    let mut wanted = nearby(&[("gimbap", 1), ("soup", 1)]);
    for (item, price) in wanted["items"].as_array_mut().unwrap().iter_mut().zip([4_000, 9_000]) {
        item["expectedPrice"] = json!(price);
    }
    // What is remembered of the products says which store's they are.
    world.customer("c1").post("/order", &wanted).await;
    world.take_calls();
    assert_eq!(world.customer("c1").post("/order", &wanted).await.status, 200);
    let calls: Vec<_> = world.take_calls().into_iter().map(|call| (call.operation, call.write_units)).collect();
    assert_eq!(calls, [("TransactWriteItems".into(), 12)], "two stocks, the store, balance, entry, order");
}

#[tokio::test]
async fn with_everything_of_fulfilment_switched_off_orders_are_placed_and_paid_and_later_nothing_is_missing() {
    let world = kitchen().await;
    let off = |(binary, _): &(&str, _)| ["fulfilment", "notifications"].contains(binary);
    let functions = local::binaries().into_iter().filter(off).flat_map(|(_, functions)| functions);
    let functions: Vec<&str> = functions.map(|function| function.name).collect();
    assert!(functions.len() >= 19, "{functions:?}");
    let switch = |is_on| functions.iter().for_each(|function| world.enable(function, is_on));
    switch(false);
    let mut ids = Vec::new();
    for place in 0..12 {
        let body = nearby(&[("gimbap", 1)]);
        let body = if place % 2 == 0 { body } else { by_card(body, &format!("card-{place}")) };
        let placed = world.customer("c1").post("/order", &body).await;
        assert_eq!((placed.status, &placed.json()["status"]), (200, &json!("PAID")), "{placed:?}");
        ids.push(text(&placed.json(), "orderId"));
        world.settle().await;
        world.advance(Duration::from_mins(10));
    }
    assert_eq!(chef(&world).get("/stores/s1/orders").await.status, 503, "the board is closed");
    world.customer("c1").post(&format!("/orders/{}/cancel", ids[0]), &json!({})).await;
    switch(true);
    world.settle().await;
    let board = chef(&world).get("/stores/s1/orders?status=PAID&limit=100").await.json();
    let on_board: Vec<String> =
        board["orders"].as_array().unwrap().iter().map(|order| text(order, "orderId")).collect();
    assert_eq!(on_board, ids[1..], "the oldest first");
    let views = world.customer("c1").get("/order-views?customerId=c1&limit=100").await.json();
    assert_eq!(views["orderViews"].as_array().unwrap().len(), 12);
    for id in &ids[1..] {
        walk(&world, id, "COMPLETED").await;
    }
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_board_has_its_stores_orders_by_status_page_by_page() {
    let world = kitchen().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(ordered(&world, &[("gimbap", 1)]).await);
        world.advance(Duration::from_secs(1));
    }
    walk(&world, &ids[1], "ACCEPTED").await;
    walk(&world, &ids[3], "COOKED").await;
    world.settle().await;
    let listed = |path: String| {
        let world = &world;
        async move {
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = chef(world).get(&format!("{path}&limit=2{cursor}")).await.json();
                found.extend(page["orders"].as_array().unwrap().iter().map(|order| text(order, "orderId")));
                match page["nextCursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => return found,
                }
            }
        }
    };
    let newest: Vec<String> = ids.iter().rev().cloned().collect();
    assert_eq!(listed("/stores/s1/orders?".into()).await, newest, "all of it, the newest first");
    let paid = [0, 2, 4].map(|place: usize| ids[place].clone());
    assert_eq!(listed("/stores/s1/orders?status=PAID".into()).await, paid, "who waits the longest comes first");
    assert_eq!(listed("/stores/s1/orders?status=COOKED".into()).await, [ids[3].clone()]);
    let one = &chef(&world).get("/stores/s1/orders?status=COOKED").await.json()["orders"][0];
    assert_eq!(*one, shown(&world, &ids[3]).await, "an order as everybody sees it");
    assert_eq!(world.operator().get("/stores/s2/orders").await.json()["orders"], Value::Array(vec![]));
    assert_eq!(chef(&world).get("/stores/s1/orders?status=LOST").await.problem(), "malformed-request");
}

#[tokio::test]
async fn what_was_never_paid_is_never_on_the_board() {
    let world = kitchen().await;
    world.partner("payment-gateway").be(local::partners::Mode::Decline);
    world.customer("c1").post("/order", &by_card(nearby(&[("soup", 1)]), "card-1")).await;
    pass(&world, Duration::from_mins(16)).await;
    world.fire("expire-orders").await.unwrap();
    world.settle().await;
    assert_eq!(world.operator().get("/stores/s1/orders").await.json()["orders"], json!([]));
}
