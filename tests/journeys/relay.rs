//! The relay from the stream of the orders table to the event bus and the queues.

use crate::support::{order, shop, sqs_event};
use local::{
    World,
    aws::faults::{Kind, Rule},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Places orders of one pad each. Returns their ids.
async fn place(world: &World, count: usize) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for number in 0..count {
        let placed = world
            .customer("c1")
            .post_once("/order", &order("c1", &[("pad", 1)]), &number.to_string())
            .await;
        ids.insert(placed.json()["orderId"].as_str().unwrap().to_owned());
    }
    ids
}

/// The ids of the orders whose events the data platform accepted.
fn delivered(world: &World) -> BTreeSet<String> {
    let id = |body: &str| {
        serde_json::from_str::<Value>(body).unwrap()["subject"].as_str().unwrap().to_owned()
    };
    world
        .partner("data-platform")
        .requests()
        .iter()
        .filter(|request| request.status == 200)
        .map(|request| id(&request.body))
        .collect()
}

/// The units sold, after a new count of the top sellers.
async fn sold(world: &World) -> i64 {
    world.fire("aggregate-top-sellers").await.unwrap();
    let top = world.anyone().get("/products/top-sellers").await.json();
    top["products"]
        .as_array()
        .unwrap()
        .iter()
        .map(|product| product["soldQuantity"].as_i64().unwrap())
        .sum()
}

#[tokio::test]
async fn every_paid_order_reaches_the_data_platform_and_the_top_sellers() {
    let world = shop().await;
    let placed = place(&world, 10).await;
    world.settle().await;
    assert_eq!(delivered(&world), placed);
    assert_eq!(sold(&world).await, 10);
}

#[tokio::test]
async fn only_the_failed_entries_of_a_batch_are_sent_again() {
    for (service, operation) in [("events", "PutEvents"), ("sqs", "SendMessageBatch")] {
        let world = shop().await;
        let placed = place(&world, 10).await;
        world.take_calls();
        let operation = Some(operation.to_owned());
        world.inject([Rule {
            service: Some(service.into()),
            operation,
            kind: Kind::Entry,
            every: 1,
            count: Some(1),
        }]);
        world.settle().await;
        assert_eq!(delivered(&world), placed);
        assert_eq!(sold(&world).await, 10);
        let calls = world
            .take_calls()
            .into_iter()
            .filter(|call| call.service == service && call.function == "relay-orders");
        assert_eq!(calls.count(), 2, "the batch, and its failed entry once more");
    }
}

#[tokio::test]
async fn every_order_arrives_and_counts_once_despite_any_fault_of_the_relay() {
    for service in ["events", "sqs"] {
        for kind in [Kind::Before, Kind::After, Kind::Throttle, Kind::Internal, Kind::Entry] {
            for count in [Some(1), None] {
                let world = shop().await;
                let placed = place(&world, 3).await;
                let rule = Rule { count, ..Rule::all_of(service, kind) };
                world.inject([rule.clone()]);
                world.settle().await;
                world.inject([]);
                world.settle().await;
                // Messages that were hidden after a failed delivery are visible again.
                world.advance(std::time::Duration::from_mins(20));
                world.settle().await;
                assert_eq!(delivered(&world), placed, "{rule:?}");
                assert_eq!(sold(&world).await, 3, "{rule:?}");
                if service == "events" && kind != Kind::Entry {
                    let requests = world.partner("data-platform").requests().len();
                    assert_eq!(
                        requests, 3,
                        "the data platform gets no repeats while the bus is down"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_malformed_record_is_dead_lettered_and_the_others_are_relayed() {
    let world = shop().await;
    let mut placed = place(&world, 2).await;
    let malformed = json!({ "pk": { "S": "ORDER#poison" }, "sk": { "S": "ORDER" }, "status": { "S": "GIBBERISH" } });
    world.dynamodb("PutItem", json!({ "TableName": "OrdersTable", "Item": malformed })).await;
    let later = world.customer("c1").post("/order", &order("c1", &[("pad", 1)])).await;
    placed.insert(later.json()["orderId"].as_str().unwrap().to_owned());
    world.settle().await;
    assert_eq!(delivered(&world), placed);
    let dead = world.messages("RelayOrdersDeadLetters");
    assert_eq!(dead.len(), 1);
    assert!(dead[0].contains("GIBBERISH"), "the dead letter holds the whole record: {}", dead[0]);
}

#[tokio::test]
async fn records_wait_in_the_stream_until_the_function_can_process_them() {
    let world = shop().await;
    world.enable("relay-orders", false);
    let placed = place(&world, 3).await;
    world.settle().await;
    assert_eq!(delivered(&world), BTreeSet::new());
    world.enable("relay-orders", true);
    world.settle().await;
    assert_eq!(delivered(&world), placed);
}

#[tokio::test]
async fn duplicated_and_reordered_events_count_once_under_the_same_ids() {
    let world = shop().await;
    place(&world, 4).await;
    world.enable("record-sales", false);
    world.settle().await;
    let bodies = world.messages("RecordSalesQueue");
    assert_eq!(bodies.len(), 4);
    let twice_and_backwards: Vec<&String> = bodies.iter().chain(&bodies).rev().collect();
    world.enable("record-sales", true);
    for half in twice_and_backwards.chunks(3) {
        let response = world.invoke("record-sales", sqs_event(&world, half)).await.unwrap();
        assert_eq!(response, json!({ "batchItemFailures": [] }));
    }
    world.settle().await;
    assert_eq!(sold(&world).await, 4);
    let ids: BTreeSet<String> = world
        .partner("data-platform")
        .requests()
        .iter()
        .map(|request| request.headers["webhook-id"].clone())
        .collect();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn a_malformed_message_fails_alone_and_is_dead_lettered() {
    let world = shop().await;
    place(&world, 1).await;
    world.send_message("RecordSalesQueue", "gibberish");
    world.settle().await;
    assert_eq!(sold(&world).await, 1);
    for _ in 0..25 {
        world.advance(std::time::Duration::from_mins(2));
        world.settle().await;
    }
    assert_eq!(world.messages("RecordSalesDeadLetters"), ["gibberish"]);
    assert_eq!(world.messages("RecordSalesQueue"), Vec::<String>::new());
}
