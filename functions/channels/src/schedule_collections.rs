//! `schedule-collections` asks, every minute, for the channels to be collected that are due.
//!
//! A run that is due has one id however often it is asked for, so it does not matter if a message comes twice, or is sent again
//! because the one before it has not come yet. A run that is to go on goes on by this schedule alone: `collect-channel` sends itself
//! nothing, for Lambda stops a function that goes on doing so.

use crate::queue::{DueRun, Queue};
use domain::{ChannelId, Fault, NotStarted, Open, RunId, Timestamp};
use edge::{Environment, Function, Tick};
use std::time::Duration;
use store::{
    Store,
    channels::{Channel, Collection, RunRequest},
};

/// A run that was asked for so long ago, and has not begun, may have lost its message: it is sent anew.
const LOST_AFTER: Duration = Duration::from_mins(1);

/// The function.
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
    for (channel, (collection, asked)) in channels.iter().zip(collections) {
        let due = collection.and_then(|collection| due(channel, &collection, asked, tick.now));
        if let Some(due) = due {
            resources.queue.ask(&due, Duration::ZERO).await?;
        }
    }
    Ok(())
}

/// The run that is to be asked for, if one is.
fn due(channel: &Channel, collection: &Collection, asked: Option<RunRequest>, now: Timestamp) -> Option<DueRun> {
    let due = |run_id, with_products| DueRun { channel_id: channel.channel_id.clone(), run_id, with_products };
    if !channel.active {
        return None;
    }
    if let Some(run) = &collection.run {
        return (run.claimed_until <= now).then(|| due(run.run_id.clone(), false));
    }
    if let Some(asked) = asked {
        return (asked.at.plus(LOST_AFTER) <= now).then(|| due(asked.run_id, true));
    }
    let interval = Duration::from_mins(channel.interval_minutes.into());
    let at = collection.begun_at.map_or(channel.created_at, |begun| begun.plus(interval));
    (at <= now).then(|| due(RunId::due(&channel.channel_id, at), false))
}
