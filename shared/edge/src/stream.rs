//! Streams of tables: batches of changes, in order for each item.

use crate::{Error, Invocation};
use aws_lambda_events::{
    dynamodb::EventRecord,
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use domain::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// A change of an item.
#[derive(Debug, Clone)]
pub struct Change {
    /// The change's position in the stream.
    pub sequence_number: String,
    /// The item after the change, or why it cannot be read.
    pub image: Result<serde_dynamo::Item, String>,
    /// The record as it was received.
    pub record: Value,
}

/// A change that must be delivered again.
#[derive(Debug, Clone)]
pub struct Failed {
    /// The change's position in the stream.
    pub sequence_number: String,
    /// Why.
    pub error: String,
}

/// A batch whose records are read one by one, so that an unreadable one does not block the others.
#[derive(Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Value>,
}

/// Handles a batch and reports the failed changes: Lambda continues from the first of them.
pub(crate) async fn batch<Fut>(
    function: &'static str,
    invocation: Invocation,
    handle: impl FnOnce(Vec<Change>, Timestamp) -> Fut,
) -> Result<Value, Error>
where
    Fut: Future<Output = Vec<Failed>>,
{
    let deadline = invocation.deadline();
    let batch: Batch = serde_json::from_str(invocation.event.get())?;
    let changes = batch.records.into_iter().map(change).collect::<Result<_, _>>()?;
    let mut response = DynamoDbEventResponse::default();
    for Failed { sequence_number, error } in handle(changes, deadline).await {
        tracing::warn!(function, sequence_number, error, "a change will come again");
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(sequence_number);
        response.batch_item_failures.push(failure);
    }
    Ok(serde_json::to_value(response)?)
}

fn change(record: Value) -> Result<Change, Error> {
    let sequence_number = record.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str);
    let sequence_number =
        sequence_number.ok_or("a record of the stream has no sequence number")?.to_owned();
    let read = EventRecord::deserialize(&record);
    let image = read.map(|read| read.change.new_image).map_err(|error| error.to_string());
    Ok(Change { sequence_number, image, record })
}
