//! `project-change-feed` appends every change of every order to the change feed, which partners
//! poll.
//!
//! It reads the stream of the orders table instead of the bus, because a stream delivers the
//! changes of an order in sequence.

use domain::Timestamp;
use edge::{Change, Failed, Function};
use events::{Envelope, Order};
use store::{Store, change_feed::MAX_APPENDED, external_orders::event_in_image};

/// The `project-change-feed` handler.
pub fn function() -> Function {
    Function::stream("project-change-feed", handle)
}

async fn handle(store: Store, changes: Vec<Change>, deadline: Timestamp) -> Vec<Failed> {
    let store = store.until(deadline);
    let events: Vec<(String, Envelope<Order>)> = changes.into_iter().filter_map(event_of).collect();
    let mut chunks = events.chunks(MAX_APPENDED);
    while let Some(chunk) = chunks.next() {
        let changes: Vec<Envelope<Order>> =
            chunk.iter().map(|(_, change)| change.clone()).collect();
        if let Err(fault) = store.change_feed().append(&changes, store.now()).await {
            // Lambda resumes at the first failed record, so all records from there on are reported.
            let error = fault.to_string();
            let left = chunk
                .iter()
                .chain(chunks.flatten())
                .map(|(sequence_number, _)| sequence_number.clone());
            return left
                .map(|sequence_number| Failed { sequence_number, error: error.clone() })
                .collect();
        }
    }
    Vec::new()
}

/// The event of a changed order, with its sequence number in the stream. Records other than orders
/// are skipped: `relay-orders` dead-letters them.
fn event_of(change: Change) -> Option<(String, Envelope<Order>)> {
    let order =
        change.image.and_then(|image| event_in_image(image).map_err(|fault| fault.to_string()));
    match order {
        Ok(envelope) => Some((change.sequence_number, envelope)),
        Err(error) => {
            tracing::error!(
                sequence_number = change.sequence_number,
                error,
                "a record is not an order and is skipped"
            );
            None
        }
    }
}
