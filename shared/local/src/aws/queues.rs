//! The queues: what SQS promises of a standard queue (visibility, delays, retention, redrive), by the platform's clock, and kept
//! in the data file if there is one. What SQS refuses is refused here:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>.

use super::{Answer, AwsError, data::Journal};
use crate::{
    clock::Clock,
    lineage::Lineage,
    template::{ACCOUNT, QueueSpec, REGION, name_in_arn, queue_url},
};
use md5::{Digest, Md5};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// The longest message, and the most of a batch together, in bytes (SQS: 1 MiB).
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// The longest delay of a message (SQS: a quarter of an hour), and how long one may be hidden (SQS: 12 hours).
const MAX_DELAY: u64 = 900;
const MAX_HIDDEN: u64 = 43_200;

/// How often expired messages are removed.
const SWEPT_EVERY: Duration = Duration::from_mins(1);

/// The most messages of one call.
const MAX_IN_BATCH: usize = 10;

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
    /// When expired messages were last removed.
    swept_at: i64,
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
    lineage: Lineage,
}

/// A delivered message.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) message_id: String,
    pub(crate) receipt_handle: String,
    pub(crate) body: String,
    pub(crate) attributes: Value,
    /// Through which functions it has come.
    pub(crate) lineage: Lineage,
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
        let mut state = State { queues: specs.iter().map(queue).collect(), ..State::default() };
        for (number, queue, body, sent_at) in journal.messages()? {
            state.last_number = state.last_number.max(number);
            if let Some(queue) = state.queues.get_mut(&queue) {
                queue.messages.insert(number, Message::new(body, sent_at, sent_at, Lineage::default()));
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
        self.send_from(&Lineage::current(), queue, body, delay)
    }

    /// Sends a message that comes through other functions.
    pub(crate) fn send_from(
        &self,
        lineage: &Lineage,
        queue: &str,
        body: &str,
        delay: Option<Duration>,
    ) -> Result<String, AwsError> {
        if body.is_empty() || body.len() > MAX_MESSAGE_BYTES {
            return Err(AwsError::new("InvalidParameterValue", "a message has 1 byte to 1 MiB"));
        }
        if !body.chars().all(is_xml) {
            return Err(AwsError::new("InvalidMessageContents", "a message has no characters but those of XML 1.0"));
        }
        let now = self.now();
        let mut state = self.state();
        let number = state.last_number + 1;
        let queue_of_name = state.queue(queue)?;
        let delay = delay.unwrap_or(queue_of_name.spec.delay);
        let visible_at = now + millis(delay);
        self.journal.keep_message(number, queue, body, now)?;
        queue_of_name.messages.insert(number, Message::new(body.to_owned(), now, visible_at, lineage.clone()));
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
        self.expire(&mut state, now)?;
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
                lineage: message.lineage.clone(),
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
        // When it was first sent stays, as with SQS: among the dead letters it is kept no longer for having been moved.
        message.receive_count = 0;
        message.first_received_at = None;
        message.visible_at = self.now();
        state.queue(to)?.messages.insert(number, message);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Removes what was sent too long ago.
    fn expire(&self, state: &mut State, now: i64) -> Result<(), AwsError> {
        if now < state.swept_at + millis(SWEPT_EVERY) {
            return Ok(());
        }
        state.swept_at = now;
        for queue in state.queues.values_mut() {
            let oldest = now - millis(queue.spec.retention);
            // Messages that came back from elsewhere may be older than those before them.
            let expired = queue.messages.iter().filter(|(_, message)| message.sent_at < oldest);
            for number in expired.map(|(number, _)| *number).collect::<Vec<_>>() {
                self.journal.forget_message(number)?;
                queue.messages.remove(&number);
            }
        }
        Ok(())
    }

    /// Moves a delivered message to the dead-letter queue, if there is one; else it is gone.
    pub(crate) fn give_up(&self, receipt_handle: &str) -> Result<(), AwsError> {
        let (queue, number) = read_receipt(receipt_handle)?;
        let mut state = self.state();
        if let Some((dead_letters, _)) = state.queue(queue)?.spec.redrive.clone() {
            return self.move_message(&mut state, queue, &dead_letters, number);
        }
        state.queue(queue)?.messages.remove(&number);
        self.journal.forget_message(number)
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
        let mut state = self.state();
        if let Err(error) = self.expire(&mut state, now) {
            tracing::error!(%error, "expired messages could not be removed");
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
            "SendMessageBatch" => batch(request, |entry| self.send_entry(queue, entry)),
            "ReceiveMessage" => self.receive_request(queue, request).await,
            "DeleteMessage" => self.delete(&receipt(request)).map(|()| json!({})),
            "DeleteMessageBatch" => batch(request, |entry| self.delete(&receipt(entry)).map(|()| json!({}))),
            "ChangeMessageVisibility" => {
                let hidden_for = seconds(request, "VisibilityTimeout", MAX_HIDDEN)?;
                let missing = || AwsError::new("MissingParameter", "VisibilityTimeout is needed");
                self.hide(&receipt(request), hidden_for.ok_or_else(missing)?).map(|()| json!({}))
            }
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
        let message_id = self.send(queue, body, seconds(entry, "DelaySeconds", MAX_DELAY)?)?;
        Ok(json!({ "MessageId": message_id, "MD5OfMessageBody": md5(body) }))
    }

    /// Waits for a message as long as the request says.
    async fn receive_request(&self, queue: &str, request: &Value) -> Answer {
        let most = request["MaxNumberOfMessages"].as_u64().and_then(|most| usize::try_from(most).ok()).unwrap_or(1);
        if !(1..=MAX_IN_BATCH).contains(&most) {
            return Err(AwsError::new("InvalidParameterValue", "MaxNumberOfMessages is 1 to 10"));
        }
        let wait = seconds(request, "WaitTimeSeconds", 20)?.unwrap_or_default();
        let hidden_for = seconds(request, "VisibilityTimeout", MAX_HIDDEN)?;
        let started = tokio::time::Instant::now();
        loop {
            let delivered = self.receive(queue, most, hidden_for)?;
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

impl Message {
    fn new(body: String, sent_at: i64, visible_at: i64, lineage: Lineage) -> Self {
        Self { body, sent_at, visible_at, first_received_at: None, receive_count: 0, lineage }
    }
}

/// Whether XML 1.0 can hold a character: SQS and EventBridge take no others.
pub(crate) const fn is_xml(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn batch(request: &Value, one: impl Fn(&Value) -> Answer) -> Answer {
    let entries = request["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut ids = BTreeSet::new();
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for id in entries.iter().map(|entry| entry["Id"].as_str().unwrap_or_default()) {
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !(1..=80).contains(&id.len()) || !id.bytes().all(is_id) {
            return Err(AwsError::new("InvalidBatchEntryId", "an id is 1 to 80 letters, digits, '-' or '_'"));
        }
        if !ids.insert(id) {
            return Err(AwsError::new("BatchEntryIdsNotDistinct", format!("the id {id} is there twice")));
        }
    }
    match entries.len() {
        0 => return Err(AwsError::new("EmptyBatchRequest", "a batch has entries")),
        1..=MAX_IN_BATCH => {}
        _ => return Err(AwsError::new("TooManyEntriesInBatchRequest", "a batch has at most 10 entries")),
    }
    let bytes: usize = entries.iter().map(|entry| entry["MessageBody"].as_str().map_or(0, str::len)).sum();
    if bytes > MAX_MESSAGE_BYTES {
        return Err(AwsError::new("BatchRequestTooLong", "a batch has at most 1 MiB"));
    }
    for entry in entries {
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
    Ok(json!({ "Successful": successful, "Failed": failed }))
}

/// A number of seconds, if it is there, up to a limit.
fn seconds(request: &Value, field: &str, most: u64) -> Result<Option<Duration>, AwsError> {
    let value = &request[field];
    match value.as_u64() {
        Some(seconds) if seconds <= most => Ok(Some(Duration::from_secs(seconds))),
        None if value.is_null() => Ok(None),
        Some(_) | None => Err(AwsError::new("InvalidParameterValue", format!("{field} is 0 to {most}"))),
    }
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
