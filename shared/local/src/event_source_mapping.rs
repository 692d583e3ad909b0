//! Lambda's event source mappings: they invoke functions with batches of queue messages or stream
//! records, and retry what failed.

use crate::{
    aws::{Aws, AwsError},
    clock::Clock,
    lineage::{self, Lineage},
    runner::{NotHandled, Runner},
    template::{FunctionSpec, QueueSpec, REGION, Source, Template},
};
use domain::Timestamp;
use quamina::Quamina;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The result of one poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poll {
    /// There was nothing to process, or the function is switched off.
    Idle,
    /// The poll made progress: poll again at once. Failed queue messages are hidden until their
    /// visibility timeout ends. An exhausted stream record is skipped.
    Progress,
    /// No progress: the first stream record failed and is retried first, or the poll itself
    /// failed.
    Stalled,
}

/// The event source mapping of one function.
#[derive(Debug)]
pub(crate) enum EventSourceMapping {
    Queue(QueueMapping),
    Stream(Box<StreamMapping>),
}

impl EventSourceMapping {
    /// Creates one mapping for each function that has an event source.
    pub(crate) fn all(
        template: &Template,
        aws: &Arc<Aws>,
        runner: &Arc<Runner>,
        clock: &Clock,
    ) -> Result<Vec<Self>, AwsError> {
        let mapping = |spec: &FunctionSpec| {
            let function = spec.handler.clone();
            let common = Common { function, aws: aws.clone(), runner: runner.clone() };
            Some(match spec.source.clone()? {
                Source::Queue { queue, batch_size } => {
                    Ok(Self::Queue(QueueMapping { common, queue, batch_size }))
                }
                Source::Stream { table, batch_size, patterns, retries, most_age, on_failure } => {
                    let limits = Limits { batch_size, retries, most_age, on_failure };
                    StreamMapping::new(common, table, &patterns, limits, clock.clone())
                        .map(Box::new)
                        .map(Self::Stream)
                }
            })
        };
        template.functions.iter().filter_map(mapping).collect()
    }

    /// Polls once and processes at most one batch. Does nothing if the function is switched off.
    pub(crate) async fn round(&self) -> Poll {
        let common = match self {
            Self::Queue(mapping) => &mapping.common,
            Self::Stream(mapping) => &mapping.common,
        };
        if !common.runner.is_on(&common.function) {
            return Poll::Idle;
        }
        let round = match self {
            Self::Queue(mapping) => mapping.round().await,
            Self::Stream(mapping) => mapping.round().await,
        };
        round.unwrap_or_else(|error| {
            tracing::error!(function = common.function, %error, "an event source mapping failed");
            Poll::Stalled
        })
    }

    /// Names the stream if it has unprocessed records. `None` for a queue, which counts its
    /// messages itself.
    pub(crate) fn backlog(&self) -> Option<String> {
        match self {
            Self::Queue(_) => None,
            Self::Stream(mapping) => {
                mapping.has_backlog().then(|| format!("the stream of {}", mapping.table))
            }
        }
    }
}

/// The fields that queue and stream mappings share.
#[derive(Debug)]
struct Common {
    function: String,
    aws: Arc<Aws>,
    runner: Arc<Runner>,
}

impl Common {
    /// Invokes the function and returns the ids of the batch items that it reports as failed
    /// (`batchItemFailures`). An error means that the whole batch failed.
    async fn invoke(&self, lineage: &Lineage, event: Value) -> Result<Vec<String>, NotHandled> {
        let response = self.runner.invoke_after(lineage, &self.function, event).await?;
        let failures = response["batchItemFailures"].as_array().into_iter().flatten();
        Ok(failures
            .filter_map(|failure| failure["itemIdentifier"].as_str())
            .map(str::to_owned)
            .collect())
    }
}

/// Maps a queue to a function.
#[derive(Debug)]
pub(crate) struct QueueMapping {
    common: Common,
    queue: String,
    batch_size: usize,
}

