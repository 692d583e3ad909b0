//! `relay-orders` reads the stream of the orders table and publishes it: every change goes onto the event bus, then payments and
//! cancellations of what was paid go to the data platform's queue.
//!
//! Before that, an attempt to charge a card that is due goes to the queue of `settle-payments`.
//!
//! Lambda delivers a change until it is reported as done, so each reaches the bus at least once, under an id that repeats
//! share. What can never be published goes to the dead-letter queue at once, and the rest goes on: a record that is no order, or
//! an entry that a service refuses for what it is.

use crate::outbox::{BusEvent, NotTaken, Outbox};
use domain::{Timestamp, payment::Attempt};
use edge::{Change, Failed, Function};
use events::{Envelope, EventType};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use store::{
    attempts::{DueAttempt, attempt_in_image, is_attempt},
    external_orders::event_in_image,
};

/// The longest delay of a message (SQS): nothing is due later.
const MAX_DELAY: Duration = Duration::from_mins(15);

/// The function.
pub fn function() -> Function {
    Function::stream("relay-orders", handle)
}

async fn handle(outbox: Outbox, changes: Vec<Change>, deadline: Timestamp) -> Vec<Failed> {
    let mut batch = Batch::default();
    let Read { told, due } = read(changes, &mut batch, outbox.now());
    // Money before news: what is to be settled does not wait for the bus.
    let (places, due) = unzip(due);
    batch.note(places, outbox.send_to_settle(&due, deadline).await);
    let bus_events: Vec<BusEvent> = told.iter().map(|told| told.event.clone()).collect();
    let mut for_data_platform = Vec::new();
    for (told, published) in told.into_iter().zip(outbox.publish(&bus_events, deadline).await) {
        // The data platform hears of what the bus has taken: while the bus is down, it is not told again and again.
        if published.is_ok() && told.is_for_data_platform {
            for_data_platform.push((told.place.clone(), told.event.detail));
        }
        batch.note(vec![told.place], vec![published]);
    }
    let (places, events) = unzip(for_data_platform);
    batch.note(places, outbox.send_to_data_platform(&events, deadline).await);
    let (places, records) = unzip(batch.take_dead());
    for (place, outcome) in places.into_iter().zip(outbox.dead_letter(&records, deadline).await) {
        match outcome {
            Ok(()) => {}
            Err(NotTaken::Transient(error)) => drop(batch.failed.insert(place, error)),
            Err(NotTaken::Permanent(error)) => tracing::error!(place, error, "a record cannot even be dead-lettered"),
        }
    }
    batch.failed.into_iter().map(|(sequence_number, error)| Failed { sequence_number, error }).collect()
}

fn unzip<T>(entries: Vec<(String, T)>) -> (Vec<String>, Vec<T>) {
    entries.into_iter().unzip()
}

/// What became of the changes of a batch, by their places in the stream: Lambda goes on from the first that failed.
#[derive(Default)]
struct Batch {
    records: BTreeMap<String, Value>,
    /// Those that must come again.
    failed: BTreeMap<String, String>,
    /// Those that can never be published.
    dead: BTreeSet<String>,
}

impl Batch {
    fn note(&mut self, places: Vec<String>, outcomes: Vec<Result<(), NotTaken>>) {
        for (place, outcome) in places.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => {}
                Err(NotTaken::Transient(error)) => drop(self.failed.insert(place, error)),
                Err(NotTaken::Permanent(error)) => {
                    tracing::error!(
                        sequence_number = place,
                        error,
                        "an entry is refused for what it is: dead-lettered"
                    );
                    self.dead.insert(place);
                }
            }
        }
    }

    fn take_dead(&mut self) -> Vec<(String, Value)> {
        let dead = std::mem::take(&mut self.dead);
        dead.into_iter().filter_map(|place| Some((place.clone(), self.records.remove(&place)?))).collect()
    }
}

/// What the changes of a batch say, each with its place in the stream.
#[derive(Default)]
struct Read {
    /// Events of orders.
    told: Vec<Told>,
    /// Attempts that are due: the message to `settle-payments`, and its delay.
    due: Vec<(String, (String, Duration))>,
}

/// A change that is an order's event, and its place in the stream.
struct Told {
    place: String,
    /// Whether the data platform hears of it: of what is paid here, and not of what was paid elsewhere.
    is_for_data_platform: bool,
    event: BusEvent,
}

fn read(changes: Vec<Change>, batch: &mut Batch, now: Timestamp) -> Read {
    let mut read = Read::default();
    for Change { sequence_number: place, image, record } in changes {
        let sk = record.pointer("/dynamodb/Keys/sk/S").and_then(Value::as_str).unwrap_or_default();
        let outcome = if is_attempt(sk) {
            image.and_then(|image| due(image, now).map_err(|error| error.to_string())).map(|due| {
                read.due.extend(due.map(|due| (place.clone(), due)));
            })
        } else {
            let told = image.and_then(|image| told(&place, sk, image).map_err(|error| error.to_string()));
            told.map(|told| read.told.push(told))
        };
        if let Err(error) = outcome {
            tracing::error!(
                sequence_number = place,
                error,
                "a record is neither an order nor an attempt: dead-lettered"
            );
            batch.dead.insert(place.clone());
        }
        batch.records.insert(place, record);
    }
    read
}

fn told(place: &str, sk: &str, image: serde_dynamo::Item) -> Result<Told, Box<dyn std::error::Error>> {
    let envelope: Envelope<events::Order> = event_in_image(sk, image)?;
    Ok(Told {
        place: place.to_owned(),
        is_for_data_platform: envelope.data.source.is_none() && changes_revenue(&envelope),
        event: BusEvent { detail_type: envelope.event_type.as_str(), detail: serde_json::to_string(&envelope)? },
    })
}

/// Whether an event changes what was earned: an order is paid, or one that was paid is called off.
fn changes_revenue(envelope: &Envelope<events::Order>) -> bool {
    match envelope.event_type {
        EventType::Paid => true,
        EventType::Cancelled | EventType::Rejected => envelope.data.payment.paid_at.is_some(),
        EventType::StockAllocated
        | EventType::Accepted
        | EventType::Cooking
        | EventType::Cooked
        | EventType::PickedUp
        | EventType::Shipped
        | EventType::Completed
        | EventType::Expired
        | EventType::PaymentFailed
        | EventType::RefundStarted
        | EventType::Refunded
        | EventType::Updated => false,
    }
}

/// The message about an attempt that has not ended, and its delay.
fn due(image: serde_dynamo::Item, now: Timestamp) -> Result<Option<(String, Duration)>, Box<dyn std::error::Error>> {
    let Attempt { payable, attempt, due_at, .. } = attempt_in_image(image)?;
    let Some(due_at) = due_at else { return Ok(None) };
    let message = serde_json::to_string(&DueAttempt { payable, attempt, due_at })?;
    Ok(Some((message, now.until(due_at).min(MAX_DELAY))))
}
