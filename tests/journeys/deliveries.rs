//! Riders find cooked orders nearby, nearest first.

use crate::support::{
    kitchen::{advance_to, chef, deliver_to, kitchen, place_order, rider, step},
    order, text,
};
use local::World;
use serde_json::{Value, json};

/// Places an order of `c1` with a delivery to this position, cooks it and returns its id.
async fn cooked(world: &World, lat: &str, lng: &str) -> String {
    let placed = world
        .customer("c1")
        .post("/order", &deliver_to(order("c1", &[("gimbap", 1)]), lat, lng))
        .await;
    assert_eq!(placed.status, 200, "{placed:?}");
    let id = text(&placed.json(), "orderId");
    advance_to(world, &id, "COOKED").await;
    id
}

async fn find(world: &World, query: &str) -> Vec<Value> {
    let found = rider(world).get(&format!("/deliveries?{query}")).await;
    assert_eq!(found.status, 200, "{found:?}");
    found.json()["deliveries"].as_array().unwrap().clone()
}

fn ids(found: &[Value]) -> Vec<String> {
    found.iter().map(|delivery| text(delivery, "orderId")).collect()
}

#[tokio::test]
async fn a_rider_finds_cooked_orders_near_the_customer_or_the_store_with_both_distances() {
    let world = kitchen().await;
    let near = cooked(&world, "37.5551", "126.9245").await;
    let far = cooked(&world, "37.5636", "126.9214").await;
    let elsewhere = cooked(&world, "37.4979", "127.0276").await;
    let not_yet = place_order(&world, &[("gimbap", 1)]).await;
    advance_to(&world, &not_yet, "COOKING").await;
    world.settle().await;
    world.take_calls();
    // The rider is in front of the store.
    let found = find(&world, "lat=37.5536&lng=126.9214&radiusMeters=3000").await;
    let calls = world.take_calls();
    assert!(calls.iter().all(|call| call.operation == "Query") && calls.len() <= 9, "{calls:?}");
    assert_eq!(ids(&found), [near.clone(), far.clone()]);
    let expected = json!({
        "orderId": near, "storeId": "s1", "storeName": "마포분식", "storeLat": 37.5536, "storeLng": 126.9214,
        "storeDistanceMeters": 0, "lat": 37.555, "lng": 126.924,
        "customerDistanceMeters": 277, "cookedAt": found[0]["cookedAt"],
    });
    assert_eq!(
        found[0], expected,
        "no address, no phone number, and the position rounded to about 100 m"
    );
    assert_eq!(found[1]["customerDistanceMeters"], json!(1_046));
    // In a search by store, all orders of the store have the same distance and are sorted by id.
    let by_store = find(&world, "lat=37.5536&lng=126.9214&radiusMeters=10&near=store").await;
    let mut all = vec![near.clone(), far.clone(), elsewhere.clone()];
    all.sort_unstable();
    assert_eq!(ids(&by_store), all);
    assert_eq!(
        by_store.iter().find(|one| one["orderId"] == json!(elsewhere)).unwrap()["customerDistanceMeters"],
        json!(11_240)
    );
    // Neither search finds an order that is picked up.
    assert_eq!(step(&world, &near, "pick-up").await.status, 200);
    world.settle().await;
    assert_eq!(ids(&find(&world, "lat=37.5536&lng=126.9214").await), std::slice::from_ref(&far));
    assert_eq!(find(&world, "lat=37.5536&lng=126.9214&near=store").await.len(), 2);
}

#[tokio::test]
async fn deliveries_are_listed_in_pages_nearest_first() {
    let world = kitchen().await;
    let mut expected = Vec::new();
    for place in [3, 1, 4, 0, 2] {
        expected.push((place, cooked(&world, &format!("37.55{place}"), "126.92").await));
    }
    world.settle().await;
    expected.sort_unstable();
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/deliveries?lat=37.55&lng=126.92&limit=2{cursor}");
        let page = rider(&world).get(&path).await.json();
        found.extend(ids(page["deliveries"].as_array().unwrap()));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
}

