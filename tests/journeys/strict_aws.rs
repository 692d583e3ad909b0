//! The local platform refuses what AWS refuses.

use crate::support::{order, shop};
use local::World;
use serde_json::{Value, json};

async fn put(world: &World, change: Value) -> Value {
    let mut entry = json!({
        "EventBusName": "jumun-orders", "Source": "mall", "DetailType": "ExternalOrder", "Detail": "{\"a\":1}",
    });
    for (name, value) in change.as_object().unwrap() {
        entry[name] = value.clone();
    }
    world.put_events(&json!({ "Entries": [entry] })).await
}

#[tokio::test]
async fn the_bus_accepts_and_refuses_the_same_events_as_eventbridge() {
    let world = World::new().await;
    assert_eq!(put(&world, json!({})).await["FailedEntryCount"], json!(0));
    let arn = "arn:aws:events:ap-northeast-2:000000000000:event-bus/jumun-orders";
    assert_eq!(put(&world, json!({ "EventBusName": arn })).await["FailedEntryCount"], json!(0));
    for (change, code) in [
        (json!({ "EventBusName": "OrderEvents" }), "InvalidArgument"),
        (json!({ "EventBusName": "other" }), "InvalidArgument"),
        (json!({ "Source": "" }), "InvalidArgument"),
        (json!({ "DetailType": null }), "InvalidArgument"),
        (json!({ "Detail": null }), "InvalidArgument"),
        (json!({ "Detail": "[1]" }), "MalformedDetail"),
        (json!({ "Detail": "{" }), "MalformedDetail"),
        (json!({ "Detail": "{\"a\":\"\u{ffff}\"}" }), "InvalidArgument"),
    ] {
        let response = put(&world, change.clone()).await;
        assert_eq!(
            (&response["FailedEntryCount"], &response["Entries"][0]["ErrorCode"]),
            (&json!(1), &json!(code)),
            "{change}"
        );
    }
    for entries in [json!([]), json!(vec![json!({}); 11])] {
        assert_eq!(
            world.put_events(&json!({ "Entries": entries })).await["__type"],
            json!("ValidationException")
        );
    }
    let huge =
        put(&world, json!({ "Detail": format!("{{\"a\":\"{}\"}}", "x".repeat(300_000)) })).await;
    assert_eq!(huge["__type"], json!("ValidationException"));
}

async fn sqs(world: &World, operation: &str, change: Value) -> String {
    let mut request = json!({ "QueueUrl": "http://127.0.0.1:4566/000000000000/RecordSalesQueue" });
    for (name, value) in change.as_object().unwrap() {
        request[name] = value.clone();
    }
    let response = world.sqs(operation, &request).await;
    response["__type"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_queues_accept_and_refuse_the_same_requests_as_sqs() {
    let world = World::new().await;
    world.enable("record-sales", false);
    let entries = |count: usize| -> Value {
        (0..count)
            .map(|id| json!({ "Id": id.to_string(), "MessageBody": "x" }))
            .collect::<Vec<_>>()
            .into()
    };
    for (operation, request, expected) in [
        ("SendMessage", json!({ "MessageBody": "x" }), ""),
        ("SendMessage", json!({ "MessageBody": "x", "DelaySeconds": 900 }), ""),
        (
            "SendMessage",
            json!({ "MessageBody": "x", "DelaySeconds": 901 }),
            "InvalidParameterValue",
        ),
        ("SendMessage", json!({ "MessageBody": "" }), "InvalidParameterValue"),
        ("SendMessage", json!({ "MessageBody": "\u{ffff}" }), "InvalidMessageContents"),
        ("SendMessage", json!({ "MessageBody": "\u{1}" }), "InvalidMessageContents"),
        (
            "SendMessage",
            json!({ "MessageBody": "x".repeat(1024 * 1024 + 1) }),
            "InvalidParameterValue",
        ),
        ("SendMessageBatch", json!({ "Entries": entries(10) }), ""),
        ("SendMessageBatch", json!({ "Entries": entries(11) }), "TooManyEntriesInBatchRequest"),
        ("SendMessageBatch", json!({ "Entries": [] }), "EmptyBatchRequest"),
        (
            "SendMessageBatch",
            json!({ "Entries": [{ "Id": "a b", "MessageBody": "x" }] }),
            "InvalidBatchEntryId",
        ),
        (
            "SendMessageBatch",
            json!({ "Entries": [{ "Id": "a", "MessageBody": "x" }, { "Id": "a", "MessageBody": "y" }] }),
            "BatchEntryIdsNotDistinct",
        ),
        ("ReceiveMessage", json!({ "MaxNumberOfMessages": 11 }), "InvalidParameterValue"),
        (
            "ReceiveMessage",
            json!({ "MaxNumberOfMessages": 10, "VisibilityTimeout": 43_201 }),
            "InvalidParameterValue",
        ),
        ("ChangeMessageVisibility", json!({ "ReceiptHandle": "x/1/1" }), "MissingParameter"),
    ] {
        assert_eq!(sqs(&world, operation, request.clone()).await, expected, "{operation}");
    }
}

#[tokio::test]
async fn a_message_expires_after_the_retention_period_also_in_a_dead_letter_queue() {
    let world = shop().await;
    world.send_message("RecordSalesQueue", "no event");
    for _ in 0..30 {
        world.advance(std::time::Duration::from_hours(12));
        world.settle().await;
    }
    assert_eq!(
        world.messages("RecordSalesQueue").len() + world.messages("RecordSalesDeadLetters").len(),
        0
    );
}

#[tokio::test]
async fn only_functions_that_declare_recursion_may_send_to_their_own_queue() {
    let template =
        local::template::Template::own(&std::collections::BTreeMap::new(), "http://localhost")
            .unwrap();
    let mut sending = Vec::new();
    for function in &template.functions {
        let Some(local::template::Source::Queue { queue, .. }) = &function.source else {
            assert!(!function.may_recur, "{} has no queue as its event source", function.handler);
            continue;
        };
        let own = format!(":{queue}");
        let sends = function.statements.iter().any(|statement| {
            statement.actions.iter().any(|action| action == "sqs:SendMessage")
                && statement.resources.iter().any(|resource| resource.ends_with(&own))
        });
        assert_eq!(sends, function.may_recur, "{}", function.handler);
        if sends {
            sending.push(function.handler.as_str());
        }
    }
    assert_eq!(sending, ["collect-channel", "deliver-webhook"]);
}

#[tokio::test]
async fn events_are_published_to_the_bus_that_the_template_names() {
    let world = shop().await;
    world.customer("c1").post("/order", &order("c1", &[("pen", 1)])).await;
    world.settle().await;
    assert_eq!(world.partner("tms").requests().len(), 1);
}
