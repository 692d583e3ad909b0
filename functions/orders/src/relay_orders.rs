//! `relay-orders` reads the stream of the orders table and tells the world: every change goes onto the event bus, every
//! payment then to the data platform's queue.
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

async fn handle(outbox: Outbox, changes: Vec<Change>, deadline: Timestamp) -> Vec<Failed> {
    let mut failed = BTreeMap::new();
    let (told, unreadable) = read(changes);
    let bus_events: Vec<BusEvent> = told.iter().map(|told| told.event.clone()).collect();
    let mut paid = Vec::new();
    for (told, published) in told.into_iter().zip(outbox.publish(&bus_events, deadline).await) {
        match published {
            // The data platform hears of what the bus has taken: while the bus is down, it is not told again and again.
            Ok(()) if told.event_type == EventType::Paid => paid.push(told),
            Ok(()) => {}
            Err(error) => drop(failed.insert(told.place, error)),
        }
    }
    let paid_events: Vec<String> = paid.iter().map(|told| told.event.detail.clone()).collect();
    let sent = outbox.send_to_data_platform(&paid_events, deadline).await;
    failed.extend(paid.into_iter().zip(sent).filter_map(|(told, sent)| Some((told.place, sent.err()?))));
    let records: Vec<String> = unreadable.iter().map(|(_, record)| record.clone()).collect();
    let laid_aside = outbox.lay_aside(&records, deadline).await;
    failed.extend(
        unreadable.into_iter().zip(laid_aside).filter_map(|((place, _), outcome)| Some((place, outcome.err()?))),
    );
    // In the order of the stream: Lambda goes on from the first.
    failed.into_iter().map(|(sequence_number, error)| Failed { sequence_number, error }).collect()
}

/// A change that is an order's event, and its place in the stream.
struct Told {
    place: String,
    event_type: EventType,
    event: BusEvent,
}

/// What each change tells, and the records that tell nothing, each with its place.
fn read(changes: Vec<Change>) -> (Vec<Told>, Vec<(String, String)>) {
    let (mut told, mut unreadable) = (Vec::new(), Vec::new());
    for Change { sequence_number: place, image, record } in changes {
        match image.and_then(|image| envelope(image).map_err(|error| error.to_string())) {
            Ok((event_type, detail)) => {
                let event = BusEvent { detail_type: event_type.as_str(), detail };
                told.push(Told { place, event_type, event });
            }
            Err(error) => {
                tracing::error!(sequence_number = place, error, "a record is not an order: laid aside");
                unreadable.push((place, record.to_string()));
            }
        }
    }
    (told, unreadable)
}

fn envelope(image: serde_dynamo::Item) -> Result<(EventType, String), Box<dyn std::error::Error>> {
    let envelope: Envelope<events::Order> = events::order_event(&order_in_image(image)?);
    Ok((envelope.event_type, serde_json::to_string(&envelope)?))
}
