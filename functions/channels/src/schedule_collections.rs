//! `schedule-collections` runs every minute and sends a message for each channel whose collection
//! is due.
//!
//! A due run has the same id however often it is requested. It is therefore harmless if a message
//! arrives twice, or is sent again because the previous one has not arrived yet. A paused run is
//! resumed by this schedule alone. `collect-channel` sends no message to itself to continue a run,
//! because Lambda stops a function that keeps doing so.

use crate::queue::{DueRun, Queue};
use domain::{ChannelId, Fault, NotStarted, Open, RunId, Timestamp};
use edge::{Environment, Function, Tick};
use std::time::Duration;
use store::{
    Store,
    channels::{Channel, Collection, RunRequest},
};

/// The age from which the message of a requested run that has not started counts as lost. It is
/// sent again.
const LOST_AFTER: Duration = Duration::from_mins(1);

/// The `schedule-collections` handler.
pub fn function() -> Function {
    Function::schedule("schedule-collections", handle)
}

#[derive(Clone)]
struct Resources {
    store: Store,
    queue: Queue,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        Ok(Self { store: env.open()?, queue: env.open()? })
    }
}

async fn handle(resources: Resources, tick: Tick) -> Result<(), Fault> {
    let store = resources.store.until(tick.deadline);
    let channels = store.channels().all().await?;
    let ids: Vec<&ChannelId> = channels.iter().map(|channel| &channel.channel_id).collect();
    let collections = store.channels().collections(&ids).await?;
    for (channel, (collection, requested)) in channels.iter().zip(collections) {
        let due = collection.and_then(|collection| due(channel, &collection, requested, tick.now));
        if let Some(due) = due {
            resources.queue.send(&due, Duration::ZERO).await?;
        }
    }
    Ok(())
}

/// The run for which a message must be sent, if there is one.
fn due(
    channel: &Channel,
    collection: &Collection,
    requested: Option<RunRequest>,
    now: Timestamp,
) -> Option<DueRun> {
    let due = |run_id, with_products| DueRun {
        channel_id: channel.channel_id.clone(),
        run_id,
        with_products,
    };
    if !channel.active {
        return None;
    }
    if let Some(run) = &collection.run {
        return (run.claimed_until <= now).then(|| due(run.run_id.clone(), false));
    }
    if let Some(requested) = requested {
        return (requested.at.plus(LOST_AFTER) <= now).then(|| due(requested.run_id, true));
    }
    let interval = Duration::from_mins(channel.interval_minutes.into());
    let at = collection.begun_at.map_or(channel.created_at, |begun| begun.plus(interval));
    (at <= now).then(|| due(RunId::due(&channel.channel_id, at), false))
}
