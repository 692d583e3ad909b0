//! Streams of tables: batches of changes, in order for each item.

use crate::{Error, Invocation};
use domain::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

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
    let batch: Batch = serde_json::from_value(invocation.event)?;
    let failed = handle(batch.records.into_iter().map(change).collect(), deadline).await;
    let failures = failed.iter().map(|Failed { sequence_number, error }| {
        tracing::warn!(function, sequence_number, error, "a change will come again");
        json!({ "itemIdentifier": sequence_number })
    });
    Ok(json!({ "batchItemFailures": failures.collect::<Vec<_>>() }))
}

fn change(record: Value) -> Change {
    let sequence_number = record
        .pointer("/dynamodb/SequenceNumber")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let image = record.pointer("/dynamodb/NewImage").cloned().unwrap_or_default();
    Change {
        sequence_number,
        image: serde_json::from_value(image).map_err(|error| error.to_string()),
        record,
    }
}
