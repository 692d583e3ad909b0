//! SQS: standard queues with visibility timeouts, delays, retention and redrive.
//!
//! Times come from the platform's clock. Messages are stored in the data file, if there is one.
//! Requests that SQS rejects are rejected here:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>.

mod requests;

use super::{AwsError, AwsResult, data::Journal};
use crate::{
    clock::Clock,
    lineage::Lineage,
    template::{ACCOUNT, QueueSpec, REGION, name_in_arn, queue_url},
};
use md5::{Digest, Md5};
pub(crate) use requests::is_xml;
use requests::{batch, md5, message_id, millis, read_receipt, seconds};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// The maximum size of a message, and of all messages in a batch together, in bytes (SQS: 1 MiB).
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// The maximum delay of a message in seconds (SQS: 15 minutes).
const MAX_DELAY: u64 = 900;

/// The maximum visibility timeout in seconds (SQS: 12 hours).
const MAX_VISIBILITY_TIMEOUT: u64 = 43_200;

/// The interval at which expired messages are removed.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// The maximum number of messages in one call.
const MAX_IN_BATCH: usize = 10;

/// The queues of a platform.
#[derive(Debug)]
pub struct Queues {
    clock: Clock,
    journal: Journal,
    endpoint: String,
    state: Mutex<State>,
    /// Notified whenever a message may have become visible.
    pub(crate) changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    queues: BTreeMap<String, Queue>,
    /// The number of the last sent message, across all queues.
    last_number: u64,
    /// When expired messages were last removed, in milliseconds.
    swept_at: i64,
}

#[derive(Debug)]
struct Queue {
    spec: QueueSpec,
    /// The messages by the number they were sent under, oldest first.
    messages: BTreeMap<u64, Message>,
}

/// A message in a queue. Times are in milliseconds.
#[derive(Debug, Clone)]
struct Message {
    body: String,
    sent_at: i64,
    visible_at: i64,
    first_received_at: Option<i64>,
    receive_count: u32,
    lineage: Lineage,
}

/// A delivered message.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) message_id: String,
    pub(crate) receipt_handle: String,
    pub(crate) body: String,
    pub(crate) attributes: Value,
    /// The functions that the message has passed through.
    pub(crate) lineage: Lineage,
}

/// The numbers of messages in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Ready for delivery.
    pub visible: usize,
    /// Delivered, not deleted, and not visible again yet.
    pub in_flight: usize,
    /// Sent with a delay that has not passed yet.
    pub delayed: usize,
}

