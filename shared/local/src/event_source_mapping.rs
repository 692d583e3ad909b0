//! What Lambda's event source mappings do: bring a queue's messages and a stream's changes to their functions, in
//! batches, and bring again what failed.

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

/// How one round of feeding went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// There was nothing to bring.
    Idle,
    /// Something was brought, and is done or laid aside.
    Moved,
    /// What was brought failed and is first in line again.
    Stuck,
}

/// A function and what feeds it.
#[derive(Debug)]
pub(crate) enum EventSourceMapping {
    Queue(QueueFeeding),
    Stream(Box<StreamFeeding>),
}

impl EventSourceMapping {
    /// One for each function that is fed.
    pub(crate) fn all(
        template: &Template,
        aws: &Arc<Aws>,
        runner: &Arc<Runner>,
        clock: &Clock,
    ) -> Result<Vec<Self>, AwsError> {
        let feeding = |spec: &FunctionSpec| {
            let function = spec.handler.clone();
            let common = Common { function, aws: aws.clone(), runner: runner.clone() };
            Some(match spec.source.clone()? {
                Source::Queue { queue, batch_size } => Ok(Self::Queue(QueueFeeding { common, queue, batch_size })),
                Source::Stream { table, batch_size, patterns, retries, most_age, on_failure } => {
                    let limits = Limits { batch_size, retries, most_age, on_failure };
                    StreamFeeding::new(common, table, &patterns, limits, clock.clone()).map(Box::new).map(Self::Stream)
                }
            })
        };
        template.functions.iter().filter_map(feeding).collect()
    }

    /// Brings one batch.
    pub(crate) async fn round(&self) -> Round {
        let common = match self {
            Self::Queue(feeding) => &feeding.common,
            Self::Stream(feeding) => &feeding.common,
        };
        if !common.runner.is_on(&common.function) {
            return Round::Idle;
        }
        let round = match self {
            Self::Queue(feeding) => feeding.round().await,
            Self::Stream(feeding) => feeding.round().await,
        };
        round.unwrap_or_else(|error| {
            tracing::error!(function = common.function, %error, "the platform could not feed a function");
            Round::Stuck
        })
    }

    /// What is left in a stream; nothing for a queue, which counts for itself.
    pub(crate) fn backlog(&self) -> Option<String> {
        match self {
            Self::Queue(_) => None,
            Self::Stream(feeding) => feeding.has_backlog().then(|| format!("the stream of {}", feeding.table)),
        }
    }
}

#[derive(Debug)]
struct Common {
    function: String,
    aws: Arc<Aws>,
    runner: Arc<Runner>,
}

impl Common {
    /// Calls the function, and tells which items of the batch failed; all, if it failed as a whole.
    async fn bring(&self, lineage: &Lineage, event: Value) -> Result<Vec<String>, NotHandled> {
        let answer = self.runner.invoke_after(lineage, &self.function, event).await?;
        let failures = answer["batchItemFailures"].as_array().into_iter().flatten();
        Ok(failures.filter_map(|failure| failure["itemIdentifier"].as_str()).map(str::to_owned).collect())
    }
}

#[derive(Debug)]
pub(crate) struct QueueFeeding {
    common: Common,
    queue: String,
    batch_size: usize,
}

impl QueueFeeding {
    async fn round(&self) -> Result<Round, AwsError> {
        let queues = &self.common.aws.queues;
        let received = queues.receive(&self.queue, self.batch_size, None)?;
        if received.is_empty() {
            return Ok(Round::Idle);
        }
        let may_recur = self.common.runner.spec(&self.common.function).is_some_and(|spec| spec.may_recur);
        let is_loop = |lineage: &Lineage| !may_recur && lineage.calls_of(&self.common.function) >= lineage::MAX_CALLS;
        let (loops, messages): (Vec<_>, Vec<_>) = received.into_iter().partition(|message| is_loop(&message.lineage));
        for message in &loops {
            tracing::error!(function = self.common.function, "a recursive loop is stopped");
            queues.give_up(&message.receipt_handle)?;
        }
        if messages.is_empty() {
            return Ok(Round::Moved);
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
        match self.common.bring(&lineage, event).await {
            Ok(failed) => {
                let mut done = messages.iter().filter(|message| !failed.contains(&message.message_id));
                done.try_for_each(|message| queues.delete(&message.receipt_handle))?;
            }
            // The messages come again when they are visible again.
            Err(error) => tracing::warn!(queue = self.queue, %error, "a batch will come again"),
        }
        Ok(Round::Moved)
    }
}

/// How far Lambda goes with a batch that fails.
#[derive(Debug)]
struct Limits {
    batch_size: usize,
    retries: u32,
    most_age: Duration,
    on_failure: String,
}

pub(crate) struct StreamFeeding {
    common: Common,
    table: String,
    patterns: Quamina<usize>,
    limits: Limits,
    clock: Clock,
    progress: Mutex<Progress>,
}

impl std::fmt::Debug for StreamFeeding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamFeeding").field("table", &self.table).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Progress {
    /// The sequence number of the last change that is done.
    place: Option<String>,
    /// How often the change after it failed, and since when.
    failures: u32,
    failing_since: Option<Timestamp>,
    /// How many changes are brought at once: halved when a batch fails as a whole.
    batch_size: usize,
}

