//! The ways out: the event bus, and the queues that are fed directly.
//!
//! Both services take batches and answer for each entry alone: what failed, and only that, is sent again.

use aws_sdk_eventbridge::{
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    types::PutEventsRequestEntry,
};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use aws_types::SdkConfig;
use domain::{NotStarted, Open, Timestamp, Variables};
use edge::{Environment, sendable};
use serde_json::{Value, json};
use std::{error::Error, time::Duration};

/// The most entries in one call, for both services.
const BATCH: usize = 10;

/// The most bytes in one call, for both services: 256 KiB, less what each entry has beside its text.
const BATCH_BYTES: usize = 250_000;

/// How often an entry is sent at the most.
const ATTEMPTS: u32 = 4;

/// The bound of the first wait; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// How long to wait for a connection, and for an answer, before a call counts as lost.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const READ_TIMEOUT: Duration = Duration::from_secs(3);

/// The event bus and the queues.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    bus: aws_sdk_eventbridge::Client,
    bus_name: String,
    queues: aws_sdk_sqs::Client,
    data_platform_queue: String,
    settle_payments_queue: String,
    dead_letter_queue: String,
    sleep: SharedAsyncSleep,
    env: Environment,
}

/// What goes onto the bus: the type of an event and its envelope.
#[derive(Debug, Clone)]
pub(crate) struct BusEvent {
    pub(crate) detail_type: &'static str,
    pub(crate) detail: String,
}

/// Why an entry was not taken.
#[derive(Debug, Clone)]
pub(crate) enum NotTaken {
    /// The service is overloaded, out of reach or not set up: the same entry may be taken later.
    Transient(String),
    /// The service refuses the entry for what it is, and always will.
    Permanent(String),
}

/// Why a whole call was in vain.
struct Failure {
    error: String,
    /// Whether an entry of the call is refused for what it is.
    is_permanent: bool,
}

/// Error codes by which EventBridge refuses an entry for what it is (`PutEventsResultEntry`, and those of whole calls).
const REFUSED_BY_BUS: [&str; 4] = ["InvalidArgument", "MalformedDetail", "RedactionFailure", "ValidationException"];

/// Error codes by which SQS refuses a message for what it is.
const REFUSED_BY_QUEUE: [&str; 5] = [
    "InvalidMessageContents",
    "InvalidParameterValue",
    "InvalidParameterCombination",
    "BatchRequestTooLong",
    "AWS.SimpleQueueService.BatchRequestTooLong",
];

/// The longest message, in bytes (SQS: 1 MiB), less some room.
const MAX_MESSAGE: usize = 1_000_000;

impl Open<Environment> for Outbox {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let aws: &SdkConfig = &env.aws;
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).build();
        // Retries are ours: the SDK's would send a whole batch again.
        let bus = aws_sdk_eventbridge::config::Builder::from(aws).retry_config(RetryConfig::disabled());
        let bus = bus.timeout_config(timeouts.clone()).build();
        let queues = aws_sdk_sqs::config::Builder::from(aws).retry_config(RetryConfig::disabled());
        let queues = queues.timeout_config(timeouts).build();
        Ok(Self {
            bus: aws_sdk_eventbridge::Client::from_conf(bus),
            bus_name: env.require("EVENT_BUS")?,
            queues: aws_sdk_sqs::Client::from_conf(queues),
            data_platform_queue: env.require("DATA_PLATFORM_QUEUE")?,
            settle_payments_queue: env.require("SETTLE_PAYMENTS_QUEUE")?,
            dead_letter_queue: env.require("DEAD_LETTER_QUEUE")?,
            sleep: aws.sleep_impl().ok_or("the AWS configuration has no sleep")?,
            env: env.clone(),
        })
    }
}

