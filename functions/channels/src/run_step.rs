//! The steps of a run. Each step makes one call, or a few of one kind, stores the result, and moves
//! the position on.

use crate::{
    queue::Queue,
    session::{Account, Session, StepError},
    stocks::request_stock_updates,
    upsert::upsert,
};
use domain::{
    ChannelId, Timestamp,
    channel::{ChannelOrderUpdate, Item},
};
use partners::channels::{ChannelError, Cursor, MAX_WINDOW};
use std::{collections::BTreeMap, time::Duration};
use store::{
    PageRequest,
    channel_products::ChannelProduct,
    channels::{Collection, Run, Stage},
};

/// The maximum number of malformed entries that a run names.
const MAX_EXAMPLES: usize = 5;

/// The number of mappings that one step processes.
const MAPPINGS: u16 = 25;

/// Consecutive stock updates that may fail on their own. If the next one fails as well, the
/// marketplace counts as unavailable.
const MAX_STOCK_FAILURES: u32 = 2;

/// Consecutive failures after which the run continues without a repacked order that cannot be read.
const MAX_REPACKED_ATTEMPTS: u32 = 3;

/// The smallest window of a listing.
const MIN_WINDOW: Duration = Duration::from_hours(1);

/// The number of calls after which a listing of orders counts as endless.
const MAX_CALLS: u32 = 10_000;

/// Performs one step: makes its call, stores the result, and moves the position on.
pub(crate) async fn step(
    queue: &Queue,
    session: &Session<'_>,
    collection: &mut Collection,
    run: &mut Run,
) -> Result<(), StepError> {
    match run.stage.clone() {
        Stage::Orders { cursor, from, until } => {
            let listed =
                Listed { cursor: Cursor::parse(&cursor), from: from.unwrap_or(run.from), until };
            match orders(queue, session, collection, run, &listed).await {
                Err(StepError::Channel(ChannelError::TimedOut)) => narrow(session, run, &listed),
                outcome => outcome,
            }
        }
        Stage::Products { cursor } => {
            products(session, collection, run, cursor.as_deref().map(Cursor::parse)).await
        }
        Stage::Stocks { after } => stocks(session, collection, run, after).await,
        Stage::Over => Ok(()),
    }
}

/// A position in the listing of orders, and its window.
struct Listed {
    cursor: Cursor,
    from: Timestamp,
    until: Timestamp,
}

/// The stage that begins at `from`, with a window that the marketplace can list in time.
fn window(session: &Session<'_>, run: &Run, from: Timestamp) -> Result<Stage, StepError> {
    let most = run.window_seconds.map_or(MAX_WINDOW, Duration::from_secs);
    let window = session.account.channel.begin(from, run.until, most)?;
    Ok(Stage::Orders { cursor: window.first.text(), from: Some(from), until: window.until })
}

/// Restarts the window at half its size after a page timed out. Fails if the window cannot be
/// smaller.
fn narrow(session: &Session<'_>, run: &mut Run, listed: &Listed) -> Result<(), StepError> {
    let known = run.window_seconds.map_or(MAX_WINDOW, Duration::from_secs);
    let half = listed.from.until(listed.until).min(known) / 2;
    if half < MIN_WINDOW {
        return Err(StepError::Channel(ChannelError::TimedOut));
    }
    run.window_seconds = Some(half.as_secs());
    run.stage = window(session, run, listed.from)?;
    match run.stage {
        // The marketplace has no smaller windows: the same page would time out again.
        Stage::Orders { until, .. } if until == listed.until => {
            Err(StepError::Channel(ChannelError::TimedOut))
        }
        Stage::Orders { .. } | Stage::Products { .. } | Stage::Stocks { .. } | Stage::Over => {
            Ok(())
        }
    }
}

