//! `deliver-to-data-platform` brings paid orders to the data platform, one to a request, signed.
//!
//! What the data platform will never take goes straight to the dead-letter queue. Everything else stays in the queue and
//! is tried again, after a pause that doubles up to [`LONGEST_BACKOFF`]: an outage of days loses nothing.

use domain::{NotStarted, Open, Variables};
use edge::{DeadLetterError, Environment, Function, Message, SourceQueue};
use partners::{DataPlatform, DeliveryError, webhook::Secret};
use serde::Deserialize;
use std::time::Duration;

/// The pause after the first failure.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// The longest pause between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_mins(15);

/// The function.
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
    /// The data platform did not take it this time.
    #[error("it is tried again in {pause:?}")]
    Later {
        /// After how long.
        pause: Duration,
        /// Why.
        source: DeliveryError,
    },
    /// It could not be laid aside.
    #[error(transparent)]
    DeadLetterError(#[from] DeadLetterError),
}

/// The part of an envelope that a courier reads.
#[derive(Deserialize)]
struct Addressed {
    id: String,
}

async fn handle(resources: Resources, message: Message) -> Result<(), NotDelivered> {
    let id = match message.json() {
        Ok(Addressed { id }) => id,
        Err(not_json) => return Ok(resources.queue.dead_letter(&message, not_json).await?),
    };
    match resources.data_platform.deliver(&id, &message.body, message.now).await {
        Ok(()) => Ok(()),
        Err(refused @ DeliveryError::Refused(_)) => Ok(resources.queue.dead_letter(&message, refused).await?),
        Err(source @ (DeliveryError::NotNow(_) | DeliveryError::Unreachable(_))) => {
            let pause = resources.queue.hide(&message, Duration::ZERO).await;
            Err(NotDelivered::Later { pause, source })
        }
    }
}
