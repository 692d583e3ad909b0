//! The queues: what SQS promises of a standard queue (visibility, delays, redrive), by the platform's clock, and kept
//! in the data file if there is one.

use super::{Answer, AwsError, data::Journal};
use crate::{
    clock::Clock,
    template::{ACCOUNT, QueueSpec, REGION, name_in_arn, queue_url},
};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// The longest message, in bytes (SQS: 1 MiB).
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// The queues of a platform.
#[derive(Debug)]
pub struct Queues {
    clock: Clock,
    journal: Journal,
    endpoint: String,
    state: Mutex<State>,
    /// Told whenever a message may have become visible.
    pub(crate) changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    queues: BTreeMap<String, Queue>,
    last_number: u64,
}

#[derive(Debug)]
struct Queue {
    spec: QueueSpec,
    /// By the number under which each was sent: the oldest first.
    messages: BTreeMap<u64, Message>,
}

#[derive(Debug, Clone)]
struct Message {
    body: String,
    sent_at: i64,
    visible_at: i64,
    first_received_at: Option<i64>,
    receive_count: u32,
}

/// A delivered message.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) message_id: String,
    pub(crate) receipt_handle: String,
    pub(crate) body: String,
    pub(crate) attributes: Value,
}

/// How many messages a queue has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Ready to be delivered.
    pub visible: usize,
    /// Delivered, and neither deleted nor visible again.
    pub in_flight: usize,
    /// Sent with a delay that is not over.
    pub delayed: usize,
}

