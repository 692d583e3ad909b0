//! What a queue brings: batches of messages, of which each succeeds or fails alone.

use crate::{Environment, Error, Invocation, problem};
use domain::Timestamp;
use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};

/// Messages of a batch that are worked on side by side.
const SIDE_BY_SIDE: usize = 10;

/// A message of a queue.
#[derive(Debug, Clone)]
pub struct Message {
    /// What was sent.
    pub body: String,
    /// Names this delivery, for changing how long it stays hidden.
    pub receipt_handle: String,
    /// How often it was delivered, this time included.
    pub receive_count: u32,
    /// When it came in.
    pub now: Timestamp,
    /// By when the work must be done.
    pub deadline: Timestamp,
}

#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    receipt_handle: String,
    body: String,
    attributes: Attributes,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes {
    approximate_receive_count: String,
}

/// Handles each message of a batch and reports those that failed: they alone come back.
pub(crate) async fn each<E, Fut>(
    function: &'static str,
    environment: Environment,
    invocation: Invocation,
    handle: impl Fn(Message) -> Fut,
) -> Result<Value, Error>
where
    E: std::error::Error,
    Fut: Future<Output = Result<(), E>>,
{
    let (now, deadline) = (environment.now(), invocation.deadline());
    let batch: Batch = serde_json::from_value(invocation.event)?;
    let outcomes = stream::iter(batch.records).map(|record| {
        let receive_count = record.attributes.approximate_receive_count.parse().unwrap_or(1);
        let handled =
            handle(Message { body: record.body, receipt_handle: record.receipt_handle, receive_count, now, deadline });
        async move { handled.await.map_err(|error| (record.message_id, receive_count, error)) }
    });
    let failures = outcomes.buffer_unordered(SIDE_BY_SIDE).filter_map(|outcome| async { outcome.err() });
    let failures: Vec<Value> = failures
        .map(|(message_id, receive_count, error)| {
            let error = problem::chain(&error);
            tracing::warn!(function, message_id, receive_count, error, "a message will come again");
            json!({ "itemIdentifier": message_id })
        })
        .collect()
        .await;
    Ok(json!({ "batchItemFailures": failures }))
}
