//! `relay-orders` reads the stream of the orders table and tells the world: every change goes onto the event bus, every
//! payment also to the data platform's queue.
//!
//! Lambda delivers a change until it is reported as done, so each reaches the bus at least once, under an id that repeats
//! share. A record that is not an order can never be told: it is laid aside in the dead-letter queue, and the rest goes on.

use crate::outbox::{BusEvent, Outbox};
use domain::Timestamp;
use edge::{Change, Failed, Function};
use events::{Envelope, EventType};
use std::collections::BTreeMap;
use store::orders::order_in_image;

/// The function.
pub fn function() -> Function {
    Function::stream("relay-orders", Outbox::open, handle)
}

async fn handle(outbox: Outbox, changes: Vec<Change>, _deadline: Timestamp) -> Vec<Failed> {
    let mut told = Vec::new();
    let mut unreadable = Vec::new();
    for change in changes {
        match change.image.clone().and_then(|image| envelope(image).map_err(|error| error.to_string())) {
            Ok((event_type, event)) => told.push((change.sequence_number, event_type, event)),
            Err(error) => {
                tracing::error!(
                    sequence_number = change.sequence_number,
                    error,
                    "a record is not an order: laid aside"
                );
                unreadable.push((change.sequence_number, change.record.to_string()));
            }
        }
    }
    let on_bus: Vec<BusEvent> = told.iter().map(|(_, event_type, event)| bus_event(*event_type, event)).collect();
    let paid: Vec<&(String, EventType, String)> = told.iter().filter(|(_, kind, _)| *kind == EventType::Paid).collect();
    let paid_events: Vec<String> = paid.iter().map(|(_, _, event)| event.clone()).collect();
    let aside: Vec<String> = unreadable.iter().map(|(_, record)| record.clone()).collect();

    let published = outbox.publish(&on_bus).await;
    let sent = outbox.send_to_data_platform(&paid_events).await;
    let laid_aside = outbox.lay_aside(&aside).await;

    let places = told.iter().map(|(place, ..)| place).chain(paid.iter().map(|(place, ..)| place));
    let places = places.chain(unreadable.iter().map(|(place, _)| place));
    let outcomes = published.into_iter().chain(sent).chain(laid_aside);
    // One report for each change, in the order of the stream.
    let failed: BTreeMap<&String, String> =
        places.zip(outcomes).filter_map(|(place, outcome)| Some((place, outcome.err()?))).collect();
    let failed = failed.into_iter();
    failed.map(|(place, error)| Failed { sequence_number: place.clone(), error }).collect()
}

fn envelope(image: serde_dynamo::Item) -> Result<(EventType, String), Box<dyn std::error::Error>> {
    let envelope: Envelope<events::Order> = events::order_event(&order_in_image(image)?);
    Ok((envelope.event_type, serde_json::to_string(&envelope)?))
}

fn bus_event(event_type: EventType, event: &str) -> BusEvent {
    BusEvent { detail_type: event_type.as_str(), detail: event.to_owned() }
}
