//! The outgoing side of the relay: the event bus, and the queues that receive messages directly.
//!
//! Both services accept batches and report a result for each entry. Only failed entries are sent
//! again.

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

/// The most bytes of entry bodies in one call, for both services: 256 KiB, less the overhead of
/// each entry.
const BATCH_BYTES: usize = 250_000;

/// The most attempts to send an entry.
const ATTEMPTS: u32 = 4;

/// The upper bound of the first backoff. It doubles with each attempt.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);

/// The time limit for opening a connection. A call that exceeds it has failed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The time limit for a response. A call that exceeds it has failed.
const READ_TIMEOUT: Duration = Duration::from_secs(3);

/// The clients of the event bus and of the queues.
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

/// An entry for the bus: the type of an event, and its envelope as JSON.
#[derive(Debug, Clone)]
pub(crate) struct BusEvent {
    pub(crate) detail_type: &'static str,
    pub(crate) detail: String,
}

/// Why a service did not accept an entry.
#[derive(Debug, Clone)]
pub(crate) enum EntryError {
    /// The service is overloaded, unreachable or not set up: it may accept the same entry later.
    Transient(String),
    /// The service rejects the entry itself: a retry cannot help.
    Permanent(String),
}

/// The failure of a whole call.
struct Failure {
    error: String,
    /// Whether the service rejects an entry of the call, so that a retry of the same call cannot
    /// help.
    is_permanent: bool,
}

/// Error codes with which EventBridge rejects an entry itself (`PutEventsResultEntry`, and the
/// errors of whole calls).
const REFUSED_BY_BUS: [&str; 4] =
    ["InvalidArgument", "MalformedDetail", "RedactionFailure", "ValidationException"];

/// Error codes with which SQS rejects a message itself.
const REFUSED_BY_QUEUE: [&str; 5] = [
    "InvalidMessageContents",
    "InvalidParameterValue",
    "InvalidParameterCombination",
    "BatchRequestTooLong",
    "AWS.SimpleQueueService.BatchRequestTooLong",
];

/// The largest message in bytes, somewhat below the SQS limit of 1 MiB.
const MAX_MESSAGE: usize = 1_000_000;

impl Open<Environment> for Outbox {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let aws: &SdkConfig = &env.aws;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build();
        // The SDK's own retries are disabled: they would send the whole batch again.
        let bus =
            aws_sdk_eventbridge::config::Builder::from(aws).retry_config(RetryConfig::disabled());
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
            sleep: aws.sleep_impl().ok_or("the AWS configuration has no sleep implementation")?,
            env: env.clone(),
        })
    }
}

