//! A partner that polls the change feed sees every change, in order and without gaps, also during
//! concurrent writes.

use crate::support::{
    external_orders::{partner, update_body},
    kitchen::{add_store, advance_to, kitchen, place_order, step},
    order, shop, text,
};
use local::{
    World,
    aws::faults::{Kind, Rule},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

/// Reads pages from a cursor to the end of the feed. Returns the changes and the cursor to resume
/// from.
async fn pull(world: &World, mut cursor: String, query: &str) -> (Vec<Value>, String) {
    let mut changes = Vec::new();
    loop {
        let after = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
        let page = partner(world).get(&format!("/integrations/orders?limit=7{query}{after}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        let next = text(&page, "nextCursor");
        let found = page["changes"].as_array().unwrap();
        changes.extend(found.iter().cloned());
        if next == cursor {
            return (changes, cursor);
        }
        cursor = next;
    }
}

/// The versions of each order, as the feed lists them.
fn versions(changes: &[Value]) -> BTreeMap<String, Vec<u64>> {
    let mut versions: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for change in changes {
        assert_eq!(
            (&change["order"]["version"], &change["order"]["orderId"]),
            (&change["version"], &change["orderId"])
        );
        versions
            .entry(text(change, "orderId"))
            .or_default()
            .push(change["version"].as_u64().unwrap());
    }
    versions
}

/// The versions from 1 to `version`, in ascending order.
fn all_up_to(version: u64) -> Vec<u64> {
    (1..=version).collect()
}

#[tokio::test]
async fn every_change_is_listed_once_in_order_and_a_cursor_can_be_resumed_later() {
    let world = kitchen().await;
    let (nothing, start) = pull(&world, String::new(), "").await;
    assert_eq!(nothing, Vec::<Value>::new());
    let first = place_order(&world, &[("gimbap", 1)]).await;
    advance_to(&world, &first, "COOKED").await;
    partner(&world).put("/integrations/orders/mall/e-1", &update_body(1, "PAID")).await;
    world.settle().await;
    let (changes, cursor) = pull(&world, start, "").await;
    let statuses: Vec<String> = changes.iter().map(|change| text(change, "status")).collect();
    assert_eq!(statuses, ["PAID", "ACCEPTED", "COOKING", "COOKED", "PAID"]);
    assert_eq!(
        (&changes[4]["order"]["source"], &changes[4]["updatedAt"]),
        (&json!("mall"), &changes[4]["order"]["updatedAt"])
    );
    step(&world, &first, "pick-up").await;
    world.settle().await;
    let (changes, cursor) = pull(&world, cursor, "").await;
    assert_eq!(
        changes.iter().map(|change| text(change, "status")).collect::<Vec<_>>(),
        ["PICKED_UP"]
    );
    assert_eq!(pull(&world, cursor, "").await.0, Vec::<Value>::new());
    let all = versions(&pull(&world, String::new(), "").await.0);
    assert_eq!(all[&first], all_up_to(5));
}

#[tokio::test]
async fn a_partner_can_start_at_a_given_time() {
    let world = shop().await;
    let mut placed = Vec::new();
    for _ in 0..12 {
        let order = world.customer("c1").post("/order", &order("c1", &[("pad", 1)])).await;
        world.settle().await;
        if order.status == 200 {
            placed.push((text(&order.json(), "updatedAt"), text(&order.json(), "orderId")));
        }
        world.advance(Duration::from_mins(25));
    }
    for since in [
        "2026-01-05T03:00:00Z",
        "2026-01-05T04:30:00.000Z",
        "2026-01-05T05:00:00Z",
        "2027-01-01T00:00:00Z",
    ] {
        let (changes, _) = pull(&world, String::new(), &format!("&updatedSince={since}")).await;
        let from = since.replace("00Z", "00.000Z").replace("00.000.000Z", "00.000Z");
        let expected: Vec<&String> =
            placed.iter().filter(|(at, _)| *at >= from).map(|(_, id)| id).collect();
        assert_eq!(
            changes.iter().map(|change| text(change, "orderId")).collect::<Vec<_>>(),
            expected.into_iter().cloned().collect::<Vec<_>>(),
            "{since}"
        );
    }
    let bad = partner(&world).get("/integrations/orders?updatedSince=yesterday").await;
    assert_eq!(bad.problem(), "malformed-request");
    assert_eq!(world.customer("c1").get("/integrations/orders").await.problem(), "forbidden");
}

#[tokio::test]
async fn entries_expire_after_thirty_days_and_the_other_positions_do_not_change() {
    let world = shop().await;
    world.customer("c1").post("/order", &order("c1", &[("pad", 1)])).await;
    world.settle().await;
    let (_, cursor) = pull(&world, String::new(), "").await;
    world.advance(Duration::from_hours(31 * 24));
    world.customer("c1").post("/order", &order("c1", &[("pad", 1)])).await;
    world.settle().await;
    world.sweep();
    let (changes, _) = pull(&world, String::new(), "").await;
    assert_eq!(changes.len(), 1, "the old entry has expired");
    assert_eq!(pull(&world, cursor, "").await.0, changes);
}

#[tokio::test]
async fn a_reader_stops_before_an_entry_that_is_not_visible_yet() {
    let world = shop().await;
    for _ in 0..3 {
        world.customer("c1").post("/order", &order("c1", &[("pad", 1)])).await;
    }
    world.settle().await;
    let (all, _) = pull(&world, String::new(), "").await;
    // Two reads are not a snapshot: a reader may see the head that a transaction wrote before it
    // sees all of the transaction's entries.
    let key =
        json!({ "pk": { "S": "FEED#0000000000000000" }, "sk": { "S": format!("{:020}", 2) } });
    let entry =
        world.dynamodb("GetItem", json!({ "TableName": "ViewsTable", "Key": key })).await["Item"]
            .clone();
    world.dynamodb("DeleteItem", json!({ "TableName": "ViewsTable", "Key": key })).await;
    let (before, cursor) = pull(&world, String::new(), "").await;
    assert_eq!(before, all[..1]);
    world.dynamodb("PutItem", json!({ "TableName": "ViewsTable", "Item": entry })).await;
    assert_eq!(pull(&world, cursor, "").await.0, all[1..]);
}

#[tokio::test]
async fn expired_entries_are_skipped_at_constant_cost() {
    let world = shop().await;
    world.customer("c1").post("/order", &order("c1", &[("pad", 1)])).await;
    world.settle().await;
    // A feed that is years old: millions of expired positions.
    let raise = |position: u64| {
        json!({
            "TableName": "ViewsTable", "Key": { "pk": { "S": "FEED" }, "sk": { "S": "HEAD" } }, "UpdateExpression": "SET #p = :p",
            "ExpressionAttributeNames": { "#p": "position" }, "ExpressionAttributeValues": { ":p": { "N": position.to_string() } },
        })
    };
    world.dynamodb("UpdateItem", raise(5_000_000)).await;
    world.advance(Duration::from_hours(31 * 24));
    world.customer("c1").post("/order", &order("c1", &[("pad", 1)])).await;
    world.settle().await;
    world.sweep();
    world.take_calls();
    let page = partner(&world).get("/integrations/orders").await.json();
    assert_eq!(page["changes"].as_array().unwrap().len(), 1);
    let calls = world.take_calls().len();
    assert_eq!(calls, 5);
}

#[tokio::test]
async fn the_feed_is_complete_and_in_order_despite_any_failed_call() {
    for nth in 1..=8 {
        for kind in [Kind::Before, Kind::After, Kind::Internal, Kind::Throttle, Kind::Conflict(0)] {
            let world = kitchen().await;
            let mut expected = BTreeMap::new();
            for status in ["COMPLETED", "COOKED", "PAID"] {
                let id = place_order(&world, &[("gimbap", 1)]).await;
                advance_to(&world, &id, status).await;
                expected.insert(
                    id,
                    all_up_to(match status {
                        "COMPLETED" => 6,
                        "COOKED" => 4,
                        _ => 1,
                    }),
                );
            }
            world.inject([Rule {
                service: Some("dynamodb".into()),
                operation: None,
                kind,
                every: nth,
                count: Some(6),
            }]);
            for _ in 0..6 {
                world.settle().await;
            }
            world.inject([]);
            for _ in 0..3 {
                world.settle().await;
                world.advance(Duration::from_mins(2));
            }
            assert_eq!(
                versions(&pull(&world, String::new(), "").await.0),
                expected,
                "{kind:?} at {nth}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_misses_nothing_during_concurrent_writes() {
    let world = Arc::new(World::with(World::options()).await);
    add_store(&world).await;
    world.charge("c1", 10_000_000).await;
    world.operator().post("/api/v1/admin/products/gimbap/stock", &json!({ "delta": 1_000 })).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (world, is_over) = (world.clone(), is_over.clone());
        async move {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let was_over = is_over.load(SeqCst);
                let (changes, next) = pull(&world, cursor, "").await;
                (seen, cursor) = ([seen, changes].concat(), next);
                if was_over {
                    return seen;
                }
            }
        }
    });
    // Several writers change orders at the same time. Each changes its own orders, as each shard of
    // a stream carries its own.
    let writers = (0..4).map(|writer| {
        let world = world.clone();
        tokio::spawn(async move {
            let mut written = Vec::new();
            for _ in 0..10 {
                let id = place_order(&world, &[("gimbap", 1)]).await;
                let upto = ["PAID", "ACCEPTED", "COOKED", "COMPLETED"][writer];
                advance_to(&world, &id, upto).await;
                written.push((id, all_up_to([1, 2, 4, 6][writer])));
            }
            written
        })
    });
    let projecting = tokio::spawn({
        let (world, is_over) = (world.clone(), is_over.clone());
        async move {
            while !is_over.load(SeqCst) {
                world.settle().await;
                tokio::task::yield_now().await;
            }
        }
    });
    let written: Vec<_> = futures::future::try_join_all(writers).await.unwrap().concat();
    world.settle().await;
    is_over.store(true, SeqCst);
    projecting.await.unwrap();
    let seen = reader.await.unwrap();
    assert_eq!(versions(&seen), written.into_iter().collect::<BTreeMap<_, _>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_projections_leave_no_gap_and_the_reader_misses_nothing() {
    let world = Arc::new(World::with(World::options()).await);
    world.enable("project-change-feed", false);
    // Records of eight shards of the stream, each with its own orders.
    let record = |shard: usize, number: usize, version: u32| {
        let id = format!("ord_{shard}_{number}");
        json!({
            "eventID": "1", "eventName": "MODIFY", "awsRegion": "ap-northeast-2",
            "dynamodb": {
                "SequenceNumber": format!("{number:06}{version}"), "SizeBytes": 1,
                "Keys": { "pk": { "S": format!("ORDER#{id}") }, "sk": { "S": "EXTERNAL" } },
                "NewImage": image(&id, version),
            },
        })
    };
    let shards = (0..8).map(|shard| {
        let world = world.clone();
        tokio::spawn(async move {
            world.enable("project-change-feed", true);
            for number in 0..10 {
                let records: Vec<Value> =
                    (1..=3).map(|version| record(shard, number, version)).collect();
                let event = json!({ "Records": records });
                loop {
                    let response =
                        world.invoke("project-change-feed", event.clone()).await.unwrap();
                    if response["batchItemFailures"] == json!([]) {
                        break;
                    }
                }
            }
        })
    });
    let is_over = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (world, is_over) = (world.clone(), is_over.clone());
        async move {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let was_over = is_over.load(SeqCst);
                let (changes, next) = pull(&world, cursor, "").await;
                (seen, cursor) = ([seen, changes].concat(), next);
                if was_over {
                    return seen;
                }
            }
        }
    });
    futures::future::try_join_all(shards).await.unwrap();
    is_over.store(true, SeqCst);
    let seen = versions(&reader.await.unwrap());
    assert_eq!(seen.len(), 80);
    assert!(seen.values().all(|versions| *versions == [1, 2, 3]), "{seen:?}");
}

/// The `NewImage` of an external order in the stream.
fn image(id: &str, version: u32) -> Value {
    let text = |text: &str| json!({ "S": text });
    let number = |number: u32| json!({ "N": number.to_string() });
    json!({
        "orderId": text(id), "version": number(version), "origin": text("EXTERNAL"),
        "status": text("PAID"), "customerId": text("c9"), "source": text("mall"),
        "externalOrderId": text(id), "lines": { "L": [] }, "originalAmount": number(0), "discountAmount": number(0),
        "totalAmount": number(0), "timeline": { "L": [] }, "placedAt": text("2026-01-05T03:00:00.000Z"),
        "updatedAt": text("2026-01-05T03:00:00.000Z"), "lastChange": text("PAID"), "revision": { "M": { "version": number(version) } },
        "payment": { "M": { "method": text("EXTERNAL"), "amount": number(0), "status": text("PAID") } },
    })
}