impl QueueMapping {
    async fn round(&self) -> Result<Poll, AwsError> {
        let queues = &self.common.aws.queues;
        let received = queues.receive(&self.queue, self.batch_size, None)?;
        if received.is_empty() {
            return Ok(Poll::Idle);
        }
        let may_recur =
            self.common.runner.spec(&self.common.function).is_some_and(|spec| spec.may_recur);
        let is_loop = |lineage: &Lineage| {
            !may_recur && lineage.calls_of(&self.common.function) >= lineage::MAX_CALLS
        };
        let (loops, messages): (Vec<_>, Vec<_>) =
            received.into_iter().partition(|message| is_loop(&message.lineage));
        for message in &loops {
            tracing::error!(function = self.common.function, "stopped a recursive loop");
            queues.give_up(&message.receipt_handle)?;
        }
        if messages.is_empty() {
            return Ok(Poll::Progress);
        }
        let lineage = Lineage::of_all(messages.iter().map(|message| &message.lineage));
        let record = |message: &crate::aws::queues::Delivered| {
            json!({
                "messageId": message.message_id,
                "receiptHandle": message.receipt_handle,
                "body": message.body,
                "attributes": message.attributes,
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": format!("arn:aws:sqs:{REGION}:000000000000:{}", self.queue),
                "awsRegion": REGION,
            })
        };
        let event = json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() });
        match self.common.invoke(&lineage, event).await {
            Ok(failed) => {
                let mut done =
                    messages.iter().filter(|message| !failed.contains(&message.message_id));
                done.try_for_each(|message| queues.delete(&message.receipt_handle))?;
            }
            // The messages are redelivered after their visibility timeout.
            Err(error) => {
                tracing::warn!(queue = self.queue, %error, "a batch failed and will be redelivered");
            }
        }
        Ok(Poll::Progress)
    }
}

/// The limits of a stream mapping: the batch size, and how long a failing record is retried before
/// it is reported to the `on_failure` queue and skipped.
#[derive(Debug)]
struct Limits {
    batch_size: usize,
    retries: u32,
    most_age: Duration,
    /// The queue that receives a report of each skipped record.
    on_failure: String,
}

/// Maps the stream of a table to a function.
pub(crate) struct StreamMapping {
    common: Common,
    table: String,
    patterns: Quamina<usize>,
    limits: Limits,
    clock: Clock,
    progress: Mutex<Progress>,
}

impl std::fmt::Debug for StreamMapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamMapping").field("table", &self.table).finish_non_exhaustive()
    }
}

/// How far a stream mapping has come.
#[derive(Debug)]
struct Progress {
    /// The sequence number of the last processed record.
    checkpoint: Option<String>,
    /// How often the record after the checkpoint has failed.
    failures: u32,
    /// The time of its first failure.
    failing_since: Option<Timestamp>,
    /// How many records the next batch has. It is halved when a whole batch fails.
    batch_size: usize,
}

impl StreamMapping {
    fn new(
        common: Common,
        table: String,
        patterns: &[String],
        limits: Limits,
        clock: Clock,
    ) -> Result<Self, AwsError> {
        let mut filter = Quamina::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let invalid = |error| AwsError::new("InvalidFilter", format!("{pattern}: {error}"));
            filter.add_pattern(index, pattern).map_err(invalid)?;
        }
        let checkpoint = common.aws.data.journal().place(&common.function)?;
        let progress = Mutex::new(Progress {
            checkpoint,
            failures: 0,
            failing_since: None,
            batch_size: limits.batch_size,
        });
        Ok(Self { common, table, patterns: filter, limits, clock, progress })
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_backlog(&self) -> bool {
        self.pending(1).is_ok_and(|records| !records.is_empty())
    }

    /// The next records after the checkpoint, at most `limit`.
    fn pending(&self, limit: usize) -> Result<Vec<Value>, AwsError> {
        let checkpoint = self.progress().checkpoint.clone();
        let failed = |error: dynoxide::DynoxideError| {
            AwsError::new("InternalServerError", error.to_string())
        };
        self.common.aws.data.changes(&self.table, checkpoint.as_deref(), limit).map_err(failed)
    }

