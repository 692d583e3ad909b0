//! The steps of a run: each makes one call, or a few of one kind, stores what came of it, and moves the place on.

use crate::{
    queue::Queue,
    session::{Account, Session, StepError},
    stocks::ask_to_tell,
    upsert::keep,
};
use domain::{
    ChannelId, Timestamp,
    channel::{ChannelOrderUpdate, Item},
};
use partners::channels::{ChannelError, MAX_WINDOW, Place};
use std::{collections::BTreeMap, time::Duration};
use store::{
    PageRequest,
    channel_products::ChannelProduct,
    channels::{Collection, Run, Stage},
};

/// Entries that were not understood and that a run names.
const NAMED: usize = 5;

/// Mappings that are looked at in one step.
const MAPPINGS: u16 = 25;

/// So many stocks in a row may fail before it is the marketplace that is in trouble, and not they.
const STOCKS_IN_TROUBLE: u32 = 2;

/// An order that was put into other parcels is asked for so often before the run goes on without it.
const REPACKED_TRIES: u32 = 3;

/// A window is not made smaller than this.
const MIN_WINDOW: Duration = Duration::from_hours(1);

/// A listing of orders that has not come to its end after so many calls has none.
const MAX_CALLS: u32 = 10_000;

/// Makes one call, stores what it told, and moves the place on.
pub(crate) async fn step(
    queue: &Queue,
    session: &Session<'_>,
    collection: &mut Collection,
    run: &mut Run,
) -> Result<(), StepError> {
    match run.stage.clone() {
        Stage::Orders { place, from, until } => {
            let listed = Listed { place: Place::parse(&place), from: from.unwrap_or(run.from), until };
            match orders(queue, session, collection, run, &listed).await {
                Err(StepError::Channel(ChannelError::TimedOut)) => narrow(session, run, &listed),
                outcome => outcome,
            }
        }
        Stage::Products { place } => products(session, collection, run, place.as_deref().map(Place::parse)).await,
        Stage::Stocks { after } => stocks(session, collection, run, after).await,
        Stage::Over => Ok(()),
    }
}

/// A place in the listing of orders, and the window that it is in.
struct Listed {
    place: Place,
    from: Timestamp,
    until: Timestamp,
}

/// What begins at `from`, in a window that is not too large for the marketplace.
fn window(session: &Session<'_>, run: &Run, from: Timestamp) -> Stage {
    let most = run.window_seconds.map_or(MAX_WINDOW, Duration::from_secs);
    let window = session.account.channel.begin(from, run.until, most);
    Stage::Orders { place: window.first.text(), from: Some(from), until: window.until }
}

/// A page took too long: the window begins anew, half as large, unless it is as small as it may be.
fn narrow(session: &Session<'_>, run: &mut Run, listed: &Listed) -> Result<(), StepError> {
    let known = run.window_seconds.map_or(MAX_WINDOW, Duration::from_secs);
    let half = listed.from.until(listed.until).min(known) / 2;
    if half < MIN_WINDOW {
        return Err(StepError::Channel(ChannelError::TimedOut));
    }
    run.window_seconds = Some(half.as_secs());
    run.stage = window(session, run, listed.from);
    match run.stage {
        // The marketplace has no smaller window: the same page would be too slow once more.
        Stage::Orders { until, .. } if until == listed.until => Err(StepError::Channel(ChannelError::TimedOut)),
        Stage::Orders { .. } | Stage::Products { .. } | Stage::Stocks { .. } | Stage::Over => Ok(()),
    }
}

