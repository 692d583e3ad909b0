//! Stores what marketplaces report about their orders.
//!
//! Each marketplace order becomes one order of the standard model. The order and its changes of our
//! stock are written in one transaction. An update that contains nothing new is not written.

use domain::{
    CampaignId, CustomerId, ExternalOrderId, Fault, OrderId, ProductId, Timestamp, Won,
    actor::Actor,
    basket::Quantity,
    channel::{self, ChannelOrderState, ChannelOrderUpdate, Recipient, StockChange},
    order::{ChannelItem, ChannelOrigin, Line, Order, Origin},
    payment::{Payment, PaymentMethod},
};
use ordering::{
    external_order::{advance, derive_payment},
    external_order_update::ExternalPayment,
};
use std::collections::{BTreeMap, BTreeSet};
use store::{
    Store,
    channel_orders::ChannelOrder,
    channel_products::Mapping,
    channels::Channel,
    optimistic::{
        Attempted::{self, Conflict, Done},
        OFTEN_CHANGED, optimistically_from,
    },
};

/// The maximum number of stock changes in one transaction. Each takes three writes.
const MAX_CHANGES: usize = 30;

/// The result of an upsert.
#[derive(Debug, Default)]
pub(crate) struct Upserted {
    /// The number of order updates received.
    pub(crate) orders: u32,
    /// How many orders were new or changed.
    pub(crate) changed: u32,
    /// Our products whose stock changed.
    pub(crate) moved: BTreeSet<ProductId>,
    /// Orders that were not stored, because their items are in different parcels than before. The
    /// whole order must be requested for each of them.
    pub(crate) repacked: Vec<ExternalOrderId>,
}

/// Upserts the orders that a channel reports. If the channel `repacks` orders, those with new
/// parcels are not stored but returned in [`Upserted::repacked`].
pub(crate) async fn upsert(
    store: &Store,
    channel: &Channel,
    update: Vec<ChannelOrderUpdate>,
    repacks: bool,
) -> Result<Upserted, Fault> {
    let mut upserted =
        Upserted { orders: u32::try_from(update.len()).unwrap_or(u32::MAX), ..Upserted::default() };
    let source = channel.channel_id.source();
    let mut orders: BTreeMap<ExternalOrderId, ChannelOrderUpdate> = BTreeMap::new();
    for one in update {
        let merged = match orders.remove(&one.external_order_id) {
            Some(known) => known.and(one),
            None => one,
        };
        orders.insert(merged.external_order_id.clone(), merged);
    }
    let ids: Vec<OrderId> =
        orders.keys().map(|external| OrderId::of_external(&source, external)).collect();
    let mut known = store.external_orders().many(&ids).await?;
    let products: BTreeSet<&ProductId> = orders.values().flat_map(products).collect();
    let products: Vec<ProductId> = products.into_iter().cloned().collect();
    let mappings = store.channel_products().mappings_of(&channel.channel_id, &products).await?;
    let recipients = store.channel_orders().recipients(&channel.channel_id, &ids).await?;
    for (update, id) in orders.values().zip(ids) {
        let seen = known.remove(&id);
        let order_state = seen.as_ref().and_then(Order::channel_state);
        if repacks && order_state.is_some_and(|order_state| order_state.is_repacked(update)) {
            upserted.repacked.push(update.external_order_id.clone());
            continue;
        }
        if !upsert_one(store, channel, &id, update, seen.clone(), &mappings, &mut upserted).await? {
            upsert_recipient(store, channel, update, seen, recipients.get(&id)).await?;
        }
    }
    Ok(upserted)
}

fn products(update: &ChannelOrderUpdate) -> impl Iterator<Item = &ProductId> {
    let of_items = update.items.values().flat_map(BTreeMap::values).map(|item| &item.product_id);
    of_items.chain(update.claims.values().map(|claim| &claim.product_id))
}

