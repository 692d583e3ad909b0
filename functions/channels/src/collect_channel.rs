//! `collect-channel` collects a channel's orders, sends our stock levels to it, and collects its
//! products once a day.
//!
//! A run goes page by page. Each page is stored before the position moves on. The watermark moves
//! only when every page up to it is stored. A worker claims the run until its function's deadline,
//! so that no other worker continues it. A run that would outlive its function, or that has to
//! wait, is paused: `schedule-collections` resumes it. A failed call is retried a few times with
//! backoff. Then the run ends with an error, and the next run starts where this one started.

use crate::{
    queue::{DueRun, DueStock, Queue},
    run_step::step,
    session::{Accounts, Session, StepError, expire_at},
};
use domain::{Fault, NotStarted, Open, Timestamp};
use edge::{DeadLetterError, Environment, Function, Message, Signal, signal};
use partners::channels::{ChannelError, MAX_WINDOW};
use std::time::Duration;
use store::{
    Store,
    channels::{Channel, Collection, Run, Stage},
};

/// Orders that are still open are collected again up to this age.
const LONGEST_OPEN: Duration = Duration::from_hours(90 * 24);

/// The interval between two collections of products.
const PRODUCTS_EVERY: Duration = Duration::from_hours(24);

/// How often a stock message is sent again. If it still fails, the next collection sends the stock.
const MAX_SENT: u32 = 3;

/// How long a stock message waits for the rate limiter inside the function. A longer wait takes
/// place in the queue.
const STOCK_WAITS: Duration = Duration::from_secs(2);

/// How long before the expiry of credentials the warnings start.
const WARNED_BEFORE: Duration = Duration::from_hours(14 * 24);

/// The `collect-channel` handler.
pub fn function() -> Function {
    Function::queue("collect-channel", handle)
}

#[derive(Clone)]
struct Resources {
    store: Store,
    accounts: Accounts,
    queue: Queue,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        Ok(Self { store: env.open()?, accounts: env.open()?, queue: env.open()? })
    }
}

