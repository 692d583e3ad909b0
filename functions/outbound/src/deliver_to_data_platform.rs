//! `deliver-to-data-platform` brings paid orders to the data platform, one to a request, signed.
//!
//! What the data platform will never take goes straight to the dead-letter queue. Everything else stays in the queue and
//! is tried again, after a pause that doubles up to [`LONGEST_PAUSE`]: an outage of days loses nothing.

use aws_sdk_sqs::{Client, config::timeout::TimeoutConfig};
use edge::{Environment, Function, Message, NotStarted};
use partners::{DataPlatform, Undelivered, webhook::Secret};
use serde::Deserialize;
use std::time::Duration;

/// The pause after the first failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_mins(15);

/// How long a call of the queue may wait for a connection or an answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(1);

/// The function.
pub fn function() -> Function {
    Function::queue("deliver-to-data-platform", Courier::open, handle)
}

#[derive(Clone)]
struct Courier {
    data_platform: DataPlatform,
    queues: Client,
    queue: String,
    dead_letter_queue: String,
}

impl Courier {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let timeouts = TimeoutConfig::builder().connect_timeout(CALL_TIMEOUT).read_timeout(CALL_TIMEOUT).build();
        let queues = aws_sdk_sqs::config::Builder::from(&env.aws).timeout_config(timeouts).build();
        let secret = Secret::parse(&env.require("DATA_PLATFORM_SECRET")?)?;
        Ok(Self {
            data_platform: DataPlatform::new(&env.require("DATA_PLATFORM_URL")?, secret)?,
            queues: Client::from_conf(queues),
            queue: env.require("DATA_PLATFORM_QUEUE")?,
            dead_letter_queue: env.require("DEAD_LETTER_QUEUE")?,
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
        source: Undelivered,
    },
    /// It could not be laid aside.
    #[error("it could not be moved to the dead-letter queue")]
    NotLaidAside(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The part of an envelope that a courier reads.
#[derive(Deserialize)]
struct Addressed {
    id: String,
}

async fn handle(courier: Courier, message: Message) -> Result<(), NotDelivered> {
    let Ok(Addressed { id }) = serde_json::from_str(&message.body) else {
        return courier.lay_aside(&message, "it is not an event").await;
    };
    match courier.data_platform.deliver(&id, &message.body, message.now).await {
        Ok(()) => Ok(()),
        Err(refused @ Undelivered::Refused(_)) => courier.lay_aside(&message, &refused.to_string()).await,
        Err(source @ (Undelivered::NotNow(_) | Undelivered::Unreachable(_))) => {
            let pause = pause_after(message.receive_count);
            courier.hide(&message, pause).await;
            Err(NotDelivered::Later { pause, source })
        }
    }
}

impl Courier {
    /// Moves a message to the dead-letter queue. A crash in between leaves it in both: it is refused once more.
    async fn lay_aside(&self, message: &Message, reason: &str) -> Result<(), NotDelivered> {
        tracing::error!(reason, "a message goes to the dead-letter queue");
        let request = self.queues.send_message().queue_url(&self.dead_letter_queue).message_body(&message.body);
        request.send().await.map(drop).map_err(|error| NotDelivered::NotLaidAside(error.into()))
    }

    /// Keeps a failed message hidden for a while. Where that fails, the queue's own timeout does.
    async fn hide(&self, message: &Message, pause: Duration) {
        let request = self.queues.change_message_visibility().queue_url(&self.queue);
        let request = request.receipt_handle(&message.receipt_handle);
        let seconds = i32::try_from(pause.as_secs()).unwrap_or(i32::MAX);
        if let Err(error) = request.visibility_timeout(seconds).send().await {
            tracing::warn!(%error, "a failed message comes back at the queue's own pace");
        }
    }
}

/// The pause after so many deliveries.
fn pause_after(receive_count: u32) -> Duration {
    let doublings = receive_count.saturating_sub(1).min(16);
    FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_a_quarter_of_an_hour() {
        let pauses: Vec<u64> = (1..=12).map(|count| pause_after(count).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }
}