impl StreamFeeding {
    fn new(common: Common, table: String, patterns: &[String], limits: Limits, clock: Clock) -> Result<Self, AwsError> {
        let mut filter = Quamina::new();
        for (place, pattern) in patterns.iter().enumerate() {
            let invalid = |error| AwsError::new("InvalidFilter", format!("{pattern}: {error}"));
            filter.add_pattern(place, pattern).map_err(invalid)?;
        }
        let place = common.aws.data.journal().place(&common.function)?;
        let progress = Mutex::new(Progress { place, failures: 0, failing_since: None, batch_size: limits.batch_size });
        Ok(Self { common, table, patterns: filter, limits, clock, progress })
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_backlog(&self) -> bool {
        self.pending(1).is_ok_and(|changes| !changes.is_empty())
    }

    fn pending(&self, most: usize) -> Result<Vec<Value>, AwsError> {
        let place = self.progress().place.clone();
        let failed = |error: dynoxide::DynoxideError| AwsError::new("InternalServerError", error.to_string());
        self.common.aws.data.changes(&self.table, place.as_deref(), most).map_err(failed)
    }

    async fn round(&self) -> Result<Round, AwsError> {
        let batch_size = self.progress().batch_size;
        let changes = self.pending(batch_size)?;
        let Some(last) = changes.last().map(sequence_number) else { return Ok(Round::Idle) };
        let is_wanted = |change: &&Value| self.patterns.has_matches(change.to_string().as_bytes()).unwrap_or(true);
        let wanted: Vec<Value> = changes.iter().filter(is_wanted).cloned().collect();
        if wanted.is_empty() {
            return self.done_up_to(last);
        }
        let failed = match self.common.bring(&Lineage::default(), json!({ "Records": wanted })).await {
            Ok(failed) if failed.is_empty() => return self.done_up_to(last),
            Ok(failed) => failed,
            Err(error) => {
                tracing::warn!(table = self.table, %error, "a batch of changes will come again, halved");
                let mut progress = self.progress();
                progress.batch_size = (progress.batch_size / 2).max(1);
                vec![sequence_number(&wanted[0])]
            }
        };
        self.go_on_from(&wanted, &failed)
    }

    /// Everything up to here is done.
    fn done_up_to(&self, place: String) -> Result<Round, AwsError> {
        self.common.aws.data.journal().keep_place(&self.common.function, &place)?;
        *self.progress() =
            Progress { place: Some(place), failures: 0, failing_since: None, batch_size: self.limits.batch_size };
        Ok(Round::Moved)
    }

    /// Goes on from the first change that failed: it comes again, or is given up and told to the queue for that.
    fn go_on_from(&self, changes: &[Value], failed: &[String]) -> Result<Round, AwsError> {
        let first = changes.iter().position(|change| failed.contains(&sequence_number(change))).unwrap_or(0);
        if let Some(before) = first.checked_sub(1) {
            self.done_up_to(sequence_number(&changes[before]))?;
        }
        let now = self.clock.now();
        let (failures, failing_since) = {
            let mut progress = self.progress();
            progress.failures += 1;
            (progress.failures, *progress.failing_since.get_or_insert(now))
        };
        // By the platform's own clock, from the first failure: the record's time is the machine's.
        let is_too_old = failing_since.until(now) > self.limits.most_age;
        if failures <= self.limits.retries && !is_too_old {
            return Ok(if first > 0 { Round::Moved } else { Round::Stuck });
        }
        let place = sequence_number(&changes[first]);
        let report = json!({
            "requestContext": { "condition": if is_too_old { "RecordAgeExceeded" } else { "RetryAttemptsExhausted" }, "functionArn": self.common.function },
            "DDBStreamBatchInfo": { "shardId": "0", "startSequenceNumber": place, "endSequenceNumber": place, "batchSize": 1, "streamArn": self.table },
        });
        self.common.aws.queues.send(&self.limits.on_failure, &report.to_string(), None)?;
        self.done_up_to(place)
    }
}

fn sequence_number(change: &Value) -> String {
    change["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default().to_owned()
}

/// The queues that no function is fed from: dead letters wait there.
pub(crate) fn dead_letter_queues(template: &Template) -> Vec<String> {
    let feeds = |queue: &QueueSpec| {
        template
            .functions
            .iter()
            .any(|spec| matches!(&spec.source, Some(Source::Queue { queue: name, .. }) if *name == queue.name))
    };
    template.queues.iter().filter(|queue| !feeds(queue)).map(|queue| queue.name.clone()).collect()
}
