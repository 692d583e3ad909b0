//! `collect-channel` collects a channel's orders, tells it our stocks, and once a day collects its products.
//!
//! A run goes page by page, and each page is stored before the place moves on; what is collected up to a time counts only once
//! every page up to it is stored. Whoever is at a run has claimed it until its function ends, so that nobody else is. A run that would
//! outlive its function, or that waits, is found by `schedule-collections` when it is to go on. A marketplace in trouble is asked again a
//! few times, then the run is given up, and the next one begins where this one did.

use crate::{
    queue::{DueRun, DueStock, Queue},
    run_step::step,
    session::{Accounts, Session, StepError, expire_at},
};
use domain::{Fault, NotStarted, Open, Timestamp};
use edge::{DeadLetterError, Environment, Function, Message};
use partners::channels::{ChannelError, MAX_WINDOW};
use std::time::Duration;
use store::{
    Store,
    channels::{Channel, Collection, Run, Stage},
};

/// How far back an order is looked at again because it is still open.
const LONGEST_OPEN: Duration = Duration::from_hours(90 * 24);

/// Products are collected so often.
const PRODUCTS_EVERY: Duration = Duration::from_hours(24);

/// How often a stock is sent on at the most: what stays in vain, the next collection tells.
const MAX_SENT: u32 = 3;

/// How long a stock waits within its function for the account's turn; longer waits are the queue's.
const STOCK_WAITS: Duration = Duration::from_secs(2);

/// So long before credentials expire there is a warning.
const WARNED_BEFORE: Duration = Duration::from_hours(14 * 24);

/// The function.
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
    /// The machinery failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It could not be laid aside.
    #[error(transparent)]
    DeadLetterError(#[from] DeadLetterError),
}

async fn handle(resources: Resources, message: Message) -> Result<(), NotCollected> {
    let store = resources.store.until(message.deadline);
    let done = if let Ok(due) = message.json::<DueRun>() {
        collect(&resources, &store, &due, message.deadline).await
    } else {
        match message.json::<DueStock>() {
            Ok(due) => tell_stock(&resources, &store, due, message.deadline).await,
            Err(not_json) => return Ok(resources.queue.0.dead_letter(&message, not_json).await?),
        }
    };
    if done.is_err() {
        resources.queue.0.hide(&message, Duration::ZERO).await;
    }
    Ok(done?)
}

/// Goes on with a run, as far as there is time.
async fn collect(resources: &Resources, store: &Store, due: &DueRun, deadline: Timestamp) -> Result<(), Fault> {
    let Some(channel) = store.channels().get(&due.channel_id).await?.filter(|channel| channel.active) else {
        return Ok(());
    };
    let Some(mut collection) = store.channels().collection(&due.channel_id).await? else { return Ok(()) };
    let account = match resources.accounts.of(&channel).await {
        Ok(account) => account,
        Err(fault) => return cannot_open(store, &channel, collection, due, fault).await,
    };
    let patience = deadline.minus(account.kind.step_takes);
    let session = Session { store, channel: &channel, account: &account, patience };
    let now = store.now();
    let mut run = match collection.run.take() {
        Some(run) if run.run_id == due.run_id => run,
        // Another one goes on: the schedule asks for this one after it.
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
        // Each page is written down with the place after it; the first time, this claims the run.
        if !checkpoint(store, &mut collection, Some(&run)).await? {
            return Ok(());
        }
        if due.with_products && run.calls == 0 {
            store.channels().remove_run_request(&due.channel_id, &due.run_id).await?;
        }
        let step = if store.now() > patience {
            Err(StepError::Wait(Duration::ZERO))
        } else {
            step(&resources.queue, &session, &mut collection, &mut run).await
        };
        let trouble = match step {
            Ok(()) => {
                (run.troubles, run.error) = (0, None);
                if run.stage == Stage::Over {
                    return end(store, &channel, collection, run).await;
                }
                continue;
            }
            Err(StepError::Wait(wait)) => return pause(store, collection, run, wait).await,
            Err(StepError::Channel(trouble)) => trouble,
            Err(StepError::Fault(fault)) => own_trouble(due, &fault),
        };
        run.troubles += 1;
        run.error = Some(trouble.to_string());
        return match session.heed(&trouble, run.troubles).await? {
            Some(wait) => pause(store, collection, run, wait).await,
            None => end(store, &channel, collection, run).await,
        };
    }
}

/// What goes wrong with us is a trouble like those of the marketplace: it is tried again a few times, and seen in the run.
fn own_trouble(due: &DueRun, fault: &Fault) -> ChannelError {
    tracing::error!(channel = %due.channel_id, run = %due.run_id, %fault, "a collection fails for our own reasons");
    ChannelError::Unavailable("it is ours to mend, see the log".into())
}

