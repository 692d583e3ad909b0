//! `project-change-feed` appends every change of every order to the change feed, from which partners pull.
//!
//! It reads the stream of the orders table and not the bus: a stream brings the changes of an order in their order.

use domain::Timestamp;
use edge::{Change, Failed, Function};
use events::{Envelope, Order};
use serde_json::Value;
use store::{Store, change_feed::MAX_APPENDED, external_orders::event_in_image};

/// The function.
pub fn function() -> Function {
    Function::stream("project-change-feed", handle)
}

async fn handle(store: Store, changes: Vec<Change>, deadline: Timestamp) -> Vec<Failed> {
    let store = store.until(deadline);
    let told: Vec<(String, Envelope<Order>)> = changes.into_iter().filter_map(told).collect();
    let mut chunks = told.chunks(MAX_APPENDED);
    while let Some(chunk) = chunks.next() {
        let changes: Vec<Envelope<Order>> = chunk.iter().map(|(_, change)| change.clone()).collect();
        if let Err(fault) = store.change_feed().append(&changes, store.now()).await {
            // Lambda goes on from the first that failed: what comes after it waits.
            let error = fault.to_string();
            let left = chunk.iter().chain(chunks.flatten()).map(|(place, _)| place.clone());
            return left.map(|sequence_number| Failed { sequence_number, error: error.clone() }).collect();
        }
    }
    Vec::new()
}

/// What a change tells of an order, and its place in the stream. What is none is left out: `relay-orders` lays it aside.
fn told(change: Change) -> Option<(String, Envelope<Order>)> {
    let sk = change.record.pointer("/dynamodb/Keys/sk/S").and_then(Value::as_str).unwrap_or_default().to_owned();
    let order = change.image.and_then(|image| event_in_image(&sk, image).map_err(|fault| fault.to_string()));
    match order {
        Ok(envelope) => Some((change.sequence_number, envelope)),
        Err(error) => {
            tracing::error!(sequence_number = change.sequence_number, error, "a record is no order: left out");
            None
        }
    }
}