impl Outbox {
    /// The current time of the AWS configuration's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.env.now()
    }

    /// Publishes events to the bus. Returns for each event whether the bus accepted it.
    pub(crate) async fn publish(
        &self,
        events: &[BusEvent],
        deadline: Timestamp,
    ) -> Vec<Result<(), EntryError>> {
        self.in_batches(
            events,
            BATCH,
            |event| event.detail.len(),
            deadline,
            |batch: Vec<BusEvent>| async move {
                let entry = |event: BusEvent| {
                    let entry = PutEventsRequestEntry::builder()
                        .event_bus_name(&self.bus_name)
                        .source("jumun.orders");
                    entry.detail_type(event.detail_type).detail(sendable(&event.detail)).build()
                };
                let entries = batch.into_iter().map(entry).collect();
                let sent = self.bus.put_events().set_entries(Some(entries)).send().await;
                let answer = sent.map_err(|error| failure(&error, &REFUSED_BY_BUS))?;
                let outcome = |entry: &aws_sdk_eventbridge::types::PutEventsResultEntry| match entry
                    .error_code()
                {
                    None => Ok(()),
                    Some(code) => {
                        let error =
                            format!("{code}: {}", entry.error_message().unwrap_or_default());
                        Err(entry_error(error, REFUSED_BY_BUS.contains(&code)))
                    }
                };
                Ok(answer.entries().iter().map(outcome).collect())
            },
        )
        .await
    }

    /// Sends events to the queue of the data platform. Returns for each event whether the queue
    /// accepted it.
    pub(crate) async fn send_to_data_platform(
        &self,
        events: &[String],
        deadline: Timestamp,
    ) -> Vec<Result<(), EntryError>> {
        let at_once: Vec<_> = events.iter().map(|event| (event.clone(), Duration::ZERO)).collect();
        self.send(&self.data_platform_queue, &at_once, BATCH, deadline).await
    }

    /// Sends due payment attempts to the queue of `settle-payments`, each with its delay (at most
    /// 15 minutes). Returns for each message whether the queue accepted it.
    pub(crate) async fn send_to_settle(
        &self,
        due: &[(String, Duration)],
        deadline: Timestamp,
    ) -> Vec<Result<(), EntryError>> {
        self.send(&self.settle_payments_queue, due, BATCH, deadline).await
    }

    /// Sends stream records that can never be published to the dead-letter queue. Each is sent
    /// alone, because several together may exceed the size limit. A record that exceeds it alone is
    /// replaced by its keys and its sequence number. Returns for each record whether the queue
    /// accepted it.
    pub(crate) async fn dead_letter(
        &self,
        records: &[Value],
        deadline: Timestamp,
    ) -> Vec<Result<(), EntryError>> {
        let body = |record: &Value| {
            let body = record.to_string();
            if body.len() <= MAX_MESSAGE {
                return body;
            }
            let (keys, place) =
                (&record["dynamodb"]["Keys"], &record["dynamodb"]["SequenceNumber"]);
            json!({ "tooLarge": true, "dynamodb": { "Keys": keys, "SequenceNumber": place } })
                .to_string()
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
    ) -> Vec<Result<(), EntryError>> {
        self.in_batches(
            bodies,
            batch_size,
            |(body, _)| body.len(),
            deadline,
            |batch: Vec<(String, Duration)>| async move {
                let entry = |(place, (body, delay)): (usize, (String, Duration))| {
                    let seconds =
                        i32::try_from(delay.as_secs()).ok().filter(|seconds| *seconds > 0);
                    let entry = SendMessageBatchRequestEntry::builder().id(place.to_string());
                    let entry = entry.message_body(sendable(&body));
                    entry.set_delay_seconds(seconds).build()
                };
                let size = batch.len();
                let entries: Result<Vec<_>, _> = batch.into_iter().enumerate().map(entry).collect();
                let entries = entries
                    .map_err(|error| Failure { error: error.to_string(), is_permanent: false })?;
                let request =
                    self.queues.send_message_batch().queue_url(queue).set_entries(Some(entries));
                let answer =
                    request.send().await.map_err(|error| failure(&error, &REFUSED_BY_QUEUE))?;
                let mut outcomes = vec![Ok(()); size];
                for failed in answer.failed() {
                    if let Some(outcome) =
                        failed.id().parse().ok().and_then(|place: usize| outcomes.get_mut(place))
                    {
                        let error =
                            format!("{}: {}", failed.code(), failed.message().unwrap_or_default());
                        *outcome =
                            Err(entry_error(error, REFUSED_BY_QUEUE.contains(&failed.code())));
                    }
                }
                Ok(outcomes)
            },
        )
        .await
    }

    /// Sends entries in batches, and retries the failed ones with backoff and full jitter. If a
    /// whole call is rejected because of one of its entries, each entry is sent alone from then on.
    /// No call starts that could end after the deadline.
    async fn in_batches<T, Fut>(
        &self,
        entries: &[T],
        batch_size: usize,
        bytes: impl Fn(&T) -> usize,
        deadline: Timestamp,
        send: impl Fn(Vec<T>) -> Fut,
    ) -> Vec<Result<(), EntryError>>
    where
        T: Clone,
        Fut: Future<Output = Result<Vec<Result<(), EntryError>>, Failure>>,
    {
        let mut outcomes = vec![Err(EntryError::Transient("not sent".into())); entries.len()];
        let mut batch_size = batch_size;
        for attempt in 0..ATTEMPTS {
            let is_left = |place: &usize| matches!(outcomes[*place], Err(EntryError::Transient(_)));
            let left: Vec<usize> = (0..entries.len()).filter(is_left).collect();
            if left.is_empty() {
                break;
            }
            if attempt > 0 {
                self.sleep
                    .sleep((FIRST_BACKOFF * 2u32.pow(attempt - 1)).mul_f64(rand::random()))
                    .await;
            }
            for places in split_into_calls(&left, batch_size, |place| bytes(&entries[place])) {
                if self.env.now().plus(CONNECT_TIMEOUT + READ_TIMEOUT) > deadline {
                    return outcomes;
                }
                let batch = places.iter().map(|place| entries[*place].clone()).collect();
                match send(batch).await {
                    Ok(answers) => places
                        .iter()
                        .zip(answers)
                        .for_each(|(place, answer)| outcomes[*place] = answer),
                    Err(Failure { error, is_permanent }) => {
                        let is_alone = places.len() == 1;
                        for place in places {
                            outcomes[*place] =
                                Err(entry_error(error.clone(), is_permanent && is_alone));
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

/// Splits entries into calls. No call has more than `most` entries, or more than [`BATCH_BYTES`]
/// unless it has a single entry.
fn split_into_calls(
    places: &[usize],
    most: usize,
    bytes: impl Fn(usize) -> usize,
) -> Vec<&[usize]> {
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

fn entry_error(error: String, is_permanent: bool) -> EntryError {
    if is_permanent { EntryError::Permanent(error) } else { EntryError::Transient(error) }
}

/// Describes a call that failed as a whole. `refusals` are the codes with which the service rejects
/// an entry itself.
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
    fn a_call_respects_both_limits_and_a_large_entry_is_sent_alone() {
        let bytes = [100_000, 100_000, 100_000, 300_000, 1, 1, 1];
        let places: Vec<usize> = (0..bytes.len()).collect();
        assert_eq!(
            split_into_calls(&places, 2, |place| bytes[place]),
            [&[0, 1][..], &[2], &[3], &[4, 5], &[6]]
        );
        assert_eq!(
            split_into_calls(&places, 10, |place| bytes[place]),
            [&[0, 1][..], &[2], &[3], &[4, 5, 6]]
        );
        assert_eq!(split_into_calls(&[], 10, |_| 1), Vec::<&[usize]>::new());
    }
}
