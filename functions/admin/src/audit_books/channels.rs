//! Orders of sales channels: what they took from our stock, and where they are listed. Both are written with the order.

use super::{Findings, LISTED, TOOK};
use domain::{ChannelId, Fault, ProductId, SourceId};
use events::Order;
use std::collections::BTreeMap;
use store::{Store, collected::CollectedOrder};

/// Holds the orders of a page, of which some are channels', against their movements of stock and their channels' lists.
pub(super) async fn audit(store: &Store, orders: &[CollectedOrder], findings: &mut Findings) -> Result<(), Fault> {
    let mut listed: Vec<(ChannelId, &Order)> = Vec::new();
    for CollectedOrder { order, pieces, .. } in orders {
        let Some((pieces, channel)) = pieces.as_ref().zip(order.source.as_ref().and_then(SourceId::channel)) else {
            continue;
        };
        listed.push((channel, order));
        let mut taken: BTreeMap<&ProductId, i64> = BTreeMap::new();
        for draw in pieces.items.values().filter_map(|piece| piece.draw.as_ref()) {
            *taken.entry(&draw.product_id).or_default() += i64::from(draw.taken);
        }
        for (product, taken) in taken {
            findings.checked(TOOK);
            let moved = store.moved_by(&order.order_id, product).await?;
            if moved != taken && is_still(store, order).await? {
                findings.violation(TOOK, format!("order/{} product/{product}", order.order_id), taken, moved);
            }
        }
    }
    for ((_, order), status) in listed.iter().zip(store.listed_statuses(&listed).await?) {
        findings.checked(LISTED);
        let expected = order.status.to_string();
        if status.as_ref() != Some(&expected) && is_still(store, order).await? {
            let actual = status.unwrap_or_else(|| "not listed".into());
            findings.violation(LISTED, format!("order/{}", order.order_id), expected, actual);
        }
    }
    Ok(())
}

/// Whether an order stands as it did when it was read; if not, it says nothing.
async fn is_still(store: &Store, order: &Order) -> Result<bool, Fault> {
    let now = store.collected_order(&order.order_id).await?;
    Ok(now.is_some_and(|now| now.order.version == order.version))
}