impl Outbox {
    /// The time by the AWS configuration's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.env.now()
    }

    /// Puts events onto the bus; tells for each whether it was taken.
    pub(crate) async fn publish(&self, events: &[BusEvent], deadline: Timestamp) -> Vec<Result<(), NotTaken>> {
        self.in_batches(
            events,
            BATCH,
            |event| event.detail.len(),
            deadline,
            |batch: Vec<BusEvent>| async move {
                let entry = |event: BusEvent| {
                    let entry = PutEventsRequestEntry::builder().event_bus_name(&self.bus_name).source("jumun.orders");
                    entry.detail_type(event.detail_type).detail(sendable(&event.detail)).build()
                };
                let entries = batch.into_iter().map(entry).collect();
                let sent = self.bus.put_events().set_entries(Some(entries)).send().await;
                let answer = sent.map_err(|error| failure(&error, &REFUSED_BY_BUS))?;
                let outcome = |entry: &aws_sdk_eventbridge::types::PutEventsResultEntry| match entry.error_code() {
                    None => Ok(()),
                    Some(code) => {
                        let error = format!("{code}: {}", entry.error_message().unwrap_or_default());
                        Err(not_taken(error, REFUSED_BY_BUS.contains(&code)))
                    }
                };
                Ok(answer.entries().iter().map(outcome).collect())
            },
        )
        .await
    }

    /// Sends events to the queue of the data platform; tells for each whether it was taken.
    pub(crate) async fn send_to_data_platform(
        &self,
        events: &[String],
        deadline: Timestamp,
    ) -> Vec<Result<(), NotTaken>> {
        let at_once: Vec<_> = events.iter().map(|event| (event.clone(), Duration::ZERO)).collect();
        self.send(&self.data_platform_queue, &at_once, BATCH, deadline).await
    }

    /// Sends what is to be settled to its queue, each to be seen after its delay (at most a quarter of an hour); tells for
    /// each whether it was taken.
    pub(crate) async fn send_to_settle(
        &self,
        due: &[(String, Duration)],
        deadline: Timestamp,
    ) -> Vec<Result<(), NotTaken>> {
        self.send(&self.settle_payments_queue, due, BATCH, deadline).await
    }

    /// Sends records that can never be published to the dead-letter queue, one at a time, for a few may be too large together;
    /// tells for each whether it was taken. One that is too large by itself is named alone.
    pub(crate) async fn dead_letter(&self, records: &[Value], deadline: Timestamp) -> Vec<Result<(), NotTaken>> {
        let body = |record: &Value| {
            let body = record.to_string();
            if body.len() <= MAX_MESSAGE {
                return body;
            }
            let (keys, place) = (&record["dynamodb"]["Keys"], &record["dynamodb"]["SequenceNumber"]);
            json!({ "tooLarge": true, "dynamodb": { "Keys": keys, "SequenceNumber": place } }).to_string()
        };
        let at_once: Vec<_> = records.iter().map(|record| (body(record), Duration::ZERO)).collect();
        self.send(&self.dead_letter_queue, &at_once, 1, deadline).await
    }

    async fn send(
        &self,
        queue: &str,
        bodies: &[(String, Duration)],
        batch_size: usize,
        deadline: Timestamp,
    ) -> Vec<Result<(), NotTaken>> {
        self.in_batches(
            bodies,
            batch_size,
            |(body, _)| body.len(),
            deadline,
            |batch: Vec<(String, Duration)>| async move {
                let entry = |(place, (body, delay)): (usize, (String, Duration))| {
                    let seconds = i32::try_from(delay.as_secs()).ok().filter(|seconds| *seconds > 0);
                    let entry = SendMessageBatchRequestEntry::builder().id(place.to_string());
                    let entry = entry.message_body(sendable(&body));
                    entry.set_delay_seconds(seconds).build()
                };
                let size = batch.len();
                let entries: Result<Vec<_>, _> = batch.into_iter().enumerate().map(entry).collect();
                let entries = entries.map_err(|error| Failure { error: error.to_string(), is_permanent: false })?;
                let request = self.queues.send_message_batch().queue_url(queue).set_entries(Some(entries));
                let answer = request.send().await.map_err(|error| failure(&error, &REFUSED_BY_QUEUE))?;
                let mut outcomes = vec![Ok(()); size];
                for failed in answer.failed() {
                    if let Some(outcome) = failed.id().parse().ok().and_then(|place: usize| outcomes.get_mut(place)) {
                        let error = format!("{}: {}", failed.code(), failed.message().unwrap_or_default());
                        *outcome = Err(not_taken(error, REFUSED_BY_QUEUE.contains(&failed.code())));
                    }
                }
                Ok(outcomes)
            },
        )
        .await
    }

    /// Sends entries in batches, and those that failed again, with full jitter between. Where a whole call is refused for what
    /// one of its entries is, each goes alone from then on. No call is begun that could end after the deadline.
    async fn in_batches<T, Fut>(
        &self,
        entries: &[T],
        batch_size: usize,
        bytes: impl Fn(&T) -> usize,
        deadline: Timestamp,
        send: impl Fn(Vec<T>) -> Fut,
    ) -> Vec<Result<(), NotTaken>>
    where
        T: Clone,
        Fut: Future<Output = Result<Vec<Result<(), NotTaken>>, Failure>>,
    {
        let mut outcomes = vec![Err(NotTaken::Transient("not sent".into())); entries.len()];
        let mut batch_size = batch_size;
        for attempt in 0..ATTEMPTS {
            let is_left = |place: &usize| matches!(outcomes[*place], Err(NotTaken::Transient(_)));
            let left: Vec<usize> = (0..entries.len()).filter(is_left).collect();
            if left.is_empty() {
                break;
            }
            if attempt > 0 {
                self.sleep.sleep((FIRST_WAIT * 2u32.pow(attempt - 1)).mul_f64(rand::random())).await;
            }
            for places in in_calls(&left, batch_size, |place| bytes(&entries[place])) {
                if self.env.now().plus(CONNECT_TIMEOUT + READ_TIMEOUT) > deadline {
                    return outcomes;
                }
                let batch = places.iter().map(|place| entries[*place].clone()).collect();
                match send(batch).await {
                    Ok(answers) => places.iter().zip(answers).for_each(|(place, answer)| outcomes[*place] = answer),
                    Err(Failure { error, is_permanent }) => {
                        let is_alone = places.len() == 1;
                        for place in places {
                            outcomes[*place] = Err(not_taken(error.clone(), is_permanent && is_alone));
                        }
                        if is_permanent {
                            batch_size = 1;
                        }
                    }
                }
            }
        }
        outcomes
    }
}

