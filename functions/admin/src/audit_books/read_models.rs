//! What is kept of orders beside them: their views, their places on stores' boards and in campaigns, the deliveries that wait
//! for a rider, the orders that customers have got. All follow by events, so an order that has just moved says nothing of
//! them.

use super::{ATTRIBUTED, BOARDED, COUNTED, Findings, VIEWED, WAITING};
use domain::{CustomerId, Fault, OrderId, Timestamp, order::Status};
use events::Order;
use std::time::Duration;
use store::{Store, boards::is_on_board};

/// By then an order's events have had their effect, unless something is broken.
const FOLLOWS_WITHIN: Duration = Duration::from_hours(1);

/// Holds what is kept of orders against the orders, those of a page: ours, and those that were collected.
pub(super) async fn audit(
    store: &Store,
    orders: &[Order],
    findings: &mut Findings,
    now: Timestamp,
) -> Result<(), Fault> {
    let at_rest: Vec<&Order> = orders.iter().filter(|order| order.updated_at.plus(FOLLOWS_WITHIN) < now).collect();
    audit_campaigns(store, &at_rest, findings).await?;
    let ours: Vec<&Order> = at_rest.into_iter().filter(|order| order.source.is_none()).collect();
    audit_views(store, &ours, findings).await?;
    audit_boards(store, &ours, findings, now).await?;
    audit_deliveries(store, &ours, findings).await?;
    audit_completed(store, &ours, findings).await
}

fn key_of(order: &Order) -> String {
    format!("order/{}", order.order_id)
}

/// Whether an order stands as it did when it was read; if not, it says nothing of what is kept of it.
async fn is_still(store: &Store, order: &Order) -> Result<bool, Fault> {
    let now = store.orders().any(&order.order_id).await?;
    Ok(now.is_some_and(|now| now.version == order.version))
}

/// A paid order that a campaign brought is among the campaign's as it stands.
async fn audit_campaigns(store: &Store, orders: &[&Order], findings: &mut Findings) -> Result<(), Fault> {
    let brought: Vec<&Order> =
        orders.iter().copied().filter(|order| order.campaign_id.is_some() && order.payment.paid_at.is_some()).collect();
    for (order, attributed) in brought.iter().zip(store.campaigns().stored(&brought).await?) {
        audit_copy(store, ATTRIBUTED, order, attributed, findings).await?;
    }
    Ok(())
}

/// A view is what its order says.
async fn audit_views(store: &Store, orders: &[&Order], findings: &mut Findings) -> Result<(), Fault> {
    let ids: Vec<OrderId> = orders.iter().map(|order| order.order_id.clone()).collect();
    for (order, viewed) in orders.iter().zip(store.order_views().stored(&ids).await?) {
        audit_copy(store, VIEWED, order, viewed, findings).await?;
    }
    Ok(())
}

/// A store's order is on its board as it stands.
async fn audit_boards(store: &Store, orders: &[&Order], findings: &mut Findings, now: Timestamp) -> Result<(), Fault> {
    let on_boards = orders.iter().copied().filter(|order| is_on_board(order, now));
    let on_boards: Vec<_> = on_boards.filter_map(|order| Some((order.store_id.as_ref()?, order))).collect();
    for ((_, order), boarded) in on_boards.iter().zip(store.boards().stored(&on_boards).await?) {
        audit_copy(store, BOARDED, order, boarded, findings).await?;
    }
    Ok(())
}

/// What is kept of an order is what it says.
async fn audit_copy(
    store: &Store,
    law: &'static str,
    order: &Order,
    kept: Option<Order>,
    findings: &mut Findings,
) -> Result<(), Fault> {
    findings.checked(law);
    if kept.as_ref() != Some(order) && is_still(store, order).await? {
        let told = |order: &Order| format!("version {}, {:?}", order.version, order.status);
        let actual = kept.as_ref().map_or_else(|| "there is none".to_owned(), told);
        findings.violation(law, key_of(order), told(order), actual);
    }
    Ok(())
}

/// A delivery waits for a rider exactly while its order is cooked.
async fn audit_deliveries(store: &Store, orders: &[&Order], findings: &mut Findings) -> Result<(), Fault> {
    let is_or_was_cooked = |order: &&&Order| {
        matches!(order.status, Status::Cooked | Status::PickedUp | Status::Completed) && order.store_id.is_some()
    };
    let orders: Vec<&&Order> = orders.iter().filter(is_or_was_cooked).collect();
    let ids: Vec<OrderId> = orders.iter().map(|order| order.order_id.clone()).collect();
    for (order, is_waiting) in orders.iter().zip(store.deliveries().are_waiting(&ids).await?) {
        findings.checked(WAITING);
        let is_cooked = order.status == Status::Cooked;
        if is_waiting != is_cooked && is_still(store, order).await? {
            let told = |waits| if waits { "it waits for a rider" } else { "it does not wait for a rider" };
            findings.violation(WAITING, key_of(order), told(is_cooked), told(is_waiting));
        }
    }
    Ok(())
}

/// Every completed order is counted among those that its customer has got.
async fn audit_completed(store: &Store, orders: &[&Order], findings: &mut Findings) -> Result<(), Fault> {
    let completed = orders.iter().filter(|order| order.status == Status::Completed);
    let completed: Vec<(CustomerId, OrderId)> =
        completed.map(|order| (order.customer_id.clone(), order.order_id.clone())).collect();
    for ((customer, order), is_counted) in completed.iter().zip(store.customers().are_counted(&completed).await?) {
        findings.checked(COUNTED);
        if !is_counted {
            findings.violation(COUNTED, format!("order/{order}"), format!("counted for {customer}"), "not counted");
        }
    }
    Ok(())
}