#[tokio::test]
async fn deliveries_are_found_across_cell_borders_and_the_date_line() {
    // Pairs of points on both sides of a border of coarse or fine cells: at the equator, at
    // Greenwich, at the date line, in the far north.
    for (here, there) in [
        (("0.0001", "0.0001"), ("-0.0001", "-0.0001")),
        (("0", "179.9999"), ("0.0001", "-179.9999")),
        (("0", "180"), ("0", "-180")),
        (("37.6171875", "126.91"), ("37.6171874", "126.91")),
        (("37.55", "126.9140625"), ("37.55", "126.9140624")),
        (("84.9", "10.001"), ("84.9001", "9.999")),
        (("-45.0001", "-0.0001"), ("-44.9999", "0.0001")),
    ] {
        let world = kitchen().await;
        let id = cooked(&world, there.0, there.1).await;
        world.settle().await;
        // A customer's position is shown, and searched, with a precision of 0.001 degrees.
        for radius in [160, 700, 3_000, 20_000] {
            let found =
                find(&world, &format!("lat={}&lng={}&radiusMeters={radius}", here.0, here.1)).await;
            assert_eq!(ids(&found), std::slice::from_ref(&id), "{here:?} {there:?} {radius}");
            assert!(found[0]["customerDistanceMeters"].as_u64().unwrap() <= 160);
        }
    }
}

#[tokio::test]
async fn a_search_with_an_invalid_position_or_radius_is_refused() {
    let world = kitchen().await;
    for (query, field) in [
        ("", "lat"),
        ("lat=37.5", "lng"),
        ("lat=north&lng=127", "lat"),
        ("lat=86&lng=127", "lat"),
        ("lat=37.5&lng=181", "lng"),
        ("lat=37.5&lng=127&radiusMeters=0", "radiusMeters"),
        ("lat=37.5&lng=127&radiusMeters=20001", "radiusMeters"),
        ("lat=37.5&lng=127&near=rider", "near"),
        ("lat=37.5&lng=127&cursor=x", "cursor"),
        ("lat=37.5&lng=127&limit=0", "limit"),
    ] {
        let refused = rider(&world).get(&format!("/deliveries?{query}")).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (400, "malformed-request"),
            "{query}"
        );
        assert_eq!(refused.json()["errors"][0]["field"], json!(field), "{query}");
    }
}

#[tokio::test]
async fn a_delivery_is_found_only_while_it_waits_in_whatever_order_its_events_arrive() {
    let world = kitchen().await;
    let id = cooked(&world, "37.5551", "126.9245").await;
    // The order's own events stay in the queue: the test builds the same events and delivers them
    // in other orders.
    let event = |version: u32, status: &str, event_type: &str| {
        let (world, id, status, event_type) =
            (&world, id.clone(), status.to_owned(), event_type.to_owned());
        async move {
            let mut order = crate::support::get_order(world, &id).await;
            (order["version"], order["status"]) = (json!(version), json!(status));
            json!({
                "specversion": "1.0", "id": format!("{id}#{version}"), "source": "/orders", "type": event_type,
                "time": order["updatedAt"], "subject": id, "datacontenttype": "application/json",
                "timestamp": order["updatedAt"], "data": order,
            })
            .to_string()
        }
    };
    let cooked = event(4, "COOKED", "order.cooked.v1").await;
    let picked_up = event(5, "PICKED_UP", "order.picked-up.v1").await;
    let is_found = || async { !find(&world, "lat=37.5551&lng=126.9245").await.is_empty() };
    for (events, expected) in [
        (vec![&cooked], true),
        (vec![&cooked, &cooked], true),
        (vec![&picked_up], false),
        (vec![&cooked], false),
        (vec![&picked_up, &cooked, &picked_up], false),
    ] {
        for event in events {
            let response = world
                .invoke("project-deliveries", crate::support::sqs_event(&world, &[event]))
                .await
                .unwrap();
            assert_eq!(response["batchItemFailures"], json!([]));
        }
        assert_eq!(is_found().await, expected);
    }
    assert_eq!(chef(&world).get("/deliveries?lat=1&lng=1").await.problem(), "forbidden");
}