/// Updates the recipient of an open order, when nothing else of the order has changed.
async fn upsert_recipient(
    store: &Store,
    channel: &Channel,
    update: &ChannelOrderUpdate,
    seen: Option<Order>,
    known: Option<&Recipient>,
) -> Result<(), Fault> {
    let is_open = |seen: &Order| {
        seen.channel_state()
            .is_some_and(|order_state| order_state.open_since(seen.placed_at).is_some())
    };
    match (&update.recipient, seen.filter(is_open)) {
        (Some(recipient), Some(seen)) if known != Some(recipient) => {
            store.channel_orders().put_recipient(&channel.channel_id, &seen, recipient, true).await
        }
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

/// What an attempt to write an order starts with.
enum Known {
    /// The order as it was read, if it exists.
    Read(Option<Box<Order>>),
    /// The order has changed since: it must be read again.
    Stale,
}

/// Upserts one order. Returns whether it was new or changed.
async fn upsert_one(
    store: &Store,
    channel: &Channel,
    id: &OrderId,
    update: &ChannelOrderUpdate,
    seen: Option<Order>,
    mappings: &BTreeMap<ProductId, Mapping>,
    upserted: &mut Upserted,
) -> Result<bool, Fault> {
    let mut known = Known::Read(seen.map(Box::new));
    let mut is_changed = false;
    loop {
        let attempt = |known| write(store, channel, id, update, mappings, known);
        let Some(changes) = optimistically_from(OFTEN_CHANGED, known, attempt).await? else {
            break;
        };
        is_changed = true;
        upserted.moved.extend(changes.iter().map(|change| change.product_id.clone()));
        if changes.len() < MAX_CHANGES {
            break;
        }
        known = Known::Stale;
    }
    upserted.changed += u32::from(is_changed);
    Ok(is_changed)
}

/// Writes an order once, with as many changes of stock as one transaction takes, and returns them.
/// `None` if there is nothing to write.
async fn write(
    store: &Store,
    channel: &Channel,
    id: &OrderId,
    update: &ChannelOrderUpdate,
    mappings: &BTreeMap<ProductId, Mapping>,
    known: Known,
) -> Result<Attempted<Option<Vec<StockChange>>, Known>, Fault> {
    let seen = match known {
        Known::Read(seen) => seen.map(|seen| *seen),
        Known::Stale => store.external_orders().get(id).await?,
    };
    let before = seen.as_ref().and_then(Order::channel_state).cloned().unwrap_or_default();
    let mut order_state = before
        .with(update, |product| mappings.get(product).map(|mapping| mapping.product_id.clone()));
    if seen.is_none() && order_state.items.is_empty() {
        // The order is unknown and the update has only pending claims: there is nothing to store.
        return Ok(Done(None));
    }
    let mut changes = Vec::new();
    if !order_state.is_fully_reserved() {
        let reserved: BTreeSet<&ProductId> = order_state.reserved_products().collect();
        let reserved: Vec<ProductId> = reserved.into_iter().cloned().collect();
        changes = order_state.reserve(&store.stock().quantities(&reserved).await?, MAX_CHANGES);
    }
    if seen.is_some() && order_state == before {
        return Ok(Done(None));
    }
    let channel_products: Vec<ProductId> =
        changes.iter().map(|change| change.channel_product_id.clone()).collect();
    let mapped = store
        .channel_products()
        .mappings_of(&channel.channel_id, &channel_products)
        .await?
        .into_keys()
        .collect();
    let now = store.now();
    // An order that was already over when it was first reported needs no recipient.
    let is_over = order_state.open_since(now).is_none();
    let recipient = update.recipient.as_ref().filter(|_| seen.is_some() || !is_over);
    let order = order(channel, id, update, seen.as_ref(), order_state, now)?;
    let order = advance(seen.as_ref(), order, &Actor::System, now, now);
    let row = ChannelOrder {
        channel_id: &channel.channel_id,
        order: &order,
        seen_version: seen.as_ref().map_or(0, |seen| seen.version),
        recipient,
        changes: &changes,
        mapped: &mapped,
        now,
    };
    let is_written = store.channel_orders().put(&row).await?;
    Ok(if is_written { Done(Some(changes)) } else { Conflict(Known::Stale) })
}

/// Builds the order of the standard model from the state of its items.
fn order(
    channel: &Channel,
    id: &OrderId,
    update: &ChannelOrderUpdate,
    known: Option<&Order>,
    order_state: ChannelOrderState,
    now: Timestamp,
) -> Result<Order, Fault> {
    let items = order_state.lines();
    let lines: Vec<Line> = items.iter().map(line).collect::<Result<_, _>>()?;
    let original_amount = sum(lines.iter().map(|line| line.total_price))?;
    let discount_amount = sum(items.iter().map(|item| item.discount))?.min(original_amount);
    let total_amount = original_amount.less(discount_amount);
    let placed_at = update.placed_at_least().unwrap_or(now);
    let buyer = update.buyer.as_deref().unwrap_or(update.external_order_id.as_str());
    let inflow =
        update.items.values().flat_map(BTreeMap::values).find_map(|item| item.inflow.as_deref());
    let campaign = update.campaign_id.clone().or_else(|| inflow.map(CampaignId::of_inflow));
    let customer =
        || update.customer_id.clone().unwrap_or_else(|| CustomerId::of_buyer(&channel.salt, buyer));
    // Customer, campaign and time of placement never change: read models have counted by them.
    let reported = Order::reported(
        id.clone(),
        Origin::Channel(Box::new(ChannelOrigin {
            source: channel.channel_id.source(),
            external_order_id: update.external_order_id.clone(),
            order_state,
        })),
        known.map_or_else(customer, |known| known.customer_id.clone()),
        known.map_or(placed_at, |known| known.placed_at),
    );
    let mut order = Order {
        campaign_id: known.map_or(campaign, |known| known.campaign_id.clone()),
        lines,
        original_amount,
        discount_amount,
        total_amount,
        payment: Payment::due(PaymentMethod::External, total_amount),
        ..reported
    };
    derive_payment(&mut order, &ExternalPayment { status: None, paid_at: update.paid_at }, known);
    Ok(order)
}

fn sum(mut amounts: impl Iterator<Item = Won>) -> Result<Won, Fault> {
    amounts.try_fold(Won::ZERO, Won::plus).map_err(Fault::broken)
}

fn line(line: &channel::Line<'_>) -> Result<Line, Fault> {
    let channel::Item { product_id, name, unit_price, channel_status, inflow, .. } =
        &line.item_state.item;
    let reservation = line.item_state.reservation.as_ref();
    Ok(Line {
        product_id: product_id.clone(),
        // An own order never exceeds the maximum. A channel order that does is stored with the
        // maximum.
        quantity: Quantity::try_from(i64::from(line.units).min(Quantity::MAX))
            .map_err(Fault::broken)?,
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
            shortfall: reservation.map_or(0, |reservation| reservation.shortfall),
        }),
    })
}
