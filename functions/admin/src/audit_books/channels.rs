//! Channel orders: their stock movements and their entries in the channels' lists. Both are written
//! in one transaction with the order.

use super::{Findings, LISTED, RESERVED, TOOK};
use domain::{ChannelId, Fault, ProductId, SourceId, channel::ChannelOrderState, order::Order};
use std::collections::{BTreeMap, BTreeSet};
use store::Store;

/// Checks a page of external orders. Those of channels are checked against their stock movements
/// and their channels' lists.
pub(super) async fn audit(
    store: &Store,
    orders: &[Order],
    findings: &mut Findings,
) -> Result<(), Fault> {
    let mut listed: Vec<(ChannelId, &Order)> = Vec::new();
    for order in orders {
        let channel = order.source().and_then(|(source, _)| SourceId::channel(source));
        let Some((order_state, channel)) = order.channel_state().zip(channel) else { continue };
        listed.push((channel, order));
        audit_reserved(store, order, order_state, findings).await?;
        let mut reserved: BTreeMap<&ProductId, i64> = BTreeMap::new();
        for reservation in
            order_state.items.values().filter_map(|item_state| item_state.reservation.as_ref())
        {
            *reserved.entry(&reservation.product_id).or_default() +=
                i64::from(reservation.reserved);
        }
        for (product, reserved) in reserved {
            findings.checked(TOOK);
            let moved = store.channel_orders().stock_moved(&order.order_id, product).await?;
            if moved != reserved && is_unchanged(store, order).await? {
                findings.violation(
                    TOOK,
                    format!("order/{} product/{product}", order.order_id),
                    reserved,
                    moved,
                );
            }
        }
    }
    for ((_, order), status) in
        listed.iter().zip(store.channel_orders().listed_statuses(&listed).await?)
    {
        findings.checked(LISTED);
        let expected = order.status().to_string();
        if status.as_ref() != Some(&expected) && is_unchanged(store, order).await? {
            let actual = status.unwrap_or_else(|| "not listed".into());
            findings.violation(LISTED, format!("order/{}", order.order_id), expected, actual);
        }
    }
    Ok(())
}

/// Checks the reservations of an order against its items: each of the channel's products is in one
/// item, and no more units are reserved than were ordered.
async fn audit_reserved(
    store: &Store,
    order: &Order,
    order_state: &ChannelOrderState,
    findings: &mut Findings,
) -> Result<(), Fault> {
    let mut wrong = Vec::new();
    let mut packed: BTreeSet<&ProductId> = BTreeSet::new();
    for (id, item_state) in &order_state.items {
        findings.checked(RESERVED);
        if item_state.is_packed(id) && !packed.insert(&item_state.item.product_id) {
            wrong.push((
                id,
                "the product in one item".to_owned(),
                format!("{} in two", item_state.item.product_id),
            ));
        }
        let reserved = item_state.demand();
        if reserved > item_state.item.ordered {
            wrong.push((id, format!("at most {}", item_state.item.ordered), reserved.to_string()));
        }
    }
    if !wrong.is_empty() && is_unchanged(store, order).await? {
        for (id, expected, actual) in wrong {
            findings.violation(
                RESERVED,
                format!("order/{} item/{id}", order.order_id),
                expected,
                actual,
            );
        }
    }
    Ok(())
}

/// Whether an order is unchanged since it was read. If it changed, a mismatch proves nothing.
async fn is_unchanged(store: &Store, order: &Order) -> Result<bool, Fault> {
    let now = store.external_orders().get(&order.order_id).await?;
    Ok(now.is_some_and(|now| now.version == order.version))
}
