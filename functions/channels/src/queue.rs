//! What the queue of `collect-channel` is told, and how.

use domain::{ChannelId, Fault, NotStarted, Open, ProductId, RunId};
use edge::{Environment, SourceQueue};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The pauses of messages that fail by our own fault.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// A queue delays a message for a quarter of an hour at the most.
const MAX_DELAY: Duration = Duration::from_mins(15);

/// That a run is due, as the queue is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DueRun {
    pub(crate) channel_id: ChannelId,
    pub(crate) run_id: RunId,
    /// Whether products are collected too, even if they were of late.
    #[serde(default)]
    pub(crate) with_products: bool,
}

/// That a channel is to be told of a stock, as the queue is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DueStock {
    pub(crate) channel_id: ChannelId,
    pub(crate) external_id: ProductId,
    /// How often it was sent before.
    #[serde(default)]
    pub(crate) sent: u32,
}

/// The queue.
#[derive(Clone)]
pub(crate) struct Queue(pub(crate) SourceQueue);

impl Open<Environment> for Queue {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        Ok(Self(SourceQueue::open(env, "COLLECT_CHANNEL_QUEUE", FIRST_BACKOFF, LONGEST_BACKOFF)?))
    }
}

impl Queue {
    /// Asks for something to be done, now or later.
    pub(crate) async fn ask(&self, due: &impl Serialize, wait: Duration) -> Result<(), Fault> {
        let body = serde_json::to_string(due).map_err(Fault::broken)?;
        self.0.send(&body, wait.min(MAX_DELAY)).await.map_err(Fault::busy)
    }
}