    async fn round(&self) -> Result<Poll, AwsError> {
        let batch_size = self.progress().batch_size;
        let records = self.pending(batch_size)?;
        let Some(last) = records.last().map(sequence_number) else { return Ok(Poll::Idle) };
        let matches = |record: &&Value| {
            self.patterns.has_matches(record.to_string().as_bytes()).unwrap_or(true)
        };
        let matching: Vec<Value> = records.iter().filter(matches).cloned().collect();
        if matching.is_empty() {
            return self.advance_to(last);
        }
        let failed = match self
            .common
            .invoke(&Lineage::default(), json!({ "Records": matching }))
            .await
        {
            Ok(failed) if failed.is_empty() => return self.advance_to(last),
            Ok(failed) => failed,
            Err(error) => {
                tracing::warn!(table = self.table, %error, "a stream batch failed; the next one is half as large");
                let mut progress = self.progress();
                progress.batch_size = (progress.batch_size / 2).max(1);
                vec![sequence_number(&matching[0])]
            }
        };
        self.retry_or_skip(&matching, &failed)
    }

    /// Stores the checkpoint: all records up to and including this sequence number are processed.
    fn advance_to(&self, checkpoint: String) -> Result<Poll, AwsError> {
        self.common.aws.data.journal().save_checkpoint(&self.common.function, &checkpoint)?;
        *self.progress() = Progress {
            checkpoint: Some(checkpoint),
            failures: 0,
            failing_since: None,
            batch_size: self.limits.batch_size,
        };
        Ok(Poll::Progress)
    }

    /// Advances the checkpoint to the first failed record. That record is retried. Once its retries
    /// or its maximum age are exhausted, it is reported to the `on_failure` queue and skipped.
    fn retry_or_skip(&self, records: &[Value], failed: &[String]) -> Result<Poll, AwsError> {
        let first = records
            .iter()
            .position(|record| failed.contains(&sequence_number(record)))
            .unwrap_or(0);
        if let Some(before) = first.checked_sub(1) {
            self.advance_to(sequence_number(&records[before]))?;
        }
        let now = self.clock.now();
        let (failures, failing_since) = {
            let mut progress = self.progress();
            progress.failures += 1;
            (progress.failures, *progress.failing_since.get_or_insert(now))
        };
        // The age is measured from the first failure with the platform's clock, because the
        // record's own timestamp comes from the machine's clock.
        let is_too_old = failing_since.until(now) > self.limits.most_age;
        if failures <= self.limits.retries && !is_too_old {
            return Ok(if first > 0 { Poll::Progress } else { Poll::Stalled });
        }
        let skipped = sequence_number(&records[first]);
        let report = json!({
            "requestContext": { "condition": if is_too_old { "RecordAgeExceeded" } else { "RetryAttemptsExhausted" }, "functionArn": self.common.function },
            "DDBStreamBatchInfo": { "shardId": "0", "startSequenceNumber": skipped, "endSequenceNumber": skipped, "batchSize": 1, "streamArn": self.table },
        });
        self.common.aws.queues.send(&self.limits.on_failure, &report.to_string(), None)?;
        self.advance_to(skipped)
    }
}

fn sequence_number(record: &Value) -> String {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default().to_owned()
}

/// The names of the dead-letter queues: the queues that are no function's event source.
pub(crate) fn dead_letter_queues(template: &Template) -> Vec<String> {
    let is_source = |queue: &QueueSpec| {
        template
            .functions
            .iter()
            .any(|spec| matches!(&spec.source, Some(Source::Queue { queue: name, .. }) if *name == queue.name))
    };
    template
        .queues
        .iter()
        .filter(|queue| !is_source(queue))
        .map(|queue| queue.name.clone())
        .collect()
}