impl Queues {
    /// Creates the queues and loads their messages from the journal.
    pub(crate) fn new(
        specs: &[QueueSpec],
        endpoint: &str,
        clock: Clock,
        journal: Journal,
    ) -> Result<Self, AwsError> {
        let queue = |spec: &QueueSpec| {
            (spec.name.clone(), Queue { spec: spec.clone(), messages: BTreeMap::new() })
        };
        let mut state = State { queues: specs.iter().map(queue).collect(), ..State::default() };
        for (number, queue, body, sent_at) in journal.messages()? {
            state.last_number = state.last_number.max(number);
            if let Some(queue) = state.queues.get_mut(&queue) {
                queue
                    .messages
                    .insert(number, Message::new(body, sent_at, sent_at, Lineage::default()));
            }
        }
        Ok(Self {
            clock,
            journal,
            endpoint: endpoint.to_owned(),
            state: Mutex::new(state),
            changed: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        self.clock.now().millis()
    }

    /// Sends a message with the lineage of the current invocation. It is stored when this returns.
    pub(crate) fn send(
        &self,
        queue: &str,
        body: &str,
        delay: Option<Duration>,
    ) -> Result<String, AwsError> {
        self.send_from(&Lineage::current(), queue, body, delay)
    }

    /// Sends a message with a given lineage. Without `delay`, the queue's own delay applies.
    pub(crate) fn send_from(
        &self,
        lineage: &Lineage,
        queue: &str,
        body: &str,
        delay: Option<Duration>,
    ) -> Result<String, AwsError> {
        if body.is_empty() || body.len() > MAX_MESSAGE_BYTES {
            return Err(AwsError::new(
                "InvalidParameterValue",
                "A message must have 1 byte to 1 MiB.",
            ));
        }
        if !body.chars().all(is_xml) {
            return Err(AwsError::new(
                "InvalidMessageContents",
                "The message has characters not allowed in XML 1.0.",
            ));
        }
        let now = self.now();
        let mut state = self.state();
        let number = state.last_number + 1;
        let queue_of_name = state.queue(queue)?;
        let delay = delay.unwrap_or(queue_of_name.spec.delay);
        let visible_at = now + millis(delay);
        self.journal.save_message(number, queue, body, now)?;
        queue_of_name
            .messages
            .insert(number, Message::new(body.to_owned(), now, visible_at, lineage.clone()));
        state.last_number = number;
        self.changed.notify_waiters();
        Ok(message_id(number))
    }

    /// Delivers up to `max` visible messages. Hides them for `hidden_for` or the visibility
    /// timeout. A message already delivered `maxReceiveCount` times is dead-lettered instead.
    pub(crate) fn receive(
        &self,
        queue: &str,
        max: usize,
        hidden_for: Option<Duration>,
    ) -> Result<Vec<Delivered>, AwsError> {
        let now = self.now();
        let mut state = self.state();
        self.expire(&mut state, now)?;
        let Queue { spec, messages } = state.queue(queue)?;
        let spec = spec.clone();
        let hidden_until = now + millis(hidden_for.unwrap_or(spec.visibility_timeout));
        let mut delivered = Vec::new();
        let mut exhausted = Vec::new();
        for (number, message) in
            messages.iter_mut().filter(|(_, message)| message.visible_at <= now)
        {
            if delivered.len() == max {
                break;
            }
            if spec
                .redrive
                .as_ref()
                .is_some_and(|(_, max_receive_count)| message.receive_count >= *max_receive_count)
            {
                exhausted.push(*number);
                continue;
            }
            message.receive_count += 1;
            message.visible_at = hidden_until;
            let first = *message.first_received_at.get_or_insert(now);
            delivered.push(Delivered {
                message_id: message_id(*number),
                receipt_handle: format!("{queue}/{number}/{}", message.receive_count),
                body: message.body.clone(),
                attributes: json!({
                    "ApproximateReceiveCount": message.receive_count.to_string(),
                    "SentTimestamp": message.sent_at.to_string(),
                    "ApproximateFirstReceiveTimestamp": first.to_string(),
                    "SenderId": "local",
                }),
                lineage: message.lineage.clone(),
            });
        }
        if let Some((dead_letters, _)) = &spec.redrive {
            for number in exhausted {
                self.move_message(&mut state, queue, dead_letters, number)?;
            }
        }
        Ok(delivered)
    }

    /// Moves a message to another queue, where it is visible at once with a receive count of zero.
    fn move_message(
        &self,
        state: &mut State,
        from: &str,
        to: &str,
        number: u64,
    ) -> Result<(), AwsError> {
        let Some(mut message) = state.queue(from)?.messages.remove(&number) else { return Ok(()) };
        self.journal.save_message(number, to, &message.body, message.sent_at)?;
        // `sent_at` does not change, as in SQS: moving a message to the dead-letter queue does not
        // extend its retention.
        message.receive_count = 0;
        message.first_received_at = None;
        message.visible_at = self.now();
        state.queue(to)?.messages.insert(number, message);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Removes messages that are older than their queue's retention.
    fn expire(&self, state: &mut State, now: i64) -> Result<(), AwsError> {
        if now < state.swept_at + millis(SWEEP_INTERVAL) {
            return Ok(());
        }
        state.swept_at = now;
        for queue in state.queues.values_mut() {
            let oldest = now - millis(queue.spec.retention);
            // Every message is checked, because a message moved from another queue may be older
            // than those before it.
            let expired = queue.messages.iter().filter(|(_, message)| message.sent_at < oldest);
            for number in expired.map(|(number, _)| *number).collect::<Vec<_>>() {
                self.journal.remove_message(number)?;
                queue.messages.remove(&number);
            }
        }
        Ok(())
    }

    /// Moves a delivered message to the dead-letter queue. Without a dead-letter queue, deletes it.
    pub(crate) fn give_up(&self, receipt_handle: &str) -> Result<(), AwsError> {
        let (queue, number) = read_receipt(receipt_handle)?;
        let mut state = self.state();
        if let Some((dead_letters, _)) = state.queue(queue)?.spec.redrive.clone() {
            return self.move_message(&mut state, queue, &dead_letters, number);
        }
        state.queue(queue)?.messages.remove(&number);
        self.journal.remove_message(number)
    }

    /// Deletes a delivered message. Deleting it again is not an error, as in SQS.
    pub(crate) fn delete(&self, receipt_handle: &str) -> Result<(), AwsError> {
        let (queue, number) = read_receipt(receipt_handle)?;
        let mut state = self.state();
        self.journal.remove_message(number)?;
        state.queue(queue)?.messages.remove(&number);
        Ok(())
    }

    /// Changes the visibility timeout of a delivered message: it is hidden for `duration` from now.
    pub(crate) fn hide(&self, receipt_handle: &str, duration: Duration) -> Result<(), AwsError> {
        let (queue, number) = read_receipt(receipt_handle)?;
        let now = self.now();
        let mut state = self.state();
        let message = state.queue(queue)?.messages.get_mut(&number);
        let message = message
            .ok_or_else(|| AwsError::new("ReceiptHandleIsInvalid", "The message was deleted."))?;
        message.visible_at = now + millis(duration);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Moves all dead letters back to their source queue and returns their number. `name` is either
    /// queue of the pair. `None`: the queue has no dead-letter queue and is not one.
    pub(crate) fn redrive(&self, name: &str) -> Result<Option<usize>, AwsError> {
        let mut state = self.state();
        let is_source = |queue: &&Queue| {
            queue.spec.redrive.as_ref().is_some_and(|(to, _)| to == name || queue.spec.name == name)
        };
        let Some((source, dead_letters)) = state
            .queues
            .values()
            .find(is_source)
            .and_then(|queue| Some((queue.spec.name.clone(), queue.spec.redrive.clone()?.0)))
        else {
            state.queue(name)?;
            return Ok(None);
        };
        let numbers: Vec<u64> = state.queue(&dead_letters)?.messages.keys().copied().collect();
        for number in &numbers {
            self.move_message(&mut state, &dead_letters, &source, *number)?;
        }
        Ok(Some(numbers.len()))
    }

    /// Returns for each queue the numbers of its messages and the number of its dead letters.
    pub fn counts(&self) -> BTreeMap<String, (Counts, usize)> {
        let now = self.now();
        let mut state = self.state();
        if let Err(error) = self.expire(&mut state, now) {
            tracing::error!(%error, "cannot remove expired messages");
        }
        let count = |queue: &Queue| {
            let mut counts = Counts::default();
            for message in queue.messages.values() {
                match (message.visible_at <= now, message.receive_count) {
                    (true, _) => counts.visible += 1,
                    (false, 0) => counts.delayed += 1,
                    (false, _) => counts.in_flight += 1,
                }
            }
            let dead_letters = queue.spec.redrive.as_ref().and_then(|(to, _)| state.queues.get(to));
            (counts, dead_letters.map_or(0, |queue| queue.messages.len()))
        };
        state.queues.iter().map(|(name, queue)| (name.clone(), count(queue))).collect()
    }

    /// The bodies of all messages in a queue, oldest first.
    pub fn bodies(&self, queue: &str) -> Vec<String> {
        let state = self.state();
        let messages = state.queues.get(queue).map(|queue| queue.messages.values());
        messages.into_iter().flatten().map(|message| message.body.clone()).collect()
    }

    /// Handles a call of the SQS API (JSON protocol).
    pub(crate) async fn respond(&self, operation: &str, request: &Value) -> AwsResult {
        let url = request["QueueUrl"].as_str().unwrap_or_default();
        let queue = url.rsplit('/').next().unwrap_or_default();
        let receipt =
            |entry: &Value| entry["ReceiptHandle"].as_str().unwrap_or_default().to_owned();
        match operation {
            "ListQueues" => {
                let urls: Vec<String> = self
                    .state()
                    .queues
                    .keys()
                    .map(|name| queue_url(&self.endpoint, name))
                    .collect();
                Ok(json!({ "QueueUrls": urls }))
            }
            "GetQueueUrl" => {
                let name = request["QueueName"].as_str().unwrap_or_default();
                self.state()
                    .queue(name)
                    .map(|_| json!({ "QueueUrl": queue_url(&self.endpoint, name) }))
            }
            "GetQueueAttributes" => self.attributes(queue),
            "SendMessage" => self.send_entry(queue, request),
            "SendMessageBatch" => batch(request, |entry| self.send_entry(queue, entry)),
            "ReceiveMessage" => self.receive_request(queue, request).await,
            "DeleteMessage" => self.delete(&receipt(request)).map(|()| json!({})),
            "DeleteMessageBatch" => {
                batch(request, |entry| self.delete(&receipt(entry)).map(|()| json!({})))
            }
            "ChangeMessageVisibility" => {
                let hidden_for = seconds(request, "VisibilityTimeout", MAX_VISIBILITY_TIMEOUT)?;
                let missing =
                    || AwsError::new("MissingParameter", "VisibilityTimeout is required.");
                self.hide(&receipt(request), hidden_for.ok_or_else(missing)?).map(|()| json!({}))
            }
            "PurgeQueue" => {
                let mut state = self.state();
                let messages = std::mem::take(&mut state.queue(queue)?.messages);
                messages.keys().try_for_each(|number| self.journal.remove_message(*number))?;
                Ok(json!({}))
            }
            "StartMessageMoveTask" => {
                let source = request["SourceArn"].as_str().unwrap_or_default();
                self.redrive(name_in_arn(source)).map(|_| json!({ "TaskHandle": "done" }))
            }
            _ => Err(AwsError::unknown(operation)),
        }
    }

    fn send_entry(&self, queue: &str, entry: &Value) -> AwsResult {
        let body = entry["MessageBody"].as_str().unwrap_or_default();
        let message_id = self.send(queue, body, seconds(entry, "DelaySeconds", MAX_DELAY)?)?;
        Ok(json!({ "MessageId": message_id, "MD5OfMessageBody": md5(body) }))
    }

    /// Receives messages. Waits for one for at most the request's `WaitTimeSeconds` (long polling).
    async fn receive_request(&self, queue: &str, request: &Value) -> AwsResult {
        let max = request["MaxNumberOfMessages"]
            .as_u64()
            .and_then(|max| usize::try_from(max).ok())
            .unwrap_or(1);
        if !(1..=MAX_IN_BATCH).contains(&max) {
            return Err(AwsError::new(
                "InvalidParameterValue",
                "MaxNumberOfMessages must be between 1 and 10.",
            ));
        }
        let wait = seconds(request, "WaitTimeSeconds", 20)?.unwrap_or_default();
        let hidden_for = seconds(request, "VisibilityTimeout", MAX_VISIBILITY_TIMEOUT)?;
        let started = tokio::time::Instant::now();
        loop {
            let delivered = self.receive(queue, max, hidden_for)?;
            if !delivered.is_empty() || started.elapsed() >= wait {
                let message = |message: Delivered| {
                    json!({
                        "MessageId": message.message_id,
                        "ReceiptHandle": message.receipt_handle,
                        "MD5OfBody": md5(&message.body),
                        "Body": message.body,
                        "Attributes": message.attributes,
                    })
                };
                return Ok(
                    json!({ "Messages": delivered.into_iter().map(message).collect::<Vec<_>>() }),
                );
            }
            let _ = tokio::time::timeout(Duration::from_millis(100), self.changed.notified()).await;
        }
    }

    fn attributes(&self, queue: &str) -> AwsResult {
        self.state().queue(queue)?;
        let (counts, _) = self.counts().remove(queue).unwrap_or_default();
        let mut state = self.state();
        let spec = &state.queue(queue)?.spec;
        let mut attributes = json!({
            "QueueArn": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"),
            "ApproximateNumberOfMessages": counts.visible.to_string(),
            "ApproximateNumberOfMessagesNotVisible": counts.in_flight.to_string(),
            "ApproximateNumberOfMessagesDelayed": counts.delayed.to_string(),
            "VisibilityTimeout": spec.visibility_timeout.as_secs().to_string(),
            "DelaySeconds": spec.delay.as_secs().to_string(),
        });
        if let Some((to, max_receive_count)) = &spec.redrive {
            let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{to}");
            attributes["RedrivePolicy"] =
                json!({ "deadLetterTargetArn": arn, "maxReceiveCount": max_receive_count })
                    .to_string()
                    .into();
        }
        Ok(json!({ "Attributes": attributes }))
    }
}

impl State {
    fn queue(&mut self, name: &str) -> Result<&mut Queue, AwsError> {
        let missing =
            || AwsError::new("QueueDoesNotExist", format!("The queue {name} does not exist."));
        self.queues.get_mut(name).ok_or_else(missing)
    }
}

impl Message {
    fn new(body: String, sent_at: i64, visible_at: i64, lineage: Lineage) -> Self {
        Self { body, sent_at, visible_at, first_received_at: None, receive_count: 0, lineage }
    }
}
