//! How what a marketplace tells of orders is kept: as one order of the standard model for each of theirs, with what it takes from
//! our stock, in one transaction. What is known already is not written again.

use domain::{
    CampaignId, CustomerId, ExternalOrderId, Fault, OrderId, ProductId, Timestamp, Won,
    basket::Quantity,
    channel::{ChannelOrderState, ChannelOrderUpdate, Line, Recipient},
    external::SourceRevision,
    payment::PaymentStatus,
};
use events::{ChannelItem, Item, Order, OrderPayment, PaymentMethod};
use ordering::{
    external_order::{advance, derive_payment},
    external_order_update::ExternalPayment,
};
use std::collections::{BTreeMap, BTreeSet};
use store::{
    Store, channel_orders::ChannelOrder, channel_products::Mapping, channels::Channel,
    external_orders::ExternalOrderRow,
};

/// How often an order is read anew when it, or a stock, changed in between.
const ATTEMPTS: usize = 8;

/// Stocks that one transaction changes at the most: each is three writes.
const MAX_CHANGES: usize = 30;

/// What came of what was told.
#[derive(Debug, Default)]
pub(crate) struct Upserted {
    /// How many orders were told of.
    pub(crate) orders: u32,
    /// How many of them were news.
    pub(crate) changed: u32,
    /// The products of ours whose stock changed by it.
    pub(crate) moved: BTreeSet<ProductId>,
    /// Orders of which nothing was kept: their items are in other parcels than is known, so all of each must be asked for.
    pub(crate) repacked: Vec<ExternalOrderId>,
}

/// Keeps what a channel tells of orders; where it repacks orders, but for those that it has repacked.
pub(crate) async fn keep(
    store: &Store,
    channel: &Channel,
    update: Vec<ChannelOrderUpdate>,
    repacks: bool,
) -> Result<Upserted, Fault> {
    let mut kept = Upserted { orders: u32::try_from(update.len()).unwrap_or(u32::MAX), ..Upserted::default() };
    let source = channel.channel_id.source();
    let mut orders: BTreeMap<ExternalOrderId, ChannelOrderUpdate> = BTreeMap::new();
    for one in update {
        let merged = match orders.remove(&one.external_order_id) {
            Some(known) => known.and(one),
            None => one,
        };
        orders.insert(merged.external_order_id.clone(), merged);
    }
    let ids: Vec<OrderId> = orders.keys().map(|external| OrderId::of_external(&source, external)).collect();
    let mut known = store.channel_orders().many(&ids).await?;
    let products: BTreeSet<&ProductId> = orders.values().flat_map(products).collect();
    let products: Vec<ProductId> = products.into_iter().cloned().collect();
    let mappings = store.channel_products().mappings_of(&channel.channel_id, &products).await?;
    let recipients = store.channel_orders().recipients(&channel.channel_id, &ids).await?;
    for (update, id) in orders.values().zip(ids) {
        let seen = known.remove(&id);
        let order_state = seen.as_ref().and_then(|seen| seen.order_state.as_ref());
        if repacks && order_state.is_some_and(|order_state| order_state.is_repacked(update)) {
            kept.repacked.push(update.external_order_id.clone());
            continue;
        }
        if !keep_one(store, channel, &id, update, seen.clone(), &mappings, &mut kept).await? {
            keep_recipient(store, channel, update, seen, recipients.get(&id)).await?;
        }
    }
    Ok(kept)
}

fn products(update: &ChannelOrderUpdate) -> impl Iterator<Item = &ProductId> {
    let of_items = update.items.values().flat_map(BTreeMap::values).map(|item| &item.product_id);
    of_items.chain(update.claims.values().map(|claim| &claim.product_id))
}

