//! The queue of `collect-channel` and its messages.

use domain::{ChannelId, Fault, NotStarted, Open, ProductId, RunId};
use edge::{Environment, SourceQueue};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The first and the longest backoff of messages that fail because of an error on our side.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// The longest delay that SQS allows for a message.
const MAX_DELAY: Duration = Duration::from_mins(15);

/// The message that a collection run is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DueRun {
    pub(crate) channel_id: ChannelId,
    pub(crate) run_id: RunId,
    /// Whether products are collected too, even if they were collected recently.
    #[serde(default)]
    pub(crate) with_products: bool,
}

/// The message that a stock level is to be sent to a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DueStock {
    pub(crate) channel_id: ChannelId,
    pub(crate) external_id: ProductId,
    /// How often the message was sent before.
    #[serde(default)]
    pub(crate) sent: u32,
}

/// The queue of `collect-channel`.
#[derive(Clone)]
pub(crate) struct Queue(pub(crate) SourceQueue);

impl Open<Environment> for Queue {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        Ok(Self(SourceQueue::open(env, "COLLECT_CHANNEL_QUEUE", FIRST_BACKOFF, LONGEST_BACKOFF)?))
    }
}

impl Queue {
    /// Sends a message, to be delivered after `wait`, but after at most [`MAX_DELAY`].
    pub(crate) async fn send(&self, due: &impl Serialize, wait: Duration) -> Result<(), Fault> {
        let body = serde_json::to_string(due).map_err(Fault::broken)?;
        self.0.send(&body, wait.min(MAX_DELAY)).await.map_err(Fault::busy)
    }
}