async fn orders(
    queue: &Queue,
    session: &Session<'_>,
    collection: &mut Collection,
    run: &mut Run,
    Listed { cursor, from, until }: &Listed,
) -> Result<(), StepError> {
    let Session { store, channel, account: Account { channel: account, kind }, .. } = session;
    if run.calls >= MAX_CALLS {
        return Err(StepError::Channel(ChannelError::Rejected(format!(
            "the listing of orders has more than {MAX_CALLS} pages"
        ))));
    }
    session.acquire_call().await?;
    run.calls += 1;
    let page = account.orders(cursor, store.now()).await?;
    if !kind.has_catalogue {
        store.channel_products().put_all(&ordered(&channel.channel_id, &page.entries)).await?;
    }
    let mut upserted = upsert(store, channel, page.entries, kind.repacks).await?;
    // The other channels get the changed stock now. If a later call fails, the next run finds these
    // orders unchanged and sends nothing for them.
    request_stock_updates(store, queue, &upserted.moved, Some(&channel.channel_id)).await;
    let mut malformed = page.malformed;
    for repacked in std::mem::take(&mut upserted.repacked) {
        session.acquire_call().await?;
        run.calls += 1;
        let whole = match account.order(&repacked, store.now()).await {
            Ok(whole) => whole,
            // The run continues: this order and its claims must not block the other orders.
            Err(ChannelError::Rejected(why)) => {
                malformed.push(format!("{repacked}: {why}"));
                continue;
            }
            Err(ChannelError::Unavailable(why)) if run.failures >= MAX_REPACKED_ATTEMPTS => {
                malformed.push(format!("{repacked}: {why}"));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let one = upsert(store, channel, vec![whole], false).await?;
        request_stock_updates(store, queue, &one.moved, Some(&channel.channel_id)).await;
        upserted.changed += one.changed;
    }
    (run.orders, run.changed) = (run.orders + upserted.orders, run.changed + upserted.changed);
    session.cool_down(page.cool_down).await?;
    run.malformed += u32::try_from(malformed.len()).unwrap_or(u32::MAX);
    run.malformed_examples.extend(malformed);
    run.malformed_examples.truncate(MAX_EXAMPLES);
    run.stage = if let Some(next) = page.next {
        Stage::Orders { cursor: next.text(), from: Some(*from), until: *until }
    } else {
        // The watermark stays before malformed entries: the next run starts there again, until an
        // operator has fixed them.
        if run.malformed == 0 {
            collection.collected_until = collection.collected_until.max(Some(*until));
        }
        if *until < run.until {
            window(session, run, *until)?
        } else {
            Stage::Stocks { after: None }
        }
    };
    Ok(())
}

/// The products that were ordered, as far as their orders describe them.
fn ordered(channel_id: &ChannelId, orders: &[ChannelOrderUpdate]) -> Vec<ChannelProduct> {
    let items = orders.iter().flat_map(|order| order.items.values()).flat_map(BTreeMap::values);
    let product = |item: &Item| ChannelProduct {
        name: item.name.clone(),
        price: Some(item.unit_price),
        ..ChannelProduct::unseen(channel_id.clone(), item.product_id.clone())
    };
    items.map(product).collect()
}

async fn products(
    session: &Session<'_>,
    collection: &mut Collection,
    run: &mut Run,
    cursor: Option<Cursor>,
) -> Result<(), StepError> {
    let Session { store, channel, account: Account { channel: account, .. }, .. } = session;
    session.acquire_call().await?;
    run.calls += 1;
    let page = account.products(cursor.as_ref(), store.now()).await?;
    let product = |product: partners::channels::Product| ChannelProduct {
        channel_id: channel.channel_id.clone(),
        external_id: product.product_id,
        name: product.name,
        status: product.status,
        price: product.price,
        stock: product.stock,
    };
    let products: Vec<ChannelProduct> = page.entries.into_iter().map(product).collect();
    store.channel_products().put_all(&products).await?;
    run.products += u32::try_from(products.len()).unwrap_or(0);
    session.cool_down(page.cool_down).await?;
    let interval = Duration::from_mins(session.channel.interval_minutes.into());
    run.stage = match page.next {
        // The next run is due, and orders do not wait for products. It continues at this position.
        Some(next) if run.begun_at.plus(interval) <= store.now() => {
            collection.products_cursor = Some(next.text());
            Stage::Over
        }
        Some(next) => Stage::Products { cursor: Some(next.text()) },
        None => {
            collection.products_at = Some(store.now());
            Stage::Over
        }
    };
    Ok(())
}

/// Sends the stock of a few mapped products: of those that differ at the marketplace, and once a
/// day of all.
async fn stocks(
    session: &Session<'_>,
    collection: &mut Collection,
    run: &mut Run,
    after: Option<String>,
) -> Result<(), StepError> {
    let page = PageRequest { limit: MAPPINGS, after };
    let page =
        session.store.channel_products().list_mappings(&session.channel.channel_id, &page).await?;
    let products: Vec<_> = page.entries.iter().map(|mapping| mapping.product_id.clone()).collect();
    let stocks = session.store.stock().quantities(&products).await?;
    for mapping in page.entries {
        let external = mapping.external_id.to_string();
        let units = stocks.get(&mapping.product_id).copied();
        // A marketplace may change its stock without our knowledge, so all are sent from time to
        // time.
        let force = run.with_products;
        if units.is_some() && (force || units != mapping.stock_sent || mapping.error.is_some()) {
            match session.send_stock(mapping, force).await {
                Ok(sent) => {
                    (run.stocks, run.calls) = (run.stocks + sent, run.calls + sent);
                    run.failures = 0;
                }
                // The error is recorded in the mapping, and the next run retries it. The other
                // products are still sent.
                Err(StepError::Channel(ChannelError::Rejected(_))) => run.calls += 1,
                Err(StepError::Channel(ChannelError::Unavailable(_) | ChannelError::TimedOut))
                    if run.failures < MAX_STOCK_FAILURES =>
                {
                    (run.calls, run.failures) = (run.calls + 1, run.failures + 1);
                }
                Err(error) => return Err(error),
            }
        }
        run.stage = Stage::Stocks { after: Some(external) };
    }
    if page.next.is_none() {
        run.stage = if run.with_products {
            Stage::Products { cursor: collection.products_cursor.take() }
        } else {
            Stage::Over
        };
    }
    Ok(())
}