/// Parts places into calls, none of which has too many, or, if it has more than one, too many bytes.
fn in_calls(places: &[usize], most: usize, bytes: impl Fn(usize) -> usize) -> Vec<&[usize]> {
    let (mut calls, mut begin, mut sum) = (Vec::new(), 0, 0);
    for (end, place) in places.iter().enumerate() {
        let more = bytes(*place);
        if end > begin && (end - begin == most || sum + more > BATCH_BYTES) {
            calls.push(&places[begin..end]);
            (begin, sum) = (end, 0);
        }
        sum += more;
    }
    if begin < places.len() {
        calls.push(&places[begin..]);
    }
    calls
}

fn not_taken(error: String, is_permanent: bool) -> NotTaken {
    if is_permanent { NotTaken::Permanent(error) } else { NotTaken::Transient(error) }
}

/// A whole call that failed; `refusals` are the codes by which the service refuses what it is sent.
fn failure<E>(error: &SdkError<E>, refusals: &[&str]) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let is_permanent = error.code().is_some_and(|code| refusals.contains(&code));
    let cause = error.source().map(|source| format!("{error}: {source}"));
    Failure { error: cause.unwrap_or_else(|| error.to_string()), is_permanent }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_no_more_entries_and_bytes_than_it_may_and_a_large_entry_goes_alone() {
        let bytes = [100_000, 100_000, 100_000, 300_000, 1, 1, 1];
        let places: Vec<usize> = (0..bytes.len()).collect();
        assert_eq!(in_calls(&places, 2, |place| bytes[place]), [&[0, 1][..], &[2], &[3], &[4, 5], &[6]]);
        assert_eq!(in_calls(&places, 10, |place| bytes[place]), [&[0, 1][..], &[2], &[3], &[4, 5, 6]]);
        assert_eq!(in_calls(&[], 10, |_| 1), Vec::<&[usize]>::new());
    }
}
