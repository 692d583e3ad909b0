//! `relay-orders` reads the stream of the orders table and tells the world: every change goes onto the event bus, every
//! payment then to the data platform's queue.
//!
//! Before that, an attempt to pay that is not at its end goes to the queue of `settle-payments`, to be looked at when it is
//! due.
//!
//! Lambda delivers a change until it is reported as done, so each reaches the bus at least once, under an id that repeats
//! share. A record that is not an order can never be told: it is laid aside in the dead-letter queue, and the rest goes on.

use crate::outbox::{BusEvent, NotTaken, Outbox};
use domain::{OrderId, Timestamp, payment::Attempt};
use edge::{Change, Failed, Function};
use events::{Envelope, EventType};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use store::{
    attempts::{attempt_in_image, is_attempt},
    collected::told_by_image,
};

/// The function.
pub fn function() -> Function {
    Function::stream("relay-orders", Outbox::open, handle)
}

/// What `settle-payments` is told: an attempt that is not at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DueAttempt {
    pub(crate) order_id: OrderId,
    pub(crate) attempt: u32,
    /// The state of the attempt that this tells of: if it has changed since, another message tells of that.
    pub(crate) updated_at: Timestamp,
}

async fn handle(outbox: Outbox, changes: Vec<Change>, deadline: Timestamp) -> Vec<Failed> {
    let mut failed = BTreeMap::new();
    let Read { told, due, unreadable } = read(changes);
    // Money before news: what is to be settled does not wait for the bus.
    let (places, due) = unzip(due);
    failed.extend(failures(places, outbox.send_to_settle(&due, deadline).await));
    let bus_events: Vec<BusEvent> = told.iter().map(|told| told.event.clone()).collect();
    let mut paid = Vec::new();
    for (told, published) in told.into_iter().zip(outbox.publish(&bus_events, deadline).await) {
        match published {
            // The data platform hears of what the bus has taken: while the bus is down, it is not told again and again.
            Ok(()) if told.is_for_data_platform => paid.push((told.place, told.event.detail)),
            Ok(()) => {}
            Err(error) => drop(failed.insert(told.place, error)),
        }
    }
    let (places, events) = unzip(paid);
    failed.extend(failures(places, outbox.send_to_data_platform(&events, deadline).await));
    let (places, records) = unzip(unreadable);
    failed.extend(failures(places, outbox.lay_aside(&records, deadline).await));
    // In the order of the stream: Lambda goes on from the first.
    failed.into_iter().map(|(sequence_number, error)| Failed { sequence_number, error }).collect()
}

fn unzip<T>(entries: Vec<(String, T)>) -> (Vec<String>, Vec<T>) {
    entries.into_iter().unzip()
}

/// The places of those that failed, and why.
fn failures(places: Vec<String>, outcomes: Vec<Result<(), NotTaken>>) -> impl Iterator<Item = (String, NotTaken)> {
    places.into_iter().zip(outcomes).filter_map(|(place, outcome)| Some((place, outcome.err()?)))
}

/// What the changes of a batch tell, each with its place in the stream.
#[derive(Default)]
struct Read {
    /// Events of orders.
    told: Vec<Told>,
    /// Attempts that are to be looked at: what `settle-payments` is told, and after how long.
    due: Vec<(String, (String, Duration))>,
    /// Records that are neither.
    unreadable: Vec<(String, String)>,
}

/// A change that is an order's event, and its place in the stream.
struct Told {
    place: String,
    /// Whether the data platform hears of it: of payments here, and not of those where an order was collected from.
    is_for_data_platform: bool,
    event: BusEvent,
}

fn read(changes: Vec<Change>) -> Read {
    let mut read = Read::default();
    for Change { sequence_number: place, image, record } in changes {
        let sk = record.pointer("/dynamodb/Keys/sk/S").and_then(Value::as_str).unwrap_or_default();
        let outcome = if is_attempt(sk) {
            image.and_then(|image| due(image).map_err(|error| error.to_string())).map(|due| {
                read.due.extend(due.map(|due| (place.clone(), due)));
            })
        } else {
            let told = image.and_then(|image| told(&place, sk, image).map_err(|error| error.to_string()));
            told.map(|told| read.told.push(told))
        };
        if let Err(error) = outcome {
            tracing::error!(sequence_number = place, error, "a record is neither an order nor an attempt: laid aside");
            read.unreadable.push((place, record.to_string()));
        }
    }
    read
}

fn told(place: &str, sk: &str, image: serde_dynamo::Item) -> Result<Told, Box<dyn std::error::Error>> {
    let envelope: Envelope<events::Order> = told_by_image(sk, image)?;
    Ok(Told {
        place: place.to_owned(),
        is_for_data_platform: envelope.event_type == EventType::Paid && envelope.data.source.is_none(),
        event: BusEvent { detail_type: envelope.event_type.as_str(), detail: serde_json::to_string(&envelope)? },
    })
}

/// What is to be told of an attempt, if it is not at its end.
fn due(image: serde_dynamo::Item) -> Result<Option<(String, Duration)>, Box<dyn std::error::Error>> {
    let Attempt { order_id, attempt, status, updated_at, .. } = attempt_in_image(image)?;
    let message = serde_json::to_string(&DueAttempt { order_id, attempt, updated_at })?;
    Ok(status.due_after().map(|delay| (message, delay)))
}
