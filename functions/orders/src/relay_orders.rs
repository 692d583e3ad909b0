//! `relay-orders` reads the stream of the orders table and publishes its changes. Every change is
//! sent to the event bus. Payments, and cancellations of paid orders, are then also sent to the
//! queue of the data platform.
//!
//! Before that, each payment attempt that has not ended is sent to the queue of `settle-payments`,
//! with a delay until it is due.
//!
//! Lambda delivers a change until it is reported as processed, so each event reaches the bus at
//! least once; repeats have the same id. A record that can never be published is dead-lettered at
//! once, and the other records proceed. Such a record is neither an order nor a payment attempt, or
//! a service rejects its entry permanently.

use crate::outbox::{BusEvent, EntryError, Outbox};
use domain::{Timestamp, payment::Attempt};
use edge::{Change, Failed, Function, Signal, signal};
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

/// The longest delay of a message (SQS). No attempt is due later than that.
const MAX_DELAY: Duration = Duration::from_mins(15);

/// The `relay-orders` handler.
pub fn function() -> Function {
    Function::stream("relay-orders", handle)
}

async fn handle(outbox: Outbox, changes: Vec<Change>, deadline: Timestamp) -> Vec<Failed> {
    let mut batch = Batch::default();
    let Read { order_events, due } = read(changes, &mut batch, outbox.now());
    // Due payments are sent first, so that they do not wait for the bus.
    let (sequence_numbers, due) = unzip(due);
    batch.note(sequence_numbers, outbox.send_to_settle(&due, deadline).await);
    let bus_events: Vec<BusEvent> =
        order_events.iter().map(|order_event| order_event.event.clone()).collect();
    let mut for_data_platform = Vec::new();
    for (order_event, published) in
        order_events.into_iter().zip(outbox.publish(&bus_events, deadline).await)
    {
        // The data platform receives only events that the bus has accepted. Otherwise it would
        // receive them again with every retry while the bus is down.
        if published.is_ok() && order_event.is_for_data_platform {
            for_data_platform.push((order_event.sequence_number.clone(), order_event.event.detail));
        }
        batch.note(vec![order_event.sequence_number], vec![published]);
    }
    let (sequence_numbers, events) = unzip(for_data_platform);
    batch.note(sequence_numbers, outbox.send_to_data_platform(&events, deadline).await);
    let (sequence_numbers, records) = unzip(batch.take_dead());
    for (sequence_number, outcome) in
        sequence_numbers.into_iter().zip(outbox.dead_letter(&records, deadline).await)
    {
        match outcome {
            Ok(()) => {}
            Err(EntryError::Transient(error)) => drop(batch.failed.insert(sequence_number, error)),
            Err(EntryError::Permanent(error)) => {
                tracing::error!(
                    sequence_number,
                    error,
                    "a record cannot be moved to the dead-letter queue"
                );
                signal(Signal::Fault);
            }
        }
    }
    batch
        .failed
        .into_iter()
        .map(|(sequence_number, error)| Failed { sequence_number, error })
        .collect()
}

fn unzip<T>(entries: Vec<(String, T)>) -> (Vec<String>, Vec<T>) {
    entries.into_iter().unzip()
}

/// The results for the changes of a batch, by sequence number. Lambda continues with the first
/// failed change.
#[derive(Default)]
struct Batch {
    records: BTreeMap<String, Value>,
    /// Changes to be delivered again, with their errors.
    failed: BTreeMap<String, String>,
    /// Changes that can never be published.
    dead: BTreeSet<String>,
}

impl Batch {
    fn note(&mut self, sequence_numbers: Vec<String>, outcomes: Vec<Result<(), EntryError>>) {
        for (sequence_number, outcome) in sequence_numbers.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => {}
                Err(EntryError::Transient(error)) => {
                    drop(self.failed.insert(sequence_number, error));
                }
                Err(EntryError::Permanent(error)) => {
                    tracing::error!(
                        sequence_number,
                        error,
                        "an entry is rejected permanently: dead-lettered"
                    );
                    self.dead.insert(sequence_number);
                }
            }
        }
    }

    fn take_dead(&mut self) -> Vec<(String, Value)> {
        let dead = std::mem::take(&mut self.dead);
        dead.into_iter()
            .filter_map(|sequence_number| {
                Some((sequence_number.clone(), self.records.remove(&sequence_number)?))
            })
            .collect()
    }
}

/// The messages that the changes of a batch result in, each with its sequence number.
#[derive(Default)]
struct Read {
    /// Order events.
    order_events: Vec<OrderEvent>,
    /// Payment attempts that are due: the message to `settle-payments`, and its delay.
    due: Vec<(String, (String, Duration))>,
}

/// A change that is an order event.
struct OrderEvent {
    sequence_number: String,
    /// Whether the event is sent to the data platform: events of external and channel orders are
    /// not.
    is_for_data_platform: bool,
    event: BusEvent,
}

fn read(changes: Vec<Change>, batch: &mut Batch, now: Timestamp) -> Read {
    let mut read = Read::default();
    for Change { sequence_number, image, record } in changes {
        let sk = record.pointer("/dynamodb/Keys/sk/S").and_then(Value::as_str);
        let outcome = if sk.is_some_and(is_attempt) {
            image.and_then(|image| due(image, now).map_err(|error| error.to_string())).map(|due| {
                read.due.extend(due.map(|due| (sequence_number.clone(), due)));
            })
        } else {
            let order_event = image.and_then(|image| {
                order_event(&sequence_number, image).map_err(|error| error.to_string())
            });
            order_event.map(|order_event| read.order_events.push(order_event))
        };
        if let Err(error) = outcome {
            tracing::error!(
                sequence_number,
                error,
                "a record is neither an order nor a payment attempt: dead-lettered"
            );
            batch.dead.insert(sequence_number.clone());
        }
        batch.records.insert(sequence_number, record);
    }
    read
}

fn order_event(
    sequence_number: &str,
    image: serde_dynamo::Item,
) -> Result<OrderEvent, Box<dyn std::error::Error>> {
    let envelope = event_in_image(image)?;
    Ok(OrderEvent {
        sequence_number: sequence_number.to_owned(),
        is_for_data_platform: envelope.data.source.is_none() && changes_revenue(&envelope),
        event: BusEvent {
            detail_type: envelope.event_type.as_str(),
            detail: serde_json::to_string(&envelope)?,
        },
    })
}

/// Whether an event changes the revenue: an order is paid, or a paid order is cancelled or
/// rejected.
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

/// The message for an attempt that has not ended, and its delay.
fn due(
    image: serde_dynamo::Item,
    now: Timestamp,
) -> Result<Option<(String, Duration)>, Box<dyn std::error::Error>> {
    let Attempt { payable, attempt, due_at, .. } = attempt_in_image(image)?;
    let Some(due_at) = due_at else { return Ok(None) };
    let message = serde_json::to_string(&DueAttempt { payable, attempt, due_at })?;
    Ok(Some((message, now.until(due_at).min(MAX_DELAY))))
}