/// Keeps to whom an order goes, if it is to go elsewhere now and is the same otherwise.
async fn keep_recipient(
    store: &Store,
    channel: &Channel,
    update: &ChannelOrderUpdate,
    seen: Option<ExternalOrderRow>,
    known: Option<&Recipient>,
) -> Result<(), Fault> {
    let is_open = |seen: &ExternalOrderRow| {
        seen.order_state.as_ref().is_some_and(|order_state| order_state.open_since(seen.order.placed_at).is_some())
    };
    match (&update.recipient, seen.filter(is_open)) {
        (Some(recipient), Some(seen)) if known != Some(recipient) => {
            store.channel_orders().put_recipient(&channel.channel_id, &seen.order, recipient, true).await
        }
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

/// Keeps an order; tells whether anything was news.
async fn keep_one(
    store: &Store,
    channel: &Channel,
    id: &OrderId,
    update: &ChannelOrderUpdate,
    mut seen: Option<ExternalOrderRow>,
    mappings: &BTreeMap<ProductId, Mapping>,
    kept: &mut Upserted,
) -> Result<bool, Fault> {
    let mut is_news = false;
    for round in 0..ATTEMPTS {
        if round > 0 {
            seen = store.external_orders().get(id).await?;
        }
        let before = seen.as_ref().and_then(|seen| seen.order_state.clone()).unwrap_or_default();
        let mut order_state =
            before.with(update, |product| mappings.get(product).map(|mapping| mapping.product_id.clone()));
        if seen.is_none() && order_state.items.is_empty() {
            // A claim is looked into on an order of which nothing was told.
            return Ok(false);
        }
        let mut changes = Vec::new();
        if !order_state.is_fully_reserved() {
            let reserved: BTreeSet<&ProductId> = order_state.reserved_products().collect();
            let reserved: Vec<ProductId> = reserved.into_iter().cloned().collect();
            changes = order_state.reserve(&store.stock().quantities(&reserved).await?, MAX_CHANGES);
        }
        if seen.is_some() && order_state == before {
            break;
        }
        let there: Vec<ProductId> = changes.iter().map(|change| change.channel_product_id.clone()).collect();
        let mapped = store.channel_products().mappings_of(&channel.channel_id, &there).await?.into_keys().collect();
        let now = store.now();
        let order = order(channel, id, update, seen.as_ref(), &order_state, now)?;
        let collected = ExternalOrderRow {
            order_state: Some(order_state),
            ..advance(seen.as_ref(), order, SourceRevision::default(), now)
        };
        // Nobody needs to know to whom an order went that was over before we heard of it.
        let is_over = collected.order_state.as_ref().is_some_and(|order_state| order_state.open_since(now).is_none());
        let recipient = update.recipient.as_ref().filter(|_| seen.is_some() || !is_over);
        let as_kept = ChannelOrder {
            channel_id: &channel.channel_id,
            collected: &collected,
            seen_version: seen.as_ref().map_or(0, |seen| seen.order.version),
            recipient,
            changes: &changes,
            mapped: &mapped,
            now,
        };
        if store.channel_orders().put(&as_kept).await? {
            is_news = true;
            kept.moved.extend(changes.iter().map(|change| change.product_id.clone()));
            if changes.len() < MAX_CHANGES {
                break;
            }
        } else if round + 1 == ATTEMPTS {
            return Err(Fault::busy("the order, or a stock, changes faster than it can be kept"));
        }
    }
    kept.changed += u32::from(is_news);
    Ok(is_news)
}

/// The order that all that was told amounts to.
fn order(
    channel: &Channel,
    id: &OrderId,
    update: &ChannelOrderUpdate,
    seen: Option<&ExternalOrderRow>,
    order_state: &ChannelOrderState,
    now: Timestamp,
) -> Result<Order, Fault> {
    let known = seen.map(|seen| &seen.order);
    let lines = order_state.lines();
    let items: Vec<Item> = lines.iter().map(item).collect::<Result<_, _>>()?;
    let original_amount = sum(items.iter().map(|item| item.total_price))?;
    let discount_amount = sum(lines.iter().map(|line| line.discount))?.min(original_amount);
    let total_amount = original_amount.less(discount_amount);
    let placed_at = update.placed_at_least().unwrap_or(now);
    let buyer = update.buyer.as_deref().unwrap_or(update.external_order_id.as_str());
    let inflow = update.items.values().flat_map(BTreeMap::values).find_map(|item| item.inflow.as_deref());
    let campaign = update.campaign_id.clone().or_else(|| inflow.map(CampaignId::of_inflow));
    let customer = || update.customer_id.clone().unwrap_or_else(|| CustomerId::of_buyer(&channel.salt, buyer));
    let mut order = Order {
        external_status: None,
        order_id: id.clone(),
        version: 0,
        status: order_state.status(),
        // Whose it is, which campaign brought it and when it was placed do not change: others have counted by that.
        customer_id: known.map_or_else(customer, |known| known.customer_id.clone()),
        campaign_id: known.map_or(campaign, |known| known.campaign_id.clone()),
        placed_at: known.map_or(placed_at, |known| known.placed_at),
        store_id: None,
        rider_id: None,
        source: Some(channel.channel_id.source()),
        external_order_id: Some(update.external_order_id.clone()),
        items,
        original_amount,
        discount_amount,
        total_amount,
        coupon_id: None,
        payment: OrderPayment {
            method: PaymentMethod::External,
            amount: total_amount,
            status: PaymentStatus::Pending,
            paid_at: None,
        },
        pay_by: None,
        delivery: None,
        shipment: lines.iter().rev().find_map(|line| line.item_state.item.shipment.clone()),
        reason: None,
        timeline: Vec::new(),
        updated_at: now,
    };
    derive_payment(&mut order, &ExternalPayment { status: None, paid_at: update.paid_at }, seen);
    Ok(order)
}

fn sum(mut amounts: impl Iterator<Item = Won>) -> Result<Won, Fault> {
    amounts.try_fold(Won::ZERO, Won::plus).map_err(Fault::broken)
}

fn item(line: &Line<'_>) -> Result<Item, Fault> {
    let domain::channel::Item { product_id, name, unit_price, channel_status, inflow, .. } = &line.item_state.item;
    let reservation = line.item_state.reservation.as_ref();
    Ok(Item {
        product_id: product_id.clone(),
        // An order of ours never has more of anything; one of theirs is kept all the same.
        quantity: Quantity::try_from(i64::from(line.units).min(Quantity::MAX)).map_err(Fault::broken)?,
        unit_price: *unit_price,
        total_price: unit_price.times(line.units).map_err(Fault::broken)?,
        channel: Some(ChannelItem {
            item_id: line.id.to_owned(),
            name: name.clone(),
            status: channel_status.clone(),
            cancelled: line.cancelled,
            held: line.held,
            inflow: inflow.clone(),
            product_id: reservation.map(|reservation| reservation.product_id.clone()),
            stock_debt: reservation.map_or(0, |reservation| reservation.shortfall),
        }),
    })
}