async fn orders(
    queue: &Queue,
    session: &Session<'_>,
    collection: &mut Collection,
    run: &mut Run,
    Listed { place, from, until }: &Listed,
) -> Result<(), StepError> {
    let Session { store, channel, account: Account { channel: account, kind }, .. } = session;
    if run.calls >= MAX_CALLS {
        return Err(StepError::Channel(ChannelError::Rejected("the listing of orders comes to no end".into())));
    }
    session.turn().await?;
    run.calls += 1;
    let page = account.orders(place, store.now()).await?;
    if !kind.has_catalogue {
        store.channel_products().put_all(&ordered(&channel.channel_id, &page.entries)).await?;
    }
    let mut kept = keep(store, channel, page.entries, kind.repacks).await?;
    // The other channels hear of changed stocks at once: if a later call fails, these orders are not news to the next run.
    ask_to_tell(store, queue, &kept.moved, Some(&channel.channel_id)).await;
    let mut unread = page.unread;
    for repacked in std::mem::take(&mut kept.repacked) {
        session.turn().await?;
        run.calls += 1;
        let whole = match account.order(&repacked, store.now()).await {
            Ok(whole) => whole,
            // It keeps no other order back, and its claims neither.
            Err(ChannelError::Rejected(why)) => {
                unread.push(format!("{repacked}: {why}"));
                continue;
            }
            Err(ChannelError::Unavailable(why)) if run.troubles >= REPACKED_TRIES => {
                unread.push(format!("{repacked}: {why}"));
                continue;
            }
            Err(trouble) => return Err(trouble.into()),
        };
        let one = keep(store, channel, vec![whole], false).await?;
        ask_to_tell(store, queue, &one.moved, Some(&channel.channel_id)).await;
        kept.changed += one.changed;
    }
    (run.orders, run.changed) = (run.orders + kept.orders, run.changed + kept.changed);
    session.rest(page.rest).await?;
    run.unread += u32::try_from(unread.len()).unwrap_or(u32::MAX);
    run.such_as.extend(unread);
    run.such_as.truncate(NAMED);
    run.stage = if let Some(next) = page.next {
        Stage::Orders { place: next.text(), from: Some(*from), until: *until }
    } else {
        // What is not understood is not collected: the next run begins there, until somebody has mended it.
        if run.unread == 0 {
            collection.collected_until = collection.collected_until.max(Some(*until));
        }
        if *until < run.until { window(session, run, *until) } else { Stage::Stocks { after: None } }
    };
    Ok(())
}

/// The products that were ordered, as far as their orders tell of them.
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
    place: Option<Place>,
) -> Result<(), StepError> {
    let Session { store, channel, account: Account { channel: account, .. }, .. } = session;
    session.turn().await?;
    run.calls += 1;
    let page = account.products(place.as_ref(), store.now()).await?;
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
    session.rest(page.rest).await?;
    let interval = Duration::from_mins(session.channel.interval_minutes.into());
    run.stage = match page.next {
        // Orders do not wait for products: the next run goes on there.
        Some(next) if run.begun_at.plus(interval) <= store.now() => {
            collection.products_place = Some(next.text());
            Stage::Over
        }
        Some(next) => Stage::Products { place: Some(next.text()) },
        None => {
            collection.products_at = Some(store.now());
            Stage::Over
        }
    };
    Ok(())
}

/// Tells the stocks of a few mapped products: of those whose stock the marketplace does not have, and once a day of all.
async fn stocks(
    session: &Session<'_>,
    collection: &mut Collection,
    run: &mut Run,
    after: Option<String>,
) -> Result<(), StepError> {
    let page = PageRequest { limit: MAPPINGS, after };
    let page = session.store.channel_products().list_mappings(&session.channel.channel_id, &page).await?;
    let products: Vec<_> = page.entries.iter().map(|mapping| mapping.product_id.clone()).collect();
    let stocks = session.store.stock().quantities(&products).await?;
    for mapping in page.entries {
        let external = mapping.external_id.to_string();
        let units = stocks.get(&mapping.product_id).copied();
        // What a marketplace does to its stocks by itself, we do not hear: now and then all are told.
        let anyway = run.with_products;
        if units.is_some() && (anyway || units != mapping.stock_there || mapping.error.is_some()) {
            match session.tell(mapping, anyway).await {
                Ok(told) => {
                    (run.stocks, run.calls) = (run.stocks + told, run.calls + told);
                    run.troubles = 0;
                }
                // It is written down at the product, and tried again with the next run; the others are told all the same.
                Err(StepError::Channel(ChannelError::Rejected(_))) => run.calls += 1,
                Err(StepError::Channel(ChannelError::Unavailable(_) | ChannelError::TimedOut))
                    if run.troubles < STOCKS_IN_TROUBLE =>
                {
                    (run.calls, run.troubles) = (run.calls + 1, run.troubles + 1);
                }
                Err(halt) => return Err(halt),
            }
        }
        run.stage = Stage::Stocks { after: Some(external) };
    }
    if page.next.is_none() {
        run.stage =
            if run.with_products { Stage::Products { place: collection.products_place.take() } } else { Stage::Over };
    }
    Ok(())
}