impl Queues {
    /// Empty queues, or what the journal kept of them.
    pub(crate) fn new(specs: &[QueueSpec], endpoint: &str, clock: Clock, journal: Journal) -> Result<Self, AwsError> {
        let queue = |spec: &QueueSpec| (spec.name.clone(), Queue { spec: spec.clone(), messages: BTreeMap::new() });
        let mut state = State { queues: specs.iter().map(queue).collect(), last_number: 0 };
        for (number, queue, body, sent_at) in journal.messages()? {
            state.last_number = state.last_number.max(number);
            if let Some(queue) = state.queues.get_mut(&queue) {
                let message = Message { body, sent_at, visible_at: sent_at, first_received_at: None, receive_count: 0 };
                queue.messages.insert(number, message);
            }
        }
        Ok(Self { clock, journal, endpoint: endpoint.to_owned(), state: Mutex::new(state), changed: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        self.clock.now().millis()
    }

    /// Sends a message; it is kept when this returns.
    pub(crate) fn send(&self, queue: &str, body: &str, delay: Option<Duration>) -> Result<String, AwsError> {
        if body.is_empty() || body.len() > MAX_MESSAGE_BYTES {
            return Err(AwsError::new("InvalidParameterValue", "a message has 1 byte to 1 MiB"));
        }
        let now = self.now();
        let mut state = self.state();
        let number = state.last_number + 1;
        let queue_of_name = state.queue(queue)?;
        let delay = delay.unwrap_or(queue_of_name.spec.delay);
        let visible_at = now + millis(delay);
        self.journal.keep_message(number, queue, body, now)?;
        let message =
            Message { body: body.to_owned(), sent_at: now, visible_at, first_received_at: None, receive_count: 0 };
        queue_of_name.messages.insert(number, message);
        state.last_number = number;
        self.changed.notify_waiters();
        Ok(message_id(number))
    }

    /// Delivers up to `most` visible messages and hides them; what was delivered too often is laid aside instead.
    pub(crate) fn receive(
        &self,
        queue: &str,
        most: usize,
        hidden_for: Option<Duration>,
    ) -> Result<Vec<Delivered>, AwsError> {
        let now = self.now();
        let mut state = self.state();
        let Queue { spec, messages } = state.queue(queue)?;
        let spec = spec.clone();
        let hidden_until = now + millis(hidden_for.unwrap_or(spec.visibility_timeout));
        let mut delivered = Vec::new();
        let mut given_up = Vec::new();
        for (number, message) in messages.iter_mut().filter(|(_, message)| message.visible_at <= now) {
            if delivered.len() == most {
                break;
            }
            if spec.redrive.as_ref().is_some_and(|(_, too_often)| message.receive_count >= *too_often) {
                given_up.push(*number);
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
            });
        }
        if let Some((dead_letters, _)) = &spec.redrive {
            for number in given_up {
                self.move_message(&mut state, queue, dead_letters, number)?;
            }
        }
        Ok(delivered)
    }

    fn move_message(&self, state: &mut State, from: &str, to: &str, number: u64) -> Result<(), AwsError> {
        let Some(mut message) = state.queue(from)?.messages.remove(&number) else { return Ok(()) };
        self.journal.keep_message(number, to, &message.body, message.sent_at)?;
        message.receive_count = 0;
        message.first_received_at = None;
        message.visible_at = self.now();
        state.queue(to)?.messages.insert(number, message);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Deletes a delivered message; one that is gone already is no error, as with SQS.
    pub(crate) fn delete(&self, receipt_handle: &str) -> Result<(), AwsError> {
        let (queue, number) = read_receipt(receipt_handle)?;
        let mut state = self.state();
        self.journal.forget_message(number)?;
        state.queue(queue)?.messages.remove(&number);
        Ok(())
    }

    /// Hides a delivered message for this long from now.
    pub(crate) fn hide(&self, receipt_handle: &str, duration: Duration) -> Result<(), AwsError> {
        let (queue, number) = read_receipt(receipt_handle)?;
        let now = self.now();
        let mut state = self.state();
        let message = state.queue(queue)?.messages.get_mut(&number);
        let message = message.ok_or_else(|| AwsError::new("ReceiptHandleIsInvalid", "the message is gone"))?;
        message.visible_at = now + millis(duration);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Brings dead letters back to the queue that they came from; tells how many, or none if nothing feeds this one.
    pub(crate) fn redrive(&self, name: &str) -> Result<Option<usize>, AwsError> {
        let mut state = self.state();
        let feeds =
            |queue: &&Queue| queue.spec.redrive.as_ref().is_some_and(|(to, _)| to == name || queue.spec.name == name);
        let Some((source, dead_letters)) = state
            .queues
            .values()
            .find(feeds)
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

    /// How many messages each queue has, and how many dead letters wait behind it.
    pub fn counts(&self) -> BTreeMap<String, (Counts, usize)> {
        let now = self.now();
        let state = self.state();
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

    /// The bodies of all messages in a queue, the oldest first.
    pub fn bodies(&self, queue: &str) -> Vec<String> {
        let state = self.state();
        let messages = state.queues.get(queue).map(|queue| queue.messages.values());
        messages.into_iter().flatten().map(|message| message.body.clone()).collect()
    }

    /// Answers a call of the SQS API (JSON protocol).
    pub(crate) async fn answer(&self, operation: &str, request: &Value) -> Answer {
        let url = request["QueueUrl"].as_str().unwrap_or_default();
        let queue = url.rsplit('/').next().unwrap_or_default();
        let receipt = |entry: &Value| entry["ReceiptHandle"].as_str().unwrap_or_default().to_owned();
        match operation {
            "ListQueues" => {
                let urls: Vec<String> =
                    self.state().queues.keys().map(|name| queue_url(&self.endpoint, name)).collect();
                Ok(json!({ "QueueUrls": urls }))
            }
            "GetQueueUrl" => {
                let name = request["QueueName"].as_str().unwrap_or_default();
                self.state().queue(name).map(|_| json!({ "QueueUrl": queue_url(&self.endpoint, name) }))
            }
            "GetQueueAttributes" => self.attributes(queue),
            "SendMessage" => self.send_entry(queue, request),
            "SendMessageBatch" => Ok(batch(request, |entry| self.send_entry(queue, entry))),
            "ReceiveMessage" => self.receive_request(queue, request).await,
            "DeleteMessage" => self.delete(&receipt(request)).map(|()| json!({})),
            "DeleteMessageBatch" => Ok(batch(request, |entry| self.delete(&receipt(entry)).map(|()| json!({})))),
            "ChangeMessageVisibility" => self
                .hide(&receipt(request), seconds(&request["VisibilityTimeout"]).unwrap_or_default())
                .map(|()| json!({})),
            "PurgeQueue" => {
                let mut state = self.state();
                let messages = std::mem::take(&mut state.queue(queue)?.messages);
                messages.keys().try_for_each(|number| self.journal.forget_message(*number))?;
                Ok(json!({}))
            }
            "StartMessageMoveTask" => {
                let source = request["SourceArn"].as_str().unwrap_or_default();
                self.redrive(name_in_arn(source)).map(|_| json!({ "TaskHandle": "done" }))
            }
            _ => Err(AwsError::unknown(operation)),
        }
    }

    fn send_entry(&self, queue: &str, entry: &Value) -> Answer {
        let body = entry["MessageBody"].as_str().unwrap_or_default();
        let message_id = self.send(queue, body, seconds(&entry["DelaySeconds"]))?;
        Ok(json!({ "MessageId": message_id, "MD5OfMessageBody": md5(body) }))
    }

    /// Waits for a message as long as the request says.
    async fn receive_request(&self, queue: &str, request: &Value) -> Answer {
        let most = request["MaxNumberOfMessages"].as_u64().and_then(|most| usize::try_from(most).ok()).unwrap_or(1);
        let wait = seconds(&request["WaitTimeSeconds"]).unwrap_or_default();
        let hidden_for = seconds(&request["VisibilityTimeout"]);
        let started = tokio::time::Instant::now();
        loop {
            let delivered = self.receive(queue, most.clamp(1, 10), hidden_for)?;
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
                return Ok(json!({ "Messages": delivered.into_iter().map(message).collect::<Vec<_>>() }));
            }
            let _ = tokio::time::timeout(Duration::from_millis(100), self.changed.notified()).await;
        }
    }

    fn attributes(&self, queue: &str) -> Answer {
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
        if let Some((to, most)) = &spec.redrive {
            let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{to}");
            attributes["RedrivePolicy"] =
                json!({ "deadLetterTargetArn": arn, "maxReceiveCount": most }).to_string().into();
        }
        Ok(json!({ "Attributes": attributes }))
    }
}

impl State {
    fn queue(&mut self, name: &str) -> Result<&mut Queue, AwsError> {
        let missing = || AwsError::new("QueueDoesNotExist", format!("there is no queue {name}"));
        self.queues.get_mut(name).ok_or_else(missing)
    }
}

fn batch(request: &Value, one: impl Fn(&Value) -> Answer) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in request["Entries"].as_array().into_iter().flatten() {
        match one(entry) {
            Ok(mut answer) => {
                answer["Id"] = entry["Id"].clone();
                successful.push(answer);
            }
            Err(error) => {
                failed.push(
                    json!({ "Id": entry["Id"], "Code": error.code, "Message": error.message, "SenderFault": true }),
                );
            }
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}

fn seconds(value: &Value) -> Option<Duration> {
    value.as_u64().map(Duration::from_secs)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}

fn message_id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

fn read_receipt(receipt_handle: &str) -> Result<(&str, u64), AwsError> {
    let mut parts = receipt_handle.split('/');
    let parsed = parts.next().zip(parts.next().and_then(|number| number.parse().ok()));
    parsed.ok_or_else(|| AwsError::new("ReceiptHandleIsInvalid", "not a receipt handle of ours"))
}

fn md5(body: &str) -> String {
    let mut hex = String::with_capacity(32);
    for byte in Md5::digest(body) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