/// The account cannot be opened: the run is over before it begins.
async fn cannot_open(
    store: &Store,
    channel: &Channel,
    mut collection: Collection,
    due: &DueRun,
    fault: Fault,
) -> Result<(), Fault> {
    let now = store.now();
    if collection.run.as_ref().is_some_and(|run| run.run_id != due.run_id || now < run.claimed_until) {
        return Ok(());
    }
    if collection.run.is_some() || store.channels().ended_run(&due.channel_id, &due.run_id).await?.is_none() {
        let run = collection.run.take().unwrap_or_else(|| new_run(due, now, now, Stage::Over));
        collection.begun_at = Some(run.begun_at);
        let error = Some(own_trouble(due, &fault).to_string());
        end(store, channel, collection, Run { error, ..run }).await?;
    }
    store.channels().remove_run_request(&due.channel_id, &due.run_id).await
}

/// A new run: from where every order is collected, or from where something is still to be expected.
async fn begin(session: &Session<'_>, collection: &mut Collection, due: &DueRun, now: Timestamp) -> Result<Run, Fault> {
    let kind = session.account.kind;
    let since = collection.collected_until.map_or(now.minus(kind.first_reach), |until| until.minus(kind.overlap));
    let mut from = since;
    if kind.lists_by_placing {
        let oldest = session.store.channel_orders().open_since(&due.channel_id, now.minus(LONGEST_OPEN)).await?;
        from = oldest.map_or(since, |oldest| oldest.min(since));
    }
    let window = session.account.channel.begin(from, now, MAX_WINDOW);
    let expires_soon = expire_at(session.channel).filter(|at| *at < now.plus(WARNED_BEFORE));
    if let Some(at) = expires_soon {
        // An alarm listens for these words.
        tracing::warn!(channel = %due.channel_id, %at, "a channel's credentials expire soon");
    }
    let are_products_due = collection.products_at.is_none_or(|at| at.plus(PRODUCTS_EVERY) <= now);
    collection.begun_at = Some(now);
    Ok(Run {
        with_products: due.with_products || are_products_due,
        warning: expires_soon.map(|at| format!("the credentials expire at {at}")),
        ..new_run(due, from, now, Stage::Orders { place: window.first.text(), from: Some(from), until: window.until })
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
        unread: 0,
        such_as: Vec::new(),
        window_seconds: None,
        troubles: 0,
        error: None,
        warning: None,
    }
}

/// Writes down how far the collection is; tells whether nobody else did meanwhile.
async fn checkpoint(store: &Store, collection: &mut Collection, run: Option<&Run>) -> Result<bool, Fault> {
    collection.writes += 1;
    collection.run = run.cloned();
    store.channels().put_collection(collection, None).await
}

/// Leaves the run to the schedule, which finds it once it has waited.
async fn pause(store: &Store, mut collection: Collection, mut run: Run, wait: Duration) -> Result<(), Fault> {
    run.claimed_until = store.now().plus(wait);
    checkpoint(store, &mut collection, Some(&run)).await.map(drop)
}

/// Ends the run: everything is collected, or it is given up.
async fn end(store: &Store, channel: &Channel, mut collection: Collection, mut run: Run) -> Result<(), Fault> {
    run.ended_at = Some(store.now());
    if let Some(error) = &run.error {
        // An alarm listens for these words.
        tracing::error!(channel = %channel.channel_id, run = %run.run_id, error, "a channel cannot be collected");
    }
    if run.unread > 0 {
        // And for these.
        tracing::error!(channel = %channel.channel_id, run = %run.run_id, "a channel tells what is not understood");
    }
    collection.writes += 1;
    collection.run = None;
    store.channels().put_collection(&collection, Some(&run)).await.map(drop)
}

/// Tells a channel of a stock that changed elsewhere. Where that stays in vain, its next collection does.
async fn tell_stock(resources: &Resources, store: &Store, due: DueStock, deadline: Timestamp) -> Result<(), Fault> {
    let Some(channel) = store.channels().get(&due.channel_id).await?.filter(|channel| channel.active) else {
        return Ok(());
    };
    let known = store.channel_products().mappings_of(&due.channel_id, std::slice::from_ref(&due.external_id)).await?;
    let Some(mapping) = known.into_values().next() else { return Ok(()) };
    let account = resources.accounts.of(&channel).await?;
    let patience = store.now().plus(STOCK_WAITS).min(deadline.minus(account.kind.step_takes));
    let session = Session { store, channel: &channel, account: &account, patience };
    let wait = match session.tell(mapping, false).await {
        Ok(_) => None,
        Err(StepError::Wait(wait)) => Some(wait),
        Err(StepError::Fault(fault)) => return Err(fault),
        Err(StepError::Channel(trouble)) => {
            tracing::warn!(channel = %due.channel_id, product = %due.external_id, %trouble, "a channel is not told of a stock");
            session.heed(&trouble, due.sent + 1).await?
        }
    };
    match wait.filter(|_| due.sent < MAX_SENT) {
        Some(wait) => resources.queue.ask(&DueStock { sent: due.sent + 1, ..due }, wait).await,
        None => Ok(()),
    }
}