/// Why a message stays in the queue.
#[derive(Debug, thiserror::Error)]
pub enum NotCollected {
    /// An error on our side.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The message could not be dead-lettered.
    #[error(transparent)]
    DeadLetterError(#[from] DeadLetterError),
}

async fn handle(resources: Resources, message: Message) -> Result<(), NotCollected> {
    let store = resources.store.until(message.deadline);
    let done = if let Ok(due) = message.json::<DueRun>() {
        collect(&resources, &store, &due, message.deadline).await
    } else {
        match message.json::<DueStock>() {
            Ok(due) => send_stock(&resources, &store, due, message.deadline).await,
            Err(not_json) => return Ok(resources.queue.0.dead_letter(&message, not_json).await?),
        }
    };
    if done.is_err() {
        resources.queue.0.hide(&message, Duration::ZERO).await;
    }
    Ok(done?)
}

/// Starts or continues a run, for as long as there is time.
async fn collect(
    resources: &Resources,
    store: &Store,
    due: &DueRun,
    deadline: Timestamp,
) -> Result<(), Fault> {
    let Some(channel) =
        store.channels().get(&due.channel_id).await?.filter(|channel| channel.active)
    else {
        return Ok(());
    };
    let Some(mut collection) = store.channels().collection(&due.channel_id).await? else {
        return Ok(());
    };
    let account = match resources.accounts.of(&channel).await {
        Ok(account) => account,
        Err(fault) => return cannot_open(store, &channel, collection, due, fault).await,
    };
    let last_call_at = deadline.minus(account.kind.step_takes);
    let session = Session { store, channel: &channel, account: &account, last_call_at };
    let now = store.now();
    let mut run = match collection.run.take() {
        Some(run) if run.run_id == due.run_id => run,
        // Another run is in progress. The schedule sends the message of this run again after it.
        Some(_) => return Ok(()),
        None if store.channels().ended_run(&due.channel_id, &due.run_id).await?.is_some() => {
            return store.channels().remove_run_request(&due.channel_id, &due.run_id).await;
        }
        None => begin(&session, &mut collection, due, now).await?,
    };
    if now < run.claimed_until {
        return Ok(());
    }
    run.claimed_until = deadline;
    run.with_products |= due.with_products;
    loop {
        // Stores the position after each page. The first checkpoint claims the run.
        if !checkpoint(store, &mut collection, Some(&run)).await? {
            return Ok(());
        }
        if due.with_products && run.calls == 0 {
            store.channels().remove_run_request(&due.channel_id, &due.run_id).await?;
        }
        let step = if store.now() > last_call_at {
            Err(StepError::Wait(Duration::ZERO))
        } else {
            step(&resources.queue, &session, &mut collection, &mut run).await
        };
        let error = match step {
            Ok(()) => {
                (run.failures, run.error) = (0, None);
                if run.stage == Stage::Over {
                    return end(store, &channel, collection, run).await;
                }
                continue;
            }
            Err(StepError::Wait(wait)) => return pause(store, collection, run, wait).await,
            Err(StepError::Channel(error)) => error,
            Err(StepError::Fault(fault)) => own_error(due, &fault),
        };
        run.failures += 1;
        run.error = Some(error.to_string());
        return match session.back_off(&error, run.failures).await? {
            Some(wait) => pause(store, collection, run, wait).await,
            None => end(store, &channel, collection, run).await,
        };
    }
}

/// Turns an error on our side into a [`ChannelError`], so that it is retried a few times and shown
/// in the run.
fn own_error(due: &DueRun, fault: &Fault) -> ChannelError {
    tracing::error!(channel = %due.channel_id, run = %due.run_id, %fault, "a collection failed with an internal error");
    ChannelError::Unavailable("internal error, see the log".into())
}

/// Ends the run with an error, because the account cannot be opened.
async fn cannot_open(
    store: &Store,
    channel: &Channel,
    mut collection: Collection,
    due: &DueRun,
    fault: Fault,
) -> Result<(), Fault> {
    let now = store.now();
    if collection
        .run
        .as_ref()
        .is_some_and(|run| run.run_id != due.run_id || now < run.claimed_until)
    {
        return Ok(());
    }
    if collection.run.is_some()
        || store.channels().ended_run(&due.channel_id, &due.run_id).await?.is_none()
    {
        let run = collection.run.take().unwrap_or_else(|| new_run(due, now, now, Stage::Over));
        collection.begun_at = Some(run.begun_at);
        let error = Some(own_error(due, &fault).to_string());
        end(store, channel, collection, Run { error, ..run }).await?;
    }
    store.channels().remove_run_request(&due.channel_id, &due.run_id).await
}

/// Starts a new run. It covers orders from the watermark on, minus an overlap; the first run covers
/// the marketplace's `first_reach`. If the marketplace lists orders by time of placement, the run
/// starts at the oldest open order, if that one is older.
async fn begin(
    session: &Session<'_>,
    collection: &mut Collection,
    due: &DueRun,
    now: Timestamp,
) -> Result<Run, Fault> {
    let kind = session.account.kind;
    let since = collection
        .collected_until
        .map_or(now.minus(kind.first_reach), |until| until.minus(kind.overlap));
    let mut from = since;
    if kind.lists_by_placing {
        let oldest = session
            .store
            .channel_orders()
            .open_since(&due.channel_id, now.minus(LONGEST_OPEN))
            .await?;
        from = oldest.map_or(since, |oldest| oldest.min(since));
    }
    let window = session.account.channel.begin(from, now, MAX_WINDOW).map_err(Fault::broken)?;
    let expires_soon = expire_at(session.channel).filter(|at| *at < now.plus(WARNED_BEFORE));
    if let Some(at) = expires_soon {
        tracing::warn!(channel = %due.channel_id, %at, "a channel's credentials expire soon");
        signal(Signal::CredentialsExpiring);
    }
    let are_products_due = collection.products_at.is_none_or(|at| at.plus(PRODUCTS_EVERY) <= now);
    collection.begun_at = Some(now);
    Ok(Run {
        with_products: due.with_products || are_products_due,
        warning: expires_soon.map(|at| format!("the credentials expire at {at}")),
        ..new_run(
            due,
            from,
            now,
            Stage::Orders { cursor: window.first.text(), from: Some(from), until: window.until },
        )
    })
}

fn new_run(due: &DueRun, from: Timestamp, now: Timestamp, stage: Stage) -> Run {
    Run {
        run_id: due.run_id.clone(),
        begun_at: now,
        ended_at: None,
        from,
        until: now,
        stage,
        with_products: due.with_products,
        claimed_until: now,
        calls: 0,
        orders: 0,
        changed: 0,
        products: 0,
        stocks: 0,
        malformed: 0,
        malformed_examples: Vec::new(),
        window_seconds: None,
        failures: 0,
        error: None,
        warning: None,
    }
}

/// Stores the progress of the collection. Returns `false` if another worker stored its own
/// meanwhile.
async fn checkpoint(
    store: &Store,
    collection: &mut Collection,
    run: Option<&Run>,
) -> Result<bool, Fault> {
    collection.writes += 1;
    collection.run = run.cloned();
    store.channels().put_collection(collection, None).await
}

/// Pauses the run. The schedule resumes it after `wait`.
async fn pause(
    store: &Store,
    mut collection: Collection,
    mut run: Run,
    wait: Duration,
) -> Result<(), Fault> {
    run.claimed_until = store.now().plus(wait);
    checkpoint(store, &mut collection, Some(&run)).await.map(drop)
}

/// Ends the run, because everything is collected or because it failed.
async fn end(
    store: &Store,
    channel: &Channel,
    mut collection: Collection,
    mut run: Run,
) -> Result<(), Fault> {
    run.ended_at = Some(store.now());
    if let Some(error) = &run.error {
        tracing::error!(channel = %channel.channel_id, run = %run.run_id, error, "a collection failed");
        signal(Signal::CollectionFailed);
    }
    if run.malformed > 0 {
        tracing::error!(channel = %channel.channel_id, run = %run.run_id, "a channel lists malformed entries");
        signal(Signal::MalformedChannelEntry);
    }
    collection.writes += 1;
    collection.run = None;
    store.channels().put_collection(&collection, Some(&run)).await.map(drop)
}

/// Sends a stock level that changed elsewhere to a channel. If every attempt fails, the channel's
/// next collection sends it.
async fn send_stock(
    resources: &Resources,
    store: &Store,
    due: DueStock,
    deadline: Timestamp,
) -> Result<(), Fault> {
    let Some(channel) =
        store.channels().get(&due.channel_id).await?.filter(|channel| channel.active)
    else {
        return Ok(());
    };
    let known = store
        .channel_products()
        .mappings_of(&due.channel_id, std::slice::from_ref(&due.external_id))
        .await?;
    let Some(mapping) = known.into_values().next() else { return Ok(()) };
    let account = resources.accounts.of(&channel).await?;
    let last_call_at = store.now().plus(STOCK_WAITS).min(deadline.minus(account.kind.step_takes));
    let session = Session { store, channel: &channel, account: &account, last_call_at };
    let wait = match session.send_stock(mapping, false).await {
        Ok(_) => None,
        Err(StepError::Wait(wait)) => Some(wait),
        Err(StepError::Fault(fault)) => return Err(fault),
        Err(StepError::Channel(error)) => {
            tracing::warn!(channel = %due.channel_id, product = %due.external_id, %error, "a stock update failed");
            session.back_off(&error, due.sent + 1).await?
        }
    };
    match wait.filter(|_| due.sent < MAX_SENT) {
        Some(wait) => resources.queue.send(&DueStock { sent: due.sent + 1, ..due }, wait).await,
        None => Ok(()),
    }
}
