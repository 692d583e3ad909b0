//! `schedule-collections` asks, every minute, for the channels to be collected that are due.
//!
//! A run that is due has one id however often it is asked for, so it does not matter if a message comes twice, or is sent again
//! because the one before it has not come yet.

use crate::collect_channel::{DueRun, open_pacer};
use domain::{ChannelId, Fault, RunId, Timestamp};
use edge::{Environment, Function, NotSent, NotStarted, Pacer, Tick};
use std::time::Duration;
use store::{
    Store,
    channels::{Channel, Collection},
};

/// A run that nobody was at for so long after it was to go on has lost its message: it is sent anew.
const LOST_AFTER: Duration = Duration::from_mins(5);

/// The function.
pub fn function() -> Function {
    Function::schedule("schedule-collections", Scheduler::open, handle)
}

#[derive(Clone)]
struct Scheduler {
    store: Store,
    pacer: Pacer,
}

impl Scheduler {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        Ok(Self { store: Store::open(&env.aws, |name| env.variable(name))?, pacer: open_pacer(env)? })
    }
}

/// Why not every channel was asked for.
#[derive(Debug, thiserror::Error)]
pub enum NotScheduled {
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A message could not be sent.
    #[error(transparent)]
    NotSent(#[from] NotSent),
}

async fn handle(scheduler: Scheduler, tick: Tick) -> Result<(), NotScheduled> {
    let store = scheduler.store.until(tick.deadline);
    let channels = store.channels().await?;
    let ids: Vec<&ChannelId> = channels.iter().map(|channel| &channel.channel_id).collect();
    let collections = store.collections(&ids).await?;
    for (channel, collection) in channels.iter().zip(collections) {
        let due = collection.and_then(|collection| due(channel, &collection, tick.now));
        if let Some(run_id) = due {
            let due = DueRun { channel_id: channel.channel_id.clone(), run_id, with_products: false };
            let body = serde_json::to_string(&due).map_err(Fault::broken)?;
            scheduler.pacer.send(&body, Duration::ZERO).await?;
        }
    }
    Ok(())
}

/// The run that is to be asked for, if one is.
fn due(channel: &Channel, collection: &Collection, now: Timestamp) -> Option<RunId> {
    if !channel.active {
        return None;
    }
    if let Some(run) = &collection.run {
        return (run.claimed_until.plus(LOST_AFTER) <= now).then(|| run.run_id.clone());
    }
    let interval = Duration::from_mins(channel.interval_minutes.into());
    let at = collection.begun_at.map_or(channel.created_at, |begun| begun.plus(interval));
    (at <= now).then(|| RunId::due(&channel.channel_id, at))
}
