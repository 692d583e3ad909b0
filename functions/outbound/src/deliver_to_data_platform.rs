//! `deliver-to-data-platform` sends paid orders to the data platform, one per request, signed.
//!
//! A message that the data platform refuses permanently is dead-lettered at once. Any other failed
//! message stays in the queue and is retried after a backoff that doubles up to
//! [`LONGEST_BACKOFF`], so an outage of days loses nothing.

use domain::{NotStarted, Open, Variables};
use edge::{DeadLetterError, Environment, Function, Message, SourceQueue};
use partners::{DataPlatform, DeliveryError, webhook::Secret};
use serde::Deserialize;
use std::time::Duration;

/// The backoff after the first failure.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// The longest backoff between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_mins(15);

/// The `deliver-to-data-platform` handler.
pub fn function() -> Function {
    Function::queue("deliver-to-data-platform", handle)
}

#[derive(Clone)]
struct Resources {
    data_platform: DataPlatform,
    queue: SourceQueue,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let secret = Secret::parse(&env.require("DATA_PLATFORM_SECRET")?)?;
        Ok(Self {
            data_platform: DataPlatform::new(&env.require("DATA_PLATFORM_URL")?, secret)?,
            queue: SourceQueue::open(env, "DATA_PLATFORM_QUEUE", FIRST_BACKOFF, LONGEST_BACKOFF)?,
        })
    }
}

/// Why a message stays in the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotDelivered {
    /// The attempt failed with a transient error.
    #[error("the message is retried in {pause:?}")]
    Later {
        /// The time until the retry.
        pause: Duration,
        /// The error.
        source: DeliveryError,
    },
    /// The message could not be dead-lettered.
    #[error(transparent)]
    DeadLetterError(#[from] DeadLetterError),
}

/// The part of an envelope needed for its delivery.
#[derive(Deserialize)]
struct Addressed {
    id: String,
}

async fn handle(resources: Resources, message: Message) -> Result<(), NotDelivered> {
    let id = match message.json() {
        Ok(Addressed { id }) => id,
        Err(malformed) => return Ok(resources.queue.dead_letter(&message, malformed).await?),
    };
    match resources.data_platform.deliver(&id, &message.body, message.now).await {
        Ok(()) => Ok(()),
        Err(refused @ DeliveryError::Refused(_)) => {
            Ok(resources.queue.dead_letter(&message, refused).await?)
        }
        Err(source @ (DeliveryError::NotNow(_) | DeliveryError::Unreachable(_))) => {
            let pause = resources.queue.hide(&message, Duration::ZERO).await;
            Err(NotDelivered::Later { pause, source })
        }
    }
}
