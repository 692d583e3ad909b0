//! Queues: batches of messages, each of which succeeds or fails by itself.

use crate::{Environment, Error, Invocation, problem, sendable};
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::{Client, config::timeout::TimeoutConfig, types::SendMessageBatchRequestEntry};
use domain::{Fault, Ids, NotStarted, Timestamp, Variables};
use futures::{StreamExt, stream};
use serde::de::DeserializeOwned;
use serde_json::{Value, error::Category};
use std::time::Duration;

/// The most messages of a batch that are handled at the same time.
const CONCURRENCY: usize = 10;

/// The most messages in one call of SQS.
const MAX_AT_ONCE: usize = 10;

/// The timeout of a connection and of a response of SQS.
const CALL_TIMEOUT: Duration = Duration::from_secs(1);

/// The queue that a function consumes. Failed messages come back with exponential backoff or are
/// dead-lettered, and the function can send messages to it.
#[derive(Debug, Clone)]
pub struct SourceQueue {
    queues: Client,
    queue: String,
    dead_letter_queue: String,
    first: Duration,
    longest: Duration,
}

/// A message could not be sent.
#[derive(Debug, thiserror::Error)]
#[error("the message could not be sent to the queue")]
pub struct SendError(#[source] Error);

/// A message could not be dead-lettered.
#[derive(Debug, thiserror::Error)]
#[error("the message could not be moved to the dead-letter queue")]
pub struct DeadLetterError(#[source] Error);

impl SourceQueue {
    /// Opens the queue whose URL is in `variable`. `DEAD_LETTER_QUEUE` has the URL of its
    /// dead-letter queue.
    pub fn open(
        env: &Environment,
        variable: &str,
        first: Duration,
        longest: Duration,
    ) -> Result<Self, NotStarted> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CALL_TIMEOUT)
            .read_timeout(CALL_TIMEOUT)
            .build();
        let queues = Client::from_conf(
            aws_sdk_sqs::config::Builder::from(&env.aws).timeout_config(timeouts).build(),
        );
        let dead_letter_queue = env.require("DEAD_LETTER_QUEUE")?;
        Ok(Self { queues, queue: env.require(variable)?, dead_letter_queue, first, longest })
    }

    /// Moves a message to the dead-letter queue. A crash before its deletion leaves it in both
    /// queues.
    pub async fn dead_letter(
        &self,
        message: &Message,
        reason: impl std::fmt::Display,
    ) -> Result<(), DeadLetterError> {
        tracing::error!(%reason, "a message goes to the dead-letter queue");
        let request = self
            .queues
            .send_message()
            .queue_url(&self.dead_letter_queue)
            .message_body(sendable(&message.body));
        request.send().await.map(drop).map_err(|error| DeadLetterError(error.into()))
    }

    /// Sends a message with a delay of at most 15 minutes.
    pub async fn send(&self, body: &str, delay: Duration) -> Result<(), SendError> {
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        let seconds = i32::try_from(seconds).ok().filter(|seconds| *seconds > 0);
        let request =
            self.queues.send_message().queue_url(&self.queue).message_body(sendable(body));
        request
            .set_delay_seconds(seconds)
            .send()
            .await
            .map(drop)
            .map_err(|error| SendError(error.into()))
    }

    /// Sends messages in batches. After an error some of them may have been sent.
    pub async fn send_all(&self, bodies: &[String]) -> Result<(), SendError> {
        for batch in bodies.chunks(MAX_AT_ONCE) {
            let entry = |(index, body): (usize, &String)| {
                let entry = SendMessageBatchRequestEntry::builder().id(index.to_string());
                entry.message_body(sendable(body)).build()
            };
            let entries = batch.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>();
            let entries = entries.map_err(|error| SendError(error.into()))?;
            let request =
                self.queues.send_message_batch().queue_url(&self.queue).set_entries(Some(entries));
            let sent = request.send().await.map_err(|error| SendError(error.into()))?;
            if let Some(failed) = sent.failed.first() {
                return Err(SendError(
                    format!("{}: {}", failed.code, failed.message.as_deref().unwrap_or("-")).into(),
                ));
            }
        }
        Ok(())
    }

    /// Hides a failed message for its backoff, at least for `at_least`, and returns the time. If
    /// that call fails, the queue's visibility timeout applies.
    pub async fn hide(&self, message: &Message, at_least: Duration) -> Duration {
        let pause = pause_after(message.receive_count, self.first, self.longest).max(at_least);
        let request = self.queues.change_message_visibility().queue_url(&self.queue);
        let request = request.receipt_handle(&message.receipt_handle);
        let seconds = i32::try_from(pause.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
        if let Err(error) = request.visibility_timeout(seconds).send().await {
            tracing::warn!(%error, "a failed message comes back at the queue's own pace");
        }
        pause
    }
}

/// The backoff after this number of deliveries.
fn pause_after(receive_count: u32, first: Duration, longest: Duration) -> Duration {
    let doublings = receive_count.saturating_sub(1).min(16);
    first.saturating_mul(1 << doublings).min(longest)
}

/// A message of a queue.
#[derive(Debug, Clone)]
pub struct Message {
    /// The text.
    pub body: String,
    /// The handle of this delivery.
    pub receipt_handle: String,
    /// The number of deliveries, including this one.
    pub receive_count: u32,
    /// When the oldest message of its batch was sent: how far the queue lags.
    pub waiting_since: Timestamp,
    /// When it was received.
    pub now: Timestamp,
    /// By when the work must be done.
    pub deadline: Timestamp,
}

/// A message is malformed: it is not the JSON that it should be. Its text is not repeated here,
/// because it may be personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message is malformed: {category:?} at line {line}, column {column}")]
pub struct MalformedMessage {
    category: Category,
    line: usize,
    column: usize,
}

/// Why a message stays in the queue.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// It is malformed: it ends in the dead-letter queue.
    #[error(transparent)]
    Malformed(#[from] MalformedMessage),
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Message {
    /// A source of new ids.
    pub fn ids(&self) -> Ids {
        Ids::new(self.now, rand::random)
    }

    /// The body as JSON of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, MalformedMessage> {
        serde_json::from_str(&self.body).map_err(|error| MalformedMessage {
            category: error.classify(),
            line: error.line(),
            column: error.column(),
        })
    }
}

/// Handles each message of a batch and reports the failed ones: only these come back.
pub(crate) async fn each<E, Fut>(
    function: &'static str,
    environment: Environment,
    invocation: Invocation,
    handle: impl Fn(Message) -> Fut,
) -> Result<Value, Error>
where
    E: std::error::Error,
    Fut: Future<Output = Result<(), E>>,
{
    let (now, deadline) = (environment.now(), invocation.deadline());
    let event: SqsEvent = serde_json::from_str(invocation.event.get())?;
    let records = event.records.into_iter().map(Record::read).collect::<Result<Vec<_>, _>>()?;
    let waiting_since = records.iter().map(|record| record.sent_at).min().unwrap_or(now);
    let outcomes = stream::iter(records).map(|record| {
        let Record { message_id, receipt_handle, body, receive_count, sent_at: _ } = record;
        let handled =
            handle(Message { body, receipt_handle, receive_count, waiting_since, now, deadline });
        async move { handled.await.map_err(|error| (message_id, receive_count, error)) }
    });
    let failures: Vec<_> = outcomes
        .buffer_unordered(CONCURRENCY)
        .filter_map(|outcome| async { outcome.err() })
        .collect()
        .await;
    let mut response = SqsBatchResponse::default();
    for (message_id, receive_count, error) in failures {
        let error = problem::chain(&error);
        tracing::warn!(function, message_id, receive_count, error, "a message will come again");
        response.add_failure(message_id);
    }
    Ok(serde_json::to_value(response)?)
}

/// What a message has whenever it comes from SQS.
struct Record {
    message_id: String,
    receipt_handle: String,
    body: String,
    receive_count: u32,
    sent_at: Timestamp,
}

impl Record {
    fn read(message: SqsMessage) -> Result<Self, Error> {
        let SqsMessage { message_id, receipt_handle, body, attributes, .. } = message;
        let attribute = |name: &str| attributes.get(name).ok_or_else(|| missing(name));
        Ok(Self {
            message_id: message_id.ok_or_else(|| missing("messageId"))?,
            receipt_handle: receipt_handle.ok_or_else(|| missing("receiptHandle"))?,
            body: body.ok_or_else(|| missing("body"))?,
            receive_count: attribute("ApproximateReceiveCount")?.parse()?,
            sent_at: Timestamp::from_millis(attribute("SentTimestamp")?.parse()?),
        })
    }
}

fn missing(name: &str) -> Error {
    format!("a message of the queue has no `{name}`").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_the_longest() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_mins(15));
        let pauses: Vec<u64> =
            (1..=12).map(|count| pause_after(count, first, longest).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(pause_after(u32::MAX, first, longest), longest);
    }
}
